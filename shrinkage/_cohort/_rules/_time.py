"""TimeDistributed: the rule of the wrapped layer, applied to every time step."""

from typing import Any

from keras import layers, ops

from shrinkage._cohort._rules._registry import find_rule, rule
from shrinkage._cohort._state import State

_ROW_LAYERS = (layers.Dense, layers.EinsumDense, layers.LayerNormalization)  # they treat a time step as a row


def _covers(layer: Any) -> bool:
    inner = layer.layer
    has_rule = type(inner) in (*_ROW_LAYERS, layers.Dropout) and find_rule(inner) is not None
    return has_rule and inner.compute_dtype == layer.compute_dtype


@rule(layers.TimeDistributed, _covers)
def time_distributed(layer: Any, state: State, x: Any, training: bool, *, mask: Any = None) -> Any:
    """Return the outputs of the wrapped layer for `x` (f, s, batch, time, ...), with the same time axis."""
    del mask  # none of the layers in `_covers` takes a mask
    rule: Any = find_rule(layer.layer)
    if type(layer.layer) is layers.Dropout:  # Keras draws a mask at every time step
        return ops.stack([rule(layer.layer, state, x[:, :, :, t], training) for t in range(x.shape[3])], axis=3)
    f, s, batch, times, *rest = x.shape
    y = rule(layer.layer, state, ops.reshape(x, (f, s, batch * times, *rest)), training)
    return ops.reshape(y, (*y.shape[:2], batch, times, *y.shape[3:]))
