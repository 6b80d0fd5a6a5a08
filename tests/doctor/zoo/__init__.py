"""Models for the doctor: one or more with each finding, and well-made ones."""

from tests.doctor.zoo import own_steps
from tests.doctor.zoo.attachments import attached_and_all_frozen, attached_inside
from tests.doctor.zoo.decayed import (
    adamw_and_regularizers,
    adamw_as_it_comes,
    excluding_by_layer_names,
    excluding_everything,
    excluding_too_much,
    fine_tuning,
    half_precision_decay,
    tiny_steps,
)
from tests.doctor.zoo.ill import ILL
from tests.doctor.zoo.own_steps import Forgetful, Mindful, own_step
from tests.doctor.zoo.regularized import (
    big_table,
    everything_penalised,
    frozen_base,
    half_precision,
    lstm,
    mobile,
    normalized,
    separable,
    set_after_build,
    set_anew_after_build,
    set_on_the_variable,
    strength_changed,
)
from tests.doctor.zoo.small import X, Y, mlp, stack, trained
from tests.doctor.zoo.well import WELL, transformer

__all__ = [
    "Forgetful",
    "ILL",
    "Mindful",
    "WELL",
    "X",
    "Y",
    "adamw_and_regularizers",
    "adamw_as_it_comes",
    "attached_and_all_frozen",
    "attached_inside",
    "big_table",
    "everything_penalised",
    "excluding_by_layer_names",
    "excluding_everything",
    "excluding_too_much",
    "fine_tuning",
    "frozen_base",
    "half_precision",
    "half_precision_decay",
    "lstm",
    "mlp",
    "mobile",
    "normalized",
    "own_step",
    "own_steps",
    "separable",
    "set_after_build",
    "set_anew_after_build",
    "set_on_the_variable",
    "stack",
    "strength_changed",
    "tiny_steps",
    "trained",
    "transformer",
]
