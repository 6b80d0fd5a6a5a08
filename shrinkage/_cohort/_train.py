"""Training of a cohort: score strengths on held-out rows, and train on all rows up to each strength's chosen epoch."""

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, fields, replace
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


class TrainedMember(NamedTuple):
    """A member after the last step of its cohort."""

    values: list[np.ndarray]
    """The values of the network's variables."""
    predictions: list[np.ndarray]
    """Predictions for a few rows, an array (b, ...) per output."""


class TrainedModel(NamedTuple):
    """A model trained on all rows."""

    values: list[np.ndarray]
    """The values of the network's variables."""
    diverged: bool
    """Whether the model diverged up to the chosen epoch."""


class TrainedModels(NamedTuple):
    """Models that were trained on all rows."""

    values: list[list[np.ndarray]]
    """For each strength the values of the network's variables."""
    diverged: np.ndarray
    """Whether the member diverged up to the chosen epoch, (s,)."""
    last_member: TrainedMember | None
    """The longest-trained member, the smallest strength among several, or None if it diverged."""
    epochs: np.ndarray
    """The number of epochs of each model, (s,); 0 for a strength without a model."""

    def get(self, s: int) -> TrainedModel:
        """Return the model of a strength."""
        return TrainedModel(self.values[s], bool(self.diverged[s]))

    def take(self, order: np.ndarray | slice) -> "TrainedModels":
        """Return the models of some strengths, in the given order."""
        values = [self.values[index] for index in np.arange(len(self.values))[order]]
        return TrainedModels(values, self.diverged[order], self.last_member, self.epochs[order])

    @classmethod
    def read(cls, result: Sequence[Any]) -> "TrainedModels":
        """Return the models from a record, which keeps no names."""
        values, diverged, last, epochs = result
        return cls(values, diverged, None if last is None else TrainedMember(*last), epochs)


def _join_models(parts: Sequence[TrainedModels]) -> TrainedModels:
    values = [values for part in parts for values in part.values]
    diverged, epochs = (np.concatenate([getattr(part, name) for part in parts]) for name in ("diverged", "epochs"))
    return TrainedModels(values, diverged, parts[-1].last_member, epochs)


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
    models: TrainedModels | None = None
    """The models on all rows at the kept epochs, if the cohort trains them together with the folds."""

    def take(self, order: np.ndarray | slice) -> "Scores":
        """Return the scores of some strengths, in the given order."""
        taken = (tree.map_structure(lambda array: array[:, order], getattr(self, name)) for name in _OF_FOLDS)
        return Scores(*taken, models=None if self.models is None else self.models.take(order))


_OF_FOLDS = tuple(each.name for each in fields(Scores) if each.name != "models")
"""The fields of `Scores` with an axis of strengths after the first."""


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

    models = [part.models for part in parts if part.models is not None]
    return Scores(*map(join_field, _OF_FOLDS), models=_join_models(models) if len(models) == len(parts) else None)


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

    def add(
        self, step_diverged: np.ndarray, evaluation: Evaluation, *, keep: str | int, average: Average
    ) -> np.ndarray:
        """Add an epoch, and return the strengths (s,) whose scores are kept.

        Members step together until all have stopped; later epochs of a stopped member are ignored.
        """
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
            return strengths
        self.kept = tree.map_structure(_empty_like, found) if self.kept is None else self.kept
        tree.map_structure(partial(_keep, strengths), self.kept, found)
        return strengths

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


@dataclass
class RefitProgress:
    """The state of the models on all rows between two epochs."""

    n_epochs: int
    """Number of finished epochs."""
    diverged: np.ndarray
    """Whether the loss of a member became NaN or infinite, (s,)."""
    values: list[list[np.ndarray]]
    """For each strength with a model the values of the network's variables; else empty."""
    has_diverged: np.ndarray
    """Whether a member diverged up to the epoch of the model, (s,)."""
    epochs: np.ndarray
    """The epoch of each model, counted from 1, (s,); 0 for a strength without a model."""

    @classmethod
    def begin(cls, s: int) -> "RefitProgress":
        """Return the state before the first epoch of s members."""
        return cls(0, np.zeros(s, bool), [[] for _ in range(s)], np.zeros(s, bool), np.zeros(s, int))

    def add(
        self, step_diverged: np.ndarray, is_kept: np.ndarray, get_values: Callable[[int], list[np.ndarray]]
    ) -> None:
        """Add an epoch, and keep the models of some strengths (s,), whose values `get_values` returns."""
        self.diverged = self.diverged | step_diverged
        self.n_epochs += 1
        self.epochs = np.where(is_kept, self.n_epochs, self.epochs)
        for s in np.flatnonzero(is_kept):
            self.values[s] = get_values(int(s))
            is_finite = all(np.isfinite(value).all() for value in self.values[s])
            self.has_diverged[s] = self.diverged[s] or not is_finite

    def make_summary(self) -> Summary:
        """Return the number of finished epochs."""
        return {"epochs": self.n_epochs}


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
    compared_rows: np.ndarray | None = None,
) -> Scores:
    """Train strengths (f, s) from the start, and score them after every epoch or after some epochs.

    Args:
        cohort: F x S members, and S members on all rows last if `compared_rows` are given.
        lam: Strengths of the members, (f, s) or (f + 1, s).
        epochs: Maximum number of epochs.
        patience: Number of epochs without improvement of the mean curve after which a strength stops. None never stops
            early.
        keep: The epoch at which predictions are kept: "best" of the mean curve, "last", or a number counted from 1.
        average: A function that averages losses (f, s) over folds, to (s,).
        part: The part in the record of the run, which may have a state to go on from.
        tick: A function of the state that is called before the first epoch, after the steps of each epoch, and at its
            end.
        scored_epochs: The epochs after which the members are scored, counted from 1; None for all.
        compared_rows: Row indices for which a member on all rows predicts at the end; None without such members.
    """
    if epochs < 1:
        raise ValueError(f"`epochs` must be at least 1. Received: {epochs}.")
    cohort.start(lam)
    strengths, folds = lam.shape[1], len(lam) - (compared_rows is not None)
    progress = Progress.begin((folds, strengths))
    models = None if compared_rows is None else RefitProgress.begin(strengths)
    if part.state is not None:
        cohort.restore(part.state["members"])
        progress = Progress(**part.state["progress"])
        models = models and RefitProgress(**part.state["models"])
    tick(progress)
    while progress.n_epochs < epochs and progress.is_training.any():
        step_diverged = cohort.train_epoch(progress.n_epochs)
        tick(progress)
        if scored_epochs is None or progress.n_epochs + 1 in scored_epochs:
            # No name for the scores: they are freed before the next epoch makes others of this size.
            is_kept = progress.add(step_diverged[:folds], cohort.evaluate(), keep=keep, average=average)
            if models:
                models.add(step_diverged[-1], is_kept, partial(cohort.get_values, folds))
        else:
            progress.add_unscored(step_diverged)
        tick(progress)
        if patience is not None:
            progress.is_training = progress.is_training & (progress.epochs_since_best < patience)
        part.keep(progress.n_epochs, partial(_get_state, cohort, progress, models), progress.make_summary)
    row_loss, predictions, metrics = progress.kept
    losses = np.stack(progress.cv_loss, -1), np.stack(progress.train_loss, -1)
    scores = Scores(*losses, row_loss, predictions, progress.diverged, metrics)
    if models and compared_rows is not None:
        scores = replace(scores, models=_finish_models(models, cohort, folds, strengths - 1, compared_rows))
    part.finish(vars(scores), progress.make_summary())
    return scores


def _get_state(cohort: AnyCohort, progress: Any, models: RefitProgress | None = None) -> dict[str, Any]:
    state = {"members": cohort.get_state(), "progress": vars(progress)}
    return state if models is None else state | {"models": vars(models)}


def _finish_models(progress: RefitProgress, cohort: AnyCohort, f: int, s: int, rows: np.ndarray) -> TrainedModels:
    """Return the models on all rows, and the member (f, s) with predictions for a few rows unless it diverged."""
    values, last = cohort.get_values(f, s), None
    if not progress.diverged[s] and all(np.isfinite(value).all() for value in values):
        last = TrainedMember(values, [each[s] for each in tree.flatten(cohort.predict(f, rows))])
    return TrainedModels(progress.values, progress.has_diverged, last, progress.epochs)


def _keep(strengths: np.ndarray, kept_values: np.ndarray, new_values: np.ndarray) -> None:
    kept_values[:, strengths] = new_values[:, strengths]


def _empty_like(array: np.ndarray) -> np.ndarray:
    return np.full_like(array, np.nan if np.issubdtype(array.dtype, np.floating) else 0)


def _is_kept(keep: str | int, epoch: int, is_improved: np.ndarray) -> np.ndarray:
    if keep == "best":
        return is_improved
    return np.full(is_improved.shape, keep == "last" or keep == epoch + 1)


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
    progress = RefitProgress.begin(len(epochs))
    if part.state is not None:
        cohort.restore(part.state["members"])
        progress = RefitProgress(**{"epochs": progress.epochs} | part.state["progress"])  # once without epochs
    tick(progress)
    while progress.n_epochs < epochs.max():
        is_kept = epochs == progress.n_epochs + 1
        progress.add(cohort.train_epoch(progress.n_epochs)[0], is_kept, partial(cohort.get_values, 0))
        tick(progress)
        part.keep(progress.n_epochs, partial(_get_state, cohort, progress), progress.make_summary)
    place = int(np.flatnonzero(epochs == epochs.max())[-1])
    models = _finish_models(progress, cohort, 0, place, rows)
    part.finish(models, progress.make_summary())
    return models
