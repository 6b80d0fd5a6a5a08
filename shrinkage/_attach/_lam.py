"""The strength of an attachment: a variable or a function of the step, never a constant in a graph."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from shrinkage._host._errors import get_first_line
from shrinkage._host._optimizers import get_step_count
from shrinkage._host._private import UnsupportedVersion
from shrinkage._messages._note import quote
from shrinkage._messages._user_values import describe_function, takes_arguments

Lam = float | keras.Variable | Callable[[Any], Any]


def make_lam(lam: Any, model: keras.Model) -> Any:
    """Return the strength as `read_lam` takes it: an untracked `keras.Variable`, or a function of the step.

    Raises:
        TypeError, ValueError: If `lam` is not a number, a variable or a function of the step, or is negative or NaN.
    """
    dtype = find_widest_dtype(*(w.dtype for w in model.weights))
    if isinstance(lam, keras.Variable):
        if lam.shape != ():
            raise ValueError(f"`lam` must be one number. Received: a keras.Variable of shape {tuple(lam.shape)}.")
        check_lam(float(lam))
        return lam
    number = None if isinstance(lam, tf.Variable) else as_number(lam)
    if isinstance(number, float):
        check_lam(number)
        with model.distribute_strategy.scope():
            return keras.Variable(number, dtype=dtype, trainable=False, name="lam")
    if callable(lam):
        _check_function(lam, dtype)
        return lam
    raise TypeError(
        f"`lam` must be a number, a keras.Variable, a keras.optimizers.schedules schedule or a function of the step. "
        f"Received: {quote(lam)}."
    )


def as_number(value: Any) -> Any:
    """Return a number, or a scalar array, tensor or variable, as a float; None for other values.

    A symbolic tensor, inside a `tf.function`, is returned unchanged.
    """
    if isinstance(value, Real):
        return None if isinstance(value, bool) else float(value)
    if not (isinstance(value, np.ndarray) or ops.is_tensor(value)) or value.shape != ():
        return None
    dtype = tf.as_dtype(value.dtype)
    if not (dtype.is_floating or dtype.is_integer):
        return None
    tensor = value if isinstance(value, np.ndarray) else tf.convert_to_tensor(value)  # reads the value of a variable
    return tensor if tf.is_symbolic_tensor(tensor) else float(tensor)


def get_lam_name(lam: Any) -> str:
    """Return a name for a function of the step or a schedule, for messages."""
    return getattr(lam, "__name__", None) or f"{type(lam).__name__}(...)"


def read_lam(lam: Any, optimizer: Any) -> Any:
    """Return the strength at the optimizer's step, counted as for a learning rate schedule."""
    step = 0 if optimizer is None else get_step_count(optimizer)
    return ops.convert_to_tensor(lam if isinstance(lam, keras.Variable) else lam(step))


def unwrap_optimizer(optimizer: Any) -> Any:
    """Return the optimizer inside a `LossScaleOptimizer`; other optimizers unchanged."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def check_lam(lam: float, suffix: str = "") -> None:
    """Refuse a strength that is negative, infinite or NaN."""
    if not 0 <= lam < math.inf:
        raise ValueError(f"`lam` must be 0 or more, and finite. Received: {lam:g}{suffix}.")


def find_widest_dtype(*dtypes: str) -> str:
    """Return the widest of the dtypes, at least float32: the square of a float16 weight may overflow."""
    return "float64" if "float64" in dtypes else "float32"


def _check_function(lam: Callable[[Any], Any], dtype: str) -> None:
    """Trace a function of the step, as the training step does, and check the value at step 0."""
    expected = "`lam` must be a function of the step, written in keras.ops or TensorFlow, that returns a number."
    if not takes_arguments(lam, 1):
        raise TypeError(f"{expected} Received: {describe_function(lam)}. Give it one argument, the step.")
    others: list[str] = []  # values that are not numbers

    def read(step: Any) -> Any:
        value = lam(step)
        number = as_number(ops.convert_to_tensor(value) if isinstance(value, keras.Variable) else value)
        if number is None:
            others.append(quote(value))
        return ops.cast(0.0 if number is None else number, dtype)

    traced = tf.function(read, autograph=False)
    try:
        first = float(traced.get_concrete_function(tf.TensorSpec((), tf.int64))(tf.constant(0, tf.int64)))
    except UnsupportedVersion:
        raise
    except Exception as error:
        raise ValueError(
            f"{expected} Received: {get_lam_name(lam)}, which fails at step 0: {type(error).__name__}: "
            f"{get_first_line(error)}"
        ) from error
    if others:
        raise TypeError(f"{expected} Received: {get_lam_name(lam)}, which returns {others[0]} at step 0.")
    check_lam(first, " at step 0")
