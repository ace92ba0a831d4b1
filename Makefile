# `make demo` and `make test` are all that a fresh machine needs; `make` alone lists the rest.
.DEFAULT_GOAL := help
# The steps share one virtual environment and the tests' summary is to stand last, also with -j.
.NOTPARALLEL:

PYTHON ?= python3
# Processes that the tests are spread over.
WORKERS ?= 2
# How long each target is fuzzed.
SECONDS ?= 60
# What the tools remember between runs is kept out of the checkout, and apart from what xenbump
# itself may keep, so that `make clean` takes away nothing else.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/xenbump/dev
export PYTHON CACHE
export RUFF_CACHE_DIR := $(CACHE)/ruff
export MYPY_CACHE_DIR := $(CACHE)/mypy
export HYPOTHESIS_STORAGE_DIRECTORY := $(CACHE)/hypothesis

.PHONY: help demo test lint types pytest format fuzz faults bench floors lock audit dist sbom clean ready

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# The demo has an environment without the development tools, so it fails if a run-time dependency
# is not declared.
demo: ## run the main job on an embedded example (ARGS='...' is passed on)
	@sh tools/prepare.sh demo
	@sh tools/venv.sh .venv-demo run
	@.venv-demo/bin/xenbump demo $(ARGS)

test: lint types pytest ## lint, types and tests: what CI runs

lint: ready ## check style, layout, import rules and shell scripts
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/lint-imports --no-cache
	@if command -v shellcheck >/dev/null; then set -x; shellcheck tools/*.sh .ci/run; fi

types: ready ## check the types
	.venv/bin/mypy
	.venv/bin/mypy bench tools

pytest: ready ## run the tests alone (ARGS='-k name' chooses some)
	.venv/bin/pytest -n $(WORKERS) --dist loadgroup -o cache_dir='$(CACHE)/pytest' $(ARGS)

format: ready ## lay the Python files out and repair what ruff can repair
	.venv/bin/ruff check --fix-only .
	.venv/bin/ruff format .

# It needs Python alone.
fuzz: ## feed everything that reads foreign text with inputs made up (SECONDS=60 for each target)
	@sh tools/prepare.sh demo
	@sh tools/venv.sh .venv dev
	.venv/bin/python tools/fuzz.py --seconds $(SECONDS) $(ARGS)

faults: ready ## kill a run after every effect, and let network, disk and programs fail
	.venv/bin/python tools/faults.py $(ARGS)

bench: ## run every benchmark and write docs/benchmarks.md
	@sh tools/prepare.sh test
	@sh tools/venv.sh .venv-bench bench
	.venv-bench/bin/python bench/run.py $(ARGS)

floors: ## run the tests with the lowest declared run-time dependencies
	@sh tools/prepare.sh test
	@sh tools/floors.sh $(ARGS)

lock: ## renew the locks in requirements/ (ARGS='--upgrade-package NAME': of one package alone)
	@sh tools/lock.sh $(ARGS)

audit: supply ## ask which locked packages have known faults
	@.venv-supply/bin/python tools/known_faults.py $(ARGS)

dist: supply ## build sdist and wheel of the commit twice and compare
	@sh tools/dist.sh

sbom: supply ## write what xenbump is made of to dist/
	@.venv-supply/bin/python tools/sbom.py dist/xenbump.cdx.json

clean: ## remove the virtual environments and the tools' caches
	rm -rf .venv .venv-demo .venv-bench .venv-supply '$(CACHE)'
	find xenbump tests bench tools -name __pycache__ -prune -exec rm -rf {} +

# Not for people: what the targets above need.
.PHONY: supply
supply:
	@sh tools/prepare.sh demo
	@sh tools/venv.sh .venv-supply supply

ready:
	@sh tools/prepare.sh test
	@sh tools/venv.sh .venv dev
