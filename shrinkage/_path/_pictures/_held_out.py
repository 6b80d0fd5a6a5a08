"""The data of the pictures "calibration", "residuals" and "classes": predictions for held-out rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shrinkage._path._curve import Curve
from shrinkage._path._pictures._no_picture import NoPicture
from shrinkage._path._words import format_loss_name

Floats = NDArray[np.float64]

_BINS, _POINTS, _CLASSES = 10, 2000, 30
_BINARY_LOSSES = ("binary_crossentropy", "binary_focal_crossentropy")
_LABELS = ("sparse_categorical_crossentropy", "categorical_generalized_cross_entropy")
_ONE_HOT = ("categorical_crossentropy", "categorical_focal_crossentropy")
CLASSIFICATION = (*_BINARY_LOSSES, *_LABELS, *_ONE_HOT)
"""The losses of which predictions are probabilities of classes, or logits."""


@dataclass(frozen=True, eq=False)
class Bins:
    """Predicted probabilities in tenths: 0 to 0.1, ..., 0.9 to 1; those without a row are left out.

    Attributes:
        lam: the strength.
        predicted: (B,) mean predicted probability.
        observed: (B,) share of the rows in which the event occurred.
        low, high: (B,) 95 % interval of the share (Wilson 1927).
        count: (B,) number of rows.
        error: mean distance between predicted and observed, weighted by rows (expected calibration error).
    """

    lam: float
    predicted: Floats
    observed: Floats
    low: Floats
    high: Floats
    count: NDArray[np.int64]
    error: float


@dataclass(frozen=True, eq=False)
class CalibrationData:
    """Predicted probabilities of held-out rows against how often the event occurred.

    Attributes:
        event: the event in words.
        bins: the bins by label: "choice", and "none" without a penalty.
    """

    event: str
    bins: dict[str, Bins]


def compute_calibration_data(curve: Curve, indices: dict[str, int], *, from_logits: bool = False) -> CalibrationData:
    """Collect predicted probabilities and events.

    With two classes, the event is class 1; with more, that the predicted class, which has the highest probability, is
    right (Guo et al. 2017).

    Args:
        curve: the curve.
        indices: indices of strengths by label.
        from_logits: whether predictions are logits.

    Raises:
        NoPicture: if the path has no probabilities of classes.
    """
    _check_single_output(curve)
    if curve.loss_name not in CLASSIFICATION:
        raise NoPicture(f"Calibration is of probabilities of classes, and the loss is the {_format_loss_name(curve)}.")
    predictions, targets = _get_single_output(curve)
    several = curve.loss_name not in _BINARY_LOSSES
    labels = _find_classes(curve, targets, predictions) if several else None
    bins = {}
    for label, index in indices.items():
        if curve.failed[index]:
            continue
        scores = predictions[:, index].astype(np.float64)
        if labels is not None:
            probability = _softmax(scores) if from_logits else scores
            event, probability = probability.argmax(axis=1) == labels, probability.max(axis=1)
        else:
            probability = (1 / (1 + np.exp(-np.clip(scores, -700, 700))) if from_logits else scores).ravel()
            truth = targets.reshape(len(targets), -1).astype(np.float64)
            event = np.broadcast_to(truth, (len(truth), scores[0].size)).ravel() > 0.5
        bins[label] = _make_bins(float(curve.lams[index]), probability, event)
    if not bins:
        raise NoPicture("The models at these strengths diverged, so there are no predictions.")
    words = "the predicted class is right" if several else "class 1"
    return CalibrationData(words, bins)


def _make_bins(lam: float, probability: Floats, event: NDArray[np.bool_]) -> Bins:
    place = np.clip((probability * _BINS).astype(int), 0, _BINS - 1)
    parts = [np.flatnonzero(place == number) for number in np.unique(place)]
    count = np.array([len(part) for part in parts])
    predicted = np.array([probability[part].mean() for part in parts])
    observed = np.array([event[part].mean() for part in parts])
    z = 1.959964
    centre = (observed + z**2 / (2 * count)) / (1 + z**2 / count)
    half = z * np.sqrt(observed * (1 - observed) / count + z**2 / (4 * count**2)) / (1 + z**2 / count)
    error = float(np.average(np.abs(predicted - observed), weights=count))
    low, high = np.clip(centre - half, 0, 1), np.clip(centre + half, 0, 1)
    return Bins(lam, predicted, observed, np.minimum(low, observed), np.maximum(high, observed), count, error)


@dataclass(frozen=True, eq=False)
class ResidualsData:
    """Residuals of held-out rows: target minus prediction.

    Attributes:
        lam: the strength.
        rows: (k,) row numbers.
        predicted, residual: (k,) each, in the units of `path.predictions`.
        n_all: number of residuals of which these are a random sample, or all.
    """

    lam: float
    rows: NDArray[np.int64]
    predicted: Floats
    residual: Floats
    n_all: int


def compute_residuals_data(curve: Curve, index: int) -> ResidualsData:
    """Collect the residuals at a strength; at most 2,000 of them, drawn at random.

    Raises:
        NoPicture: if the path has no residuals.
    """
    _check_single_output(curve)
    if curve.loss_name in CLASSIFICATION or "hinge" in curve.loss_name:
        raise NoPicture(f"Residuals are of a regression, and the loss is the {_format_loss_name(curve)}.")
    predictions, targets = _get_single_output(curve)
    if curve.failed[index]:
        raise NoPicture("A model at this strength diverged, so there are no residuals.")
    predicted = predictions[:, index].reshape(len(predictions), -1).astype(np.float64)
    truth = targets.reshape(len(targets), -1).astype(np.float64)
    if truth.shape[1] not in (1, predicted.shape[1]):
        raise NoPicture(
            f"Targets have {truth.shape[1]:,} values per row and predictions {predicted.shape[1]:,}: there are no "
            f"residuals."
        )
    residual = (truth - predicted).ravel()
    rows = np.repeat(curve.held_out_rows, predicted.shape[1])
    points = np.arange(len(residual))
    if len(points) > _POINTS:
        points = np.sort(np.random.default_rng(0).choice(points, _POINTS, replace=False))
    return ResidualsData(
        float(curve.lams[index]), rows[points], predicted.ravel()[points], residual[points], len(residual)
    )


@dataclass(frozen=True, eq=False)
class ClassesData:
    """Held-out losses of the classes.

    Attributes:
        loss: name of the loss.
        classes: (C,) class numbers, at most 30: those with the largest loss.
        counts: (C,) number of held-out rows.
        losses: mean loss of the class by label of the strength, (C,) each; NaN where a model diverged.
        lams: the strength of each label.
        n_all: number of all classes.
    """

    loss: str
    classes: NDArray[np.int64]
    counts: NDArray[np.int64]
    losses: dict[str, Floats]
    lams: dict[str, float]
    n_all: int


def compute_classes_data(curve: Curve, indices: dict[str, int]) -> ClassesData:
    """Collect the mean held-out loss of each class.

    Args:
        curve: the curve.
        indices: indices of strengths by label.

    Raises:
        NoPicture: if rows have no class, or the loss has no value per row.
    """
    _check_single_output(curve)
    if curve.loss_name not in CLASSIFICATION and "hinge" not in curve.loss_name:
        raise NoPicture(f"The target has no classes: the loss is the {_format_loss_name(curve)}.")
    predictions, targets = _get_single_output(curve)
    if np.isnan(curve.row_loss).all():
        raise NoPicture("The loss has no value per row, so there are no losses of classes.")
    labels = _find_classes(curve, targets, predictions)
    classes, place, counts = np.unique(labels, return_inverse=True, return_counts=True)
    weight = np.ones(len(labels)) if curve.row_weight is None else np.asarray(curve.row_weight, float)
    total = np.bincount(place, weight)
    losses = {}
    with np.errstate(invalid="ignore", divide="ignore"):  # a class of rows that do not count
        for label, index in indices.items():
            loss = np.bincount(place, weight * curve.row_loss[:, index]) / total
            losses[label] = np.where(curve.failed[index], np.nan, loss)
    first = next(iter(losses.values()))
    top_classes = np.sort(np.argsort(-np.nan_to_num(first, nan=-np.inf), kind="stable")[:_CLASSES])
    return ClassesData(
        loss=format_loss_name(curve.loss_name),
        classes=classes[top_classes],
        counts=counts[top_classes],
        losses={label: loss[top_classes] for label, loss in losses.items()},
        lams={label: float(curve.lams[index]) for label, index in indices.items()},
        n_all=len(classes),
    )


# --- rows


def _check_single_output(curve: Curve) -> None:
    if not isinstance(curve.predictions, np.ndarray):
        raise NoPicture("The model has several outputs, and this picture is of one.")


def _get_single_output(curve: Curve) -> tuple[NDArray[np.floating], NDArray[np.generic]]:
    """Return predictions (m, S, ...) and targets (m, ...) of a model with one output."""
    if curve.targets is None:
        raise NoPicture("An earlier version saved this path, without the targets of the held-out rows: fit again.")
    return curve.predictions, np.asarray(curve.targets)


def _find_classes(curve: Curve, targets: NDArray[np.generic], predictions: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the class number of each row, (m,)."""
    flat = targets.reshape(len(targets), -1)
    if predictions.ndim > 3:
        raise NoPicture("Each row has several predictions, such as one per time step, so it has no class of its own.")
    if curve.loss_name in _LABELS:
        return flat[:, 0].astype(np.int64)
    if flat.shape[1] == 1:
        return (flat[:, 0].astype(np.float64) > 0.5).astype(np.int64)
    if curve.loss_name in _BINARY_LOSSES or np.any(flat.astype(np.float64).sum(axis=1) != 1):
        raise NoPicture("Each row has several labels, so it has no class of its own.")
    return flat.astype(np.float64).argmax(axis=1)


def _softmax(scores: Floats) -> Floats:
    shifted = np.exp(scores - scores.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def _format_loss_name(curve: Curve) -> str:
    return format_loss_name(curve.loss_name)
