"""Transposed convolutions: each input value times the kernel, summed over overlapping windows."""

import math
from typing import Any

from keras import layers, ops

from shrinkage._cohort._rules._convolution import covers, finish, multiply_kernels
from shrinkage._cohort._rules._registry import rule
from shrinkage._cohort._rules._windows import FIRST, move_channels_last, overlap_add, pad
from shrinkage._cohort._state import State


@rule(layers.Conv1DTranspose, covers, only_xla=True)
@rule(layers.Conv2DTranspose, covers, only_xla=True)
@rule(layers.Conv3DTranspose, covers, only_xla=True)
def transposed_convolution(layer: Any, state: State, x: Any, training: bool) -> Any:
    """y = activation(overlap_add(x·W) + b), cut or padded to the layer's output size."""
    del training
    shape = layer.compute_output_shape(tuple(x.shape[2:]))
    out = shape[1:-1] if layer.data_format == "channels_last" else shape[2:]
    x, kernel, places = move_channels_last(layer, x), state[layer.kernel], math.prod(layer.kernel_size)
    kernel = ops.reshape(kernel, (*kernel.shape[:2], 1, places * layer.filters, kernel.shape[-1]))
    y = multiply_kernels(x[..., None, :], ops.moveaxis(kernel, -1, 2))
    y = ops.reshape(y, (*y.shape[:-1], places, layer.filters))
    parts = [y[..., place, :] for place in range(places)]
    y = overlap_add(parts, layer.kernel_size, layer.strides, layer.dilation_rate)
    return finish(layer, state, _fit_size(y, out, layer.padding))


def _fit_size(y: Any, out_size: tuple[int, ...], padding: str) -> Any:
    """Cut the spatial axes to sizes `out_size` (on both sides for "same" padding), or pad them at the end."""
    sizes = list(zip(y.shape[FIRST:-1], out_size, strict=True))
    starts = [max(n - size, 0) // 2 if padding == "same" else 0 for n, size in sizes]
    slices = tuple(slice(start, start + size) for start, size in zip(starts, out_size, strict=True))
    return pad(y[(slice(None),) * FIRST + slices], [(0, max(size - n, 0)) for n, size in sizes])
