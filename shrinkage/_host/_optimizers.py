"""Optimizers: state, gradient clipping, the update step, and a mixin for use inside a `StatelessScope`."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from shrinkage._host._private import get_private, get_private_or_none


def get_rate(optimizer: Any) -> Any:
    """Return the learning rate as passed: a variable, schedule or function; `learning_rate` is the current value."""
    return get_private(optimizer, "_learning_rate")


def get_step_count(optimizer: Any) -> Any:
    """Return the variable that counts calls of `apply`. The public `iterations` counts updates of the weights."""
    return get_private(optimizer, "_iterations")


def list_stepped_variables(optimizer: Any) -> list[Any]:
    """Return the variables that a built optimizer updates."""
    return get_private(optimizer, "_trainable_variables")


def get_slots(optimizer: Any, name: str) -> Any:
    """Return the slot variables of an optimizer, one per stepped variable, in the same order.

    Proximal operators compute the step size of each weight from them.

    Args:
        optimizer: A built optimizer.
        name: "momentums", "velocities", "velocity_hats", "average_gradients", "accumulators" or "u". Each optimizer
            has some of them.
    """
    return get_private(optimizer, f"_{name}")


def get_slot(optimizer: Any, name: str, variable: Any) -> Any:
    """Return the slot variable of `variable`; see `slots`."""
    return get_slots(optimizer, name)[get_private(optimizer, "_get_variable_index")(variable)]


def get_gradient_sums(optimizer: Any) -> list[Any]:
    """Return the sums of accumulated gradients; empty if the optimizer does not accumulate gradients."""
    return get_private(optimizer, "_accumulated_gradients") if optimizer.gradient_accumulation_steps else []


def get_moving_averages(optimizer: Any) -> list[Any]:
    """Return the moving averages of the weights; empty unless the optimizer has `use_ema=True`."""
    return get_private(optimizer, "_model_variables_moving_average") if optimizer.use_ema else []


def get_variable_key(optimizer: Any, variable: Any) -> Any:
    """Return the key of a variable in an optimizer, equal for a Keras variable and the `tf.Variable` in it."""
    return get_private(optimizer, "_var_key")(variable)


def clip(optimizer: Any, gradients: list[Any]) -> list[Any]:
    """Clip gradients as `apply` does."""
    return get_private(optimizer, "_clip_gradients")(gradients)


def clip_by_norm(optimizer: Any, gradient: Any, axes: Sequence[int]) -> Any:
    """Clip a gradient to the norm `clipnorm`, taken over `axes`, so that each member is clipped separately."""
    return get_private(optimizer, "_clip_by_norm")(gradient, axes=axes)


def run_update_step(optimizer: Any, gradients: list[Any], variables: list[Any], rate: Any) -> None:
    """Run the update step of an optimizer alone, without clipping, weight decay and the other parts of `apply`."""
    get_private(optimizer, "_backend_update_step")(gradients, variables, rate)


def decays(optimizer: Any, variable: Any) -> bool:
    """Return whether `weight_decay` of an optimizer acts on a variable. The list of exclusions is not public."""
    return get_private(optimizer, "_use_weight_decay")(variable)


def steps_by_adam(optimizer: Any, variable: Any) -> bool:
    """Return whether `Muon` updates a variable by AdamW, so that `adam_weight_decay` acts on it."""
    return isinstance(optimizer, keras.optimizers.Muon) and get_private(optimizer, "_should_use_adamw")(variable)


def get_excluded_names(optimizer: Any) -> Any:
    """Return the pattern of names set by `exclude_from_weight_decay`, or None if it was not called with names."""
    return get_private_or_none(
        optimizer, "_exclude_from_weight_decay_pattern", setter=keras.Optimizer.exclude_from_weight_decay
    )


class Stateless:
    """Mixin that lets a Keras optimizer run inside a `StatelessScope`.

    The TensorFlow implementation writes to the `tf.Variable`s directly, because of `tf.distribute`, and thus bypasses
    the scope. The methods of this class write to the Keras variables.
    """

    def _var_key(self, variable: Any) -> int:
        return id(variable)

    def assign(self, variable: Any, value: Any) -> None:
        variable.assign(value)

    def assign_add(self, variable: Any, value: Any) -> None:
        variable.assign(variable + ops.cast(value, variable.dtype))

    def assign_sub(self, variable: Any, value: Any) -> None:
        variable.assign(variable - ops.cast(value, variable.dtype))

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        """Return the gradients unchanged: a member has one replica.

        The sum over replicas is a custom gradient. TensorFlow registers it for the life of the process, and with it
        every operation of the traced step.
        """
        return grads_and_vars

    def _distributed_tf_update_step(self: Any, distribution: Any, grads_and_vars: Any, learning_rate: Any) -> None:
        """Step without `tf.distribute`. Only the TensorFlow backend of Keras calls this."""
        del distribution
        for (gradient, _), variable in zip(grads_and_vars, self._trainable_variables, strict=True):
            self.update_step(gradient, variable, learning_rate)
