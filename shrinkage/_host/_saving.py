"""Pickles of Keras' models and optimizers."""

from collections.abc import Callable
from typing import Any

from shrinkage._host._private import get_private


def get_unpickler(kind: Any) -> Callable[[Any], Any]:
    """Return the function that Keras stores in pickles of models or optimizers of a class, to load them."""
    return get_private(kind, "_unpickle_model")
