# The words of this project; CI uses the same ones. `make help` lists them.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
CONFORMANCE ?= ../shared/conformance
export REMIT_CONFORMANCE := $(abspath $(CONFORMANCE))

.DEFAULT_GOAL := help
.PHONY: help setup run test test-long fuzz check check-core bench siege proto client fmt clean

help: ## list these words
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  %-10s %s\n", $$1, $$2}'

setup: $(STAMP) ## install everything into .venv (quick the second time)

# The stamp follows what says what is installed, and the sources of the native core; the package itself is installed in
# place. Where no cargo is found that is new enough, all of Remit works on the engine in Python. Where one is found, pip
# would say nothing of a core that it could not build, and go on without: here that is a failure. An older core is
# removed before, so that it cannot pass for the one that failed, and what has none is out of date.
CORE := engine/core
CORE_SOURCES := $(CORE)/Cargo.toml $(CORE)/Cargo.lock $(shell find $(CORE)/remit-* -name Cargo.toml -o -path '*/src/*.rs')
RUST := 1.88
CARGO := $(shell cargo --version 2>/dev/null | awk -v least=$(RUST) '{ split($$2, has, "."); split(least, wants, "."); \
	if (has[1] > wants[1] || has[1] == wants[1] && has[2] >= wants[2]) print $$1 }')
BUILT = $(wildcard engine/remit/_core*.so)

ifneq ($(CARGO),)
ifeq ($(BUILT),)
.PHONY: core-missing
$(STAMP): core-missing
endif
endif

$(STAMP): pyproject.toml setup.cfg constraints.txt $(CORE_SOURCES)
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "remit needs Python 3.11 or later; `make PYTHON=python3.12 …` chooses one")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt 'pip>=25.1'
ifdef CARGO
	@rm -f engine/remit/_core*.so
endif
	@$(BIN)/python -m pip install --quiet -c constraints.txt --group dev --editable .
ifdef CARGO
	@ls engine/remit/_core*.so >/dev/null 2>&1 || { \
		echo 'the native core could not be built, though cargo is here (`make CARGO= …` goes on without it):'; \
		PYO3_PYTHON=$(abspath $(BIN)/python) cargo build --quiet --release --manifest-path $(CORE)/remit-py/Cargo.toml \
		&& echo 'cargo alone builds it: `$(BIN)/python -m pip install --verbose --editable .` tells more'; \
		exit 1; } >&2
else
	@echo 'no cargo of Rust $(RUST) or later: the native core is not built, and the engine in Python answers everything'
endif
	@touch $@

run: setup ## serve on 127.0.0.1:50051, as JSON on 50052, with data in ./data and a small organisation to try
	@$(BIN)/remit serve --data data --grpc 127.0.0.1:50051 --http 127.0.0.1:50052 --http-api --with-example

# Everything, with the native core where it was built; then without it what an engine answers, and through the frontend what
# goes over the wire: tests/support/forms.py says which tests those are.
PYTEST := $(BIN)/python -m pytest -n 2 --dist worksteal

# A core that was built and cannot be loaded is a failure, not a reason to test less.
test: setup ## the suite: laws, worlds, crashes, conformance; over both engines and both ways in
	@$(BIN)/python -c 'from importlib.util import find_spec; find_spec("remit._core") and __import__("remit._core")'
	@$(PYTEST)
	@if $(BIN)/python -c 'import remit._core' 2>/dev/null; then \
		echo 'without the native core, what asks an engine' && REMIT_NATIVE=off $(PYTEST) --form without-core && \
		echo 'through the frontend, what goes over the wire' && REMIT_FRONT_DOOR=on $(PYTEST) --form frontend; \
	else echo 'the native core is not built here: only the engine in Python was tested'; fi

test-long: setup ## the longer runs, seeds printed: a million relationships, many more random worlds
	@$(BIN)/python -m pytest -n 0 -m long -s -v --timeout 3600

# Of a nightly compiler and cargo-fuzz; nothing else here needs either, and `make check` compiles the targets without.
# `make fuzz FUZZ=frames FUZZ_S=3600` goes on longer.
FUZZ   ?= questions answers tokens notation rows frames arguments
FUZZ_S ?= 60

fuzz: setup ## fuzz what the core reads from outside (cargo +nightly, cargo-fuzz): FUZZ_S seconds a target
	@cd $(CORE)/fuzz && ../../../$(BIN)/python seeds.py corpus
	@cd $(CORE)/fuzz && for target in $(FUZZ); do \
		cargo +nightly fuzz run --sanitizer none --fuzz-dir . $$target -- -max_total_time=$(FUZZ_S) -rss_limit_mb=1024 -timeout=30 || exit 1; \
	done

check: setup check-core ## format, lint, types, import contracts, generated code up to date; the core where cargo is found
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/python proto/generate.py --check
	@$(BIN)/python engine/generate_client.py --check
	@$(BIN)/python engine/generate_kind_schemas.py --check

check-core:
ifdef CARGO
	@cargo fmt --all --manifest-path $(CORE)/Cargo.toml --check
	@cargo clippy --quiet --workspace --manifest-path $(CORE)/Cargo.toml --all-targets --locked -- -D warnings
	@cargo test --quiet --workspace --manifest-path $(CORE)/Cargo.toml --locked
	@cargo fmt --manifest-path $(CORE)/fuzz/Cargo.toml --check
	@cargo clippy --quiet --manifest-path $(CORE)/fuzz/Cargo.toml --target-dir $(CORE)/target --all-targets --locked -- -D warnings
	@cargo fmt --manifest-path bench/load/Cargo.toml --check
	@cargo clippy --quiet --manifest-path bench/load/Cargo.toml --locked -- -D warnings
else
	@echo 'no cargo: the native core is not checked'
endif

bench: setup ## measure Remit, then beside its peers (PEERS='--spicedb … --openfga …'); results in bench/results
ifdef CARGO
	@test ! -f bench/load/Cargo.toml || cargo build --quiet --release --manifest-path bench/load/Cargo.toml
endif
	@$(BIN)/python -m bench
	@$(BIN)/python -m bench peers $(PEERS)

siege: setup ## all callers that ever kept a stop waiting, at once: what a steady client sees, over both ways in
	@$(BIN)/python -m bench.siege

proto: setup ## regenerate engine/remit/v1 from proto/
	@$(BIN)/python proto/generate.py

client: setup ## regenerate the synchronous client from the asyncio one
	@$(BIN)/python engine/generate_client.py

fmt: setup ## format and fix what can be fixed by a tool
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean: ## remove what the words above made, except data
	@rm -rf $(VENV) build dist *.egg-info engine/*.egg-info $(CORE)/target $(CORE)/fuzz/target engine/remit/_core*.so .mypy_cache .ruff_cache .pytest_cache .hypothesis
