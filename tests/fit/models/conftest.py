"""Models here are in float64."""

import keras
import pytest


@pytest.fixture(autouse=True)
def double(float64):
    """Models are in float64, and the tests that follow are not."""
    keras.utils.set_random_seed(1)
