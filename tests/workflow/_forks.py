"""Calls of Snakemake, each a fork of one process that has already imported Snakemake.

Importing Snakemake takes most of the time of a call that finds nothing to do. The process imports
nothing of rdpipe before a fork, because each call must read the code of its own checkout. Jobs are
real processes: a job sets its number of threads before it imports PyTorch.
"""

import gc
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from tests import ROOT

SECONDS = 900  # a call that takes longer is ended; a busy machine is three times slower
# Root may do what file modes forbid; without its capabilities it is as any owner of the files.
NO_PRIVILEGES = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []


def run(arguments: Sequence[str], folder: Path, privileged: bool = False) -> tuple[int, str]:
    """Exit status and text of a call of Snakemake in a folder, with this process's environment."""
    output = folder / "printed.txt"
    umask = os.umask(0)
    os.umask(umask)
    call = [list(arguments), str(folder), str(output), dict(os.environ), umask]
    server = _server(privileged)
    print(json.dumps(call), file=server.stdin, flush=True)
    status = int(server.stdout.readline())
    return status, output.read_text("utf-8")


@cache
def _server(privileged: bool) -> subprocess.Popen:
    """A process that forks; it ends with this one, whose end closes its standard input."""
    command = [sys.executable, "-m", "tests.workflow._forks"]
    return subprocess.Popen(
        command if privileged else NO_PRIVILEGES + command,
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def serve() -> None:
    """Read calls as lines of JSON, and print the exit status of each."""
    import pydantic  # noqa: F401 - what the workflow imports, too
    from snakemake import cli

    cli.get_argument_parser()  # imports Snakemake's plugins
    gc.freeze()  # else each fork's collector would copy all pages
    for line in sys.stdin:
        arguments, folder, output, environment, umask = json.loads(line)
        child = os.fork()
        if child == 0:
            become(folder, output, environment, umask)
            sys.argv = [str(Path(cli.__file__).with_name("__main__.py")), *arguments]
            cli.main(arguments)
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def become(folder: str, output: str, environment: dict[str, str], umask: int) -> None:
    """Make this process what `python -m snakemake` is in a folder when its text goes to a file."""
    signal.alarm(SECONDS)
    os.umask(umask)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[0] = folder
    printed = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    for standard in (1, 2):
        os.dup2(printed, standard)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


if __name__ == "__main__":
    serve()
