"""Whether SLURM can take a study's jobs: asked once, before the first is submitted.

Snakemake's plugin finds out job by job, with a traceback or its whole command line for each; and
where SLURM keeps no accounts it would wait for ever for the state of its jobs.
"""

import shutil
import subprocess
from collections.abc import Iterable

from rdpipe.common.errors import RdpipeError

PROFILE = "profiles/slurm/config.yaml"


def check(partitions: Iterable[str], status_command: str | None) -> None:
    """Refuse what no job could be submitted to, or followed in.

    Parameters
    ----------
    partitions
        Those that jobs ask for.
    status_command
        What the plugin asks for the state of jobs: "sacct" or "squeue".

    Raises
    ------
    RdpipeError
        If SLURM's commands are not there or get no answer, it has no such partition, or it keeps
        none of the accounts that `sacct` would read.
    """
    if not shutil.which("sbatch"):
        raise RdpipeError(
            "SLURM's commands are not on the PATH (there is no sbatch): call Snakemake on a login "
            "node of the cluster, or leave out --workflow-profile to compute on this machine."
        )
    known = _ask("sinfo", "--noheader", "--format=%R").split()
    for partition in partitions:
        unknown = [name for name in partition.split(",") if name not in known]
        if unknown:
            raise RdpipeError(
                f"SLURM has no partition {unknown[0]!r}, only {', '.join(sorted(set(known)))}; "
                f"mend slurm_partition in {PROFILE}."
            )
    if status_command == "sacct":
        try:
            _ask("sacct", "--noheader", "--allocations", "--starttime=now")
        except RdpipeError as error:
            raise RdpipeError(
                f"{str(error).rstrip('.;')}: where SLURM keeps no accounts, add "
                f"'slurm-status-command: squeue' to {PROFILE}."
            ) from None


def _ask(*command: str) -> str:
    """What a command of SLURM's answers."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except OSError as error:
        why = str(error)
    except subprocess.CalledProcessError as error:
        why = (error.stderr.strip() or str(error)).splitlines()[-1]
    raise RdpipeError(f"SLURM does not answer {command[0]} ({why}).")
