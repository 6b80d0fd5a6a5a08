"""Pickles of Keras' models and optimizers."""

from collections.abc import Callable
from typing import Any

from shrinkage._host._private import read


def unpickler(kind: Any) -> Callable[[Any], Any]:
    """Return what Keras puts into pickles of a class of models or optimizers to read them by."""
    return read(kind, "_unpickle_model")
