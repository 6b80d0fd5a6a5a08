"""MaxPooling and AveragePooling by slices: XLA's window operations take most of a small network's time on a CPU."""

from typing import Any

from keras import layers, ops

from shrinkage._cohort._rules._registry import rule
from shrinkage._cohort._rules._windows import (
    compute_same_padding,
    iterate_windows,
    move_channels_last,
    pad,
    restore_channels,
)
from shrinkage._cohort._state import State


@rule(layers.MaxPooling1D, only_xla=True)
@rule(layers.MaxPooling2D, only_xla=True)
@rule(layers.MaxPooling3D, only_xla=True)
def max_pooling(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Return the maximum over each window. If several entries are equal, the first gets the gradient, as in Keras."""
    del state, training
    y, *others = _list_windows(layer, move_channels_last(layer, x), -float("inf"))
    for other in others:
        y = ops.maximum(y, other)
    return restore_channels(layer, y)


@rule(layers.AveragePooling1D, only_xla=True)
@rule(layers.AveragePooling2D, only_xla=True)
@rule(layers.AveragePooling3D, only_xla=True)
def average_pooling(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Return the mean over each window, without the padding."""
    del state, training
    x = move_channels_last(layer, x)
    total, count = (
        sum(_list_windows(layer, value, 0.0)) for value in (x, ops.ones((1, 1, 1, *x.shape[3:-1], 1), x.dtype))
    )
    return restore_channels(layer, total / count)


def _list_windows(layer: Any, x: Any, value: float) -> list[Any]:
    ones = (1,) * len(layer.pool_size)
    if layer.padding == "same":
        x = pad(x, compute_same_padding(x, layer.pool_size, layer.strides, ones), value)
    return list(iterate_windows(x, layer.pool_size, layer.strides, ones))
