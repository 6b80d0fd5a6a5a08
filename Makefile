# A fresh machine needs Python 3.11 to 3.13 and make; everything else goes into ./.venv, versions locked.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt


# What pyproject.toml declares: every Python with the locked versions, and the oldest versions on the oldest Python.
VERSIONS := py311 py312 py313 oldest
RELEASE_py311 := 3.11
RELEASE_py312 := 3.12
RELEASE_py313 := 3.13
RELEASE_oldest := 3.11
LOCK := constraints.txt
LOCK_oldest := constraints-oldest.txt
# Old packages warn of each other, which is nothing that this project can mend.
OPTIONS_oldest := -W default::DeprecationWarning -W default::FutureWarning
# The files that meet most of Keras and TensorFlow, for a daily run of a few minutes on each; TESTS= is all.
TESTS ?= shrinkage tests/host tests/model tests/cohort/test_forward.py tests/cohort/test_rules.py \
    tests/path/test_path.py tests/test_versions.py
# And on the oldest versions attached penalties, the doctor, scikit-learn's checks of estimators, text and sparse rows.
TESTS_oldest := tests/attach/test_oracles.py tests/attach/test_life.py tests/doctor/test_doctor.py \
    tests/estimators/test_checks.py tests/problem/test_text.py tests/data/test_sparse.py
# Pyenv's commands for interpreters that are not selected fail unless they are told the version.
python = PYENV_VERSION=$(1) python$(1)

.PHONY: demo test test-all coverage release test-versions test-wheel $(VERSIONS:%=test-%) check docs audit lock clean

demo: .venv/demo.stamp ## real data, the table, the picture, the model: results in ./shrinkage-demo
	$(BIN)/shrinkage demo

test: .venv/dev.stamp ## the tests of every day
	$(BIN)/python -m pytest -n 2

# In several runs: what XLA has compiled stays mapped, and Linux gives a process 65,530 maps.
COMPILED := recurrent convolution optimizers
PARTS := "shrinkage tests --ignore=tests/cohort" "tests/cohort $(COMPILED:%=--ignore=tests/cohort/test_%.py)" \
    $(COMPILED:%=tests/cohort/test_%.py)

test-all: .venv/dev.stamp ## the full product of cases, and the lines that no test reaches
	rm -f .coverage
	@failed=; for part in $(PARTS); do \
	    $(BIN)/python -m pytest -n 2 -m "" --cov --cov-append --cov-report= --cov-fail-under=0 $$part || failed=yes; \
	done; \
	$(BIN)/coverage report || failed=yes; \
	test -z "$$failed"

coverage: .venv/dev.stamp ## the lines that the tests of every day do not reach
	$(BIN)/python -m pytest -n 2 --cov

$(VERSIONS:%=test-%): test-%: ## a part of the tests on one of VERSIONS: make test-py312, make test-oldest
	@if $(call python,$(RELEASE_$*)) --version >/dev/null 2>&1; then \
	    $(MAKE) --no-print-directory .venv-$*/test.stamp && \
	    .venv-$*/bin/python -m pytest -n 2 $(OPTIONS_$*) $(if $(TESTS),$(TESTS) $(TESTS_$*)); \
	else \
	    echo "test-$*: skipped, as this machine has no Python $(RELEASE_$*)"; \
	fi

test-versions: ## the tests of every day on all of VERSIONS
	@failed=; for each in $(VERSIONS); do \
	    $(MAKE) --no-print-directory test-$$each TESTS= || failed="$$failed $$each"; \
	done; \
	test -z "$$failed" || { echo "test-versions: failed on$$failed" >&2; exit 1; }

test-wheel: ## the built wheel in an environment without the checkout: fit, predict, plot
	$(PYTHON) -m venv --clear .venv-wheel
	.venv-wheel/bin/python -m pip wheel --quiet --no-deps --wheel-dir .venv-wheel/dist .
	.venv-wheel/bin/python -m pip install --quiet --no-compile --constraint constraints.txt "$$(echo .venv-wheel/dist/*.whl)[cpu]"
	cd .venv-wheel && bin/python -I ../tests/try_wheel.py && bin/shrinkage --version

check: .venv/dev.stamp ## formatting, lint, types, the documentation, known vulnerabilities
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/pyright
	@$(MAKE) --no-print-directory docs
	@$(MAKE) --no-print-directory audit

docs: .venv/dev.stamp ## the documentation as a site, in build/site; a broken link or an unknown name fails
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Without the service, whose advisories are its own, there is nothing to compare with, and nothing is wrong.
audit: .venv/dev.stamp ## the known vulnerabilities of the locked versions
	@found=$$($(BIN)/pip-audit --vulnerability-service osv --disable-pip --no-deps --requirement constraints.txt 2>&1); \
	status=$$?; \
	case "$$found" in \
	    *requests.exceptions.*) echo "audit: skipped, as the service of advisories cannot be reached" ;; \
	    *) echo "$$found"; exit $$status ;; \
	esac

# The wheel is built from the source distribution, so trying it tries both.
release: .venv/dev.stamp ## build the distribution in dist/, check its metadata, and try the wheel
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	$(BIN)/python -m twine check --strict dist/*
	$(PYTHON) -m venv --clear .venv-release
	.venv-release/bin/python -m pip install --quiet --constraint constraints.txt "$$(echo dist/*.whl)[cpu]"
	cd .venv-release && bin/python -I ../tests/try_wheel.py && bin/shrinkage --version

# Of the oldest versions only the bounds of pyproject.toml are old: what these need is the newest that fits.
lock: ## renew constraints.txt and constraints-oldest.txt
	$(call python,3.11) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet --editable '.[cpu,dev]'
	.venv-lock/bin/python -m pip freeze --exclude-editable >constraints.txt
	$(call python,$(RELEASE_oldest)) -m venv --clear .venv-lock
	grep -oE '"[a-z0-9-]+>=[0-9.]+' pyproject.toml | sed 's/"//; s/>=/==/' >.venv-lock/bounds.txt
	.venv-lock/bin/python -m pip install --quiet --constraint .venv-lock/bounds.txt --editable '.[cpu,test]'
	.venv-lock/bin/python -m pip freeze --exclude-editable >constraints-oldest.txt
	rm -rf .venv-lock

clean:
	rm -rf .venv .venv-* .pytest_cache .ruff_cache .hypothesis .coverage* build dist

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

.venv-%/test.stamp: pyproject.toml constraints.txt constraints-oldest.txt
	$(call python,$(RELEASE_$*)) -m venv --clear .venv-$*
	.venv-$*/bin/python -m pip install --quiet --disable-pip-version-check \
	    --constraint $(or $(LOCK_$*),$(LOCK)) --editable '.[cpu,test]'
	@touch $@
