"""What is checked of SLURM before jobs are submitted, and what runs in place of a job's shell."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import tomllib
from importlib.metadata import version
from unittest.mock import MagicMock

import pytest
import snakemake_executor_plugin_slurm as plugin
from packaging.requirements import Requirement
from packaging.version import Version

from rdpipe.common.errors import RdpipeError
from rdpipe.study import slurm
from tests import ROOT

PROFILE = ROOT / "profiles/slurm"


@pytest.fixture
def commands(tmp_path, monkeypatch):
    """A PATH with no commands but those that are given, as shell scripts."""
    monkeypatch.setenv("PATH", str(tmp_path))

    def give(**scripts):
        for name, script in scripts.items():
            (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
            (tmp_path / name).chmod(0o755)

    give(sbatch="", sinfo="echo cpu; echo gpu", sacct="")
    return give


@pytest.fixture
def job():
    """The module profiles/slurm/job.py."""
    spec = importlib.util.spec_from_file_location("job", PROFILE / "job.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def refusal(*arguments):
    """What `slurm.check` says that must refuse."""
    with pytest.raises(RdpipeError) as error:
        slurm.check(*arguments)
    return str(error.value)


def test_a_slurm_that_takes_the_jobs(commands):
    slurm.check(["gpu", "cpu,gpu"], "sacct")
    slurm.check([], None)


def test_no_slurm_on_the_path(commands, tmp_path):
    (tmp_path / "sbatch").unlink()
    assert refusal([], "squeue").startswith("SLURM's commands are not on the PATH")


@pytest.mark.parametrize("partition", ["gpus", "gpu,gpus"])
def test_an_unknown_partition(commands, partition):
    assert "no partition 'gpus', only cpu, gpu; mend" in refusal([partition], "squeue")


def test_a_slurm_that_does_not_answer(commands, tmp_path):
    commands(sinfo="echo first >&2; echo 'no controller' >&2; exit 1")
    assert refusal(["gpu"], "squeue") == "SLURM does not answer sinfo (no controller)."
    (tmp_path / "sinfo").unlink()
    assert "SLURM does not answer sinfo" in refusal(["gpu"], "squeue")


def test_a_slurm_that_keeps_no_accounts(commands):
    commands(sacct="echo 'storage is disabled' >&2; exit 1")
    assert "(storage is disabled): where SLURM keeps no accounts, add" in refusal(["gpu"], "sacct")
    slurm.check(["gpu"], "squeue")


@pytest.fixture
def array(tmp_path, monkeypatch):
    """The script of an array of calls, as the plugin gives it to sbatch."""
    # all that the plugin asks of a job but its call; none of it is in the script
    for name, answer in {
        "get_submit_command": "sbatch", "set_gres_string": "", "get_job_wildcards": "",
        "validate_slurm_extra": None, "apply_mem_fudge": "sbatch",
    }.items():  # fmt: skip
        monkeypatch.setattr(plugin, name, lambda *_, answer=answer, **__: answer)
    (tmp_path / "sbatch").write_text(
        "#!/bin/sh\nfor last; do :; done\n"
        f'case $last in --wrap=*) echo "${{last#--wrap=}}";; *) cat;; esac > {tmp_path}/script\n'
        "echo 17\n"
    )
    (tmp_path / "sbatch").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    def submit(*calls, as_script):
        executor = MagicMock(slurm_logdir=tmp_path / "logs", max_array_size=len(calls))
        executor.format_job_exec = lambda job: job.call
        executor.get_account_arg.return_value = iter([""])
        executor.workflow.executor_settings.pass_command_as_script = as_script
        plugin.Executor.run_array_jobs(executor, [MagicMock(call=call) for call in calls])
        assert not executor.logger.error.called, executor.logger.error.call_args
        return (tmp_path / "script").read_text()

    return submit


@pytest.mark.parametrize("as_script", [False, True])
def test_each_task_of_an_array_calls_its_own_job(job, array, as_script):
    script = array("echo one", "echo two", "echo 'three & more'", as_script=as_script)
    assert "one" in script
    assert "two" not in script
    assert job.call(script, "1").splitlines()[-1] == "echo one"
    assert job.call(script, "2") == "echo two"
    assert job.call(script, "3") == "echo 'three & more'"


def test_only_releases_of_the_plugin_whose_arrays_are_known_are_admitted():
    """The test above reads the arrays of the locked one."""
    name = "snakemake-executor-plugin-slurm"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    (requirement,) = map(Requirement, project["optional-dependencies"]["slurm"])
    lock = (ROOT / "requirements.lock").read_text()
    locked = Version(re.search(rf"^{name}==(\S+)$", lock, re.M)[1])
    next_minor = Version(f"{locked.major}.{locked.minor + 1}.0")
    assert requirement.name == name
    assert Version(version(name)) == locked
    assert locked in requirement.specifier
    assert next_minor not in requirement.specifier


def test_a_job_that_is_no_array_calls_its_script(job):
    assert job.call("#!/bin/sh\necho one", None) == "#!/bin/sh\necho one"


def test_the_signal_reaches_the_script_of_the_job_and_nothing_else(job, tmp_path, monkeypatch):
    scripts = tmp_path / ".snakemake/scripts"
    scripts.mkdir(parents=True)
    (scripts / "wait.py").write_text("import time; time.sleep(60)")
    (tmp_path / "wait.py").write_text("import time; time.sleep(60)")

    def start(file, number):
        environment = os.environ | {"SLURM_JOB_ID": number}
        return subprocess.Popen([sys.executable, str(file)], env=environment)

    ours = start(scripts / "wait.py", "17")
    others = [start(scripts / "wait.py", "18"), start(tmp_path / "wait.py", "17")]
    monkeypatch.setenv("SLURM_JOB_ID", "17")
    job.pass_on(signal.SIGTERM, None)
    assert ours.wait(10) == -signal.SIGTERM
    assert [process.poll() for process in others] == [None, None]
    for process in others:
        process.kill()
        process.wait()


def test_the_shell_of_a_job_is_replaced_and_its_status_kept(tmp_path):
    """job.sh finds the Python that its script calls, and runs the rest once."""
    script = tmp_path / "slurm_script"
    call = f"{sys.executable} -m snakemake --version"
    parent = "tr '\\0' ' ' < /proc/$PPID/cmdline"
    script.write_text(f"#!/bin/sh\n\n. profiles/slurm/job.sh && {call}\n{parent}\nexit 3")
    command = ["/bin/sh", str(script)]
    done = subprocess.run(command, cwd=PROFILE.parents[1], text=True, capture_output=True)
    assert done.returncode == 3
    version, parent = done.stdout.splitlines()
    assert version.count(".") == 2
    assert parent.strip() == f"{sys.executable} profiles/slurm/job.py {script}"
