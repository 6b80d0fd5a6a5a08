"""How a layer runs for all members at once: one small file per family of layers.

A rule is a pure function `rule(layer, state, x, training) -> y` in `keras.ops`: `x` has shape (f, s, batch, ...) with
f, s as in `State`, and `state[layer.kernel]` are the members' kernels, (f, s, ...). It may list more of the layer's
call arguments, `mask=None` say. A layer without a rule, or whose options the rule does not cover, or that is called
with an argument that the rule does not list, is unrolled: called once per member.
"""

import inspect
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


def rule(
    layer_type: type, covers: Callable[[Any], bool] = lambda layer: True, *, only_xla: bool = False
) -> Callable[[Rule], Rule]:
    """Register the decorated function as the rule that runs your own layer for all members at once.

    Without a rule a layer is called once per member, which is right and slower. A rule computes the same for all
    members, y[f, s] = layer(x[f, s]), in `keras.ops` and without side effects: f counts folds and s strengths, either
    may be 1 where members share a value, and arrays broadcast. Before training every model is compared with itself
    called member by member; if a rule does not agree, the fit goes without it and `path.notes` says so.

    Args:
        layer_type: The class of the layer. Its subclasses are not meant: they may compute something else.
        covers: Says whether the rule is right for a layer's options; other layers of the class are unrolled.
        only_xla: Whether the rule is for a forward pass that XLA compiles, and slow in any other.

    Returns:
        A decorator for a function `(layer, state, x, training) -> y`, where `x` and `y` have shape (f, s, batch, ...),
        and `state[variable]` has the members' values of one of the layer's variables, (f, s, *variable.shape); new
        values of those that are not trained are assigned to it. Arguments of the layer's `call` beside the first
        (`mask`, say) are listed by their names; a layer called with one that is not listed is unrolled.

    Raises:
        TypeError: If `layer_type` is no class of Keras layers, or the function does not take these arguments.
        ValueError: If another rule is registered for the class.

    Example:
        >>> import keras, numpy as np, shrinkage as sh
        >>> class Gain(keras.layers.Layer):
        ...     def build(self, input_shape):
        ...         self.gain = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="gain")
        ...     def call(self, x):
        ...         return x * self.gain
        >>> @sh.rule(Gain)
        ... def gain(layer, state, x, training):
        ...     return x * state[layer.gain][:, :, None]  # (f, s, batch, k) times (f, s, 1, k)
        >>> model = keras.Sequential([keras.Input((3,)), Gain(), keras.layers.Dense(1)])
        >>> model.compile("adam", "mse")
        >>> path = sh.fit(model, np.eye(12, 3), np.arange(12.0), penalty=sh.L2(), lams=[0.1], epochs=1, cv=2)
        >>> path.plan["unrolled"]
        ()
    """
    if not (isinstance(layer_type, type) and issubclass(layer_type, keras.Layer)):
        raise TypeError(
            f"`layer_type` must be a class derived from keras.layers.Layer. Received: {layer_type!r}. "
            "Write @shrinkage.rule(MyLayer) above the function."
        )

    def add(function: Rule) -> Rule:
        _check_signature(layer_type, function)
        known = _RULES.get(layer_type)
        if known is not None and _name(known.rule) != _name(function):  # the same name: a cell that is run again
            raise ValueError(
                f"`layer_type` must be a class without a rule. Received: {layer_type.__name__}, whose rule is "
                f"{_name(known.rule)}. Register a class derived from it in its place."
            )
        _RULES[layer_type] = _Entry(function, covers, only_xla)
        return function

    return add


def _name(function: Rule) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _check_signature(layer_type: type, function: Rule) -> None:
    parameters = list(inspect.signature(function).parameters.values())
    by_position = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    more = [p.name for p in parameters[4:]]
    known = list(inspect.signature(layer_type.call).parameters)[2:]
    if len(by_position) < 4 or not set(more) <= set(known):
        raise TypeError(
            f"A rule for {layer_type.__name__} must take (layer, state, x, training), and by name only arguments of "
            f"the layer's `call` ({', '.join(known) or 'it has no more'}). Received: {function.__qualname__}"
            f"{inspect.signature(function)}."
        )


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


def fold_members(value: Any, members: tuple[int, int]) -> Any:
    """Fold the members' axes of (f, s, batch, ...) into the batch, what they share repeated: (F·S·batch, ...)."""
    value = keras.ops.broadcast_to(value, (*members, *value.shape[2:]))
    return keras.ops.reshape(value, (-1, *value.shape[3:]))


def unfold_members(value: Any, members: tuple[int, int]) -> Any:
    """Undo `fold_members`."""
    return keras.ops.reshape(value, (*members, -1, *value.shape[1:]))
