"""Whether SLURM accepts a study's jobs, checked once before the first job is submitted.

Snakemake's plugin finds a fault job by job, and prints a traceback or its whole command line for
each. If SLURM keeps no accounts, the plugin waits for ever for the state of its jobs.
"""

import shutil
import subprocess
from collections.abc import Iterable

from rdpipe.common.errors import RdpipeError

PROFILE = "profiles/slurm/config.yaml"


def check(partitions: Iterable[str], status_command: str | None) -> None:
    """Check that jobs can be submitted to SLURM, and that their state can be read.

    Parameters
    ----------
    partitions
        Partitions that jobs ask for; an entry may name several, divided by commas.
    status_command
        Command by which the plugin asks for the state of jobs: "sacct" or "squeue".

    Raises
    ------
    RdpipeError
        If SLURM's commands are missing or get no answer, if there is no such partition, or if
        `sacct` is to be asked and SLURM keeps no accounts.
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
    """The output of one of SLURM's commands."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except OSError as error:
        why = str(error)
    except subprocess.CalledProcessError as error:
        why = (error.stderr.strip() or str(error)).splitlines()[-1]
    raise RdpipeError(f"SLURM does not answer {command[0]} ({why}).")
