"""The step size of each weight in a Keras optimizer, which proximal operators use."""

from typing import Any

from keras import ops

from shrinkage._host._optimizers import get_slot
from shrinkage._messages._note import Argument, Note


def compute_step_size(optimizer: Any, variable: Any, learning_rate: Any) -> Any:
    """Return the step size D of each weight, such that the optimizer step for a constant gradient g is w - D·g.

    The proximal step in the same metric, argmin_w (w - v)²/(2D) + λP(w), does not move the minima of the penalised loss
    (Yun, Lozano & Yang 2021, "Adaptive proximal gradient methods for structured neural networks"). Heavy-ball momentum
    m moves w by η·g/(1 - m) in total, so D has the factor 1/(1 - m). Without this factor L1 would act as (1 - m)·λ.

    Call this function after the update step of the optimizer and before `iterations` is increased.

    Args:
        optimizer: A built optimizer that `check_proximal` accepts.
        variable: The weight.
        learning_rate: The learning rate of the update step.

    Returns:
        A scalar, or a tensor of the shape of `variable`.
    """
    metric = _METRICS[type(optimizer).__name__]
    longer = 1.0 - getattr(optimizer, "momentum", 0.0)
    return ops.cast(learning_rate, variable.dtype) * metric(optimizer, variable) / longer


def check_proximal(optimizer: Any) -> None:
    """Check that the step sizes of an optimizer are known.

    Raises:
        ValueError: If they are not, or if the optimizer averages the weights, which gives no exact zeros.
    """
    name = type(optimizer).__name__
    if name not in _METRICS:
        text = (
            f"$proximal needs an optimizer with a known metric, one of {', '.join(_METRICS)}. Received: {name}. "
            f"Use one of them, or $coupled (which gives no exact zeros)."
        )
        raise ValueError(Note(text, coupled=Argument("how", "coupled")))
    if optimizer.use_ema:
        text = (
            f"$proximal needs an optimizer without use_ema, as an average over steps has no exact zeros. Received: "
            f"use_ema=True. Compile the model with keras.optimizers.{name}(...) without it, or use $coupled."
        )
        raise ValueError(Note(text, coupled=Argument("how", "coupled")))


def _compute_sgd_metric(optimizer: Any, variable: Any) -> Any:
    return 1.0


def _compute_adam_metric(optimizer: Any, variable: Any) -> Any:
    second = get_slot(optimizer, "velocity_hats" if getattr(optimizer, "amsgrad", False) else "velocities", variable)
    return ops.sqrt(_compute_bias_correction(optimizer, second)) / (ops.sqrt(second) + optimizer.epsilon)


def _compute_nadam_metric(optimizer: Any, variable: Any) -> Any:
    second = get_slot(optimizer, "velocities", variable)
    return 1.0 / (ops.sqrt(second / _compute_bias_correction(optimizer, second)) + optimizer.epsilon)


def _compute_bias_correction(optimizer: Any, second_moment: Any) -> Any:
    """Return 1 - β₂^t, at step t = `iterations` + 1."""
    return 1.0 - ops.power(
        ops.cast(optimizer.beta_2, second_moment.dtype), ops.cast(optimizer.iterations + 1, second_moment.dtype)
    )


def _compute_rmsprop_metric(optimizer: Any, variable: Any) -> Any:
    second = get_slot(optimizer, "velocities", variable)
    if optimizer.centered:
        second = second - ops.square(get_slot(optimizer, "average_gradients", variable))
    return ops.rsqrt(second + optimizer.epsilon)


def _compute_adagrad_metric(optimizer: Any, variable: Any) -> Any:
    return ops.rsqrt(get_slot(optimizer, "accumulators", variable) + optimizer.epsilon)


def _compute_adamax_metric(optimizer: Any, variable: Any) -> Any:
    return 1.0 / (get_slot(optimizer, "u", variable) + optimizer.epsilon)


_METRICS = {
    "SGD": _compute_sgd_metric,
    "Adam": _compute_adam_metric,
    "AdamW": _compute_adam_metric,
    "Nadam": _compute_nadam_metric,
    "RMSprop": _compute_rmsprop_metric,
    "Adagrad": _compute_adagrad_metric,
    "Adamax": _compute_adamax_metric,
}
