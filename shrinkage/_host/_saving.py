"""Pickles of Keras' models and optimizers."""

from collections.abc import Callable
from typing import Any

from shrinkage._host._private import read


def unpickler(kind: Any) -> Callable[[Any], Any]:
    """Return the function that Keras stores in pickles of models or optimizers of a class, to load them."""
    return read(kind, "_unpickle_model")
