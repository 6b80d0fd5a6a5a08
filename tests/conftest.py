"""Every test starts from the same random state; Hypothesis draws the same examples on every run and every machine."""

import os
import random
from contextlib import nullcontext
from dataclasses import is_dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from tests.without_xla import without_xla

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # read when TensorFlow is imported, by the first test that needs it

# A busy machine is no bug in the code, so nothing here depends on time.
settings.register_profile("same", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")


@pytest.fixture(autouse=True)
def _seed() -> None:
    random.seed(0)
    np.random.seed(0)


@pytest.fixture(scope="module", autouse=True)
def _without_xla(request: pytest.FixtureRequest):
    """Train without XLA by default in the tests of every day, except in those of plans; `make test-all` is with it."""
    is_daily = request.config.option.markexpr == "not full" and request.path.parent.name != "plan"
    with without_xla() if is_daily else nullcontext():
        yield


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
    """Name a case by its value where pytest would only count, such as a list, a dictionary, a penalty or a layer.

    Names are equal in all processes: bytes are named by their length, because compressed bytes contain the time.
    """
    if isinstance(val, bytes):
        return f"{len(val)} bytes"
    if type(val).__module__.startswith("keras."):
        return type(val).__name__
    if isinstance(val, list | tuple | dict) or is_dataclass(val):
        return repr(val) if _is_plain(val) and len(repr(val)) <= 60 else None
    return None


def _is_plain(value: object) -> bool:
    """Return whether the text of a value is the same in every process."""
    if isinstance(value, dict):
        return all(map(_is_plain, (*value, *value.values())))
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if is_dataclass(value):
        return all(_is_plain(part) for part in vars(value).values())
    return value is None or isinstance(value, str | int | float)
