"""Run the script of a SLURM job. The script calls Snakemake. This file adds two things.

Signals. SLURM announces the end of a job (time limit, preemption, scancel) with SIGTERM. As a rule
only the first process of each step gets it. Without this file, that is the job's shell, and the end
of the shell ends the job; or it is Snakemake, which does not pass the signal on. This process takes
the place of the shell. It passes the signal on to the script of the job's rule, and this script
saves its state.

Arrays. The plugin (2.8.0, its issue 447) submits an array so that each task calls Snakemake for the
first job of the array, and this Snakemake calls another one for the task's own job. A task then
waits for the results of the first job, and removes them if its own job fails. This file calls the
task's own job at once.
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
    """The shell command of an array's task, or of a single job, from the script of the job."""
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
        with suppress(psutil.Error):  # another user's process, or an ended one
            if process.environ().get("SLURM_JOB_ID") == os.environ["SLURM_JOB_ID"] and any(
                "snakemake/scripts/" in argument for argument in process.cmdline()
            ):
                process.send_signal(number)


def main(script: Path) -> int:
    """Run the job and return its exit status."""
    command = call(script.read_text(), os.environ.get("SLURM_ARRAY_TASK_ID"))
    # SLURM may signal all processes. Those between this one and the script must survive the signal.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    process = subprocess.Popen(["/bin/sh", "-c", command])
    signal.signal(signal.SIGTERM, pass_on)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
