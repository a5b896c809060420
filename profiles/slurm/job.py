"""Run the script of a SLURM job, which calls Snakemake, and see to two things that it does not.

Signals: SLURM announces the end of a job (its limit, preemption, scancel) with SIGTERM, as a rule
only to the first process of each step. That would be the job's shell, whose end is the job's; and
Snakemake, which keeps it for itself. This process takes the shell's place and passes the signal on
to the script of the job's rule, which saves its state.

Arrays: as the plugin submits them (2.8.0, its issue 447), a task calls Snakemake for the array's
first job, and that again for the task's own. So it waits for the first job's results, and removes
them if its own job fails. Here the task's own job is called at once.
"""

import base64
import json
import os
import re
import signal
import subprocess
import sys
import zlib
from contextlib import suppress
from pathlib import Path

import psutil

OF_OTHERS = re.compile(r"\s+--slurm-jobstep-array-execs[=\s]+(\S+)")  # {task: call, compressed}


def call(script: str, task: str | None) -> str:
    """The shell command of an array's task, or of a job that is none, from the job's script."""
    found = OF_OTHERS.search(script)
    if not found:
        return script
    others = json.loads(base64.b64decode(found[1]))
    if task in others:
        return zlib.decompress(bytes.fromhex(others[task])).decode()
    return script[: found.start()]


def pass_on(number: int, _frame: object) -> None:
    """Send a signal to the script of the rule that this job runs."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # of someone else, or gone
            if process.environ().get("SLURM_JOB_ID") == os.environ["SLURM_JOB_ID"] and any(
                "snakemake/scripts/" in argument for argument in process.cmdline()
            ):
                process.send_signal(number)


def main(script: Path) -> int:
    """Run the job; its exit status."""
    command = call(script.read_text(), os.environ.get("SLURM_ARRAY_TASK_ID"))
    # where SLURM signals all processes, those between this one and the script must outlive it
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    process = subprocess.Popen(["/bin/sh", "-c", command])
    signal.signal(signal.SIGTERM, pass_on)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
