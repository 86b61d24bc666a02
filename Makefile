# Everything a person runs. Each target sets up what it needs; only Python >= 3.11 and make are assumed.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(READY)  ## virtual environment from pinned requirements

$(READY): requirements.txt requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "SSPP needs Python >= 3.11 ($(PYTHON) is older); set PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments; install python3-venv or set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r requirements.txt -c requirements.lock
	@# The programs in $(BIN) (functions-framework, pytest) find events and functions from any folder.
	@echo "$(CURDIR)" > "$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')/sspp.pth"
	@# The command line, from any folder, also one with a functions/ of its own (-P).
	@printf '#!/bin/sh\nexec "%s/python" -P -m functions.cli "$$@"\n' "$(CURDIR)/$(BIN)" > $(BIN)/sspp && chmod +x $(BIN)/sspp
	@touch $@

run: $(READY)  ## start every part on this machine; Ctrl-C drains and stops
	@exec $(BIN)/python -m functions.local

demo: $(READY)  ## send a made-up sales week to a running `make run`, print the accounts
	@exec $(BIN)/python -m functions.local.demo

test: $(READY) lint type  ## every check and test
	$(BIN)/python -m pytest

lint: $(READY)  ## ruff and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

type: $(READY)  ## mypy --strict
	$(BIN)/mypy

bench: $(READY)  ## measure on this machine, as ratios; writes bench.json
	@exec $(BIN)/python -m tests.bench

faults: $(READY)  ## break every part under load, over a million events; a line each. ARGS="--only poison"
	@exec $(BIN)/python -m tests.faults $(ARGS)

clean:  ## remove the virtual environment and caches; local state in .sspp/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .cache

.PHONY: help setup run demo test lint type bench faults clean
