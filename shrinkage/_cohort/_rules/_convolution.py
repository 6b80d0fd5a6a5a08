"""Convolutions compiled by XLA: each member's kernel times windows of its input, as matrix products.

XLA's own convolutions are slow on a CPU, and grouped ones let members touch each other; slices and matrix products it
compiles well. A step of a member takes 0.43 ms, and 0.68 unrolled without XLA, in a small network (16 and 32 filters on
14 x 14, batch 32); in one bound by arithmetic (32 and 64 filters on 28 x 28, batch 256) 70 and 34, so that the plan has
large ones unrolled. Without XLA the same products are slower than unrolling in both.
"""

import math
from typing import Any

from keras import layers, ops

from shrinkage._cohort._rules._dense import activate
from shrinkage._cohort._rules._registry import align, is_built_in_activation, rule
from shrinkage._cohort._rules._windows import channels_as_in, channels_last, pad, same_padding, windows
from shrinkage._cohort._state import State

_MIN_INPUTS = 16  # a product of fewer inputs than this wastes the machine's vectors: it takes all of a window at once


def covers(layer: Any) -> bool:
    """Say whether a layer of this family has only options that the rules know."""
    return is_built_in_activation(layer.activation) and not getattr(layer, "lora_enabled", False)


@rule(layers.Conv1D, covers, only_xla=True)
@rule(layers.Conv2D, covers, only_xla=True)
@rule(layers.Conv3D, covers, only_xla=True)
def convolution(layer: Any, state: State, x: Any, training: bool) -> Any:
    """y = activation(windows(x)·W + b).

    A window's places along the last axis are joined, and the products for its other places added up: 1.2 to 1.3 times
    as fast as one product of whole windows, which are a kernel's size times the input.
    """
    del training
    x, size, groups = _pad_input(layer, channels_last(layer, x)), layer.kernel_size, layer.groups
    x = ops.reshape(x, (*x.shape[:-1], groups, x.shape[-1] // groups))
    ones = (1,) * (layer.rank - 1)
    takes_whole_window = x.shape[-1] * size[-1] < _MIN_INPUTS
    joined_size, summed_size = (size, (*ones, 1)) if takes_whole_window else ((*ones, size[-1]), (*size[:-1], 1))
    strides = layer.strides if takes_whole_window else (*ones, layer.strides[-1])
    patches = ops.concatenate(list(windows(x, joined_size, strides, layer.dilation_rate)), axis=-1)
    kernel = state[layer.kernel]
    shape = math.prod(summed_size), patches.shape[-1], groups, layer.filters // groups
    kernel = ops.reshape(kernel, (*kernel.shape[:2], *shape))
    strides = (*ones, 1) if takes_whole_window else (*layer.strides[:-1], 1)
    parts = enumerate(windows(patches, summed_size, strides, layer.dilation_rate))
    y = sum(product(part, kernel[:, :, place]) for place, part in parts)
    return finish(layer, state, y)


def product(x: Any, kernel: Any) -> Any:
    """Multiply (f, s, batch, *out, g, i) by (f, s, i, g, o) to (f, s, batch, *out, g · o)."""
    rows = ops.reshape(x, (*x.shape[:2], -1, *x.shape[-2:]))
    if x.shape[1] == 1 and kernel.shape[1] > 1:  # one product with all members' kernels side by side
        y = ops.einsum("...rgi,...sigo->...srgo", rows[:, 0], kernel)
    else:
        y = ops.einsum("...rgi,...igo->...rgo", rows, kernel)
    return ops.reshape(y, (*y.shape[:2], *x.shape[2:-2], -1))


def _pad_input(layer: Any, x: Any) -> Any:
    if layer.padding == "same":
        return pad(x, same_padding(x, layer.kernel_size, layer.strides, layer.dilation_rate))
    if layer.padding == "causal":
        return pad(x, [(layer.dilation_rate[0] * (layer.kernel_size[0] - 1), 0)])
    return x


def finish(layer: Any, state: State, y: Any) -> Any:
    """Add the bias, put the channels where the layer has them, apply the activation."""
    if layer.use_bias:
        y = y + align(state[layer.bias], y, (len(y.shape) - 1,))
    return activate(layer.activation, channels_as_in(layer, y))


@rule(layers.DepthwiseConv1D, covers, only_xla=True)
@rule(layers.DepthwiseConv2D, covers, only_xla=True)
def depthwise_convolution(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Every channel has kernels of its own: slices times weights, added up."""
    del training
    return finish(layer, state, _depthwise(layer, channels_last(layer, x), state[layer.kernel]))


def _depthwise(layer: Any, x: Any, kernel: Any) -> Any:
    """Return (f, s, batch, *out, c · m) for a kernel (f, s, *size, c, m)."""
    x, places = _pad_input(layer, x)[..., None], math.prod(layer.kernel_size)
    kernel = ops.reshape(kernel, (*kernel.shape[:2], places, *kernel.shape[-2:]))
    last = len(x.shape) - 1
    parts = enumerate(windows(x, layer.kernel_size, layer.strides, layer.dilation_rate))
    y: Any = sum(part * align(kernel[:, :, place], part, (last - 1, last)) for place, part in parts)
    return ops.reshape(y, (*y.shape[:-2], -1))


@rule(layers.SeparableConv1D, covers, only_xla=True)
@rule(layers.SeparableConv2D, covers, only_xla=True)
def separable_convolution(layer: Any, state: State, x: Any, training: bool) -> Any:
    """A depthwise convolution, and a product that mixes its channels."""
    del training
    y = _depthwise(layer, channels_last(layer, x), state[layer.depthwise_kernel])
    kernel = state[layer.pointwise_kernel]
    kernel = ops.reshape(kernel, (*kernel.shape[:2], *kernel.shape[-2:]))
    return finish(layer, state, product(y[..., None, :], kernel[..., None, :]))
