"""MaxPooling and AveragePooling compiled by XLA, whose own windows take most of a small network's time on a CPU."""

from typing import Any

from keras import layers, ops

from shrinkage._cohort._rules._registry import rule
from shrinkage._cohort._rules._windows import channels_as_in, channels_last, pad, same_padding, windows
from shrinkage._cohort._state import State


@rule(layers.MaxPooling1D, only_xla=True)
@rule(layers.MaxPooling2D, only_xla=True)
@rule(layers.MaxPooling3D, only_xla=True)
def max_pooling(layer: Any, state: State, x: Any, training: bool) -> Any:
    """The largest of the windows' slices; of equal ones the first has the gradient, as in Keras."""
    del state, training
    y, *others = _windows(layer, channels_last(layer, x), -float("inf"))
    for other in others:
        y = ops.maximum(y, other)
    return channels_as_in(layer, y)


@rule(layers.AveragePooling1D, only_xla=True)
@rule(layers.AveragePooling2D, only_xla=True)
@rule(layers.AveragePooling3D, only_xla=True)
def average_pooling(layer: Any, state: State, x: Any, training: bool) -> Any:
    """The mean of the windows' slices, of which padding is no part."""
    del state, training
    x = channels_last(layer, x)
    total, count = (sum(_windows(layer, value, 0.0)) for value in (x, ops.ones((1, 1, 1, *x.shape[3:-1], 1), x.dtype)))
    return channels_as_in(layer, total / count)


def _windows(layer: Any, x: Any, value: float) -> list[Any]:
    ones = (1,) * len(layer.pool_size)
    if layer.padding == "same":
        x = pad(x, same_padding(x, layer.pool_size, layer.strides, ones), value)
    return list(windows(x, layer.pool_size, layer.strides, ones))
