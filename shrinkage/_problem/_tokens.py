"""Text for a model that looks tokens up itself, and tokens outside an embedding's table.

At the latter TensorFlow raises at some step, and XLA takes the nearest row in silence.
"""

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from shrinkage._host._graphs import graph_of
from shrinkage._host._layers import inbound_nodes, sublayers

_LOOKUPS = (keras.layers.TextVectorization, keras.layers.StringLookup, keras.layers.Hashing)


def check_text(network: keras.Model, x: Any) -> None:
    """Refuse text that the model looks up: members are trained on numbers, and the lookup is the same for all.

    Raises:
        TypeError: With code that runs the lookup once, and puts it back in front of the model chosen.
    """
    inputs = getattr(network, "inputs", None) or ()
    lookups = [layer for layer in sublayers(network) if isinstance(layer, _LOOKUPS)]
    if not lookups or not any(tensor.dtype == "string" for tensor in inputs):
        return
    found = [layer for layer in lookups if layer in network.layers]
    reached = [f"model.get_layer({layer.name!r}).output" for layer in found]
    numbers = [f"model.inputs[{i}]" for i, tensor in enumerate(inputs) if tensor.dtype != "string"]
    tokens = ", ".join([*reached, *numbers]) if len(reached + numbers) == 1 else f"[{', '.join([*reached, *numbers])}]"
    raise TypeError(
        "`x` must be numbers, and the model looks up text. Look it up once, fit the rest, and put the lookup back:\n"
        f"    tokens = {tokens}\n"
        "    lookup, rest = keras.Model(model.inputs, tokens), keras.Model(tokens, model.outputs)\n"
        "    rest.compile(type(model.optimizer).from_config(model.optimizer.get_config()), model.loss)\n"
        "    path = shrinkage.fit(rest, lookup.predict(x), y, penalty=shrinkage.L2(), epochs=20)\n"
        "    best = keras.Model(model.inputs, path.model()(tokens))"
    )


def check_tokens(network: keras.Model, x: Any) -> None:
    """Refuse rows with a token that an `Embedding` has no row for, as far as the model's graph leads to it.

    Args:
        network: The model.
        x: All rows, in the structure of its inputs.

    Raises:
        ValueError: Naming the layer, the token, and what to do.
    """
    for layer, tokens in _embedded_tokens(network, x):
        low, high = tokens.min(), tokens.max()
        if low < 0 or high >= layer.input_dim:
            raise ValueError(
                f"`x` must have tokens from 0 to {layer.input_dim - 1} for the layer {layer.name}, whose input_dim is "
                f"{layer.input_dim}. Received: tokens from {low:.0f} to {high:.0f}. Give the layer a larger input_dim, "
                f"or give what is unknown one token."
            )


def _embedded_tokens(network: keras.Model, x: Any) -> Iterator[tuple[Any, np.ndarray]]:
    """Return each embedding that nothing trained stands before, and the tokens that it is given."""
    graph = graph_of(network)
    if graph is None:
        return
    for layer in sublayers(network, itself=False):
        if not isinstance(layer, keras.layers.Embedding):
            continue
        for node in inbound_nodes(layer):
            try:
                before = keras.Model(graph.input, node.input_tensors[0])
            except ValueError:  # it is in a model inside
                continue
            if not before.weights:
                yield layer, keras.ops.convert_to_numpy(before(x, training=False))
