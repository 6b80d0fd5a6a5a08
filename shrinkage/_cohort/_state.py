"""The values of a model's variables for all members."""

from typing import Any

import keras
from keras import ops

from shrinkage._host._tensors import get_stored_dtype, is_autocast


class State:
    """A mapping from the variables of the template to the values of all members, (f, s, *variable.shape).

    f is 1 or the number of folds, and s is 1 or the number of strengths: a value that members share, such as a frozen
    weight or the statistics of a fold, is stored and computed once. A forward pass reads values from the state and
    writes new values to it.

    Args:
        variables: The variables.
        values: The value of each variable, (f, s, *variable.shape).
        xla: Whether XLA compiles the forward pass.
    """

    def __init__(self, variables: list[keras.Variable], values: list[Any], xla: bool = True):
        self.xla = xla
        self._values = {id(variable): value for variable, value in zip(variables, values, strict=True)}
        self.losses: list[Any] = []  # from `add_loss` and activity regularizers, each (f, s)

    def __getitem__(self, variable: Any) -> Any:
        return self._values[id(variable)]

    def __setitem__(self, variable: Any, value: Any) -> None:
        self._values[id(variable)] = value

    def in_precision_of(self, layer: keras.Layer) -> "State":
        """Return a view of this state in the compute dtype of a layer, cast by the rules of Keras' mixed precision."""
        constants = isinstance(layer, keras.layers.Normalization)  # computes with constants, which are not autocast
        same = constants or layer.compute_dtype == layer.variable_dtype
        return self if same else _Autocast(self, layer.compute_dtype)


class _Autocast(State):
    """A view of a state in another precision; writing casts back to the dtype of the variable."""

    def __init__(self, state: State, dtype: str):
        self._state, self._dtype, self.losses, self.xla = state, dtype, state.losses, state.xla

    def __getitem__(self, variable: Any) -> Any:
        value = self._state[variable]
        return ops.cast(value, self._dtype) if is_autocast(variable) else value

    def __setitem__(self, variable: Any, value: Any) -> None:
        self._state[variable] = ops.cast(value, get_stored_dtype(variable))
