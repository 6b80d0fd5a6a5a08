"""`doctor`: everything that is looked for, in order of severity."""

from collections.abc import Sequence
from typing import Any

import keras

from shrinkage._doctor import _attached, _decay, _notes, _regularizers, _training
from shrinkage._doctor._case import Case
from shrinkage._doctor._check import Check
from shrinkage._doctor._report import SEVERITIES, Report
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
    _notes.l1_by_gradient,
    _training.strength_too_small,
    _attached.strength_too_large,
    _training.penalised_loss_monitored,
    _regularizers.depthwise_kernel_free,
    _notes.adaptive_and_coupled,
    _notes.loss_contains_penalty,
    _notes.keras_l2_has_no_half,
    _notes.scale_invariant_kernel,
    _notes.dense_embedding_gradient,
)
"""The registry: one function for each finding."""


def doctor(
    model: keras.Model,
    *,
    callbacks: Sequence[keras.callbacks.Callback] | None = None,
    steps: int | None = None,
) -> Report:
    """Say what is wrong with a model's regularization, why it matters, and how to put it right; nothing is changed.

    An error says that a penalty which was asked for does not act, a warning that something is probably not meant, a
    note what is to be known. docs/doctor.md has a line for each finding.

    Args:
        model: a built Keras model. If it is compiled, its optimizer is looked at, and if it has trained, what its
            training step was compiled with.
        callbacks: those that you will give to `fit`: a model does not know them.
        steps: how many steps of the optimizer the training will have. If None, it is known for a cosine schedule and
            for a model that has trained, and without it nothing is said about a strength that is too small.

    Returns:
        A report, which prints as text: `findings`, and of these `errors`, `warnings` and `notes`. Each has a
        `severity`, a `code`, what it is `about`, `why`, and the `fix` as code.

    Raises:
        TypeError, ValueError: if `model` is not a built Keras model, a callback is none, or `steps` is not positive.

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
    return Report(model.name, tuple(ordered), _not_seen(case, callbacks, steps))


def _not_seen(case: Case, callbacks: Any, steps: Any) -> tuple[str, ...]:
    """Return what the checks could not look at."""
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
            f"`model` ({model.name}) must be built, so that it has weights. Start it with keras.Input(shape), or call "
            f"it once on some rows."
        )


def _check_options(callbacks: Any, steps: Any) -> None:
    listed = callbacks is None or isinstance(callbacks, (list, tuple))
    wrong = (
        [type(each).__name__ for each in callbacks or () if not isinstance(each, keras.callbacks.Callback)]
        if listed
        else [type(callbacks).__name__]
    )
    if wrong:
        raise TypeError(f"`callbacks` must be a list of keras.callbacks.Callback. Received: {wrong[0]}.")
    if steps is not None and (isinstance(steps, bool) or not isinstance(steps, int) or steps < 1):
        raise ValueError(f"`steps` must be a whole number of at least 1. Received: {steps!r}.")
