"""Which Keras optimizers are exact on stacked members."""

from typing import Any

import keras
import numpy as np
from keras import ops

from shrinkage._host._optimizers import rate_of
from shrinkage._penalties._steps import check_proximal

ELEMENTWISE = (
    "SGD", "Adam", "AdamW", "RMSprop", "Nadam", "Lion", "Adagrad", "Adadelta", "Adamax", "Ftrl",
    "ScheduleFreeAdamW",  # from Keras 3.14 on
)  # fmt: skip
"""Optimizers whose step on one weight does not depend on other weights."""

PER_MEMBER = ("Adafactor", "Lamb", "Muon")
"""Optimizers that look at a whole weight: members take their steps apart."""


def check_optimizer(optimizer: Any, proximal: bool) -> None:
    """Refuse, before training, an optimizer that would not be right for each member, or has no proximal step.

    Raises:
        ValueError: Saying what is not supported and what to use in its place.
    """
    name = type(optimizer).__name__
    known = [each for each in (*ELEMENTWISE, *PER_MEMBER) if hasattr(keras.optimizers, each)]
    if type(optimizer) not in [getattr(keras.optimizers, each) for each in known]:
        raise ValueError(
            f"`model` must be compiled with one of {', '.join(known)}, whose steps are known to be right for each "
            f"member. Received: optimizer {name}. To train one strength with yours, penalise the model in place:\n"
            f"    shrinkage.attach(model, shrinkage.L2(), lam=1e-4)\n"
            f"    model.fit(x, y, epochs=20)  # as ever"
        )
    rate = rate_of(optimizer)
    if callable(rate) and not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        raise ValueError(
            "The optimizer's `learning_rate` must be a number or a keras.optimizers.schedules schedule. "
            "Received: a function, whose value cannot be followed from step to step. Write it as the `__call__` of a "
            "class derived from keras.optimizers.schedules.LearningRateSchedule."
        )
    for option in ("weight_decay", "adam_weight_decay"):
        if getattr(optimizer, option, None):
            raise ValueError(
                f"The optimizer already decays the weights ({option}={getattr(optimizer, option)}), beside the "
                f"penalty. Compile the model with keras.optimizers.{_without_decay(name)}; for the decay itself, of "
                f"which a path then has many strengths, say penalty=shrinkage.L2(), how=shrinkage.Decoupled()."
            )
    if proximal:
        check_proximal(optimizer)


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
    rate = rate_of(optimizer)
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return float(rate) * len(moving), float(rate)
    asked = moving[np.linspace(0, len(moving) - 1, min(len(moving), _SAMPLED)).astype(int)]
    rates = [float(rate(ops.convert_to_tensor(step, optimizer.iterations.dtype))) for step in asked]
    return float(np.mean(rates)) * len(moving), max(rates)
