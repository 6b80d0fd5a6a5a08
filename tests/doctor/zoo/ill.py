"""Models with each finding."""

from collections.abc import Callable
from typing import Any

import keras
from keras.regularizers import L1, L1L2, L2

import shrinkage as sh
from tests.doctor.zoo.attachments import (
    attached,
    attached_and_all_frozen,
    attached_and_quantized,
    attached_inside,
    attached_inside_twice,
    attached_to_frozen,
    attached_twice_and_frozen,
    new_head,
)
from tests.doctor.zoo.decayed import (
    adamw_and_regularizers,
    adamw_as_it_comes,
    cosine,
    decay_changed,
    excluding_by_layer_names,
    excluding_everything,
    excluding_too_much,
    fine_tuning,
    half_precision_decay,
    tiny_steps,
)
from tests.doctor.zoo.own_steps import own_step, stepped_elsewhere
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
    set_after_build_on_a_cell,
    set_after_build_on_a_nested_model,
    set_anew_after_build,
    set_on_the_variable,
    strength_changed,
)
from tests.doctor.zoo.small import mlp, trained

stopping = keras.callbacks.EarlyStopping
ILL: dict[str, list[tuple[Callable[[], keras.Model], dict[str, Any]]]] = {
    "regularizer-ignored": [
        (set_after_build, {}),
        (set_anew_after_build, {}),
        (set_after_build_on_a_nested_model, {}),
        (set_after_build_on_a_cell, {}),
    ],
    "nothing-decayed": [(excluding_everything, {})],
    "attached-inside": [
        (attached_inside, {}),
        (lambda: attached_inside("*a/kernel"), {}),
        (lambda: attached_inside(on="all", rows="touched"), {}),
        (lambda: attached_inside(optimizer=keras.optimizers.AdamW(weight_decay=0.01)), {}),
        (attached_inside_twice, {}),
    ],
    "stepped-elsewhere": [(stepped_elsewhere, {})],
    "strength-changed-after-tracing": [(strength_changed, {}), (decay_changed, {})],
    "train-step-without-penalty": [(own_step, {})],
    "float16-overflow": [(half_precision, {})],
    "decay-rounds-away": [(tiny_steps, {}), (half_precision_decay, {})],
    "attached-to-nothing": [
        (attached_to_frozen, {}),
        (attached_twice_and_frozen, {}),
        (attached_and_all_frozen, {}),
        (attached_and_quantized, {}),
    ],
    "drawn-to-nothing": [(new_head, {})],
    "regularizer-lost-on-save": [(set_on_the_variable, {})],
    "only-frozen-penalised": [(frozen_base, {})],
    "bias-penalised": [(everything_penalised, {})],
    "bias-decayed": [(adamw_as_it_comes, {}), (excluding_by_layer_names, {})],
    "exclusion-catches-kernel": [(excluding_too_much, {})],
    "recurrent-kernel-free": [(lambda: lstm(kernel_regularizer=L2(0.01)), {})],
    "coupled-and-decoupled": [(adamw_and_regularizers, {})],
    "l1-by-gradient": [
        (lambda: mlp(kernel_regularizer=L1(0.01)), {}),
        (lambda: mlp(kernel_regularizer=L1L2(0.01, 0.02)), {}),
    ],
    "strength-too-small": [
        (fine_tuning, {"steps": 3000}),
        (cosine, {}),
        (lambda: mlp(keras.optimizers.SGD(1e-3, momentum=0.9), kernel_regularizer=L2(1e-4)), {"steps": 100}),
        (lambda: attached(lam=1e-4), {"steps": 100}),
        (lambda: trained(attached("adam", lam=1e-9)), {"steps": 40}),
        (lambda: attached(lam=1e-4, how=sh.Decoupled()), {"steps": 100}),
    ],
    "strength-too-large": [(lambda: trained(attached("adam", lam=1e6)), {})],
    "penalised-loss-monitored": [
        (lambda: mlp(kernel_regularizer=L2(0.01)), {"callbacks": [stopping()]}),
        (lambda: mlp(kernel_regularizer=L2(0.01)), {"callbacks": [keras.callbacks.ReduceLROnPlateau("loss")]}),
        (attached, {"callbacks": [stopping()]}),
    ],
    "depthwise-kernel-free": [(separable, {}), (mobile, {})],
    "replaced-inside": [
        (lambda: attached_inside("kernels"), {}),
        (lambda: attached_inside("*a/kernel", on="*a/kernel"), {}),
    ],
    "adaptive-and-coupled": [(lambda: mlp("adam", kernel_regularizer=L2(0.01)), {})],
    "loss-contains-penalty": [
        (lambda: mlp(kernel_regularizer=L2(0.01)), {}),
        (lambda: mlp(activity_regularizer=L2(0.01)), {}),
    ],
    "keras-l2-has-no-half": [(lambda: mlp(kernel_regularizer=L2(0.01)), {})],
    "scale-invariant-kernel": [(normalized, {})],
    "dense-embedding-gradient": [(big_table, {}), (lambda: big_table(attached=True), {})],
}
"""Models with each finding, and what `doctor` is told beside them."""
