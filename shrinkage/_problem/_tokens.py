"""Lookup of text before the training, and checks for tokens outside the table of an embedding.

For tokens outside the table TensorFlow raises an error during training, and XLA silently takes the nearest row.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import tree

from shrinkage._data._tables import to_pandas
from shrinkage._host._graphs import get_graph
from shrinkage._host._layers import list_inbound_nodes, list_sublayers
from shrinkage._model._lookups import make_front_model
from shrinkage._model._template import Template

_LOOKUPS = (keras.layers.TextVectorization, keras.layers.StringLookup, keras.layers.Hashing)
_ROWS_AT_A_TIME, _COMPARED = 8192, 256


def check_text(network: keras.Model) -> None:
    """Refuse a model with a text lookup that cannot be separated, as members are trained on numbers.

    Raises:
        TypeError: If the lookup cannot be separated from the model.
    """
    inputs = getattr(network, "inputs", None) or ()
    lookups = [layer for layer in list_sublayers(network) if isinstance(layer, _LOOKUPS)]
    if not lookups or not any(tensor.dtype == "string" for tensor in inputs):
        return
    for layer in lookups:
        if layer.get_config().get("output_mode") == "tf_idf":
            raise TypeError(
                f"`model` must look text up without output_mode='tf_idf', whose weights Keras does not copy. Received: "
                f"the layer {layer.name} with output_mode='tf_idf'. Say output_mode='multi_hot' or 'count', or look "
                f"text up first, and give numbers."
            )
        if isinstance(layer, keras.layers.TextVectorization) and None in layer.output.shape[1:]:
            raise TypeError(
                f"`model` must give all rows the same number of tokens. Received: the layer {layer.name}, which pads "
                f"rows to the longest row of a call. Give it an output_sequence_length."
            )
        if hasattr(layer, "get_vocabulary") and not layer.get_vocabulary(include_special_tokens=False):
            raise TypeError(
                f"`model` must look text up with a vocabulary. Received: the layer {layer.name} without a vocabulary. "
                f"Call its adapt(texts), or build it with vocabulary=[...]."
            )
    raise TypeError(
        "`model` must look text up at its inputs, by layers in its own graph that give dense numbers of a fixed shape, "
        f"as text is looked up once, before the training. Received: the layer {lookups[0].name}, elsewhere. "
        f"Put it first, or look text up before, and give numbers."
    )


def look_up(template: Template, leaves: Sequence[Any], input_names: Sequence[str]) -> Any:
    """Look up the text in the inputs of the source model, and return the inputs of the network.

    Args:
        template: A template with a network that begins after the lookup.
        leaves: Inputs, in the order of the inputs of the source model.
        input_names: Names of the inputs in errors.

    Raises:
        TypeError, ValueError: If text is missing or not text, or a copy of the model returns other tokens.
    """
    inputs = template.source.inputs
    texts = [
        _as_text(name, leaf, tuple(tensor.shape))
        for name, leaf, tensor in zip(input_names, leaves, inputs, strict=True)
        if tensor.dtype == "string"
    ]
    lengths = {name: len(leaf) for name, leaf in zip(input_names, leaves, strict=True) if hasattr(leaf, "__len__")}
    if len(set(lengths.values())) > 1:
        rows = ", ".join(f"{length} of {name}" for name, length in lengths.items())
        raise ValueError(f"The inputs must have the same number of rows. Received: {rows}.")
    if not len(texts[0]):
        raise ValueError("`x` must have rows. Received: none.")
    starts = range(0, len(texts[0]), _ROWS_AT_A_TIME)
    parts = [_call(template.front, [text[i : i + _ROWS_AT_A_TIME] for text in texts]) for i in starts]
    found = [np.concatenate(arrays) for arrays in zip(*parts, strict=True)]
    copied = _call(
        make_front_model(template.make_model(template.get_source_values())), [text[:_COMPARED] for text in texts]
    )
    if not all(np.array_equal(a[:_COMPARED], b) for a, b in zip(found, copied, strict=True)):
        raise ValueError(
            "`model` must look text up as a copy of it does, because path.model() returns copies. Received: other "
            "numbers. Give the lookup its vocabulary as an argument: keras.layers.StringLookup(vocabulary=[...])."
        )
    found += [leaf for leaf, tensor in zip(leaves, inputs, strict=True) if tensor.dtype != "string"]
    names = [tensor.name for tensor in template.network.inputs]
    return found[0] if len(found) == 1 else dict(zip(names, found, strict=True))


def _as_text(name: str, values: Any, shape: tuple[int | None, ...]) -> np.ndarray:
    """Convert text to an array of objects with the shape of the model input."""
    array = np.asarray(to_pandas(values)).astype(object)
    is_missing = pd.isna(array)
    if is_missing.any():
        rows = int(is_missing.reshape(len(array), -1).any(axis=1).sum())
        raise ValueError(
            f"{name} must be text in every row. Received: none in {rows} of {len(array)} rows. Drop these rows, or "
            f"give them a text such as ''."
        )
    others = [value for value in array.flat if not isinstance(value, str | bytes)]
    if others or array.ndim == 0:
        kind = type(others[0] if others else values).__name__
        raise TypeError(
            f"{name} must be text, which the model looks up. Received: {kind}. Say {name[1:-1]}.astype(str)."
        )
    array = array[..., None] if array.ndim == len(shape) - 1 and shape[-1] == 1 else array
    if array.ndim != len(shape) or any(e not in (None, s) for e, s in zip(shape[1:], array.shape[1:], strict=True)):
        raise ValueError(f"{name} must have the shape of the model's input, {shape}. Received: {array.shape}.")
    return array


def _call(front: Any, texts: list[np.ndarray]) -> list[np.ndarray]:
    tensors = [keras.ops.convert_to_tensor(text, dtype="string") for text in texts]
    return [keras.ops.convert_to_numpy(output) for output in tree.flatten(front(tensors, training=False))]


def check_tokens(network: keras.Model, x: Any) -> None:
    """Refuse tokens outside the table of an `Embedding`, if the model has a graph.

    Args:
        network: The model.
        x: All rows, with the structure of the model inputs.

    Raises:
        ValueError: If a token is outside a table, or an input of tokens has other numbers. The message names the layer.
    """
    for layer, tokens, is_input in _find_embedded_tokens(network, x):
        if is_input:
            check_whole_numbers("`x`", tokens, f"the layer {layer.name}, which takes tokens")
        low, high = tokens.min(), tokens.max()
        if low < 0 or high >= layer.input_dim:
            raise ValueError(
                f"`x` must have tokens from 0 to {layer.input_dim - 1} for the layer {layer.name}, whose input_dim is "
                f"{layer.input_dim}. Received: tokens from {low:.0f} to {high:.0f}. Give the layer a larger input_dim, "
                f"or map unknown tokens to one token."
            )


def check_whole_numbers(name: str, values: np.ndarray, taker: str) -> None:
    """Refuse numbers that are not whole, which Keras would cut off without a warning.

    Args:
        name: Name of the values in errors.
        values: The values, (n, ...).
        taker: The input or layer that takes whole numbers, in errors.
    """
    if values.dtype.kind != "f":
        return
    odd = values != np.floor(values)
    if odd.any():
        n_rows = int(odd.reshape(len(values), -1).any(axis=1).sum())
        raise ValueError(
            f"{name} must have whole numbers for {taker}. Received: values such as {values[odd][0]:g}, in {n_rows} of "
            f"{len(values)} rows. Correct these rows, or leave them out."
        )


def _find_embedded_tokens(network: keras.Model, x: Any) -> Iterator[tuple[Any, np.ndarray, bool]]:
    """Yield each embedding without preceding weights, its tokens, and whether these are an input of the model."""
    graph = get_graph(network)
    if graph is None:
        return
    for layer in list_sublayers(network, include_self=False):
        if not isinstance(layer, keras.layers.Embedding):
            continue
        for node in list_inbound_nodes(layer):
            try:
                before = keras.Model(graph.input, node.input_tensors[0])
                tokens = None if before.weights else keras.ops.convert_to_numpy(before(x, training=False))
            except (ValueError, KeyError):  # the layer belongs to an inner model, which Keras 3.13 finds in the call
                continue
            if tokens is not None:
                is_input = any(node.input_tensors[0] is tensor for tensor in graph.inputs)
                yield layer, tokens, is_input
