"""The values of a model's variables for all members at once."""

from typing import Any

import keras
from keras import ops

from shrinkage._host._tensors import is_autocast, stored_dtype


class State:
    """Maps each variable of the template to its members' values, of shape (f, s, *variable.shape).

    f is 1 or the number of folds and s is 1 or the number of strengths: a value that members share (a frozen weight, a
    fold's statistics) is stored, and worked on, once. Writing threads new values through one forward pass, which `xla`
    says whether XLA compiles.
    """

    def __init__(self, variables: list[keras.Variable], values: list[Any], xla: bool = True):
        self.xla = xla
        self._values = {id(variable): value for variable, value in zip(variables, values, strict=True)}
        self.losses: list[Any] = []  # what `add_loss` and activity regularizers collected, each (f, s)

    def __getitem__(self, variable: Any) -> Any:
        return self._values[id(variable)]

    def __setitem__(self, variable: Any, value: Any) -> None:
        self._values[id(variable)] = value

    def in_precision_of(self, layer: keras.Layer) -> "State":
        """Return this state as a layer of mixed precision sees it: floating-point values cast as Keras casts them."""
        constants = isinstance(layer, keras.layers.Normalization)  # are what it computes with, and not its variables
        same = constants or layer.compute_dtype == layer.variable_dtype
        return self if same else _Autocast(self, layer.compute_dtype)


class _Autocast(State):
    """A view of a state; what is written goes into the state in the variable's own precision."""

    def __init__(self, state: State, dtype: str):
        self._state, self._dtype, self.losses, self.xla = state, dtype, state.losses, state.xla

    def __getitem__(self, variable: Any) -> Any:
        value = self._state[variable]
        return ops.cast(value, self._dtype) if is_autocast(variable) else value

    def __setitem__(self, variable: Any, value: Any) -> None:
        self._state[variable] = ops.cast(value, stored_dtype(variable))
