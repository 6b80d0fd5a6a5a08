"""Sequences of different lengths: rows are padded with zeros at the end, where the model masks the zeros."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._data._data import take
from shrinkage._data._tables import get_table_library, to_pandas
from shrinkage._host._graphs import get_graph
from shrinkage._host._private import UnsupportedVersion
from shrinkage._model._behaviour import perturb
from shrinkage._problem._structure import get_structure_keys

_COMPARED_ROWS = 8
_TOLERANCES = {"float64": 1e-9, "bfloat16": 0.1}  # relative to the largest prediction; 1e-4 for others

Lengths = list[np.ndarray | None]
"""Length of each row (n,) for each model input, or None for an input that was not padded."""


def pad_inputs(network: keras.Model, x: Any) -> tuple[Any, Lengths]:
    """Pad inputs with rows of different lengths, if the model takes sequences of any length. Stack rows of one length.

    Args:
        network: A model with a graph.
        x: The argument `x` of `fit`: lists of sequences, arrays of sequences, or ragged tensors, by input.
    """
    graph = get_graph(network)
    tensors = tree.flatten(graph.input)
    keys = get_structure_keys(graph.input, [tensor.name for tensor in graph.inputs])
    if isinstance(x, dict):
        parts: dict[Any, Any] = dict(x)
    elif len(keys) == 1:
        parts = {keys[0]: x}
    else:
        parts = dict(zip(keys, x, strict=True)) if isinstance(x, (list, tuple)) and len(x) == len(keys) else {}
    lengths: Lengths = [None] * len(keys)
    for i, (key, tensor) in enumerate(zip(keys, tensors, strict=True)):
        values, may_pad = parts.get(key), _takes_any_length(tensor)
        rows = (
            None if isinstance(values, (list, tuple)) and not may_pad else _to_sequences(values, len(tensor.shape) - 1)
        )
        if rows is not None and (may_pad or len({*map(len, rows)}) == 1):
            parts[key], lengths[i] = _pad(rows)
    if not any(each is not None for each in lengths):
        return x, []
    if isinstance(x, dict):
        return parts, lengths
    return (parts[keys[0]] if len(keys) == 1 else tuple(parts.values())), lengths


def _takes_any_length(tensor: Any) -> bool:
    return len(tensor.shape) > 1 and tensor.shape[1] is None and None not in tensor.shape[2:]


def _to_sequences(values: Any, ndim: int) -> list[np.ndarray] | None:
    """Return the rows of sequences of different lengths, each an array with `ndim` axes; None for any other value."""
    if type(values).__name__ == "RaggedTensor":
        values = [row.to_tensor() if type(row).__name__ == "RaggedTensor" else row for row in values]
    elif (get_table_library(values) or hasattr(values, "to_numpy")) and not hasattr(
        type(values), "columns"
    ):  # a column of lists
        values = np.asarray(to_pandas(values))
    is_array = isinstance(values, np.ndarray) and values.ndim == 1 and values.dtype == object
    if not (is_array or isinstance(values, (list, tuple))) or not len(values):
        return None
    try:
        rows = [np.asarray(row) for row in values]
    except ValueError:  # a row is ragged in a further axis
        return None
    if any(row.ndim != ndim and row.size or row.dtype.kind not in "biuf" for row in rows):
        return None
    rows = [row if row.ndim == ndim else row.reshape(0, *[1] * (ndim - 1)) for row in rows]
    return rows if len({row.shape[1:] for row in rows if row.size}) == 1 else None


def _pad(rows: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the rows, padded with zeros at the end, (n, longest, ...), and the length of each row, (n,)."""
    lengths = np.array([len(row) for row in rows])
    longest = rows[int(lengths.argmax())]
    padded = np.zeros((len(rows), *longest.shape), np.result_type(*{row.dtype for row in rows if row.size}))
    for row, into in zip(rows, padded, strict=True):
        into[: len(row)] = row
    return padded, lengths


def check_padding(network: keras.Model, x: Any, lengths: Lengths) -> tuple[str, ...]:
    """Return a note on padded rows, and refuse a model that predicts differently for a row with padding.

    Args:
        network: The model.
        x: Checked inputs, with the structure of the model inputs.
        lengths: The result of `pad_inputs`.
    """
    padded = [each for each in lengths if each is not None]
    if not padded or all(np.ptp(each) == 0 for each in padded):
        return ()
    order = np.argsort(padded[0], kind="stable")
    order = order[np.min(padded, axis=0)[order] > 0]
    for row in dict.fromkeys(order[np.linspace(0, len(order) - 1, _COMPARED_ROWS).astype(int)].tolist()):
        leaves = tree.flatten(take(x, [row]))
        cut = [leaf if each is None else leaf[:, : each[row]] for leaf, each in zip(leaves, lengths, strict=True)]
        if not _predicts_alike(network, tree.pack_sequence_as(x, leaves), tree.pack_sequence_as(x, cut)):
            raise ValueError(
                f"`model` must ignore the zeros after a shorter row, as `x` has rows of {padded[0].min()} to "
                f"{padded[0].max()} values. Received: a model that predicts otherwise for a row with zeros at its end. "
                f"Give its Embedding mask_zero=True, and use layers that take the mask. Or pad the rows yourself, "
                f"x = keras.utils.pad_sequences(x, padding='post'), with dtype='float32' where they are no tokens."
            )
    empty = np.flatnonzero(np.min(padded, axis=0) == 0)
    if len(empty) and not _is_finite(network, take(x, empty[:1])):
        raise ValueError(
            f"`x` must have values in every row, as `model` predicts NaN for a row that is all padding. Received: no "
            f"value in row {empty[0]} ({len(empty)} of the {len(padded[0])} rows). Leave these rows out."
        )
    shortest, longest = min(each.min() for each in padded), max(each.max() for each in padded)
    return (
        f"The rows of `x` have {shortest} to {longest} values: shorter rows were padded with zeros at the end, which "
        f"the model masks.",
    )


def _is_finite(network: keras.Model, x: Any) -> bool:
    with keras.StatelessScope():
        outputs = tree.flatten(network(x, training=False))
    return all(np.isfinite(keras.ops.convert_to_numpy(keras.ops.cast(each, "float64"))).all() for each in outputs)


def _predicts_alike(network: keras.Model, x: Any, other: Any) -> bool:
    """Whether a model with perturbed weights gives the same predictions for two inputs."""
    generator = np.random.default_rng(0)
    values = [(v, keras.ops.convert_to_tensor(perturb(v, generator), v.dtype)) for v in network.variables]
    try:
        with keras.StatelessScope(state_mapping=values):
            outputs = [tree.flatten(network(inputs, training=False)) for inputs in (x, other)]
    except UnsupportedVersion:
        raise
    except Exception:  # of any class: a layer may need a minimum length
        return False
    for a, b in zip(*outputs, strict=True):
        if a.shape != b.shape:
            return False
        close = _TOLERANCES.get(str(a.dtype), 1e-4)
        a, b = (keras.ops.convert_to_numpy(keras.ops.cast(each, "float64")) for each in (a, b))
        if not np.allclose(a, b, rtol=close, atol=close * float(np.abs(a).max())):
            return False
    return True
