# Everything runs from .venv, made by the first target that needs it. Python 3.11+ and make are all it takes.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
INSTALL := python -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt

# Compiled modules are kept, also where the environment asks for none: every process of a test would compile its sources
# again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install demo up test check lint manifests types pytest format bench schema histories audit soak

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

install: $(STAMP) ## a .venv with every pinned dependency

# The pip that a venv begins with may be years old, and take half a minute to choose among pinned versions. What our
# programs import is compiled here, for environments in which Python keeps no compiled modules; all that pip installs
# would take half a minute, and most of it is never imported.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/$(INSTALL) pip setuptools
	$(BIN)/$(INSTALL) --no-build-isolation -e '.[dev]'
	$(BIN)/python -c 'import devstack.demo, starter.cli.app, worker'
	touch $@

demo: $(STAMP) ## every process end to end on a fresh stack of its own
	$(BIN)/stockkeeper demo

up: $(STAMP) ## PostgreSQL, Temporal with its UI, and a worker, until Ctrl-C
	$(BIN)/stockkeeper up

# mypy takes one core for half a minute, so it runs beside the rest; the tests begin when what takes seconds is right.
test: $(STAMP) ## lint, types, imports, and the tests, in three processes with a stack each
	@$(MAKE) --no-print-directory --jobs 2 types lint pytest

check: lint types ## lint, format, types, import rules, compose file, Kubernetes manifests, dependencies

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker-compose.yml
	$(BIN)/python -m pip --disable-pip-version-check check
	$(BIN)/python -m devstack.audit
	@$(MAKE) --no-print-directory manifests

# Every overlay as `kubectl apply --kustomize` would send it, by the schemas of the oldest and the newest Kubernetes. Kinds
# that others define (KEDA, Prometheus' operator, Temporal's controller) have none there.
KUBERNETES := 1.30 1.37
manifests: $(STAMP)
	@set -e; built=$$(mktemp -d); trap 'rm -r "$$built"' EXIT; \
	for each in $$(find deploy/kubernetes/overlays -name kustomization.yaml -not -path '*/settings/*' | sort); do \
		$(BIN)/kubectl kustomize "$$(dirname "$$each")" > "$$built/$$(echo "$$each" | tr / -)"; \
	done; \
	for version in $(KUBERNETES); do \
		$(BIN)/kubernetes-validate --kubernetes-version $$version --strict --quiet --no-warn "$$built"/*; \
	done; \
	echo "Kubernetes manifests: fit $(KUBERNETES)"

types: $(STAMP)
	$(BIN)/mypy

# In the order of the folders: sorted by the number of tests, the files with few and long ones would come last, and
# one process would wait for the other. One process more than two cores, for the while that a test waits. What they
# import is compiled before by one process, or each would do it; if that fails, the tests say why. A process that ends in
# a test isn't replaced: pytest-xdist 3.8 would give the new one files that are done, and wait for ever for their results.
pytest: $(STAMP)
	@$(BIN)/python -m pytest --collect-only -qq > /dev/null 2>&1; \
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder \
		--max-worker-restart 0

format: $(STAMP) ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: $(STAMP) ## write stockkeeper/contracts/schema.json and database/schema.sql anew
	$(BIN)/python -m stockkeeper.contracts.schema > stockkeeper/contracts/schema.json.new
	mv stockkeeper/contracts/schema.json.new stockkeeper/contracts/schema.json
	$(BIN)/python -m devstack.schema > database/schema.sql.new
	mv database/schema.sql.new database/schema.sql

histories: $(STAMP) ## record the replay tests' histories anew (look at the diff: it is a wire change)
	$(BIN)/python -m tests.replay.record

bench: $(STAMP) ## the benchmarks of benchmarks/README.md, as ratios measured in one run
	$(BIN)/python -m benchmarks.run

# ADVISORIES is a checkout of the Python Packaging Advisory Database, for who has no network or a copy of their own.
ADVISORIES ?=
audit: $(STAMP) ## look the pinned dependencies up among known vulnerabilities, and write deploy/sbom.cdx.json
	@set -e; from="$(ADVISORIES)"; \
	if [ -z "$$from" ]; then \
		from=$$(mktemp -d); trap 'rm -rf "$$from"' EXIT; \
		git clone --quiet --depth 1 https://github.com/pypa/advisory-database "$$from"; \
	fi; \
	$(BIN)/python -m devstack.audit "$$from"

# Everything at once, for long: `make soak SEED=7 MINUTES=20`. The tables go into
# docs/benchmarks/faults.md. A part that finds something doesn't keep the next ones from running.
# Workers take seconds to begin again: where they die all the time, they do nothing else.
SEED ?= 1
MINUTES ?= 20
SKIPPED_MINUTES ?= 5
PAYLOADS ?= 10000
soak: $(STAMP) ## every process under faults, then with time skipped, then generated payloads
	status=0; \
	$(BIN)/python -m tests.faults.simulation $(SEED) $(MINUTES) --patience 180 \
		--often-workers 0.06 --often-connections 0.65 --often-servers 0.3 --write || status=1; \
	$(BIN)/python -m tests.faults.simulation.skipping $(SEED) $(SKIPPED_MINUTES) --write || status=1; \
	$(BIN)/python -m tests.faults.fuzz $(SEED) $(PAYLOADS) --write || status=1; \
	exit $$status
