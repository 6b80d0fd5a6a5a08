"""Dense: one batched matrix product for all members."""

import math
from typing import Any

import keras
from keras import ops

from shrinkage._cohort._rules import align, is_built_in_activation, register
from shrinkage._cohort._state import State
from shrinkage._losses import carry_logits


def _covers(layer: Any) -> bool:
    adapted = layer.quantization_mode is not None or layer.lora_enabled
    return is_built_in_activation(layer.activation) and not adapted


@register(keras.layers.Dense, _covers)
def dense(layer: Any, state: State, x: Any, training: bool) -> Any:
    """y = activation(x·W + b), where an `x` shared by all strengths (s = 1) meets all their kernels at once."""
    del training
    y = _contract(x, state[layer.kernel])
    if layer.use_bias:
        y = y + align(state[layer.bias], y, (len(y.shape) - 1,))
    return activate(layer.activation, y)


def _contract(x: Any, kernel: Any) -> Any:
    """Multiply (f, s, batch, ..., i) by (f, s, i, o); the axes between are rows to a matrix product."""
    f, s, *rows, inputs = x.shape
    y = ops.matmul(ops.reshape(x, (f, s, math.prod(rows), inputs)), kernel)
    return ops.reshape(y, (*y.shape[:2], *rows, y.shape[-1]))


def activate(activation: Any, y: Any) -> Any:
    """Apply an activation on merged leading axes: some kernels take few dimensions only."""
    if activation is None or activation is keras.activations.linear:
        return y
    f, s, batch, *rest = y.shape
    activated = activation(ops.reshape(y, (f * s * batch, *rest)))
    return carry_logits(activated, ops.reshape(activated, y.shape), lambda logits: ops.reshape(logits, y.shape))
