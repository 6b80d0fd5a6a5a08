"""How a layer runs for all members at once: one small file per family of layers.

A rule is a pure function `rule(layer, state, x, training) -> y` in `keras.ops`: `x` has shape (f, s, batch, ...) with
f, s as in `State`, and `state[layer.kernel]` are the members' kernels, (f, s, ...). It may list more of the layer's
call arguments, `mask=None` say. A layer without a rule, or whose options the rule does not cover, or that is called
with an argument that the rule does not list, is unrolled: called once per member.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras

Rule = Callable[..., Any]


@dataclass(frozen=True)
class _Entry:
    rule: Rule
    covers: Callable[[Any], bool]
    only_xla: bool


_RULES: dict[type, _Entry] = {}


def register(
    layer_type: type, covers: Callable[[Any], bool] = lambda layer: True, *, only_xla: bool = False
) -> Callable[[Rule], Rule]:
    """Register the decorated rule for exactly `layer_type` (a subclass may compute something else).

    Args:
        layer_type: The class.
        covers: Says of a layer whether the rule knows all its options.
        only_xla: Whether the rule is for a forward pass that XLA compiles, and slow in any other.
    """

    def add(rule: Rule) -> Rule:
        _RULES[layer_type] = _Entry(rule, covers, only_xla)
        return rule

    return add


def rule_for(layer: Any, xla: bool = True) -> Rule | None:
    """Return the rule that runs `layer` for all members, compiled by XLA or not, or None if it has none."""
    entry = _RULES.get(type(layer))
    if (
        entry is None
        or layer.activity_regularizer is not None
        or not entry.covers(layer)
        or (entry.only_xla and not xla)
    ):
        return None
    return entry.rule


def is_built_in_activation(activation: Any) -> bool:
    """Say whether an activation is one of Keras' own, which never mix rows (a user's function might)."""
    return activation is None or getattr(keras.activations, getattr(activation, "__name__", ""), None) is activation


def align(value: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """Reshape a value (f, s, *dims) to broadcast against x (f, s, batch, ...), its dims at x's `axes`."""
    shape = list(value.shape[:2]) + [1] * (len(x.shape) - 2)
    for axis, size in zip(axes, value.shape[2:], strict=True):
        shape[axis] = size
    return keras.ops.reshape(value, shape)


from shrinkage._cohort._rules import (  # noqa: E402, F401  (they register themselves)
    _convolution,
    _dense,
    _dropout,
    _normalization,
    _pooling,
    _recurrent,
    _time,
    _transposed,
)
