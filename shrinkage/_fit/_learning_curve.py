"""The learning curve: the choice is trained again on parts of the training rows, after the search."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from shrinkage._cv._choice import choose_epochs, get_losses_at_epochs
from shrinkage._cv._statistics import summarise, summarise_split
from shrinkage._path._curve import Curve
from shrinkage._path._learning_curve import LearningCurve
from shrinkage._penalties import Decoupled
from shrinkage._plan._any_runner import AnyRunner
from shrinkage._problem._problem import Problem
from shrinkage._progress._monitor import Monitor
from shrinkage._search._record._record import Record
from shrinkage._search._record._unrecorded import Unrecorded
from shrinkage._search._search import Search


class LearningCurveResult(NamedTuple):
    """A learning curve, and notes for the user."""

    curve: LearningCurve
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Point:
    """The losses after training on a number of rows; NaN for a strength at which a member diverged."""

    problem: Problem
    cv_loss: np.ndarray
    """(F, S, E)"""
    train_loss: np.ndarray
    """(F, S, E)"""
    row_loss: np.ndarray
    """(m, S)"""
    diverged: np.ndarray
    """(S,)"""
    epochs: np.ndarray
    """(S,)"""

    @property
    def fold_loss(self) -> np.ndarray:
        """(F, S) held-out loss at the chosen epochs."""
        return np.where(self.diverged, np.nan, get_losses_at_epochs(self.cv_loss, self.epochs))

    @property
    def mean_and_se(self) -> tuple[np.ndarray, np.ndarray]:
        """(S,) each."""
        problem = self.problem
        rows = self.row_loss, problem.row_weight, problem.row_groups
        return summarise_split(self.fold_loss, problem.fold_weight, problem.folds, *rows)


def learn_on_subsets(
    curve: Curve, runner: AnyRunner, record: Record | Unrecorded, monitor: Monitor
) -> LearningCurveResult | None:
    """Train the choice and strength 0 on each part of the training rows, and return the learning curve.

    Args:
        curve: The curve of the search, whose losses are those of the last point.
        runner: The problem with the parts, and the plan, which the points repeat.
        record: The record of the run, which records the points too.
        monitor: The monitor of the run.

    Returns:
        The learning curve; None if the problem has no parts, or if nothing could be chosen.
    """
    problem, notes, points = runner.problem, list[str](), list[_Point]()
    if not problem.subsets or curve.failed.all():
        return None
    places = list(dict.fromkeys((curve.index, len(curve.lams) - 1)))
    for place, subset in enumerate(problem.subsets):
        lams = curve.lams[places]
        if isinstance(problem.training.how, Decoupled):  # fewer steps shrink as much with a larger decay
            lams = lams / subset.share
        of_point = runner.repeat_plan(problem.restrict_to_subset(place, lams))
        search = Search(of_point, record, monitor, "learning curve")
        scores = search.score(lams)
        epochs = choose_epochs(scores.cv_loss, problem.fold_weight, problem.epoch)
        diverged = np.any(scores.diverged, axis=0)
        points.append(_Point(of_point.problem, scores.cv_loss, scores.train_loss, scores.row_loss, diverged, epochs))
        notes += search.notes
    cv_loss, train_loss, row_loss = (each[:, places] for each in (curve.cv_loss, curve.train_loss, curve.row_loss))
    points.append(_Point(problem, cv_loss, train_loss, row_loss, curve.failed[places], curve.epochs[places]))
    return LearningCurveResult(_join(curve, points, curve.lams[places]), tuple(notes))


def _join(curve: Curve, points: list[_Point], lams: np.ndarray) -> LearningCurve:
    longest = max(point.cv_loss.shape[2] for point in points)

    def stack(losses: list[np.ndarray]) -> np.ndarray:
        """Stack losses (F, S, E) by point; `patience` may have made curves shorter, which NaN fills."""
        padding = [((0, 0), (0, 0), (0, longest - each.shape[2])) for each in losses]
        return np.stack([np.pad(a, pad, constant_values=np.nan) for a, pad in zip(losses, padding, strict=True)])

    mean, se = (np.stack(part) for part in zip(*(point.mean_and_se for point in points), strict=True))
    train = [
        summarise(get_losses_at_epochs(point.train_loss, point.epochs), point.problem.train_weight)[0]
        for point in points
    ]
    return LearningCurve(
        rows=np.array([point.problem.n_train.mean() for point in points]),
        lams=lams,
        cv_loss=stack([point.cv_loss for point in points]),
        train_loss=stack([point.train_loss for point in points]),
        epochs=np.stack([point.epochs for point in points]),
        mean=mean,
        se=se,
        train_mean=np.stack(train),
        falls=np.stack([_compute_falls(curve, *pair) for pair in zip(points[:-1], points[1:], strict=True)]),
    )


def _compute_falls(curve: Curve, point: _Point, next_point: _Point) -> np.ndarray:
    """Return by how much the loss of each strength falls, and the ends of the interval, (S, 3)."""
    means = point.mean_and_se[0] - next_point.mean_and_se[0]
    falls = []
    for s, mean in enumerate(means):
        if curve.single_split:
            found = curve.row_gain(point.row_loss[:, s], next_point.row_loss[:, s], float(mean))
        else:
            found = curve.fold_gain(point.fold_loss[:, s], next_point.fold_loss[:, s])
        falls.append((mean, found.low, found.high))
    return np.array(falls)
