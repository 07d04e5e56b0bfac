# Everything from a fresh clone: each target sets up what it needs. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
INSTALLED := $(VENV)/.installed
BENCHMARK_INSTALLED := $(VENV)/.installed-benchmark
EXTRAS := test lint application
# Three workers for two processors, as tests wait for targets, servers and screens. A file of tests stays together: what
# it has started is shared.
WORKERS := --numprocesses=$(shell n=$$(nproc); n=$$((n + (n + 1) / 2)); echo $$((n < 6 ? n : 6))) --dist=loadfile
NATIVE_SOURCES := CMakeLists.txt $(shell find native -type f)

.DEFAULT_GOAL := help
.PHONY: help setup demo test interpreters lint bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## make .venv with heapgraph, built, in it

# The stamp is older than a changed source, so a changed kernel is compiled before anything runs. What the build needs
# is in .venv, so that no environment is made for it; what is needed besides is unpacked meanwhile, and gets its byte
# code on all processors, its tests none.
$(INSTALLED): pyproject.toml $(NATIVE_SOURCES)
	@scripts/prepare_machine.sh $(PYTHON)
	@echo "building heapgraph into $(VENV) (a minute or two the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python scripts/list_requirements.py $(EXTRAS) >$(VENV)/requirements.txt
	@$(BIN)/python scripts/list_requirements.py --build >$(VENV)/build-requirements.txt
	@scripts/install_packages.sh $(BIN)/python --requirement $(VENV)/build-requirements.txt
	@scripts/install_packages.sh $(BIN)/python --requirement $(VENV)/requirements.txt & needed=$$!; \
		$(PIP) install --no-build-isolation --no-deps --editable . && wait $$needed
	@$(BIN)/python -m compileall -qq -j 0 -x '/tests/' $(VENV)/lib || true
	@touch $@

demo: setup ## find the leak of a running program and draw what holds it
	@scripts/demo.sh $(BIN) demo-output

# CPythons that this machine lacks are fetched to dump them, and extension packages for some of them (for all with
# HEAPGRAPH_EXHAUSTIVE=1); without them their tests skip, except in CI.
define FETCH
	@test ! -f scripts/$(1) || $(BIN)/python scripts/$(1) || test -z "$$CI" \
		|| { echo "$(2) could not be fetched, and CI is set: failing" >&2; exit 1; }
endef

interpreters: setup
	$(call FETCH,fetch_interpreters.py,interpreters)
	$(call FETCH,fetch_packages.py,packages)

test: setup interpreters ## run the tests: PYTEST_ARGS="-k walk -x"
	@$(BIN)/python -m pytest $(WORKERS) $(PYTEST_ARGS)

lint: setup ## formatting, lint, types, import layers, leftovers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@find native -name '*.[ch]' -o -name '*.[ch]pp' | xargs $(BIN)/clang-format --dry-run -Werror
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python scripts/check_leftovers.py

# The peers share the environment of heapgraph, so that all run on the same Python, numpy and networkx.
$(BENCHMARK_INSTALLED): $(INSTALLED)
	@$(PIP) install --editable '.[benchmark]'
	@touch $@

bench: $(BENCHMARK_INSTALLED) ## measure heapgraph beside its peers: BENCH_ARGS="--sizes 1M"
	@$(BIN)/python -m benchmarks $(BENCH_ARGS)

clean: ## remove what was built, installed and written
	rm -rf $(VENV) build dist demo-output heapgraph/native/lib
	find heapgraph tests benchmarks fixtures scripts -name __pycache__ -type d -prune -exec rm -rf {} +
