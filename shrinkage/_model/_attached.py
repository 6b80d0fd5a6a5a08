"""Access to the penalties that are attached to a model, in an attribute of the Keras model."""

from typing import Any

import keras

KEY = "_shrinkage"
"""The attribute of a model or an optimizer that holds its `Hooks`."""


def hooks_of(model: Any) -> Any:
    """Return the `Hooks` of a model or an optimizer, or None."""
    return vars(model).get(KEY)


def attachments(model: keras.Model) -> tuple[Any, ...]:
    """Return the attachments of a model.

    Example:
        >>> import keras
        >>> attachments(keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)]))
        ()
    """
    hooks = hooks_of(model)
    return hooks.attachments if hooks else ()
