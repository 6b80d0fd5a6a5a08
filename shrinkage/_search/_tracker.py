"""The tracker of a search: it says which strengths are in training, how good they are, and how long it takes."""

import math
import statistics
import time
from collections import deque
from collections.abc import Iterable
from typing import Literal

import numpy as np

from shrinkage._cohort._train import Progress, RefitProgress, Scores
from shrinkage._cv._choice import choose_epochs, get_losses_at_epochs
from shrinkage._cv._statistics import summarise, summarise_split
from shrinkage._plan._any_runner import AnyRunner
from shrinkage._progress._epoch import Epoch, OnEpoch
from shrinkage._progress._monitor import Monitor
from shrinkage._progress._snapshot import BestStrength, Snapshot
from shrinkage._search._tensorboard import Log

InFolds = Literal["folds", "learning curve"]
"""The stages in which folds are trained: of the search, and of a part of their rows after it."""
_Stage = InFolds | Literal["all rows"]
_RECENT = 20
"""Number of epochs whose median time counts: earlier epochs say less about a machine that others use too."""


class Tracker:
    """Makes the snapshots of a search.

    The search calls `expect` with the strengths of a stage, `begin` with those that it trains now, and `finish`. In
    between, training calls `tick`.

    Args:
        runner: The problem and the plan.
        monitor: The monitor that takes the snapshots.
        stage: The stage of the training in folds.
    """

    def __init__(self, runner: AnyRunner, monitor: Monitor, stage: InFolds = "folds"):
        self._runner, self._problem, self._monitor = runner, runner.problem, monitor
        self._stage: _Stage = stage
        self._finished_counts, self._expected_counts = {stage: 0, "all rows": 0}, {stage: 0, "all rows": 0}
        self._lams, self._epochs = np.zeros(0), self._problem.epochs
        self._best: BestStrength | None = None  # of the finished parts
        self._clock, self._expected_epoch, self._seconds_of_folds = _Clock(), None, None
        self._epochs_of_parts: list[int] = []
        self._reported_epoch: int | None = None  # the last epoch of the part that `on_epoch` was called with
        is_shown = stage == "folds"  # a learning curve is neither in TensorBoard's files nor of the user's function
        self._on_epoch = monitor.on_epoch if is_shown else None
        self._log = Log(problem=self._problem, board=monitor.board) if monitor.board and is_shown else None

    def expect(self, stage: _Stage, strengths: int) -> None:
        """Expect so many strengths more in a stage."""
        if stage != self._stage:  # until an epoch of the stage is measured
            self._expected_epoch, self._seconds_of_folds = self._seconds_of_epoch_on_all_rows, self._clock.epoch
            self._clock = _Clock()
        self._stage = stage
        self._expected_counts[stage] += strengths

    def begin(self, lams: np.ndarray, epochs: int) -> None:
        """Begin with a part: so many epochs of some strengths, at most. The steps may be compiled first."""
        self._lams, self._epochs, self._reported_epoch = lams, epochs, None
        self._clock.stop()
        self._monitor.show(Snapshot("compiling"))

    def tick(self, state: Progress | RefitProgress) -> None:
        """Take note of an epoch: training calls this before the first, after the steps of each, and at its end."""
        first = not self._clock.is_running
        self._clock.tick(state.n_epochs)
        in_folds = isinstance(state, Progress)
        is_logged = self._log is not None and in_folds
        if first or is_logged or self._monitor.is_due:
            best = _choose_better(self._best, self._find_best(state)) if in_folds and state.n_epochs else self._best
            if self._log is not None and in_folds:
                self._log.write_epochs(self._lams, state.cv_loss, state.train_loss, best)
            self._show(state.n_epochs, best)
        if isinstance(state, Progress) and self._on_epoch is not None:
            self._call(self._on_epoch, state)

    def finish(self, scores: Scores | None = None) -> None:
        """End a part, whose strengths have these scores if they were trained in the folds."""
        self._clock.stop()
        self._finished_counts[self._stage] += len(self._lams)
        if scores is not None:
            self._epochs_of_parts.append(scores.cv_loss.shape[2])
            self._best = _choose_better(self._best, self._find_best_of_scores(scores))
            if self._log is not None:
                cv_loss, train_loss = (list(np.moveaxis(each, 2, 0)) for each in (scores.cv_loss, scores.train_loss))
                self._log.write_epochs(self._lams, cv_loss, train_loss, self._best)

    def end_folds(self, lams: np.ndarray, scores: Scores) -> None:
        """End the training in the folds, of these strengths."""
        if self._log is not None:
            self._log.write_path(lams, scores)

    def _show(self, epoch: int, best: BestStrength | None) -> None:
        problem, stage = self._problem, self._stage
        of_part = stage == "learning curve"  # its best strength is not that of all training rows
        snapshot = Snapshot(
            stage, rows=int(problem.n_train.max()) if of_part else 0,
            lams_done=self._finished_counts[stage], lams=self._expected_counts[stage],
            folds=len(problem.folds.train), epoch=epoch,
            epochs=self._epochs, best=None if of_part else best, seconds_left=self._compute_seconds_left(epoch),
            stops_early=stage != "all rows" and (problem.patience is not None or problem.rung is not None),
        )  # fmt: skip
        self._monitor.show(snapshot)

    def _call(self, on_epoch: OnEpoch, state: Progress) -> None:
        """Call the function of the user if an epoch has ended. A run that goes on begins after the last checkpoint."""
        if self._reported_epoch is not None and state.n_epochs > self._reported_epoch:
            held_out, train = (losses[-1][:, : len(self._lams)].copy() for losses in (state.cv_loss, state.train_loss))
            mean, _ = summarise(held_out, self._problem.fold_weight)
            on_epoch(Epoch(state.n_epochs, self._lams.copy(), held_out, train, mean))
        self._reported_epoch = state.n_epochs

    # --- the time

    def _compute_seconds_left(self, epoch: int) -> float | None:
        """Return the seconds for the epochs to come, or None before one is measured. Compiling is not among them."""
        seconds = self._clock.epoch or self._expected_epoch
        if seconds is None:
            return None
        rung, stage = self._problem.rung, self._stage
        expected = self._expected_counts[stage] if rung is None or stage == "all rows" else rung.members
        later = expected - self._finished_counts[stage] - len(self._lams)
        n_rounds = self._count_rounds(max(0, later), 1 if stage == "all rows" else len(self._problem.folds.train))
        of_part = self._epochs if stage == "all rows" else self._usual_epochs
        left = (self._epochs - epoch + n_rounds * of_part) * seconds
        left += self._compute_seconds_of_all_rows() if stage == "folds" else 0.0
        return left + self._compute_seconds_of_learning_curve()

    @property
    def _usual_epochs(self) -> float:
        """Number of epochs of a part: the mean of those that ended, which early stopping may have made shorter."""
        return statistics.mean(self._epochs_of_parts or [self._problem.epochs])

    def _count_rounds(self, strengths: int, folds: int) -> int:
        """Return how many times parts begin, if so many strengths are trained."""
        n_parts = math.ceil(strengths / self._runner.plan.chunk)
        return math.ceil(n_parts / self._runner.count_parallel_parts(folds, n_parts))

    def _compute_seconds_of_all_rows(self) -> float:
        problem = self._problem
        if self._runner.joins_all_rows:
            return 0.0
        strengths = self._expected_counts["folds"] if problem.models == "all" else problem.trained_strengths[1]
        return self._count_rounds(strengths, 1) * self._usual_epochs * self._seconds_of_epoch_on_all_rows

    def _compute_seconds_of_learning_curve(self) -> float:
        """The seconds of the points of a learning curve that are still to come, at two strengths."""
        problem = self._problem
        work = sum(subset.share for subset in problem.subsets) / problem.share * min(1.0, 2 / len(problem.lams))
        return work * self._usual_epochs * (self._seconds_of_folds or self._clock.epoch or 0.0)

    @property
    def _seconds_of_epoch_on_all_rows(self) -> float:
        """The seconds of an epoch on all rows, from the time of the steps in the folds.

        Members on all rows are not scored, and one fold takes one core where the folds run side by side.
        """
        problem = self._problem
        return self._clock.steps * self._runner.count_parallel_folds() * problem.n_rows / int(problem.n_train.sum())

    # --- the best strength

    def _find_best(self, state: Progress) -> BestStrength | None:
        problem, n = self._problem, state.n_epochs
        cv_loss = np.stack(state.cv_loss, axis=-1)[:, : len(self._lams)]
        keep = min(problem.epoch, n) if isinstance(problem.epoch, int) else problem.epoch
        fold_loss = get_losses_at_epochs(cv_loss, choose_epochs(cv_loss, problem.fold_weight, keep))
        mean, se = summarise(
            fold_loss, problem.fold_weight, repeats=problem.folds.repeats, overlap=problem.folds.overlap
        )
        return _find_least(self._lams, np.where(np.any(state.diverged, axis=0)[: len(self._lams)], np.nan, mean), se)

    def _find_best_of_scores(self, scores: Scores) -> BestStrength | None:
        problem = self._problem
        keep = choose_epochs(scores.cv_loss, problem.fold_weight, problem.epoch)
        fold_loss = get_losses_at_epochs(scores.cv_loss, keep)
        rows = scores.row_loss, problem.row_weight, problem.row_groups
        mean, se = summarise_split(fold_loss, problem.fold_weight, problem.folds, *rows)
        return _find_least(self._lams, np.where(scores.diverged.any(axis=0), np.nan, mean), se)


def _find_least(lams: np.ndarray, mean: np.ndarray, se: np.ndarray) -> BestStrength | None:
    if np.isnan(mean).all():
        return None
    index = int(np.nanargmin(mean))
    return BestStrength(float(lams[index]), float(mean[index]), float(se[index]))


def _choose_better(*candidates: BestStrength | None) -> BestStrength | None:
    found: Iterable[BestStrength] = (each for each in candidates if each is not None)
    return min(found, key=lambda best: best.loss, default=None)


class _Clock:
    """Times the epochs of a part, without the compiling before them."""

    def __init__(self) -> None:
        self._epochs, self._steps = deque[float](maxlen=_RECENT), deque[float](maxlen=_RECENT)
        self._last: tuple[int, float] | None = None

    @property
    def is_running(self) -> bool:
        """Whether a part is in training."""
        return self._last is not None

    @property
    def epoch(self) -> float | None:
        """The seconds of an epoch with its scores, or None before one is measured."""
        return statistics.median(self._epochs) if self._epochs else None

    @property
    def steps(self) -> float:
        """The seconds of the steps of an epoch."""
        return statistics.median(self._steps) if self._steps else 0.0

    def tick(self, n_epochs: int) -> None:
        """Take the time before the first epoch, after the steps of an epoch, and after the epoch."""
        now = time.monotonic()
        if self._last is not None:
            seconds = now - self._last[1]
            if n_epochs == self._last[0]:
                self._steps.append(seconds)
                return
            self._epochs.append(seconds)
        self._last = n_epochs, now

    def stop(self) -> None:
        """End a part."""
        self._last = None
