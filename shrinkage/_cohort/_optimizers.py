"""Which Keras optimizers are exact on stacked members, and the metric in which each takes its step."""

from typing import Any

import keras
from keras import ops

_ELEMENTWISE = ("SGD", "Adam", "AdamW", "RMSprop", "Nadam", "Lion", "Adagrad", "Adadelta", "Adamax", "Ftrl")


def check_optimizer(optimizer: Any, proximal: bool) -> None:
    """Refuse, before training, an optimizer whose step is not elementwise, or that has no metric for a proximal step.

    Raises:
        ValueError: Saying what is not supported and what to use in its place.
    """
    name = type(optimizer).__name__
    if type(optimizer) not in [getattr(keras.optimizers, known) for known in _ELEMENTWISE]:
        raise ValueError(
            f"`model` must be compiled with one of {', '.join(_ELEMENTWISE)}: their step on one weight does not "
            f"depend on other weights. Received: optimizer {name}."
        )
    for option in ("clipnorm", "global_clipnorm", "use_ema", "gradient_accumulation_steps", "loss_scale_factor"):
        if getattr(optimizer, option, None):
            raise ValueError(
                f"The optimizer's `{option}` is not supported yet. Received: {option}={getattr(optimizer, option)!r}. "
                f"Compile the model with keras.optimizers.{name}(...) without it."
            )
    rate = optimizer._learning_rate
    if callable(rate) and not isinstance(rate, (keras.Variable, keras.optimizers.schedules.LearningRateSchedule)):
        raise ValueError(
            "The optimizer's `learning_rate` must be a number or a keras.optimizers.schedules schedule. "
            "Received: a function, whose value cannot be followed from step to step."
        )
    if optimizer.weight_decay:
        without = "AdamW(..., weight_decay=0.0), or with keras.optimizers.Adam" if name == "AdamW" else f"{name}(...)"
        raise ValueError(
            f"The optimizer already decays the weights (weight_decay={optimizer.weight_decay}), beside the penalty. "
            f"Compile the model with keras.optimizers.{without}."
        )
    if proximal and name not in _METRICS:
        raise ValueError(
            f"Proximal() needs an optimizer with a known metric, one of {', '.join(_METRICS)}. Received: {name}. "
            f"Use one of them, or how=shrinkage.Coupled() (which gives no exact zeros)."
        )


def step_size(optimizer: Any, variable: Any, learning_rate: Any) -> Any:
    """Return D, elementwise, such that the optimizer's step under a constant gradient g is w - D·g.

    The proximal step in the same metric, argmin_w (w - v)²/(2D) + λP(w), leaves the minima of the penalised loss where
    they are (Yun, Lozano & Yang 2021, "Adaptive proximal gradient methods for structured neural networks"). Heavy-ball
    momentum m moves w by η·g/(1 - m), so there D is that much larger: without it L1 would act as (1 - m)·λ.

    Call it after the step; `learning_rate` is the one that the step used.
    """
    metric = _METRICS[type(optimizer).__name__]
    index = optimizer._get_variable_index(variable)
    return (
        ops.cast(learning_rate, variable.dtype) * metric(optimizer, index) / (1.0 - getattr(optimizer, "momentum", 0.0))
    )


def _sgd(optimizer: Any, index: int) -> Any:
    return 1.0


def _adam(optimizer: Any, index: int) -> Any:
    second = optimizer._velocity_hats[index] if getattr(optimizer, "amsgrad", False) else optimizer._velocities[index]
    return ops.sqrt(_bias_correction(optimizer, second)) / (ops.sqrt(second) + optimizer.epsilon)


def _nadam(optimizer: Any, index: int) -> Any:
    second = optimizer._velocities[index]
    return 1.0 / (ops.sqrt(second / _bias_correction(optimizer, second)) + optimizer.epsilon)


def _bias_correction(optimizer: Any, second: Any) -> Any:
    """Return 1 - β₂^t; the step has already counted `iterations` up to t."""
    return 1.0 - ops.power(ops.cast(optimizer.beta_2, second.dtype), ops.cast(optimizer.iterations, second.dtype))


def _rmsprop(optimizer: Any, index: int) -> Any:
    second = optimizer._velocities[index]
    if optimizer.centered:
        second = second - ops.square(optimizer._average_gradients[index])
    return ops.rsqrt(second + optimizer.epsilon)


def _adagrad(optimizer: Any, index: int) -> Any:
    return ops.rsqrt(optimizer._accumulators[index] + optimizer.epsilon)


def _adamax(optimizer: Any, index: int) -> Any:
    return 1.0 / (optimizer._u[index] + optimizer.epsilon)


_METRICS = {
    "SGD": _sgd,
    "Adam": _adam,
    "AdamW": _adam,
    "Nadam": _nadam,
    "RMSprop": _rmsprop,
    "Adagrad": _adagrad,
    "Adamax": _adamax,
}
