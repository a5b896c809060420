"""Run the script of a SLURM job, which calls Snakemake; pass signals on; run arrays directly.

Signals: SLURM announces the end of a job (its time limit, preemption, scancel) with SIGTERM. As a
rule it sends SIGTERM only to the first process of each step. These are the job's shell, which would
end the job, and Snakemake, which does not pass it on. So this process takes the place of the shell
and passes the signal on to the script of the job's rule, which saves its state.

Arrays: the plugin (2.8.0, its issue 447) lets each task of an array call Snakemake for the array's
first job, and that Snakemake calls the task's own job. So a task waits for the results of the first
job, and removes them if its own job fails. Here the task's own job is called directly. Its command
is in a private format of the plugin, so pyproject.toml admits only releases whose format is known.
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
    """The shell command of a task of an array, or of a single job, from the job's script."""
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
        with suppress(psutil.Error):  # another user's process, or one that has ended
            if process.environ().get("SLURM_JOB_ID") == os.environ["SLURM_JOB_ID"] and any(
                "snakemake/scripts/" in argument for argument in process.cmdline()
            ):
                process.send_signal(number)


def main(script: Path) -> int:
    """Run the job and return its exit status."""
    command = call(script.read_text(), os.environ.get("SLURM_ARRAY_TASK_ID"))
    # if SLURM signals all processes, those between this one and the script must survive it
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    process = subprocess.Popen(["/bin/sh", "-c", command])
    signal.signal(signal.SIGTERM, pass_on)
    return process.wait()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
