# `make demo` and `make test` are all that a fresh machine needs; `make` alone lists the rest.
.DEFAULT_GOAL := help
# The steps share one virtual environment and the tests' summary is to stand last, also with -j.
.NOTPARALLEL:

PYTHON ?= python3
# Processes that the tests are spread over.
WORKERS ?= 2
# What the tools remember between runs is kept out of the checkout, and apart from what xenbump
# itself may keep, so that `make clean` takes away nothing else.
CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/xenbump/dev
export PYTHON CACHE
export RUFF_CACHE_DIR := $(CACHE)/ruff
export MYPY_CACHE_DIR := $(CACHE)/mypy
export HYPOTHESIS_STORAGE_DIRECTORY := $(CACHE)/hypothesis

.PHONY: help demo test lint types pytest format bench floors clean ready

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

# The demo has an environment without the development tools, so it fails if a run-time dependency
# is not declared.
demo: ## run the main job on an embedded example (ARGS='...' is passed on)
	@sh tools/prepare.sh demo
	@sh tools/venv.sh .venv-demo .
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

bench: ready ## run every benchmark
	@set -e; for file in bench/*.py; do echo "== $$file"; .venv/bin/python "$$file"; done

floors: ## run the tests with the lowest declared run-time dependencies
	@sh tools/prepare.sh test
	@sh tools/floors.sh $(ARGS)

clean: ## remove the virtual environments and the tools' caches
	rm -rf .venv .venv-demo '$(CACHE)'
	find xenbump tests bench tools -name __pycache__ -prune -exec rm -rf {} +

ready:
	@sh tools/prepare.sh test
	@sh tools/venv.sh .venv '.[dev]'
