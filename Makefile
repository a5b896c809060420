# Two commands need nothing but git, make and Python >= 3.11: `make demo` and `make test`.
# Each first creates the environment in .venv, once, and again when the pins change.

PYTHON ?= python3
CORES ?= all
# The library's results come from this release; raise it by hand, then `make lock`.
TORCH := 2.13.0

BIN := .venv/bin
# Marks of what is installed: what running a study needs; and what only developers need.
INSTALLED := .venv/.installed
TOOLS := .venv/.tools

.DEFAULT_GOAL := help
.PHONY: help install demo tour test test-long faults fuzz soak test-slurm lint docs format lock schema bench clean

help: ## Show these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile

# Each mark is written last, so that an installation that fails half-way is taken up again.
$(INSTALLED): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "rdpipe needs Python 3.11 or newer, but '$(PYTHON)' is not: name one, as in" \
			"'make PYTHON=python3.12 …'." >&2; exit 1; }
	@echo "Installing the pinned environment into .venv (once; a few minutes)"
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --requirement requirements.lock
	$(BIN)/pip install --no-deps --editable .
	@touch $@

$(TOOLS): $(INSTALLED) requirements-dev.lock
	$(BIN)/pip install --requirement requirements-dev.lock --constraint requirements.lock
	@touch $@

install: $(INSTALLED) ## Create the environment in .venv, as the other targets do by themselves

demo: $(INSTALLED) ## Run a small study from data to a report (three minutes)
	$(BIN)/snakemake report --configfile config/demo.yaml --cores $(CORES)
	@echo "Done: open results/demo/report.html in a browser."

tour: $(INSTALLED) ## Draw every figure of Tetrominoes from a small study (longer than the demo)
	$(BIN)/snakemake report --configfile config/tour.yaml --cores $(CORES)

test: $(TOOLS) ## Run the tests, without the longest
	$(BIN)/pytest -n 2 -m "not long"

test-long: $(TOOLS) ## Run the longest: whole studies changed, killed, run side by side
	$(BIN)/pytest -n 2 -m long

faults: $(TOOLS) ## Try every fault and a thousand random orders on the store
	FAULTS=all $(BIN)/pytest -n 2 -rP tests/store/test_faults.py tests/store/test_power_cuts.py \
		tests/store/test_damage.py tests/store/test_interleavings.py

fuzz: $(TOOLS) ## Read 2,000 configs and 2,000 files made to do harm
	$(BIN)/pytest -n 2 --hypothesis-profile=fuzz tests/study/test_hostile.py tests/datasets/test_hostile.py

soak: $(TOOLS) ## Kill, damage and fill up a tiny study, and compare it with an undisturbed one
	$(BIN)/python -m tests.soak

test-slurm: $(TOOLS) ## Run the study of the tests on a SLURM of this machine's own (as root, on Debian)
	tests/slurm/run.sh

lint: $(TOOLS) ## Check style, types and the workflow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakemake --lint

# The team of the theme announces the end of MkDocs in every build; no warning of ours.
docs: $(TOOLS) ## Write the documentation as a site to site/, and check its links
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "Done: open site/index.html in a browser."

format: $(TOOLS) ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

# pip freeze knows the local builds (+cpu) and CUDA libraries of this machine; the locks do not.
lock: ## Resolve both lock files anew from pyproject.toml
	@fresh=$$(mktemp -d) && trap 'rm -rf "$$fresh"' EXIT && set -e; \
	pins() { $$fresh/bin/pip freeze --all --exclude pip --exclude-editable | \
	  grep -vE '^(cuda|nvidia|triton)' | sed 's/+.*//'; }; \
	$(PYTHON) -m venv $$fresh; \
	$$fresh/bin/pip install --editable '.[slurm]' torch==$(TORCH); \
	pins > $$fresh/run; \
	$$fresh/bin/pip install --editable '.[dev,docs,slurm,test]' torch==$(TORCH); \
	pins | grep -vxFf $$fresh/run > $$fresh/dev; \
	for lock in run dev; do \
	  file=requirements$$(test $$lock = dev && echo -dev).lock; \
	  { sed -n '/^#/p' $$file; cat $$fresh/$$lock; } > $$fresh/lock; \
	  cp $$fresh/lock $$file; \
	done

schema: $(INSTALLED) ## Write JSON schemas and docs/settings.md from rdpipe.study.settings
	$(BIN)/rdpipe schema > workflow/schemas/config.schema.json
	$(BIN)/rdpipe schema --overlay > workflow/schemas/overlay.schema.json
	$(BIN)/rdpipe settings > docs/settings.md

bench: $(INSTALLED) ## Measure what docs/performance.md shows, in small sizes
	$(BIN)/python benchmarks/all.py

clean: ## Remove the environment and all caches, but no results
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist site src/*.egg-info
	find benchmarks src tests workflow -name __pycache__ -prune -exec rm -rf {} +
