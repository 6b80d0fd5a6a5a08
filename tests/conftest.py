"""Every test starts from the same random state; Hypothesis draws the same examples on every run and every machine."""

import os
import random

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when TensorFlow is imported, by the first test that needs it

# A busy machine is no bug in the code, so nothing here depends on time.
settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")


@pytest.fixture(autouse=True)
def _seed() -> None:
    random.seed(0)
    np.random.seed(0)


@pytest.fixture
def float64():
    """Make models in float64, in which training to convergence leaves 1e-9 and not 1e-4."""
    import keras

    def use(floatx: str) -> None:
        keras.config.set_floatx(floatx)
        keras.config.set_dtype_policy(floatx)  # set on its own: it does not follow

    before = keras.config.floatx()
    use("float64")
    yield
    use(before)


def pytest_make_parametrize_id(val: object) -> str | None:
    """Name bytes by their length: compressed ones hold the time, and the names of tests are equal in all processes."""
    return f"{len(val)} bytes" if isinstance(val, bytes) else None
