"""Fixtures of these tests."""

import keras
import pytest


@pytest.fixture(params=["float64"])
def floatx(request):
    before = keras.config.floatx()
    for set_default in (keras.config.set_floatx, keras.config.set_dtype_policy):
        set_default(request.param)
    yield request.param
    for set_default in (keras.config.set_floatx, keras.config.set_dtype_policy):
        set_default(before)
