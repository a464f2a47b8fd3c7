# The words of this repository; CI (.ci/run) uses the same. Everything is installed into .venv.
#
#   make quickstart   raw text to a useful BERT, in minutes    ARGS="--text my/texts" for your own
#   make test         the tests                                ARGS="tests/encoder -k shape"
#   make check        format, lint, types, import contract, licences, installed packages
#   make format       rewrite the code in the one format
#   make bench        filbert beside its peers, ratios printed (long; leave the machine alone)
#   make bench BENCH=pretrain_loss     one by its name; studies of an hour or two run only so
#   make faults       the long fault runs: kills, full disks
#   make clean        remove .venv and what the tools left; runs/ stays

.DEFAULT_GOAL := help
SHELL := /bin/sh
ARGS ?=
WORKERS ?= 2

# The first Python that is new enough; PYTHON=… chooses another.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	"$$python" -c "$(NEW_ENOUGH)" 2>/dev/null && { echo "$$python"; break; }; done)

# Relative on purpose: pip splits this variable at spaces, and the checkout's path may have some.
export PIP_CONSTRAINT := constraints.txt

VENV := .venv
BIN := $(VENV)/bin
FILES := pyproject.toml constraints.txt

.PHONY: help quickstart test faults check format bench clean \
	check-format check-lint check-types check-imports check-licences check-packages

help:
	@sed -n 's/^#   \(make .*\)/\1/p' Makefile

# A .venv that is there (made by hand, or by an older Python that has moved) is kept if its Python
# runs. An old pip does not know every wheel: the venv's own is renewed first.
$(VENV)/.made:
	@test -n "$(PYTHON)" || { echo "make: filbert needs Python 3.11 or newer as python3 on the PATH, or PYTHON=/path/to/python" >&2; exit 1; }
	@$(BIN)/python -c "$(NEW_ENOUGH)" 2>/dev/null || "$(PYTHON)" -m venv --clear $(VENV) || \
		{ echo "make: could not make $(VENV) (Debian: apt-get install python3-venv)" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

# One stamp for each set of extras: the quickstart's users need not wait for the developers' tools.
$(VENV)/.installed-run: $(VENV)/.made $(FILES)
	@echo 'installing into $(VENV): some minutes the first time'
	$(BIN)/python -m pip install --quiet --editable '.[train,data,report]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.made $(FILES)
	@echo 'installing into $(VENV): some minutes the first time'
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(VENV)/.installed-run $@

$(VENV)/.installed-bench: $(VENV)/.made $(FILES)
	@echo 'installing into $(VENV): some minutes the first time'
	$(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $(VENV)/.installed-run $@

quickstart: $(VENV)/.installed-run
	$(BIN)/filbert quickstart $(ARGS)

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) $(ARGS)

faults: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m faults $(ARGS)

check: check-format check-lint check-types check-imports check-licences check-packages

check-format: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .

check-lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .

check-types: $(VENV)/.installed-dev
	$(BIN)/mypy

check-imports: $(VENV)/.installed-dev
	$(BIN)/lint-imports

check-licences: $(VENV)/.installed-dev
	$(BIN)/python scripts/check_licences.py

check-packages: $(VENV)/.installed-dev
	$(BIN)/python -m pip check

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Studies train for their whole time, an hour or two each: they run only when they are named.
STUDIES := finetune optimizers pretrain_loss
BENCH ?= $(filter-out $(STUDIES),$(patsubst benchmarks/%.py,%,$(sort $(wildcard benchmarks/*.py))))

bench: $(VENV)/.installed-bench
	@set -e; for name in $(BENCH); do echo "== $$name"; $(BIN)/python "benchmarks/$$name.py" $(ARGS); done

clean:
	rm -rf $(VENV) build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find src tests scripts benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
