"""No command and no call connects to another machine, or leaves a temporary file open to others."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests import guarded

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> Mapping[str, Any]:
    here, temporary = tmp_path_factory.mktemp("here"), tmp_path_factory.mktemp("temporary")
    settings = {**os.environ, "TMPDIR": str(temporary), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.guarded"]
    done = subprocess.run(command, cwd=here, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.full
def test_nothing_is_asked_of_the_network(found):
    assert found["addresses"] == []


@pytest.mark.full
def test_temporary_files_are_closed_to_others(found):
    own = [name for name in found["seen"] if name.startswith("shrinkage-")]
    assert {name.endswith(".log") for name in own} == {True, False}, "a log, and a folder of rows"
    assert len(found["seen"]) > len(own), "Keras unpacks models there"
    assert found["open"] == []


@pytest.mark.parametrize(
    ("event", "arguments"),
    [("socket.connect", (None, ("93.184.216.34", 80))), ("socket.getaddrinfo", ("example.org", 443, 0, 0, 0))],
)
def test_the_guard_sees_an_address(monkeypatch, event, arguments):
    monkeypatch.setattr(guarded, "ADDRESSES", [])
    guarded.watch("socket.connect", (None, ("127.0.0.1", 80)))
    assert guarded.ADDRESSES == []
    guarded.watch(event, arguments)
    assert len(guarded.ADDRESSES) == 1


def test_the_guard_sees_a_file_that_is_open_to_others(monkeypatch, tmp_path):
    monkeypatch.setattr(guarded, "FOLDER", tmp_path)
    monkeypatch.setattr(guarded, "OPEN_TO_OTHERS", set())
    (tmp_path / "closed").touch(mode=0o600)
    guarded.watch("open", ("closed", "r", 0))
    assert not guarded.OPEN_TO_OTHERS
    (tmp_path / "open").touch(mode=0o644)
    guarded.watch("os.mkdir", ("open",))
    assert guarded.OPEN_TO_OTHERS == {"open 100644"}
