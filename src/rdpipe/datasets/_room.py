"""Room in memory, asked for before it is taken: files may promise more than any machine has."""

import os

from rdpipe.common.errors import RdpipeError


def check_room(what: str, nbytes: int, mend: str) -> None:
    """Refuse data that this machine's memory cannot hold.

    Parameters
    ----------
    what
        Names the data in the sentence; it is the subject.
    nbytes
        Bytes that the data take.
    mend
        What the user should do.

    Raises
    ------
    RdpipeError
        If the data need more than all memory of the machine.
    """
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if nbytes > memory:
        raise RdpipeError(
            f"{what} needs {nbytes / 1e9:,.0f} GB of memory, and this machine has "
            f"{memory / 1e9:,.0f}; {mend}."
        )
