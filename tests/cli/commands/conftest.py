"""Fixtures of these tests."""

import pytest

import shrinkage as sh
from tests.cli.commands.running import FakeFit


@pytest.fixture
def fake_fit(monkeypatch) -> FakeFit:
    fake = FakeFit()
    monkeypatch.setattr(sh, "fit", fake, raising=False)
    return fake
