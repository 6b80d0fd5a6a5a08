"""BatchNormalization, LayerNormalization, GroupNormalization, RMSNormalization, Normalization, TableNormalization."""

from typing import Any

import keras
from keras import layers, ops

from shrinkage._cohort._rules._registry import align, rule
from shrinkage._cohort._state import State
from shrinkage._host._layers import get_kept_axes
from shrinkage._model._table_normalization import TableNormalization, standardize_columns


def _has_single_axis(layer: Any) -> bool:
    renorm = getattr(layer, "renorm", False)  # from Keras 3.14 on
    return isinstance(layer.axis, int) and not layer.synchronized and not renorm


@rule(layers.BatchNormalization, _has_single_axis)
def batch_normalization(layer: Any, state: State, x: Any, training: bool, mask: Any = None) -> Any:
    """Normalise each member by its batch moments, and update the moving averages."""
    axis, x = _shift_axis(layer.axis, x), _raise_precision(x)
    if training and layer.trainable:
        reduced = [a for a in range(2, len(x.shape)) if a != axis]
        mean, variance = ops.moments(x, axes=reduced) if mask is None else _compute_masked_moments(x, mask, reduced)
        for moving, batch in ((layer.moving_mean, mean), (layer.moving_variance, variance)):
            average = _get_value(state, moving, x) * layer.momentum + batch * (1.0 - layer.momentum)
            state[moving] = ops.cast(average, moving.dtype)
    else:
        mean, variance = (_get_value(state, v, x) for v in (layer.moving_mean, layer.moving_variance))
    factor = ops.rsqrt(variance + layer.epsilon)
    if layer.scale:
        factor = factor * _get_value(state, layer.gamma, x)
    offset = -mean * factor
    if layer.center:
        offset = offset + _get_value(state, layer.beta, x)
    return ops.cast(x * align(factor, x, (axis,)) + align(offset, x, (axis,)), layer.compute_dtype)


def _compute_masked_moments(x: Any, mask: Any, axes: list[int]) -> tuple[Any, Any]:
    """Return mean and variance of the entries where a mask (f, s, batch, ...) is true, with Keras' epsilon added to
    their number.
    """
    mask = ops.broadcast_to(ops.expand_dims(mask, -1), x.shape)
    count = ops.sum(ops.cast(mask, x.dtype), axes, keepdims=True) + keras.config.epsilon()
    mean = ops.sum(ops.where(mask, x, 0), axes, keepdims=True) / count
    variance = ops.sum(ops.where(mask, ops.square(x - mean), 0), axes, keepdims=True) / count
    return ops.squeeze(mean, axes), ops.squeeze(variance, axes)


@rule(layers.LayerNormalization)
def layer_normalization(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Normalise each row over the layer's axes."""
    del training
    axes, x = _shift_axes(layer, x), _raise_precision(x)
    mean, variance = ops.moments(x, axes=axes, keepdims=True)
    y = (x if layer.rms_scaling else x - mean) * ops.rsqrt(variance + layer.epsilon)
    if layer.gamma is not None:
        y = y * align(_get_value(state, layer.gamma, x), x, axes)
    if layer.beta is not None:
        y = y + align(_get_value(state, layer.beta, x), x, axes)
    return ops.cast(y, layer.compute_dtype)


@rule(layers.RMSNormalization)
def rms_normalization(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Divide each row by the root mean square over the layer's axes."""
    del training
    axes, x = _shift_axes(layer, x), _raise_precision(x)
    y = x * ops.rsqrt(ops.mean(ops.square(x), axis=axes, keepdims=True) + layer.epsilon)
    return ops.cast(y * align(_get_value(state, layer.scale, x), x, axes), layer.compute_dtype)


@rule(layers.GroupNormalization)
def group_normalization(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Normalise each group of a row's channels over the group and all other axes."""
    del training
    axis, x = _shift_axis(layer.axis, x), _raise_precision(x)
    channels = x.shape[axis]
    grouped = ops.reshape(x, (*x.shape[:axis], layer.groups, channels // layer.groups, *x.shape[axis + 1 :]))
    reduced = [a for a in range(3, len(grouped.shape)) if a != axis]
    mean, variance = ops.moments(grouped, axes=reduced, keepdims=True)
    y = ops.reshape((grouped - mean) * ops.rsqrt(variance + layer.epsilon), x.shape)
    if layer.scale:
        y = y * align(_get_value(state, layer.gamma, x), x, (axis,))
    if layer.center:
        y = y + align(_get_value(state, layer.beta, x), x, (axis,))
    return ops.cast(y, layer.compute_dtype)


@rule(layers.Normalization)
def normalization(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Standardise, or invert it, by statistics of the fold's training rows or by the layer's `mean` and `variance`."""
    del training
    if layer.input_mean is not None:
        mean, variance = layer.mean, layer.variance
    else:
        axes = tuple(_shift_axis(a, x) for a in get_kept_axes(layer))
        mean, variance = (align(state[v], x, axes) for v in (layer.adapt_mean, layer.adapt_variance))
    x = ops.cast(x, layer.compute_dtype)
    deviation = ops.maximum(ops.sqrt(variance), keras.config.epsilon())
    return ops.add(mean, ops.multiply(x, deviation)) if layer.invert else ops.divide(ops.subtract(x, mean), deviation)


@rule(TableNormalization)
def table_normalization(layer: Any, state: State, x: Any, training: bool) -> Any:
    """Standardise by statistics of the fold's training rows."""
    del training
    return standardize_columns(x, *(align(state[v], x, (len(x.shape) - 1,)) for v in layer.statistics))


def _raise_precision(x: Any) -> Any:
    """Cast `x` to float32 or higher: Keras computes moments in that precision, whatever the dtype of the layer."""
    return ops.cast(x, keras.backend.result_type(x.dtype, "float32"))


def _get_value(state: State, variable: Any, x: Any) -> Any:
    """Return the value of a variable in the precision of `x`, which may be higher: these layers do not cast inputs."""
    return ops.cast(state[variable], x.dtype)


def _shift_axes(layer: Any, x: Any) -> tuple[int, ...]:
    return tuple(sorted(_shift_axis(a, x) for a in ([layer.axis] if isinstance(layer.axis, int) else layer.axis)))


def _shift_axis(axis: int, x: Any) -> int:
    """Return the axis of (f, s, batch, ...) for a layer's axis, which is counted from the batch axis."""
    return axis + 2 if axis >= 0 else axis + len(x.shape)
