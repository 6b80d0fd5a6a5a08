"""The registry of rules. A rule runs a class of layers for all members at once.

A rule is a pure function `rule(layer, state, x, training) -> y` in `keras.ops`: `x` has shape (f, s, batch, ...) with
f, s as in `State`, and `state[layer.kernel]` holds the kernels of all members, (f, s, ...). A rule may list more call
arguments of the layer, such as `mask=None`. A layer is unrolled, that is, called once per member, if it has no rule, if
the rule does not support the layer's options, or if the call has an argument that the rule does not list.
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
    """Register the decorated function as the rule for a custom layer: it runs the layer for all members at once.

    A layer without a rule is called once per member, which gives the same result more slowly. A rule computes
    y[f, s] = layer(x[f, s]) for all members in `keras.ops`, without side effects. f counts folds, s counts strengths.
    Either size may be 1 where members share a value, and arrays broadcast. Before training, the rules of a model are
    compared with calls of the model per member. If they do not agree, the fit does not use them, and `path.notes` says
    so.

    Args:
        layer_type: The class of the layer. The rule does not apply to subclasses, which may compute something else.
        covers: A function `layer -> bool` that returns whether the rule supports the options of a layer; other layers
            of the class are unrolled.
        only_xla: Whether the rule is used only in a forward pass that XLA compiles, because it is slow otherwise.

    Returns:
        A decorator for a function `(layer, state, x, training) -> y`. `x` and `y` have shape (f, s, batch, ...).
        `state[variable]` holds the values of a variable of the layer for all members, (f, s, *variable.shape). Assign
        new values of non-trainable variables to it. List further arguments of the layer's `call`, such as `mask`, by
        name; a call with an argument that is not listed is unrolled.

    Raises:
        TypeError: If `layer_type` is not a class of Keras layers, or the function does not take the arguments above.
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
        entry = _RULES.get(layer_type)
        if entry is not None and _get_name(entry.rule) != _get_name(
            function
        ):  # the same name: a notebook cell that runs again
            raise ValueError(
                f"`layer_type` must be a class without a rule. Received: {layer_type.__name__}, whose rule is "
                f"{_get_name(entry.rule)}. Register a class derived from it in its place."
            )
        _RULES[layer_type] = _Entry(function, covers, only_xla)
        return function

    return add


def _get_name(function: Rule) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _check_signature(layer_type: type, function: Rule) -> None:
    parameters = list(inspect.signature(function).parameters.values())
    by_position = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    more = [p.name for p in parameters[4:]]
    call_arguments = list(inspect.signature(layer_type.call).parameters)[2:]
    if len(by_position) < 4 or not set(more) <= set(call_arguments):
        raise TypeError(
            f"A rule for {layer_type.__name__} must take (layer, state, x, training), and by name only arguments of "
            f"the layer's `call` ({', '.join(call_arguments) or 'it has no more'}). Received: {function.__qualname__}"
            f"{inspect.signature(function)}."
        )


def find_rule(layer: Any, xla: bool = True) -> Rule | None:
    """Return the rule for `layer` in a forward pass with or without XLA, or None if there is none."""
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
    """Return whether an activation is built into Keras; built-in activations never mix rows, custom functions might."""
    return activation is None or getattr(keras.activations, getattr(activation, "__name__", ""), None) is activation


def align(value: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """Reshape a value (f, s, *dims) to broadcast against `x` (f, s, batch, ...), with `dims` at the axes `axes`."""
    shape = list(value.shape[:2]) + [1] * (len(x.shape) - 2)
    for axis, size in zip(axes, value.shape[2:], strict=True):
        shape[axis] = size
    return keras.ops.reshape(value, shape)


def fold_members(value: Any, members: tuple[int, int]) -> Any:
    """Fold the member axes of (f, s, batch, ...) into the batch, repeating shared values: (F·S·batch, ...)."""
    value = keras.ops.broadcast_to(value, (*members, *value.shape[2:]))
    return keras.ops.reshape(value, (-1, *value.shape[3:]))


def unfold_members(value: Any, members: tuple[int, int]) -> Any:
    """Undo `fold_members`."""
    return keras.ops.reshape(value, (*members, -1, *value.shape[1:]))
