"""The values of a model's variables for all members at once."""

from typing import Any

import keras


class State:
    """Maps each variable of the template to its members' values, of shape (f, s, *variable.shape).

    f is 1 or the number of folds and s is 1 or the number of strengths: a value that members share (a frozen weight, a
    fold's statistics) is stored, and worked on, once. Writing threads new values through one forward pass.
    """

    def __init__(self, variables: list[keras.Variable], values: list[Any]):
        self._values = {id(variable): value for variable, value in zip(variables, values, strict=True)}
        self.losses: list[Any] = []  # what `add_loss` and activity regularizers collected, each (f, s)

    def __getitem__(self, variable: Any) -> Any:
        return self._values[id(variable)]

    def __setitem__(self, variable: Any, value: Any) -> None:
        self._values[id(variable)] = value
