#!/bin/sh
# Run the tests of profiles/slurm, on a SLURM of this machine's own, where there can be one.
# What they need is installed; what they start and change is ended and undone.
set -eu

skip() {
    echo "test-slurm: skipped: $1"
    exit 0
}

[ "$(id -u)" = 0 ] || skip "only root can start a SLURM"
if pgrep -x slurmctld >/dev/null || pgrep -x slurmd >/dev/null; then
    skip "a SLURM runs here already"
fi
if ! { command -v slurmctld && command -v slurmd && command -v munged; } >/dev/null; then
    command -v apt-get >/dev/null || skip "SLURM can be installed by itself on Debian only"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update && apt-get install --yes --no-install-recommends munge slurm-wlm; } ||
        skip "Debian's packages munge and slurm-wlm cannot be installed"
fi
TEST_SLURM=1 exec .venv/bin/pytest tests/slurm --durations 3
