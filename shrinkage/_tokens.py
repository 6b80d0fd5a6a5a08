"""Tokens outside an embedding's table: TensorFlow raises at some step, and XLA takes the nearest row in silence."""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np


def check_tokens(network: keras.Model, x: Any) -> None:
    """Refuse rows with a token that an `Embedding` has no row for, as far as the model's graph leads to it.

    Args:
        network: The model.
        x: All rows, in the structure of its inputs.

    Raises:
        ValueError: Naming the layer, the token, and what to do.
    """
    for layer, tokens in _embedded(network, x):
        low, high = tokens.min(), tokens.max()
        if low < 0 or high >= layer.input_dim:
            raise ValueError(
                f"`x` must have tokens from 0 to {layer.input_dim - 1} for the layer {layer.name}, whose input_dim is "
                f"{layer.input_dim}. Received: tokens from {low:.0f} to {high:.0f}. Give the layer a larger input_dim, "
                f"or give what is unknown one token."
            )


def _embedded(network: keras.Model, x: Any) -> Iterator[tuple[Any, np.ndarray]]:
    """Return each embedding that nothing trained stands before, and the tokens that it is given."""
    graph = getattr(network, "_functional", None) or network  # a Sequential model keeps its own inside
    for layer in network._flatten_layers(include_self=False):
        if not isinstance(layer, keras.layers.Embedding):
            continue
        for node in layer._inbound_nodes:
            try:
                before = keras.Model(graph.input, node.input_tensors[0])
            except (AttributeError, ValueError):  # it is in a model inside, or there is no graph
                continue
            if not before.weights:
                yield layer, keras.ops.convert_to_numpy(before(x, training=False))
