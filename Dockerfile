# The versions of requirements.lock: docs/module.md. The workflow itself is the clone in /study.
FROM python:3.11-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /rdpipe
COPY requirements.lock ./
RUN pip install --no-cache-dir --requirement requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
RUN pip install --no-cache-dir --no-deps .
# caches of Snakemake and matplotlib, for a user without a home
ENV HOME=/tmp PYTHONPATH=/study/src
WORKDIR /study
CMD ["snakemake", "--cores", "all"]
