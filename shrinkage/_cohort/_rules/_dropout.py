"""Dropout: one mask per fold, shared by all its strengths, so that they differ by lambda alone."""

from typing import Any

import keras
from keras import ops

from shrinkage._cohort._rules import register
from shrinkage._cohort._state import State
from shrinkage._cohort._unroll import unroll


@register(keras.layers.Dropout)
def dropout(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Multiply by the mask that the layer itself draws on ones, from the fold's own seed."""
    if not training or layer.rate == 0:
        return x
    ones = ops.ones((x.shape[0], 1, *x.shape[2:]), dtype=x.dtype)
    return x * unroll(layer, state, (ones,), {}, training=True)
