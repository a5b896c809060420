"""A SLURM of one node on this machine, from Debian's packages, for the time of a `with` block."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

ETC = Path("/etc/slurm")  # srun finds its configuration nowhere else, once inside a job
MUNGE = Path("/run/munge")
FREEZER = Path("/sys/fs/cgroup/freezer")
GPUS, CPUS, MEMORY = 2, 8, 64_000  # of the node, whatever the machine has

# As on most clusters, processes are tracked by cgroups, so that signals reach only the first
# process of a step; where these are not of version 1, all processes get them.
CGROUP = f"""\
CgroupPlugin=cgroup/v1
CgroupMountpoint={FREEZER.parent}
"""
SLURM = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort=26817
SlurmdPort=26818
SlurmUser=root
AuthType=auth/munge
AuthInfo=cred_expire=20  # seconds that a requeued job waits
ProctrackType=proctrack/{tracking}
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmdParameters=config_overrides
ReturnToService=2
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES State=UP PriorityTier=1
PartitionName=urgent Nodes=ALL State=UP PriorityTier=2
"""
GRES = "AutoDetect=off\nNodeName={host} Name=gpu File={folder}/gpu[0-{last}]\n"


@contextmanager
def one_node() -> Iterator[str]:
    """Start it, give the node's name, and leave the machine as it was found."""
    host = socket.gethostname().partition(".")[0]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-")))
        (folder / "state").mkdir()
        for i in range(GPUS):
            os.mknod(folder / f"gpu{i}", 0o20666, os.makedev(1, 3))  # such as /dev/null
        values = {"host": host, "folder": folder, "gpus": GPUS, "cpus": CPUS, "memory": MEMORY}
        tracking = "cgroup" if FREEZER.is_dir() else "linuxproc"
        stack.enter_context(
            _configured(
                {
                    "slurm.conf": SLURM.format(**values, tracking=tracking),
                    "gres.conf": GRES.format(**values, last=GPUS - 1),
                    "cgroup.conf": CGROUP if tracking == "cgroup" else "",
                }
            )
        )
        stack.callback(_remove_cgroups, host)
        if not _succeeds("munge", "--no-input"):
            if not MUNGE.exists():
                MUNGE.mkdir()
                stack.callback(shutil.rmtree, MUNGE)
            user = pwd.getpwnam("munge")
            os.chown(MUNGE, user.pw_uid, user.pw_gid)
            _daemon(stack, folder, "runuser", "-u", "munge", "--", "munged", "--foreground")
            wait_until(lambda: _succeeds("munge", "--no-input"), "munged answers")
        _daemon(stack, folder, "slurmctld", "-D")
        _daemon(stack, folder, "slurmd", "-D")
        wait_until(lambda: _succeeds("sinfo") and node_state().startswith("idle"), "an idle node")
        stack.callback(_end_jobs)
        yield host


def slurm(*command: str) -> str:
    """What a command of SLURM's prints."""
    done = subprocess.run(command, text=True, capture_output=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def node_state() -> str:
    """The state of the node, such as "idle", once for each partition."""
    return slurm("sinfo", "--noheader", "--format=%T")


def wait_until(true: Callable[[], bool], what: str, seconds: float = 180) -> None:
    """Wait for something to be the case."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"still waiting for {what}"
        time.sleep(0.5)


def _succeeds(*command: str) -> bool:
    return subprocess.run(command, capture_output=True).returncode == 0


def _daemon(stack: ExitStack, folder: Path, *command: str) -> None:
    """Run a daemon until the stack unwinds."""
    with (folder / "daemons.log").open("a") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    stack.callback(process.wait, 60)
    stack.callback(process.terminate)


@contextmanager
def _configured(files: dict[str, str]) -> Iterator[None]:
    """These configuration files in place of those that are there."""
    ETC.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="before-", dir=ETC) as saved:
        for name, text in files.items():
            if (ETC / name).exists():
                (ETC / name).rename(Path(saved) / name)
            (ETC / name).write_text(text)
        try:
            yield
        finally:
            for name in files:
                (ETC / name).unlink()
            for file in Path(saved).iterdir():
                file.rename(ETC / file.name)


def _end_jobs() -> None:
    slurm("scancel", "--user=root")
    wait_until(lambda: not slurm("squeue", "--noheader"), "the end of all jobs")


def _remove_cgroups(host: str) -> None:
    for group in sorted(FREEZER.parent.glob(f"*/slurm_{host}/**/"), reverse=True):
        group.rmdir()
