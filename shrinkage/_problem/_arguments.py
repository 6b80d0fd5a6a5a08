"""Checks of the arguments of `fit` that do not need the rows: counts, the penalty and `init`."""

from dataclasses import replace
from typing import Any, NamedTuple

import keras
import numpy as np

from shrinkage._host._layers import list_sublayers
from shrinkage._messages._hints_of_fit import describe_missing_argument
from shrinkage._messages._note import Note, quote
from shrinkage._messages._user_values import check_flag
from shrinkage._model._attached import get_attachments
from shrinkage._model._optimizers import check_cohort_optimizer
from shrinkage._model._template import Template
from shrinkage._penalties import Decoupled, How, Penalty, Weights, as_how, as_penalty, check_how
from shrinkage._problem._request import Request
from shrinkage._weights._regularizers import check_no_regularizers, convert_regularizers
from shrinkage._weights._selection import Selection, select

MOST_REPEATS = 1000
"""The command line has this limit too, and must not import this module for it."""


def apply_solver(request: Request) -> Request:
    """Return the request with the values that the solver fixes. An exact solver has one epoch, and no batches."""
    if request.solver not in ("gradient", "exact"):
        raise ValueError(f'`solver` must be "gradient" or "exact". Received: {request.solver!r}.')
    if request.solver == "gradient":
        if request.epochs is None:
            raise TypeError(
                f"`epochs` must be given for training. Received: None. {describe_missing_argument('epochs')}"
            )
        return request
    if request.budget is not None:
        raise ValueError(
            '`budget` must be left out with solver="exact", which computes all strengths on all rows. Received: both.'
        )
    return replace(request, epochs=1, patience=None, epoch="last", batch_size=None)


def check_plain_arguments(request: Request) -> None:
    """Refuse invalid truth values, counts, seeds and epochs."""
    for name in ("learning_curve", "standardize_target"):
        check_flag(name, getattr(request, name))
    for name, least in (("epochs", 1), ("batch_size", 1), ("steps_per_epoch", 1), ("seed", 0), ("repeats", 1)):
        value = getattr(request, name)
        if value is not None or getattr(Request, name, 0) is not None:
            check_count(name, value, least)
    epochs, patience, epoch = request.epochs or 1, request.patience, request.epoch
    if request.repeats > MOST_REPEATS:
        raise ValueError(f"`repeats` must be at most {MOST_REPEATS:,}. Received: {request.repeats:,}.")
    if request.seed >= 2**32:
        raise ValueError(f"`seed` must be below 2**32. Received: {request.seed}.")
    if patience is not None and (isinstance(patience, bool) or not isinstance(patience, int) or patience < 1):
        raise ValueError(f"`patience` must be None or a whole number of at least 1. Received: {patience!r}.")
    number = isinstance(epoch, (int, np.integer)) and not isinstance(epoch, bool) and 1 <= epoch <= epochs
    if epoch not in ("best", "last") and not number:
        raise ValueError(f'`epoch` must be "best", "last" or a number from 1 to epochs={epochs}. Received: {epoch!r}.')
    if request.models not in ("all", "chosen"):
        raise ValueError(f'`models` must be "all" or "chosen". Received: {request.models!r}.')
    if number and patience is not None:
        raise ValueError(
            f"`patience` must be left out with epoch={epoch}, as it may stop the training before that epoch. Received: "
            f"patience={patience}."
        )


def check_count(name: str, value: Any, least: int = 1) -> None:
    """Refuse an argument that is not a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
        raise ValueError(f"`{name}` must be a whole number of at least {least}. Received: {quote(value)}.")


class PenalisedModel(NamedTuple):
    """The model, and the penalty on its weights."""

    template: Template
    penalty: Penalty
    how: How
    """The way to apply the penalty."""
    selection: Selection
    """The penalised weights."""
    lam_model: float | None
    """The strength in the regularizers of the model if `penalty="model"`; else None."""


def read_model_and_penalty(request: Request) -> PenalisedModel:
    """Return the model and the penalty, checked against each other."""
    model, penalty, on, how = request.model, request.penalty, request.on, as_how(request.how)
    own = isinstance(penalty, str) and penalty == "model"
    if not own:
        check_how(as_penalty(penalty), how)
    _check_detached(model)
    template, lam_model = Template(model, without_regularizers=own), None
    if template.is_function:
        _check_detached(template.source)
    if own:
        _check_model_penalty(on, how)
        penalty, lam_model, on = convert_regularizers(template.source)
    penalty = as_penalty(penalty)
    how = check_how(penalty, how)
    check_cohort_optimizer(template.optimizer, how)
    selection = select(template.source, on)
    if not own:
        check_no_regularizers(template.source, selection.mask)
    _check_toward(penalty, template)
    return PenalisedModel(template, penalty, how, selection, lam_model)


def check_init(template: Template, request: Request) -> str:
    """Return whether members begin with fresh weights or with those of the model.

    An exact solver draws no weights: those of the head are computed, and those of layers before it are kept.
    """
    init, exact = request.init, request.solver == "exact"
    if init not in (None, "fresh", "keep"):
        raise ValueError(f'`init` must be "fresh" or "keep". Received: {init!r}.')
    checked = init is None and not template.is_function and (not exact or _has_frozen_weights(template))
    if checked and (signs := template.find_training_evidence(request.seed)):
        fresh = "" if exact else ', or init="fresh" to draw new ones'
        raise ValueError(
            f"`init` must be given for a model that has been trained or loaded. Received: None, and {signs}. Say "
            f'init="keep" to start every member from the weights of the model (if they come from rows in `x`, they '
            f"leak into the held-out loss){fresh}."
        )
    return "keep" if exact else init or "fresh"


def _has_frozen_weights(template: Template) -> bool:
    """Return whether weights are frozen. Statistics of `Normalization` are not, and states of random layers."""
    layers = [part for part in list_sublayers(template.network) if isinstance(part, keras.layers.Normalization)]
    statistics = {id(variable) for layer in layers for variable in layer.variables}
    frozen = [each for each in template.network.non_trainable_variables if id(each) not in statistics]
    return any("float" in str(each.dtype) for each in frozen)


def _check_detached(model: Any) -> None:
    """Refuse attached penalties, as the model would be penalised twice, or an inner model would lose the penalty."""
    if not isinstance(model, keras.Model):
        return
    if get_attachments(model):
        raise ValueError(
            Note(
                f"$model must have no penalty attached. Received: {model.name} with {get_attachments(model)[0]!r}. "
                f"Call shrinkage.detach(model), and $give_penalty."
            )
        )
    for part in list_sublayers(model):
        acting = [each for each in get_attachments(part) if each.weights] if isinstance(part, keras.Model) else []
        if acting:
            raise ValueError(
                Note(
                    f"$model must hold no model with a penalty attached, as it would be trained without the penalty. "
                    f"Received: {model.name}, which holds the model {part.name!r} with {acting[0]!r}. Call "
                    f"shrinkage.detach on that inner model, and $give_penalty$on_its_weights."
                )
            )


def _check_toward(penalty: Penalty, template: Template) -> None:
    """Refuse `L2(toward=...)` with weights that do not fit the model."""
    toward = penalty.toward
    if not isinstance(toward, Weights):
        return
    expected, found = ([tuple(w.shape) for w in weights] for weights in (template.network.weights, toward))
    if expected != found or not all(np.isfinite(w).all() for w in toward if w.dtype.kind == "f"):
        raise ValueError(
            f"`penalty`: L2(toward=...) must be finite weights as model.get_weights() gives them, of shapes "
            f"{expected}. Received: {found}."
        )


def _check_model_penalty(on: Any, how: Any) -> None:
    """Refuse arguments that conflict with `penalty="model"`."""
    if not (isinstance(on, str) and on == "kernels"):
        raise ValueError(
            f'`on` must be left out with penalty="model", which is on the weights that have a regularizer. Received: '
            f"{quote(on)}."
        )
    if isinstance(how, Decoupled):
        raise ValueError(
            '`how` must not be weight decay with penalty="model", as no regularizer of Keras is. Received: '
            "Decoupled(). Leave `how` out."
        )
