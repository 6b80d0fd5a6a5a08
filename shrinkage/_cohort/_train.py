"""Training of a cohort: score strengths on held-out rows, and train on all rows up to each strength's chosen epoch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from keras import tree

from shrinkage._cohort._cohort import Cohort
from shrinkage._cohort._stream import StreamCohort

Tick = Callable[[], None]
Average = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Scores:
    """The result of training a chunk of strengths in all folds."""

    cv_loss: np.ndarray
    """Mean held-out loss, (fold, lam, epoch); NaN from the epoch at which a member diverged, and after a strength
    stopped."""
    train_loss: np.ndarray
    """Mean training loss in inference mode, (fold, lam, epoch); NaN where `cv_loss` is."""
    row_loss: np.ndarray
    """Loss of each held-out row at the kept epoch of each strength, (m, lam)."""
    predictions: Any
    """Prediction for each held-out row at the kept epoch of each strength, a tree of (m, lam, ...)."""
    diverged: np.ndarray
    """Whether the loss of a member became NaN or infinite, (fold, lam)."""
    metrics: dict[str, np.ndarray]
    """Metrics of all held-out rows at the kept epoch, (1, lam) each, if `predictions` are of a part of the rows."""

    def take(self, order: np.ndarray | slice) -> "Scores":
        """Return the scores of some strengths, in the given order."""
        parts = (getattr(self, field.name) for field in fields(self))
        return Scores(*(tree.map_structure(lambda array: array[:, order], part) for part in parts))


def join(parts: Sequence[Scores]) -> Scores:
    """Concatenate scores along the strengths; shorter curves are padded with NaN."""
    if len(parts) == 1:  # without a copy of the predictions
        return parts[0]
    longest = max(part.cv_loss.shape[2] for part in parts)

    def join_field(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        if name in ("cv_loss", "train_loss"):
            missing = [[(0, 0), (0, 0), (0, longest - value.shape[2])] for value in values]
            values = [np.pad(v, pad, constant_values=np.nan) for v, pad in zip(values, missing, strict=True)]
        return tree.map_structure(lambda *arrays: np.concatenate(arrays, axis=1), *values)

    return Scores(*(join_field(field.name) for field in fields(Scores)))


def score(
    cohort: Cohort | StreamCohort,
    lam: np.ndarray,
    *,
    epochs: int,
    patience: int | None,
    keep: str | int,
    average: Average,
    tick: Tick,
) -> Scores:
    """Train strengths (f, s) from the start and score them after every epoch.

    Args:
        cohort: F x S members.
        lam: Strengths of the members, (f, s).
        epochs: Maximum number of epochs.
        patience: Number of epochs without improvement of the mean curve after which a strength stops. None never stops
            early.
        keep: The epoch at which predictions are kept: "best" of the mean curve, "last", or a number counted from 1.
        average: A function that averages losses (f, s) over folds, to (s,).
        tick: A function that is called after every epoch.
    """
    cohort.start(lam)
    diverged = np.zeros(lam.shape, bool)
    best, epochs_since_best = np.full(lam.shape[1], np.inf), np.zeros(lam.shape[1], int)
    is_training = np.full(lam.shape[1], True)
    cv_loss, train_loss = [], []
    kept: Any = None
    for epoch in range(epochs):
        step_diverged = cohort.train_epoch(epoch)
        evaluation = cohort.evaluate()
        # Members step together until all have stopped; later epochs of a stopped member are ignored.
        diverged = diverged | (is_training & (step_diverged | ~np.isfinite(evaluation.cv_loss)))
        is_valid = is_training & ~diverged
        cv_loss.append(np.where(is_valid, evaluation.cv_loss, np.nan))
        train_loss.append(np.where(is_valid, evaluation.train_loss, np.nan))
        mean = average(cv_loss[-1])
        improved = mean < best
        best, epochs_since_best = np.where(improved, mean, best), np.where(improved, 0, epochs_since_best + 1)
        found = evaluation.row_loss, evaluation.predictions, evaluation.metrics
        kept = tree.map_structure(_empty_like, found) if kept is None else kept
        is_kept = is_training & _is_kept(keep, epoch, improved)
        tree.map_structure(partial(_keep, is_kept), kept, found)
        del evaluation, found  # before the next epoch makes others of this size
        tick()
        if patience is not None:
            is_training = is_training & (epochs_since_best < patience)
        if not is_training.any():
            break
    if kept is None:
        raise ValueError(f"`epochs` must be at least 1. Received: {epochs}.")
    row_loss, predictions, metrics = kept
    return Scores(np.stack(cv_loss, -1), np.stack(train_loss, -1), row_loss, predictions, diverged, metrics)


def _keep(strengths: np.ndarray, kept: np.ndarray, found: np.ndarray) -> None:
    kept[:, strengths] = found[:, strengths]


def _empty_like(array: np.ndarray) -> np.ndarray:
    return np.full_like(array, np.nan if np.issubdtype(array.dtype, np.floating) else 0)


def _is_kept(keep: str | int, epoch: int, improved: np.ndarray) -> np.ndarray:
    if keep == "best":
        return improved
    return np.full(improved.shape, keep == "last" or keep == epoch + 1)


class TrainedMember(NamedTuple):
    """A member after the last step of its cohort."""

    values: list[np.ndarray]
    """The values of the network's variables."""
    predictions: list[np.ndarray]
    """Predictions for a few rows, an array (b, ...) per output."""


def refit(
    cohort: Cohort | StreamCohort, lam: np.ndarray, epochs: np.ndarray, rows: np.ndarray, tick: Tick
) -> tuple[list[list[np.ndarray]], np.ndarray, TrainedMember | None]:
    """Train strengths (1, s) on all rows, each up to the chosen epoch.

    Args:
        cohort: 1 x S members on all rows.
        lam: Strengths of the members, (1, s).
        epochs: The chosen epoch of each strength, counted from 1, (s,).
        rows: Row indices for which the longest-trained member predicts at the end.
        tick: A function that is called after every epoch.

    Returns:
        A tuple: for each strength the values of the network's variables; whether the member diverged up to the chosen
        epoch, (s,); and the longest-trained member, or None if it diverged. If several members trained equally long,
        it is the member with the smallest strength.
    """
    cohort.start(lam)
    values: list[list[np.ndarray]] = [[] for _ in epochs]
    diverged, has_diverged = np.zeros(len(epochs), bool), np.zeros(len(epochs), bool)
    for epoch in range(int(epochs.max())):
        diverged = diverged | cohort.train_epoch(epoch)[0]
        for s in np.flatnonzero(epochs == epoch + 1):
            values[s] = cohort.values(0, int(s))
            has_diverged[s] = diverged[s] or not all(np.isfinite(value).all() for value in values[s])
        tick()
    last = int(np.flatnonzero(epochs == epochs.max())[-1])
    if has_diverged[last]:
        return values, has_diverged, None
    return (
        values,
        has_diverged,
        TrainedMember(values[last], [each[last] for each in tree.flatten(cohort.predictions(0, rows))]),
    )
