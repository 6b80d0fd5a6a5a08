"""Embedding: a single lookup in the concatenated tables of all members."""

from typing import Any

import keras
from keras import ops

from shrinkage._cohort._rules._registry import rule
from shrinkage._cohort._state import State


def _covers(layer: Any) -> bool:
    return layer.quantization_mode is None and not layer.lora_enabled


@rule(keras.layers.Embedding, _covers)
def embedding(layer: Any, state: State, x: Any, training: bool) -> Any:
    """y = table[x]: the tables of all members are concatenated, and the tokens of a member are shifted to its table."""
    del training
    table = state[layer.embeddings]
    f, s, tokens, width = table.shape
    x = ops.cast(x, "int32")
    x = ops.clip(ops.where(x < 0, x + tokens, x), 0, tokens - 1)  # never a row of another member
    first = ops.reshape(ops.arange(f * s, dtype="int32") * tokens, (f, s, *[1] * (len(x.shape) - 2)))
    y = ops.take(ops.reshape(table, (f * s * tokens, width)), x + first, axis=0)
    return ops.cast(y, layer.compute_dtype)
