"""A killed call of Snakemake stops no later one; a living one does. Runs the real Snakemake."""

import os
import signal
from contextlib import contextmanager

import pytest

from .test_reruns import ADAPTER, FIRST_LINE, wait_for

pytestmark = pytest.mark.workflow

WAIT = "import time; open('reached', 'w').close(); time.sleep(600)\n"
HOW = {"training": {"iterations": 30}}


@contextmanager
def training(checkout):
    """A call of Snakemake that is in the middle of a training until it is killed."""
    checkout.edit(ADAPTER, FIRST_LINE, FIRST_LINE + WAIT)
    process = checkout.start(**HOW)
    wait_for(checkout.path / "reached")
    checkout.edit(ADAPTER, WAIT, "")
    try:
        yield process
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def locks(checkout):
    return list(checkout.path.glob(".snakemake/locks/*"))


@pytest.mark.long
def test_only_the_lock_of_a_killed_call_is_removed(checkout):
    with training(checkout):
        refused = checkout.snakemake(**HOW)
        assert refused.code != 0
        assert "cannot be locked" in refused.text
        assert locks(checkout)

    assert checkout.snakemake("-n", **HOW).code == 0
    assert locks(checkout), "a dry run removes no lock"
    gone_on = checkout.snakemake(**HOW)
    assert gone_on.code == 0, gone_on.text
    assert "was killed. Its lock is removed" in gone_on.text
    assert "figures fig3" in gone_on.computed
    assert not locks(checkout)
    assert "was killed" not in checkout.snakemake(**HOW).text
