"""Optimizers: what they remember, what they do to gradients, and a mixin that keeps them inside a `StatelessScope`."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from shrinkage._host._private import read


def rate_of(optimizer: Any) -> Any:
    """Return the learning rate as it was given: a variable, a schedule or a function; `learning_rate` has its value."""
    return read(optimizer, "_learning_rate")


def step_count(optimizer: Any) -> Any:
    """Return the variable that counts calls: `iterations` counts those at which accumulated gradients are applied."""
    return read(optimizer, "_iterations")


def stepped_variables(optimizer: Any) -> list[Any]:
    """Return the variables that a built optimizer steps."""
    return read(optimizer, "_trainable_variables")


def slots(optimizer: Any, name: str) -> Any:
    """Return what an optimizer remembers of its variables under a name, in their order.

    The size of the next step follows from it, by which a proximal operator goes. Names are "momentums", "velocities",
    "velocity_hats", "average_gradients", "accumulators" and "u", as far as an optimizer has them.
    """
    return read(optimizer, f"_{name}")


def slot(optimizer: Any, name: str, variable: Any) -> Any:
    """Return what an optimizer remembers of one of its variables under a name."""
    return slots(optimizer, name)[read(optimizer, "_get_variable_index")(variable)]


def gradient_sums(optimizer: Any) -> list[Any]:
    """Return the sums of accumulated gradients; none if it does not accumulate."""
    return read(optimizer, "_accumulated_gradients") if optimizer.gradient_accumulation_steps else []


def moving_averages(optimizer: Any) -> list[Any]:
    """Return the moving averages of the weights; none if it does not take them."""
    return read(optimizer, "_model_variables_moving_average") if optimizer.use_ema else []


def variable_key(optimizer: Any, variable: Any) -> Any:
    """Return by what an optimizer knows a variable: the same for Keras' and TensorFlow's object of it."""
    return read(optimizer, "_var_key")(variable)


def clip(optimizer: Any, gradients: list[Any]) -> list[Any]:
    """Clip gradients as `apply` does."""
    return read(optimizer, "_clip_gradients")(gradients)


def clip_by_norm(optimizer: Any, gradient: Any, axes: Sequence[int]) -> Any:
    """Clip a gradient to the norm `clipnorm` over some axes: those of each member alone."""
    return read(optimizer, "_clip_by_norm")(gradient, axes=axes)


def update(optimizer: Any, gradients: list[Any], variables: list[Any], rate: Any) -> None:
    """Take an optimizer's own step, without what `apply` does before and after."""
    read(optimizer, "_backend_update_step")(gradients, variables, rate)


def decays(optimizer: Any, variable: Any) -> bool:
    """Say whether an optimizer's `weight_decay` acts on a variable: which are excluded is not public."""
    return read(optimizer, "_use_weight_decay")(variable)


def steps_by_adam(optimizer: Any, variable: Any) -> bool:
    """Say whether a variable takes Adam's step, whose decay is `adam_weight_decay`: `Muon` leaves some to it."""
    return isinstance(optimizer, keras.optimizers.Muon) and read(optimizer, "_should_use_adamw")(variable)


def excluded_names(optimizer: Any) -> Any:
    """Return the pattern of names that `exclude_from_weight_decay` was given, or None: it is made by that call."""
    return getattr(optimizer, "_exclude_from_weight_decay_pattern", None)


class Stateless:
    """What keeps a Keras optimizer inside a `StatelessScope`, which its TensorFlow part goes around.

    That part writes to `tf.Variable`s itself, for the sake of `tf.distribute`; these methods write to Keras' own.
    """

    def _var_key(self, variable: Any) -> int:
        return id(variable)

    def assign(self, variable: Any, value: Any) -> None:
        variable.assign(value)

    def assign_add(self, variable: Any, value: Any) -> None:
        variable.assign(variable + ops.cast(value, variable.dtype))

    def assign_sub(self, variable: Any, value: Any) -> None:
        variable.assign(variable - ops.cast(value, variable.dtype))

    def _distributed_tf_update_step(self: Any, distribution: Any, grads_and_vars: Any, learning_rate: Any) -> None:
        """Step without `tf.distribute`. Only the TensorFlow backend of Keras calls this."""
        del distribution
        for (gradient, _), variable in zip(grads_and_vars, self._trainable_variables, strict=True):
            self.update_step(gradient, variable, learning_rate)
