"""Weights that layers make when they are first called: a model is called once, so that all of them are there."""

from typing import Any

import keras
import numpy as np

from shrinkage._kinds import is_of_keras

_UNKNOWN = 32  # for sizes of the inputs that the model leaves open


def create_weights(model: keras.Model) -> None:
    """Make the weights that layers of a built model would make at their first call; no value of a weight changes.

    Keras builds a graph from shapes. A layer that says its output's shape itself is not called then, so that layers
    inside it may have no weights yet.

    Raises:
        ValueError: If the model has such layers and cannot be called on a row of zeros.

    Example:
        >>> import keras
        >>> class Block(keras.layers.Layer):
        ...     def build(self, input_shape):
        ...         self.dense = keras.layers.Dense(4)
        ...     def call(self, x):
        ...         return self.dense(x)
        ...     def compute_output_shape(self, input_shape):
        ...         return (*input_shape[:-1], 4)
        >>> model = keras.Sequential([keras.Input((3,)), Block()])
        >>> len(model.weights)
        0
        >>> create_weights(model)
        >>> len(model.weights)
        2
    """
    inputs = getattr(model, "inputs", None)
    waiting = [layer.name for layer in model._flatten_layers() if _may_wait(layer)]
    if not (inputs and waiting):
        return
    structure = getattr(model, "_functional", model).input  # a Sequential model hides its graph
    try:
        with keras.StatelessScope():
            model(keras.tree.map_structure(_zeros, structure), training=False)
    except Exception as error:  # of any class: a layer may be the user's own code
        raise ValueError(
            f"Model {model.name!r} has layers that make their weights at the first call ({', '.join(waiting)}), and "
            f"it cannot be called on a row of zeros: {error}. Call it once on some rows of your own."
        ) from error


def _may_wait(layer: Any) -> bool:
    """Whether a layer may make weights when it is called: it is not built, or its graph was made without a call."""
    if not layer.built:
        return True
    own = type(layer)
    says_shape = (own.compute_output_shape, own.compute_output_spec) != (
        keras.Layer.compute_output_shape,
        keras.Layer.compute_output_spec,
    )
    return says_shape and not is_of_keras(layer) and not isinstance(layer, keras.Model)


def _zeros(tensor: Any) -> np.ndarray:
    shape = (1, *(size or _UNKNOWN for size in tensor.shape[1:]))
    return np.full(shape, "") if tensor.dtype == "string" else np.zeros(shape, tensor.dtype)
