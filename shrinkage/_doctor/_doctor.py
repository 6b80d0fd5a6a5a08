"""`doctor`: all checks of a model's regularization, in order of severity."""

from collections.abc import Sequence
from typing import Any

import keras

from shrinkage._doctor import _attached, _decay, _regularizers, _side_effects, _training
from shrinkage._doctor._case import Case
from shrinkage._doctor._check import Check
from shrinkage._doctor._report import Report
from shrinkage._messages._finding import SEVERITIES
from shrinkage._weights._selection import check_model

CHECKS: tuple[Check, ...] = (
    _regularizers.regularizer_ignored,
    _decay.nothing_decayed,
    _attached.attached_inside,
    _attached.stepped_elsewhere,
    _training.strength_changed_after_tracing,
    _training.train_step_without_penalty,
    _training.float16_overflow,
    _decay.decay_rounds_away,
    _attached.attached_to_nothing,
    _attached.drawn_to_nothing,
    _regularizers.regularizer_lost_on_save,
    _regularizers.only_frozen_penalised,
    _regularizers.bias_penalised,
    _decay.bias_decayed,
    _decay.exclusion_catches_kernel,
    _regularizers.recurrent_kernel_free,
    _decay.coupled_and_decoupled,
    _side_effects.l1_by_gradient,
    _training.strength_too_small,
    _attached.strength_too_large,
    _training.penalised_loss_monitored,
    _regularizers.depthwise_kernel_free,
    _attached.replaced_inside,
    _side_effects.adaptive_and_coupled,
    _side_effects.loss_contains_penalty,
    _side_effects.keras_l2_has_no_half,
    _side_effects.scale_invariant_kernel,
    _side_effects.dense_embedding_gradient,
)
"""The registry: one function for each finding."""


def doctor(
    model: keras.Model,
    *,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
    steps: int | None = None,
) -> Report:
    """Report faults of a model's regularization, each with the reason and a fix. The model is not changed.

    An error means that a requested penalty does not act. A warning means that something is probably unintended. A note
    states a fact. docs/doctor.md lists all findings.

    Args:
        model: a built Keras model. For a compiled model the optimizer is checked too, and for a trained model the
            compiled training step.
        callbacks: the list of callbacks that you pass to `model.fit`. If None, callbacks are not checked.
        steps: the number of optimizer steps in the training. If None, the number is taken from a cosine schedule, or
            from a model that has trained; else no check looks for a strength that is too small.

    Returns:
        A `Report`, which prints as text. The attributes `findings`, `errors`, `warnings` and `notes` are tuples of
        findings. A finding has a `severity`, a `code`, the weights or layers `about`, the reason as a `sentence`,
        and a `fix` as code.

    Raises:
        TypeError, ValueError: if `model` is not a built Keras model, `callbacks` is not a list of callbacks, or `steps`
            is not a positive integer.

    Example:
        >>> import keras, shrinkage as sh
        >>> layer = keras.layers.Dense(1, name="slope")
        >>> model = keras.Sequential([keras.Input((3,)), layer], name="line")
        >>> layer.kernel_regularizer = keras.regularizers.L2(0.01)
        >>> print(sh.doctor(model))
        line: 1 error, no warnings, no notes
        <BLANKLINE>
        error: regularizer-ignored: line/slope/kernel
          kernel_regularizer was set after the layer was built, and is read only when it is built: nothing penalises
          1 weight with 3 parameters. Where the layer saves it, it begins to act when the model is loaded.
              for layer in [model.get_layer('slope')]:
                  layer.kernel.regularizer = layer.kernel_regularizer
        <BLANKLINE>
        Not looked at: the optimizer (the model is not compiled), callbacks (not given), the number of steps ...
    """
    _check_model(model)
    _check_options(callbacks, steps)
    case = Case(model, callbacks, steps)
    findings = [finding for check in CHECKS for finding in check(case)]
    ordered = sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))
    return Report(model.name, tuple(ordered), _list_unchecked_parts(case, callbacks, steps))


def _list_unchecked_parts(case: Case, callbacks: Any, steps: Any) -> tuple[str, ...]:
    """Return the parts that the checks could not look at."""
    return (
        *(["the optimizer (the model is not compiled)"] if case.optimizer is None else []),
        *(["callbacks (not given)"] if callbacks is None else []),
        *(["the number of steps (not given)"] if steps is None else []),
        "training loops outside the model",
    )


def _check_model(model: Any) -> None:
    check_model(model)
    if not model.built:
        raise ValueError(
            f"`model` must be built, so that it has weights. Received: {model.name}, which is not built. Start it with "
            f"keras.Input(shape), or call it once on some rows."
        )


def _check_options(callbacks: Any, steps: Any) -> None:
    is_list = callbacks is None or isinstance(callbacks, (list, tuple))
    wrong = (
        [type(each).__name__ for each in callbacks or () if not isinstance(each, keras.callbacks.Callback)]
        if is_list
        else [type(callbacks).__name__]
    )
    if wrong:
        raise TypeError(f"`callbacks` must be a list of keras.callbacks.Callback. Received: {wrong[0]}.")
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        raise ValueError(f"`steps` must be a whole number of at least 1. Received: {steps!r}.")
