"""What `pyproject.toml` declares is what `make test-versions` runs on."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest

import shrinkage

ROOT = Path(__file__).parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MAKEFILE = (ROOT / "Makefile").read_text()


def test_the_oldest_versions_are_the_declared_bounds():
    declared = PYPROJECT["dependencies"] + PYPROJECT["optional-dependencies"]["cpu"][:1]
    lines = (ROOT / "constraints-oldest.txt").read_text().split()
    locked = {name.replace("_", "-").lower(): version for name, _, version in (line.partition("==") for line in lines)}
    assert len(declared) > 8
    for name, bound in re.findall(r"^([\w-]+)>=([\d.]+)", "\n".join(declared), re.M):
        assert locked[name] == bound + ".0" * (2 - bound.count(".")), name


@pytest.mark.parametrize("name", ["constraints.txt", "constraints-oldest.txt"])
def test_a_lock_holds_names_and_versions_and_no_address(name):
    lines = (ROOT / name).read_text().splitlines()
    assert len(lines) > 50
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z][\w.-]*==\d[\w.]*", line)] == []


def test_every_declared_interpreter_is_run():
    minors = [int(n) for n in re.findall(r"Python :: 3\.(\d+)", " ".join(PYPROJECT["classifiers"]))]
    assert PYPROJECT["requires-python"] == f">=3.{min(minors)},<3.{max(minors) + 1}"
    run = re.findall(r"^RELEASE_py3\d+ := 3\.(\d+)$", MAKEFILE, re.M)
    assert minors == list(range(min(minors), max(minors) + 1)) == [int(n) for n in run]
    assert f"RELEASE_oldest := 3.{min(minors)}\n" in MAKEFILE


def test_the_version_stands_in_one_place():
    assert PYPROJECT["dynamic"] == ["version"] and "version" not in PYPROJECT
    assert re.fullmatch(r"\d+\.\d+\.\d+", shrinkage.__version__)


def test_the_files_of_the_daily_run_are_there():
    files = re.search(r"^TESTS \?= ((?:.*\\\n)*.*)$", MAKEFILE, re.M)
    assert files is not None
    for name in files[1].replace("\\", "").split():
        assert (ROOT / name).exists(), name


AUDITS = {
    "no service": ("requests.exceptions.ConnectionError: no such host", 1, "audit: skipped, as the service", True),
    "nothing found": ("No known vulnerabilities found", 0, "No known vulnerabilities found", True),
    "something found": ("keras 3.13.1 GHSA-0000", 1, "GHSA-0000", False),
    "another fault": ("unrecognized arguments", 2, "unrecognized", False),
}


@pytest.mark.parametrize("case", AUDITS)
def test_an_audit_fails_for_what_it_finds_and_not_without_the_service(tmp_path, case):
    says, status, words, passes = AUDITS[case]
    (tmp_path / "pip-audit").write_text(f"#!/bin/sh\necho '{says}' >&2\nexit {status}\n")
    (tmp_path / "pip-audit").chmod(0o755)
    command = ["make", "--silent", "--assume-old=.venv/dev.stamp", "audit", f"BIN={tmp_path}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) == passes, done.stderr
    assert words in done.stdout and done.stdout.count("\n") == 1


def test_a_release_checks_and_tries_the_wheel_that_it_built():
    command = ["make", "--dry-run", "--assume-old=.venv/dev.stamp", "release"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert lines.count("-m build") == 1 and "pip wheel" not in lines
    steps = ["-m build", "-m twine check", "-m venv --clear", "dist/*.whl", "try_wheel.py"]
    places = [lines.index(step) for step in steps]
    assert places == sorted(places)
