"""Dense: a batched matrix product for all members."""

import math
import string
from typing import Any

import keras
from keras import ops

from shrinkage._cohort._rules._registry import align, is_built_in_activation, rule
from shrinkage._cohort._state import State
from shrinkage._model._losses import carry_logits


def _covers(layer: Any) -> bool:
    is_adapted = layer.quantization_mode is not None or layer.lora_enabled
    return is_built_in_activation(layer.activation) and not is_adapted


@rule(keras.layers.Dense, _covers)
def dense(layer: Any, state: State, x: Any, training: bool) -> Any:
    """y = activation(x·W + b), where an input shared by all strengths (s = 1) is broadcast against all kernels."""
    del training
    y = _contract(x, state[layer.kernel])
    if layer.use_bias:
        y = y + align(state[layer.bias], y, (len(y.shape) - 1,))
    return activate(layer.activation, y)


@rule(keras.layers.EinsumDense, _covers)
def einsum_dense(layer: Any, state: State, x: Any, training: bool) -> Any:
    """y = activation(einsum(x, W) + b): the layer's equation, with the member axes (f, s) in front."""
    del training
    y = _stacked_einsum(layer.equation, x, state[layer.kernel])
    if layer.bias is not None:
        f, s, *bias = state[layer.bias].shape
        y = y + ops.reshape(state[layer.bias], (f, s, *[1] * (len(y.shape) - 2 - len(bias)), *bias))
    return activate(layer.activation, y)


def _stacked_einsum(equation: str, x: Any, kernel: Any) -> Any:
    """Contract (f, s, ...) with (f, s, ...) by an equation for one member, without repeating shared values."""
    letters = [letter for letter in string.ascii_letters if letter not in equation][:2]
    inputs, rest = equation.split(",")
    weights, outputs = rest.split("->")

    def operand(tensor: Any, other: Any, axes: str) -> tuple[Any, str]:
        shared = [i for i in (0, 1) if tensor.shape[i] == 1 and other.shape[i] > 1]
        return ops.squeeze(tensor, shared) if shared else tensor, "".join(
            letters[i] for i in (0, 1) if i not in shared
        ) + axes

    (x, inputs), (kernel, weights) = operand(x, kernel, inputs), operand(kernel, x, weights)
    return ops.einsum(f"{inputs},{weights}->{''.join(letters)}{outputs}", x, kernel)


def _contract(x: Any, kernel: Any) -> Any:
    """Multiply (f, s, batch, ..., i) by (f, s, i, o), with the middle axes flattened into rows."""
    f, s, *rows, inputs = x.shape
    y = ops.matmul(ops.reshape(x, (f, s, math.prod(rows), inputs)), kernel)
    return ops.reshape(y, (*y.shape[:2], *rows, y.shape[-1]))


def activate(activation: Any, y: Any) -> Any:
    """Apply an activation to (f, s, batch, ...).

    Only softmax needs the leading axes merged, as its TensorFlow kernel supports five axes. Reshapes keep XLA from a
    fast sum of the gradients of a bias, and take a tenth of a step of a small network.
    """
    if activation is None or activation is keras.activations.linear:
        return y
    if activation is not keras.activations.softmax:
        return activation(y)
    f, s, batch, *rest = y.shape
    activated = activation(ops.reshape(y, (f * s * batch, *rest)))
    return carry_logits(activated, ops.reshape(activated, y.shape), lambda logits: ops.reshape(logits, y.shape))
