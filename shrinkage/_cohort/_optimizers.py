"""Which Keras optimizers are exact on stacked members, and the metric in which each takes its step."""

from typing import Any

import keras
import numpy as np
from keras import ops

ELEMENTWISE = (
    "SGD", "Adam", "AdamW", "RMSprop", "Nadam", "Lion", "Adagrad", "Adadelta", "Adamax", "Ftrl",
    "ScheduleFreeAdamW",
)  # fmt: skip
"""Optimizers whose step on one weight does not depend on other weights."""

PER_MEMBER = ("Adafactor", "Lamb", "Muon")
"""Optimizers that look at a whole weight: members take their steps apart."""


def check_optimizer(optimizer: Any, proximal: bool) -> None:
    """Refuse, before training, an optimizer that would not be right for each member, or has no proximal step.

    Raises:
        ValueError: Saying what is not supported and what to use in its place.
    """
    name, known = type(optimizer).__name__, (*ELEMENTWISE, *PER_MEMBER)
    if type(optimizer) not in [getattr(keras.optimizers, each, None) for each in known]:
        raise ValueError(
            f"`model` must be compiled with one of {', '.join(known)}, whose steps are known to be right for each "
            f"member. Received: optimizer {name}."
        )
    rate = optimizer._learning_rate
    if callable(rate) and not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        raise ValueError(
            "The optimizer's `learning_rate` must be a number or a keras.optimizers.schedules schedule. "
            "Received: a function, whose value cannot be followed from step to step."
        )
    for option in ("weight_decay", "adam_weight_decay"):
        if getattr(optimizer, option, None):
            raise ValueError(
                f"The optimizer already decays the weights ({option}={getattr(optimizer, option)}), beside the "
                f"penalty. Compile the model with keras.optimizers.{_without_decay(name)}; for the decay itself, of "
                f"which a path then has many strengths, say penalty=shrinkage.L2(), how=shrinkage.Decoupled()."
            )
    if proximal and name not in _METRICS:
        raise ValueError(
            f"Proximal() needs an optimizer with a known metric, one of {', '.join(_METRICS)}. Received: {name}. "
            f"Use one of them, or how=shrinkage.Coupled() (which gives no exact zeros)."
        )
    if proximal and optimizer.use_ema:
        raise ValueError(
            f"Proximal() gives exact zeros, and an average over steps has none. Received: use_ema=True. Compile the "
            f"model with keras.optimizers.{name}(...) without it, or use how=shrinkage.Coupled()."
        )


def _without_decay(name: str) -> str:
    by_default = {
        "AdamW": "AdamW(..., weight_decay=0.0), or with keras.optimizers.Adam",
        "Muon": "Muon(..., weight_decay=0.0, adam_weight_decay=0.0)",
    }
    return by_default.get(name, f"{name}(...)")


_SAMPLED = 1000  # steps that a schedule is asked for, at most: each call takes a fraction of a millisecond


def learning_rates(optimizer: Any, steps: int) -> tuple[float, float]:
    """Return the sum and the largest of the learning rates by which so many steps move the weights.

    Of a long schedule evenly spaced steps stand for all; accumulated gradients move the weights at every so many steps.

    Example:
        >>> decay = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.125])
        >>> learning_rates(keras.optimizers.SGD(decay), steps=4)
        (1.25, 0.5)
    """
    every = optimizer.gradient_accumulation_steps or 1
    moving = np.arange(every - 1, steps, every)
    if not len(moving):
        return 0.0, 0.0
    rate = optimizer._learning_rate
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return float(rate) * len(moving), float(rate)
    asked = moving[np.linspace(0, len(moving) - 1, min(len(moving), _SAMPLED)).astype(int)]
    rates = [float(rate(ops.convert_to_tensor(step, optimizer.iterations.dtype))) for step in asked]
    return float(np.mean(rates)) * len(moving), max(rates)


def step_size(optimizer: Any, variable: Any, learning_rate: Any) -> Any:
    """Return D, elementwise, such that the optimizer's step under a constant gradient g is w - D·g.

    The proximal step in the same metric, argmin_w (w - v)²/(2D) + λP(w), leaves the minima of the penalised loss where
    they are (Yun, Lozano & Yang 2021, "Adaptive proximal gradient methods for structured neural networks"). Heavy-ball
    momentum m moves w by η·g/(1 - m), so there D is that much larger: without it L1 would act as (1 - m)·λ.

    Call it when the optimizer's own step is made and not yet counted; `learning_rate` is the one that it used.
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
    """Return 1 - β₂^t, at step t = `iterations` + 1."""
    return 1.0 - ops.power(ops.cast(optimizer.beta_2, second.dtype), ops.cast(optimizer.iterations + 1, second.dtype))


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
