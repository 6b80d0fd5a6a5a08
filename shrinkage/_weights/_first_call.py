"""Creation of the weights that layers create at the first call, by one call of the model."""

from typing import Any

import keras
import numpy as np

from shrinkage._host._errors import describe_keras_error
from shrinkage._host._graphs import get_graph
from shrinkage._host._layers import get_build_shapes, list_sublayers
from shrinkage._host._private import UnsupportedVersion
from shrinkage._messages._note import Note

_UNKNOWN_SIZE = 32  # stands for an input dimension of size None


def create_weights(model: keras.Model, like: keras.Model | None = None) -> None:
    """Create the weights that layers of a built model create at the first call; existing weights do not change.

    Keras builds a graph from shapes. A layer with a `compute_output_shape` method is not called in the build, so that
    the layers inside it may have no weights yet. For a subclassed model at most the build shape is known.

    Args:
        model: A built model.
        like: A model of the same class with a known input shape; None for the model itself.

    Raises:
        ValueError: If the model has layers that are not built, and cannot be called on a row of zeros.

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
    unbuilt = [layer.name for layer in list_sublayers(model) if not layer.built]
    if not unbuilt:
        return
    rows = _make_zeros(like or model)
    if rows is None:
        return
    try:
        with keras.StatelessScope():
            model(rows, training=False)
    except UnsupportedVersion:
        raise
    except Exception as error:  # of any class: a layer may be custom code
        raise ValueError(
            Note(
                f"$model ({model.name}) must accept a row of zeros, because it has layers that create weights at the "
                f"first call ({', '.join(unbuilt)}). Received: a model that fails there: {describe_keras_error(error)} "
                f"Call the model once on rows of your data."
            )
        ) from error


def _make_zeros(model: Any) -> Any:
    """Return a row of zeros for the inputs of a model, or None for inputs of unknown shape and text inputs."""
    if (graph := get_graph(model)) is not None:
        structure = graph.input
        if any(tensor.dtype == "string" for tensor in keras.tree.flatten(structure)):
            return None  # text goes to a lookup layer, which has no weights
        return keras.tree.map_structure(lambda tensor: _make_row(tensor.shape, tensor.dtype), structure)
    shapes = list(get_build_shapes(model).values())
    is_single = len(shapes) == 1 and all(size is None or isinstance(size, int) for size in shapes[0])
    return _make_row(shapes[0], model.compute_dtype) if is_single else None


def _make_row(shape: Any, dtype: str) -> np.ndarray:
    shape = (1, *(size or _UNKNOWN_SIZE for size in shape[1:]))
    return np.zeros(shape, dtype)
