"""A built block for the tests of layers."""

import numpy as np
import pytest

from tests.host.models import Block


@pytest.fixture(scope="module")
def block():
    block = Block()
    block(np.ones((1, 3, 4), "float32"))
    return block
