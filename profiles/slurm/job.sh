# The shell of every SLURM job reads this file before it calls Snakemake (`precommand` in
# config.yaml). job.py then takes the place of the shell and runs the rest of the job's script. The
# Python that runs job.py is the one that the script names.
if [ -z "$RDPIPE_JOB" ]; then
    export RDPIPE_JOB=1
    python=$(sed -n 's/.*job\.sh && \([^ ]*\) -m snakemake .*/\1/p' "$0")
    exec "$python" profiles/slurm/job.py "$0"
fi
