# Needs make and Python 3.11 or newer; everything else comes from the locks in requirements/.

SHELL := /bin/sh
.DEFAULT_GOAL := help

# The first of these that is new enough and can make environments. `make PYTHON=...` chooses another.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
	if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
	then echo $$python; break; fi; done)
DATA ?= keytrail-data
ACCOUNT ?= 123456789012
REGION ?= us-east-1

BIN := .venv/bin
PIP := -m pip --disable-pip-version-check --quiet

.PHONY: help setup serve test check coverage bench lock clean

help:
	@echo 'make serve     start a server on this machine, with an account made on the first run'
	@echo 'make setup     make the environment .venv from requirements/run.lock'
	@echo 'make test      run every test'
	@echo 'make check     format, lint, types, import contracts, tidiness, documents'
	@echo 'make coverage  run every test and show the branches that none of them takes'
	@echo 'make bench     measure, and write docs/performance.md'
	@echo 'make lock      resolve the dependencies of pyproject.toml again (needs uv)'
	@echo 'make clean     remove the environments and caches; leaves $(DATA) alone'

setup: .venv/run.stamp
	@echo 'The environment is in .venv.'

serve: .venv/run.stamp
	@test -e '$(DATA)/ledger.db' || $(BIN)/keytrail init --data '$(DATA)' \
		--account '$(ACCOUNT)' --region '$(REGION)' --profile '$(DATA)/aws-config'
	@exec $(BIN)/keytrail serve --data '$(DATA)' --host 127.0.0.1

test: .venv/test.stamp
	$(BIN)/python -m pytest

check: .venv/test.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m pytest tests/test_tidy.py tests/test_docs.py

coverage: .venv/test.stamp
	$(BIN)/python -m pytest --cov --cov-report=term

bench: .venv/run.stamp .venv-bench/bench.stamp
	$(BIN)/python -m benchmarks

# --- environments --------------------------------------------------------------------------------
# A stamp is younger than what it was made from, so that the second run has nothing to do.

.venv/run.stamp: requirements/run.lock pyproject.toml | .venv/pyvenv.cfg
	$(BIN)/python $(PIP) install --require-hashes -r requirements/run.lock
	$(BIN)/python $(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

.venv/test.stamp: requirements/test.lock .venv/run.stamp
	$(BIN)/python $(PIP) install --require-hashes -r requirements/test.lock
	@touch $@

.venv-bench/bench.stamp: requirements/bench.lock | .venv-bench/pyvenv.cfg
	.venv-bench/bin/python $(PIP) install --require-hashes -r requirements/bench.lock
	@touch $@

.venv/pyvenv.cfg .venv-bench/pyvenv.cfg:
	@test -n '$(PYTHON)' || { echo 'No Python 3.11 or newer with the venv module was found (on' \
		'Debian: apt install python3-venv). Name one with make PYTHON=/path/to/python3.' >&2; exit 1; }
	$(PYTHON) -m venv $(@D)

# Versions that are locked stay unless pyproject.toml rules them out; UPGRADE=--upgrade renews all.
LOCK = uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
	--custom-compile-command 'make lock' $(UPGRADE)

lock:
	@command -v uv >/dev/null || { echo 'make lock needs uv: https://docs.astral.sh/uv/' >&2; exit 1; }
	$(LOCK) pyproject.toml --group build -o requirements/run.lock
	$(LOCK) pyproject.toml --group build --group test -o requirements/test.lock
	$(LOCK) --group bench -o requirements/bench.lock

clean:
	rm -rf .venv .venv-bench .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	rm -rf build keytrail.egg-info .coverage .coverage.*
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
