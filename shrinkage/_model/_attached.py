"""Access to the penalties that are attached to a model, in an attribute of the Keras model."""

from typing import Any

import keras

from shrinkage._host._attributes import get_stored

KEY = "_shrinkage"
"""The attribute of a model or an optimizer that holds its `Hooks`."""


def get_hooks(model: Any) -> Any:
    """Return the `Hooks` of a model or an optimizer, or None."""
    return get_stored(model, KEY)


def get_attachments(model: keras.Model) -> tuple[Any, ...]:
    """Return the attachments of a model.

    Example:
        >>> import keras
        >>> get_attachments(keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]))
        ()
    """
    hooks = get_hooks(model)
    return hooks.attachments if hooks else ()
