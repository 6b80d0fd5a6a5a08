"""Fixtures of these tests."""

from pathlib import Path

import pytest

import shrinkage as sh
from tests.cli.commands.running import FakeFit


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """Every command runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fake_fit(monkeypatch) -> FakeFit:
    fake = FakeFit()
    monkeypatch.setattr(sh, "fit", fake, raising=False)
    return fake
