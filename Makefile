# SPDX-License-Identifier: Apache-2.0
# Every target sets up what it needs. A machine needs Python 3.11 or newer with pip and venv, and make.
#   ARGS      handed to the program:  make test ARGS="-k scope"   make demo ARGS="--help"
#   PARALLEL  how pytest spreads the suite over the processors; empty: not at all
#   PYTHON    the interpreter to build on; by default the first of python3.11, 3.12, ... that works

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
ARGS ?=
# One worker a processor; tests that share something expensive share a worker. PARALLEL= runs them one by one.
PARALLEL ?= -n logical --maxprocesses 8 --dist loadgroup
MARKED := backends or hosts or slow_install

find-python = for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
  $$p -c 'import sys; sys.version_info < (3, 11) and sys.exit(1); print(sys.executable)' 2>/dev/null && break; done
PYTHON ?= $(shell $(find-python))

# uv from PATH, else our own, installed with pip into .build/uv (the user's site-packages stay untouched).
UV := $(or $(shell command -v uv 2>/dev/null),.build/uv/bin/uv)
export UV_PYTHON_DOWNLOADS := never
unexport PYTHONPATH UV_PROJECT_ENVIRONMENT VIRTUAL_ENV

PROJECTS := pyproject.toml $(wildcard core/pyproject.toml integrations/*/pyproject.toml packages/*/pyproject.toml)
VENV := .venv/bin
READY := .venv/.ready

##@ Use

.PHONY: help
help: ## This list
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
	  /^[a-z0-9.%-]+:.*## / {sub("%", "N", $$1); printf "  make %-13s %s\n", $$1, $$2}' Makefile
	@echo

.PHONY: demo
demo: $(READY) ## Run a real LangGraph agent on loopback, show its tree, leave its files in .nemo-relay/
	@$(VENV)/python examples/demo.py $(ARGS)

.PHONY: test
test: $(READY) ## Run the test suite
	$(VENV)/python -m pytest $(PARALLEL) $(ARGS)

.PHONY: test-quick
test-quick: $(READY) ## Run the tests of the core and the packages that take no longer than a moment
	$(VENV)/python -m pytest $(PARALLEL) -q -m quick $(or $(ARGS),core packages)

.PHONY: check
check: $(READY) ## Lint, format, types, import contracts, house rules
	$(VENV)/ruff check .
	$(VENV)/ruff format --check .
	$(VENV)/python scripts/house.py
	$(VENV)/python scripts/merged_tree.py
	$(VENV)/python scripts/import_cycles.py
	$(VENV)/python scripts/private_names.py
	$(VENV)/mypy .build/merged scripts examples benchmarks
	PYTHONPATH=.build/merged:scripts $(VENV)/lint-imports --no-logo --config pyproject.toml

.PHONY: bench
bench: $(READY) ## Run the paired benchmarks (against the published package where it is installed)
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(VENV)/python $$script $(ARGS); done

.PHONY: docs
docs: .build/docs/.ready ## Build the documentation into site/
	@.build/docs/bin/python scripts/merged_tree.py
	NO_MKDOCS_2_WARNING=1 .build/docs/bin/mkdocs build --strict $(ARGS)

##@ Work

.PHONY: sync
sync: $(READY) ## Set up .venv with every distribution (editable) and the tools
	@echo "ready: .venv"

.PHONY: fix
fix: $(READY) ## Format, and mend what ruff can mend
	$(VENV)/ruff check --fix .
	$(VENV)/ruff format .

# pytest exits with 5 when nothing carries one of the markers.
.PHONY: test-marked
test-marked: $(READY) ## Run the tests that `make test` leaves out: they install hosts and back ends, or take long
	$(VENV)/python -m pytest -m "$(MARKED)" $(ARGS) || { code=$$?; [ $$code = 5 ] || exit $$code; }

# The framework's own tracer stands in the same callbacks; its endpoint is a port where nobody listens.
.PHONY: test-langsmith
test-langsmith: $(READY) ## Run the adapters' tests with LangSmith's tracing on
	LANGSMITH_TRACING=true LANGSMITH_ENDPOINT=http://127.0.0.1:9 LANGSMITH_API_KEY=none \
	  $(VENV)/python -m pytest $(PARALLEL) integrations/langchain integrations/langgraph integrations/deepagents $(ARGS)

# explicit, thread or imported: somebody carries the scope stack by hand, and every span has its place all the same.
test-stack-%: $(READY) ## Run the adapters' tests on a scope stack that is explicit, a thread's or imported
	$(VENV)/python -m pytest $(PARALLEL) integrations/langchain integrations/langgraph integrations/deepagents \
	  --scope-stack $* $(ARGS)

.PHONY: test-fuzz
test-fuzz: $(READY) ## Run the long random searches; they are no gate, what they find becomes a test
	$(VENV)/python -m pytest -m fuzz $(ARGS)

test-3.%: .build/python3.%/.ready ## Run the test suite on another Python, in a venv of its own
	.build/python3.$*/bin/python -m pytest $(PARALLEL) $(ARGS)

.PHONY: test-lowest
test-lowest: $(READY) ## Run the adapters' tests on the oldest frameworks that their metadata admits
	$(VENV)/python scripts/version_matrix.py lowest-plain $(ARGS)
	$(VENV)/python scripts/version_matrix.py lowest $(ARGS)

.PHONY: test-newest
test-newest: $(READY) ## Run the adapters' tests on the newest frameworks that the registry has
	$(VENV)/python scripts/version_matrix.py newest $(ARGS)

.PHONY: cassettes
cassettes: $(READY) ## Record the provider traffic and the golden files in cassettes/ anew
	$(VENV)/python scripts/record_cassettes.py

.PHONY: wheels
wheels: $(READY) ## Build every wheel into dist/
	$(VENV)/python scripts/wheels.py dist

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf .build .venv dist site .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# --- set up, each once -------------------------------------------------------------------------------------

.build/uv/bin/uv:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer is needed, and none was found. Install it, or say: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "uv is missing: installing it into .build/uv"
	@"$(PYTHON)" -m venv .build/uv
	@.build/uv/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.8,<1"

$(READY): $(PROJECTS) | $(UV)
	@echo "setting up .venv"
	@$(UV) sync --quiet $(if $(PYTHON),--python "$(PYTHON)")
	@touch $@

.PRECIOUS: .build/python3.%/.ready
.build/python3.%/.ready: $(PROJECTS) | $(UV)
	@echo "setting up .build/python3.$*"
	@UV_PROJECT_ENVIRONMENT=.build/python3.$* $(UV) sync --quiet --python 3.$*
	@touch $@

.build/docs/.ready: $(PROJECTS) | $(UV)
	@echo "setting up .build/docs"
	@UV_PROJECT_ENVIRONMENT=.build/docs $(UV) sync --quiet --only-group docs $(if $(PYTHON),--python "$(PYTHON)")
	@touch $@
