# Read by the shell of every SLURM job, before it calls Snakemake (`precommand` in config.yaml):
# job.py takes its place, run by the Python that the job's script calls, and calls the rest.
if [ -z "$RDPIPE_JOB" ]; then
    export RDPIPE_JOB=1
    python=$(sed -n 's/.*job\.sh && \([^ ]*\) -m snakemake .*/\1/p' "$0")
    exec "$python" profiles/slurm/job.py "$0"
fi
