"""Fixtures of these tests."""

import pytest

from shrinkage._data import _dataset, _stored


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    """A dataset of 2,000 rows goes to disk, in several blocks."""
    monkeypatch.setattr(_dataset, "_READ", (500, 2**24))
    monkeypatch.setattr(_stored, "BLOCK_ROWS", 600)
