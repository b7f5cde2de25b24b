# The words of this project; CI uses the same ones. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
CONFORMANCE ?= ../shared/conformance
export REMIT_CONFORMANCE := $(abspath $(CONFORMANCE))

.DEFAULT_GOAL := help
.PHONY: help setup run test test-long check bench proto fmt clean

help: ## list these words
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## install everything into .venv (quick the second time)

# The stamp follows the two files that say what is installed; the package itself is installed in place.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "remit needs Python 3.11 or later; `make PYTHON=python3.12 …` chooses one")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet -c constraints.txt --group dev --editable .
	@touch $@

run: setup ## serve on 127.0.0.1:50051 with data in ./data and a small organisation to try
	@$(BIN)/remit serve --data data --grpc 127.0.0.1:50051 --with-example

test: setup ## the suite: laws, worlds, crashes, conformance (under ten minutes on two cores)
	@$(BIN)/python -m pytest -n 2 --dist worksteal

test-long: setup ## the longer runs, seeds printed: a million relationships, many more random worlds
	@$(BIN)/python -m pytest -n 0 -m long -s -v --timeout 3600

check: setup ## format, lint, types, import contracts, generated code up to date
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python proto/generate.py --check

bench: setup ## measure: checks per second in process, latency over gRPC; results in bench/results
	@$(BIN)/python -m bench

proto: setup ## regenerate engine/remit/v1 from proto/
	@$(BIN)/python proto/generate.py

fmt: setup ## format and fix what can be fixed by a tool
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove what the words above made, except data
	@rm -rf $(VENV) build dist *.egg-info engine/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
