"""Fixtures of these tests."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """Every command runs in a temporary folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
