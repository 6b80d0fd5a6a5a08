# A fresh machine needs Python 3.11 to 3.13 and make; everything else goes into ./.venv, versions locked.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test test-all check clean

demo: .venv/demo.stamp ## real data, the table, the picture, the model: results in ./shrinkage-demo
	$(BIN)/shrinkage demo

test: .venv/dev.stamp ## the tests of every day
	$(BIN)/python -m pytest -n 2

# In two runs: what XLA has compiled stays mapped, and Linux gives a process 65,530 maps.
test-all: .venv/dev.stamp ## the full product of cases
	$(BIN)/python -m pytest -n 2 -m "" --ignore=tests/test_optimizers.py
	$(BIN)/python -m pytest -n 2 -m "" tests/test_optimizers.py

check: .venv/dev.stamp ## formatting, lint, types
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright

clean:
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis build dist

.venv/python.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
	    echo "shrinkage needs Python 3.11 to 3.13; $(PYTHON) is another. Name one: make PYTHON=python3.11" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.venv/demo.stamp: .venv/python.stamp pyproject.toml constraints.txt
	$(PIP) --editable '.[cpu]'
	@touch $@

.venv/dev.stamp: .venv/demo.stamp
	$(PIP) --editable '.[cpu,dev]'
	@touch $@
