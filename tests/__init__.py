"""Tests, one folder for each room of the library and one for real Snakemake runs."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
