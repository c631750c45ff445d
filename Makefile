# The two commands of a newcomer are `make demo` and `make test`; both set up what they need first.
# `-m venv` and pip only: nothing else has to be installed but Python >= 3.11 and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(patsubst %/pyproject.toml,%,$(wildcard plugins/*/pyproject.toml))
STAMP := $(VENV)/.set-up
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_CONSTRAINT := constraints.txt

.PHONY: help setup demo test lint types unit format bench record clean

help:
	@echo "make demo    set up, then rotate a LangChain chain over limited providers on loopback"
	@echo "make test    set up, then lint, types, tests"
	@echo "make setup   only set up $(VENV)"
	@echo "make lint | types | unit | format | bench | clean"

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt $(PLUGINS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Rotor needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Say PYTHON=python3.12 make ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[all,dev]' $(PLUGINS:%=--editable ./%)
	@touch $@

demo: setup
	@$(BIN)/rotor demo

test: lint types unit

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: setup
	$(BIN)/mypy
	$(BIN)/pyright

unit: setup
	$(BIN)/python -m pytest -n auto --cov --cov-report=term:skip-covered
	$(BIN)/python tools/coverage_gates.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: setup
	$(BIN)/python benchmarks/imports.py
	$(BIN)/python benchmarks/ledger.py
	$(BIN)/python benchmarks/adapter.py

# At the real providers whose keys stand in the environment, at the sandbox for the others.
record: setup
	$(BIN)/python tools/record.py $(RECORD)

clean:
	rm -rf $(VENV) .coverage* htmlcov .pytest_cache .mypy_cache .ruff_cache .hypothesis
