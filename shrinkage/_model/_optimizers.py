"""The supported optimizers, and the learning rates of a run."""

from typing import Any

import keras
import numpy as np
from keras import ops

from shrinkage._host._optimizers import get_rate
from shrinkage._messages._note import Argument, Note
from shrinkage._penalties import Decoupled, How, Proximal
from shrinkage._penalties._steps import check_proximal

ELEMENTWISE_OPTIMIZERS = (
    "SGD", "Adam", "AdamW", "RMSprop", "Nadam", "Lion", "Adagrad", "Adadelta", "Adamax", "Ftrl",
    "ScheduleFreeAdamW",  # from Keras 3.14 on
)  # fmt: skip
"""Optimizers with elementwise steps, which are exact on stacked members."""

PER_MEMBER_OPTIMIZERS = ("Adafactor", "Lamb", "Muon")
"""Optimizers whose step depends on the whole weight array. The step is computed for each member separately."""


def check_cohort_optimizer(optimizer: Any, how: How) -> None:
    """Check that an optimizer is supported for members trained together, and for the way to apply the penalty.

    Raises:
        ValueError: If it is not. The message shows an alternative.
    """
    name = type(optimizer).__name__
    names = [each for each in (*ELEMENTWISE_OPTIMIZERS, *PER_MEMBER_OPTIMIZERS) if hasattr(keras.optimizers, each)]
    if type(optimizer) not in [getattr(keras.optimizers, each) for each in names]:
        raise ValueError(
            Note(
                f"$model must be compiled with one of {', '.join(names)}, whose steps are known to be right for each "
                f"member. Received: optimizer {name}. $train_one_strength"
            )
        )
    rate = get_rate(optimizer)
    if callable(rate) and not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        raise ValueError(
            "The optimizer's `learning_rate` must be a number or a keras.optimizers.schedules schedule. "
            "Received: a function, which does not take the step as an argument. Write a subclass of "
            "keras.optimizers.schedules.LearningRateSchedule with the method `__call__(step)`."
        )
    more = "" if isinstance(how, Decoupled) else " For a path of weight decays say $penalty with $how."
    for option in ("weight_decay", "adam_weight_decay"):
        if getattr(optimizer, option, None):
            raise ValueError(
                Note(
                    f"$model must be compiled without weight decay, which would act beside the penalty. Received: "
                    f"{name} with {option}={getattr(optimizer, option)}. Compile the model with keras.optimizers."
                    f"{_suggest_without_decay(name)}.{more}",
                    penalty=Argument("penalty", "l2"),
                    how=Argument("how", "decoupled"),
                )
            )
    if isinstance(how, Proximal):
        check_proximal(optimizer)


def _suggest_without_decay(name: str) -> str:
    by_default = {
        "AdamW": "AdamW(..., weight_decay=0.0), or with keras.optimizers.Adam",
        "Muon": "Muon(..., weight_decay=0.0, adam_weight_decay=0.0)",
    }
    return by_default.get(name, f"{name}(...)")


_MAX_SAMPLES = 1000  # the maximum number of calls of a schedule; a call takes a fraction of a millisecond


def summarise_learning_rates(optimizer: Any, steps: int) -> tuple[float, float]:
    """Return the sum and the maximum of the learning rates over a number of steps.

    A long schedule is sampled at evenly spaced steps. With gradient accumulation only the steps that update the weights
    count.

    Example:
        >>> decay = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.5, 0.125])
        >>> summarise_learning_rates(keras.optimizers.SGD(decay), steps=4)
        (1.25, 0.5)
    """
    every = optimizer.gradient_accumulation_steps or 1
    updates = np.arange(every - 1, steps, every)
    if not len(updates):
        return 0.0, 0.0
    rate = get_rate(optimizer)
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        return float(rate) * len(updates), float(rate)
    sample = updates[np.linspace(0, len(updates) - 1, min(len(updates), _MAX_SAMPLES)).astype(int)]
    rates = [float(rate(ops.convert_to_tensor(step, optimizer.iterations.dtype))) for step in sample]
    return float(np.mean(rates)) * len(updates), max(rates)
