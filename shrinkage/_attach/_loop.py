"""Checks of the arguments that a custom training loop passes to an attachment."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from shrinkage._attach._lam import as_number
from shrinkage._host._optimizers import get_variable_key, list_stepped_variables


def check_gradients(grads: Sequence[Any], variables: Sequence[Any], model: keras.Model) -> None:
    """Refuse gradients that do not match the variables in number or shape, and variables outside the model.

    Raises:
        ValueError: The message says which gradients and variables are expected.
    """
    if len(grads) != len(variables):
        raise ValueError(
            f"`grads` and `variables` must have the same length. Received: {len(grads)} gradients, {len(variables)} "
            f"variables. Give None for a variable without a gradient."
        )
    of_model = {id(v) for v in model.variables}
    if variables and not any(id(v) in of_model for v in variables):
        raise ValueError(
            f"`variables` must be variables of model {model.name!r}, as model.trainable_variables gives them. "
            f"Received: {len(variables)} objects, none of them a variable of the model."
        )
    for grad, variable in zip(grads, variables, strict=True):
        shape = grad.shape if hasattr(grad, "shape") else np.shape(grad)
        if grad is not None and not tf.TensorShape(variable.shape).is_compatible_with(shape):
            name = getattr(variable, "path", variable.name)
            raise ValueError(
                f"`grads`: the gradient of {name} must have shape {tuple(variable.shape)}. Received: {tuple(shape)}."
            )


def check_step(step: Any) -> None:
    """Refuse a step that is neither an optimizer nor a learning rate.

    Raises:
        TypeError, ValueError: The message says what is expected.
    """
    if isinstance(step, keras.Optimizer):
        return
    number = as_number(step)
    if number is None:
        raise TypeError(
            f"`step` must be the Keras optimizer that took the step, or the learning rate, a number. "
            f"Received: {step!r}."
        )
    if isinstance(number, float) and not 0 <= number < float("inf"):
        raise ValueError(f"`step`: the learning rate must be 0 or more, and finite. Received: {number:g}.")


def check_has_stepped(optimizer: Any, variables: Sequence[Any]) -> None:
    """Refuse an optimizer that has not taken a step on these variables. Compiled code checks only that it is built.

    Raises:
        ValueError: The message names the variables.
    """
    keys = {get_variable_key(optimizer, v) for v in list_stepped_variables(optimizer)} if optimizer.built else set()
    if unknown := [v.path for v in variables if get_variable_key(optimizer, v) not in keys]:
        raise ValueError(
            f"`step` must be the optimizer that took the step. Received: {optimizer.name!r}, which is not built for "
            f"{', '.join(unknown)}. Call after_step() after its apply()."
        )
    if not tf.inside_function() and int(optimizer.iterations) == 0:
        raise ValueError(
            f"`step` must be the optimizer that took the step. Received: {optimizer.name!r}, which has taken no step. "
            f"Call after_step() after its apply()."
        )
