"""Arrays of an immutable record."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def make_read_only(value: Any) -> Any:
    """Replace arrays, also in tuples and dictionaries, by read-only views; the caller's arrays do not change."""
    if isinstance(value, np.ndarray):
        value = value.view()
        value.setflags(write=False)
    elif type(value) is tuple:
        value = tuple(make_read_only(item) for item in value)
    elif type(value) is dict:
        value = {key: make_read_only(item) for key, item in value.items()}
    return value
