"""BatchNormalization, LayerNormalization and Normalization."""

from typing import Any

import keras
from keras import ops

from shrinkage._cohort._rules import align, register
from shrinkage._cohort._state import State


def _one_axis(layer: Any) -> bool:
    return isinstance(layer.axis, int) and not layer.synchronized and not layer.renorm


@register(keras.layers.BatchNormalization, _one_axis)
def batch_normalization(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Normalise each member by its own batch's moments, and keep its own moving averages."""
    axis, x = _shifted(layer.axis, x), _at_least_float32(x)
    if training and layer.trainable:
        reduced = [a for a in range(2, len(x.shape)) if a != axis]
        mean, variance = ops.moments(x, axes=reduced)
        for moving, batch in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            state[moving] = state[moving] * layer.momentum + batch * (1.0 - layer.momentum)
    else:
        mean, variance = state[layer.moving_mean], state[layer.moving_variance]
    factor = ops.rsqrt(variance + layer.epsilon)
    if layer.scale:
        factor = factor * state[layer.gamma]
    offset = -mean * factor
    if layer.center:
        offset = offset + state[layer.beta]
    return ops.cast(x * align(factor, x, (axis,)) + align(offset, x, (axis,)), layer.compute_dtype)


@register(keras.layers.LayerNormalization, lambda layer: not layer.rms_scaling)
def layer_normalization(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Normalise each row over the layer's axes."""
    del training
    axes = tuple(sorted(_shifted(a, x) for a in ([layer.axis] if isinstance(layer.axis, int) else layer.axis)))
    x = _at_least_float32(x)
    mean, variance = ops.moments(x, axes=axes, keepdims=True)
    y = (x - mean) * ops.rsqrt(variance + layer.epsilon)
    if layer.scale:
        y = y * align(state[layer.gamma], x, axes)
    if layer.center:
        y = y + align(state[layer.beta], x, axes)
    return ops.cast(y, layer.compute_dtype)


@register(keras.layers.Normalization, lambda layer: not layer.invert)
def normalization(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Standardise by the statistics of the member's own training rows, or by those given to the layer."""
    del training
    if layer.input_mean is not None:
        mean, variance = layer.mean, layer.variance
    else:
        axes = tuple(_shifted(a, x) for a in layer._keep_axis)
        mean, variance = (align(state[v], x, axes) for v in (layer.adapt_mean, layer.adapt_variance))
    x = ops.cast(x, layer.compute_dtype)
    return ops.divide(ops.subtract(x, mean), ops.maximum(ops.sqrt(variance), keras.config.epsilon()))


def _at_least_float32(x: Any) -> Any:
    """Return `x` in the precision in which Keras takes moments, whatever the layer's."""
    return ops.cast(x, keras.backend.result_type(x.dtype, "float32"))


def _shifted(axis: int, x: Any) -> int:
    """Return the place in (f, s, batch, ...) of a layer's axis, which counts from its own batch axis."""
    return axis + 2 if axis >= 0 else axis + len(x.shape)
