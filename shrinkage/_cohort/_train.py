"""Training of a cohort: score strengths on held-out rows, and train on all rows up to each strength's chosen epoch."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
from keras import tree

from shrinkage._cohort._cohort import Evaluation
from shrinkage._cohort._run_part import RunPart, Summary

Average = Callable[[np.ndarray], np.ndarray]


class AnyCohort(Protocol):
    """F x S members: a `Cohort`, a `StreamCohort` or an `ExactCohort`, which documents the methods."""

    def start(self, lam: np.ndarray, /) -> None: ...

    def get_state(self) -> Any: ...

    def restore(self, state: Any, /) -> None: ...

    def train_epoch(self, epoch: int, /) -> np.ndarray: ...

    def evaluate(self) -> Evaluation: ...

    def predict(self, f: int, rows: np.ndarray, /) -> Any: ...

    def get_values(self, f: int, s: int, /) -> list[np.ndarray]: ...


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


def join_scores(parts: Sequence[Scores]) -> Scores:
    """Concatenate scores along the strengths; shorter curves are padded with NaN."""
    if len(parts) == 1:  # without a copy of the predictions
        return parts[0]
    longest = max(part.cv_loss.shape[2] for part in parts)

    def join_field(name: str) -> Any:
        values = [getattr(part, name) for part in parts]
        if name in ("cv_loss", "train_loss"):
            padding = [[(0, 0), (0, 0), (0, longest - value.shape[2])] for value in values]
            values = [np.pad(v, pad, constant_values=np.nan) for v, pad in zip(values, padding, strict=True)]
        return tree.map_structure(lambda *arrays: np.concatenate(arrays, axis=1), *values)

    return Scores(*(join_field(field.name) for field in fields(Scores)))


@dataclass
class Progress:
    """The state of `score` between two epochs, with arrays of S strengths and F folds."""

    diverged: np.ndarray
    """Whether the loss of a member became NaN or infinite, (f, s)."""
    best: np.ndarray
    """Lowest mean held-out loss so far, (s,)."""
    epochs_since_best: np.ndarray
    """Number of epochs since then, (s,)."""
    is_training: np.ndarray
    """Whether the strength has not stopped, (s,)."""
    cv_loss: list[np.ndarray] = field(default_factory=list)
    """Held-out losses of each epoch, (f, s)."""
    train_loss: list[np.ndarray] = field(default_factory=list)
    """Training losses of each epoch, (f, s)."""
    kept: Any = None
    """Row losses, predictions and metrics at the kept epoch of each strength."""

    @classmethod
    def begin(cls, shape: tuple[int, ...]) -> "Progress":
        """Return the state before the first epoch of (f, s) members."""
        s = shape[1]
        return cls(np.zeros(shape, bool), np.full(s, np.inf), np.zeros(s, int), np.full(s, True))

    @property
    def n_epochs(self) -> int:
        """Number of finished epochs."""
        return len(self.cv_loss)

    def add_unscored(self, step_diverged: np.ndarray) -> None:
        """Add an epoch after which the members were not scored."""
        self.diverged = self.diverged | step_diverged
        for losses in (self.cv_loss, self.train_loss):
            losses.append(np.full(self.diverged.shape, np.nan))
        self.epochs_since_best = self.epochs_since_best + 1

    def add(self, step_diverged: np.ndarray, evaluation: Evaluation, *, keep: str | int, average: Average) -> None:
        """Add an epoch. Members step together until all have stopped; later epochs of a stopped member are ignored."""
        failed = step_diverged | ~np.isfinite(evaluation.cv_loss)
        self.diverged = self.diverged | (self.is_training & failed)
        is_valid = self.is_training & ~self.diverged
        epoch = self.n_epochs
        self.cv_loss.append(np.where(is_valid, evaluation.cv_loss, np.nan))
        self.train_loss.append(np.where(is_valid, evaluation.train_loss, np.nan))
        mean = average(self.cv_loss[-1])
        improved = mean < self.best
        self.best = np.where(improved, mean, self.best)
        self.epochs_since_best = np.where(improved, 0, self.epochs_since_best + 1)
        found = evaluation.row_loss, evaluation.predictions, evaluation.metrics
        strengths = self.is_training & _is_kept(keep, epoch, improved)
        if strengths.all():  # without a copy of the predictions
            self.kept = tree.map_structure(partial(np.require, requirements="W"), found)
            return
        self.kept = tree.map_structure(_empty_like, found) if self.kept is None else self.kept
        tree.map_structure(partial(_keep, strengths), self.kept, found)

    def make_summary(self) -> Summary:
        """Return the lowest mean held-out loss of each strength, None if a member diverged, and the epoch."""
        lost = np.any(self.diverged, axis=0)
        best = np.where(lost, np.nan, self.best)
        epochs = self.n_epochs - self.epochs_since_best
        return {
            "loss": [loss if math.isfinite(loss) else None for loss in best.tolist()],
            "epoch": epochs.tolist(),
            "epochs": self.n_epochs,
        }


def score(
    cohort: AnyCohort,
    lam: np.ndarray,
    *,
    epochs: int,
    patience: int | None,
    keep: str | int,
    average: Average,
    part: RunPart,
    tick: Callable[[Progress], None],
    scored_epochs: Collection[int] | None = None,
) -> Scores:
    """Train strengths (f, s) from the start, and score them after every epoch or after some epochs.

    Args:
        cohort: F x S members.
        lam: Strengths of the members, (f, s).
        epochs: Maximum number of epochs.
        patience: Number of epochs without improvement of the mean curve after which a strength stops. None never stops
            early.
        keep: The epoch at which predictions are kept: "best" of the mean curve, "last", or a number counted from 1.
        average: A function that averages losses (f, s) over folds, to (s,).
        part: The part in the record of the run, which may have a state to go on from.
        tick: A function of the state that is called before the first epoch, after the steps of each epoch, and at its
            end.
        scored_epochs: The epochs after which the members are scored, counted from 1; None for all.
    """
    if epochs < 1:
        raise ValueError(f"`epochs` must be at least 1. Received: {epochs}.")
    cohort.start(lam)
    progress = Progress.begin(lam.shape)
    if part.state is not None:
        cohort.restore(part.state["members"])
        progress = Progress(**part.state["progress"])
    tick(progress)
    while progress.n_epochs < epochs and progress.is_training.any():
        step_diverged = cohort.train_epoch(progress.n_epochs)
        tick(progress)
        if scored_epochs is None or progress.n_epochs + 1 in scored_epochs:
            # No name for the scores: they are freed before the next epoch makes others of this size.
            progress.add(step_diverged, cohort.evaluate(), keep=keep, average=average)
        else:
            progress.add_unscored(step_diverged)
        tick(progress)
        if patience is not None:
            progress.is_training = progress.is_training & (progress.epochs_since_best < patience)
        part.keep(progress.n_epochs, partial(_get_state, cohort, progress), progress.make_summary)
    row_loss, predictions, metrics = progress.kept
    losses = np.stack(progress.cv_loss, -1), np.stack(progress.train_loss, -1)
    scores = Scores(*losses, row_loss, predictions, progress.diverged, metrics)
    part.finish(vars(scores), progress.make_summary())
    return scores


def _get_state(cohort: AnyCohort, progress: Any) -> dict[str, Any]:
    return {"members": cohort.get_state(), "progress": vars(progress)}


def _keep(strengths: np.ndarray, kept_values: np.ndarray, new_values: np.ndarray) -> None:
    kept_values[:, strengths] = new_values[:, strengths]


def _empty_like(array: np.ndarray) -> np.ndarray:
    return np.full_like(array, np.nan if np.issubdtype(array.dtype, np.floating) else 0)


def _is_kept(keep: str | int, epoch: int, is_improved: np.ndarray) -> np.ndarray:
    if keep == "best":
        return is_improved
    return np.full(is_improved.shape, keep == "last" or keep == epoch + 1)


class TrainedMember(NamedTuple):
    """A member after the last step of its cohort."""

    values: list[np.ndarray]
    """The values of the network's variables."""
    predictions: list[np.ndarray]
    """Predictions for a few rows, an array (b, ...) per output."""


class TrainedModels(NamedTuple):
    """Models that were trained on all rows."""

    values: list[list[np.ndarray]]
    """For each strength the values of the network's variables."""
    diverged: np.ndarray
    """Whether the member diverged up to the chosen epoch, (s,)."""
    last_member: TrainedMember | None
    """The longest-trained member, the smallest strength among several, or None if it diverged."""

    def take(self, place: slice) -> "TrainedModels":
        """Return the models of some strengths."""
        return TrainedModels(self.values[place], self.diverged[place], self.last_member)


@dataclass
class RefitProgress:
    """The state of `refit` between two epochs."""

    n_epochs: int
    """Number of finished epochs."""
    diverged: np.ndarray
    """Whether the loss of a member became NaN or infinite, (s,)."""
    values: list[list[np.ndarray]]
    """For each strength with a finished training the values of the network's variables; else empty."""
    has_diverged: np.ndarray
    """Whether a member diverged up to the chosen epoch, (s,)."""

    def make_summary(self) -> Summary:
        """Return the number of finished epochs."""
        return {"epochs": self.n_epochs}


def refit(
    cohort: AnyCohort,
    lam: np.ndarray,
    epochs: np.ndarray,
    rows: np.ndarray,
    part: RunPart,
    tick: Callable[[RefitProgress], None],
) -> TrainedModels:
    """Train strengths (1, s) on all rows, each up to the chosen epoch.

    Args:
        cohort: 1 x S members on all rows.
        lam: Strengths of the members, (1, s).
        epochs: The chosen epoch of each strength, counted from 1, (s,).
        rows: Row indices for which the longest-trained member predicts at the end.
        part: The part in the record of the run, which may have a state to go on from.
        tick: A function of the state that is called before the first epoch and after each.
    """
    cohort.start(lam)
    progress = RefitProgress(0, np.zeros(len(epochs), bool), [[] for _ in epochs], np.zeros(len(epochs), bool))
    if part.state is not None:
        cohort.restore(part.state["members"])
        progress = RefitProgress(**part.state["progress"])
    tick(progress)
    while progress.n_epochs < epochs.max():
        progress.diverged = progress.diverged | cohort.train_epoch(progress.n_epochs)[0]
        progress.n_epochs += 1
        for s in np.flatnonzero(epochs == progress.n_epochs):
            progress.values[s] = cohort.get_values(0, int(s))
            is_finite = all(np.isfinite(value).all() for value in progress.values[s])
            progress.has_diverged[s] = progress.diverged[s] or not is_finite
        tick(progress)
        part.keep(progress.n_epochs, partial(_get_state, cohort, progress), progress.make_summary)
    place = int(np.flatnonzero(epochs == epochs.max())[-1])
    last = None
    if not progress.has_diverged[place]:
        predictions = [each[place] for each in tree.flatten(cohort.predict(0, rows))]
        last = TrainedMember(progress.values[place], predictions)
    models = TrainedModels(progress.values, progress.has_diverged, last)
    part.finish(models, progress.make_summary())
    return models
