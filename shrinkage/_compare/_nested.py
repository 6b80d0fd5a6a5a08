"""The loss of a choice among several penalties, by nested cross-validation."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np

from shrinkage._messages._note import Note
from shrinkage._path._curve import Status
from shrinkage._path._path import Path
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request
from shrinkage._problem._split import SplitInputs, choose_folds, make_split_inputs

Pairs = list[tuple[np.ndarray, np.ndarray]]
"""Row numbers (training rows, held-out rows) of each inner fold."""


@dataclass(frozen=True)
class NestedEstimate:
    """The loss of the winner, estimated on rows that its choice has not seen.

    Attributes:
        loss, se: the mean held-out loss of the choices, and its standard error over the outer folds; NaN if a choice
            diverged.
        choices: the name of the path with the choice of each outer fold.
        lams: the chosen strength of each outer fold.
        seconds: time of the inner training in seconds.
    """

    loss: float
    se: float
    choices: tuple[str, ...]
    lams: tuple[float, ...]
    seconds: float


def split_inside(request: Request) -> list[Pairs]:
    """Return the inner folds of each outer fold: the training rows of the fold, split as the call says.

    Raises:
        ValueError: If the training rows of a fold cannot be split in the same way.
    """
    if request.validation_data is not None:
        raise ValueError(
            "`nested` must have folds of the rows of `x`, such as cv=5. Received: `validation_data`. Leave "
            "`validation_data` out."
        )
    problem = prepare_problem(request)
    if problem.stored_rows is not None or problem.folds.kind == "pairs of rows":
        received = "rows on disk" if problem.stored_rows is not None else "pairs of rows as `cv`"
        raise ValueError(
            "`nested` must have rows in memory, and a number of folds, a splitter or fold numbers as `cv`, as it "
            f"splits the training rows of each fold again. Received: {received}. Leave `nested` out."
        )
    inputs, folds = make_split_inputs(problem.training.data, problem.training.objective), problem.folds
    return [_split_again(folds.train[fold], inputs, request) for fold in range(len(folds.train))]


def _split_again(rows: np.ndarray, inputs: SplitInputs, request: Request) -> Pairs:
    changes: dict[str, Any] = {}
    if request.groups is not None:
        changes["groups"] = np.asarray(request.groups)[rows]
    if not isinstance(request.cv, Real) and not hasattr(request.cv, "split"):
        changes["cv"] = np.asarray(request.cv).ravel()[rows]
    try:
        inner = choose_folds(_take(inputs, rows), replace(request, **changes), batch_size=1)
    except ValueError as error:
        text = (
            f"$nested must split the training rows of each fold again. Received: {len(rows)} training rows of a fold, "
            f"which cannot be split alike. Leave $nested out, or give more rows."
        )
        raise ValueError(Note(text)) from error
    return [(rows[train], rows[held_out]) for train, held_out in zip(inner.train, inner.held_out, strict=True)]


def _take(inputs: SplitInputs, rows: np.ndarray) -> SplitInputs:
    return replace(
        inputs,
        weight=inputs.weight[rows],
        classes=None if inputs.classes is None else inputs.classes[rows],
        target=None if inputs.target is None else inputs.target[rows],
        counts={name: counts[rows] for name, counts in inputs.counts.items()},
    )


def estimate_nested_loss(
    paths: Mapping[str, Path], inner_folds: Sequence[Pairs], fit_inside: Callable[[str, Path, Pairs], Path]
) -> NestedEstimate:
    """Repeat the choice inside each outer fold, and return the loss of the choices on the rows that the fold holds out.

    The choice of a fold is a path, a strength and an epoch. The path has trained the choice on the rows of the fold
    already, and scored it on the rows that the fold holds out, so that only the inner folds are trained here. No
    penalty and early stopping are strength 0 of each path, and need no path of their own.

    Args:
        paths: the paths that are compared, by name.
        inner_folds: the inner folds of each outer fold.
        fit_inside: a function that trains a path at the same strengths with other folds.
    """
    some = next(iter(paths.values()))
    losses, names, lams, seconds = [], [], [], 0.0
    for fold, pairs in enumerate(inner_folds):
        inner = {name: fit_inside(name, path, pairs) for name, path in paths.items()}
        seconds += sum(path.seconds for path in inner.values())
        usable = {name: path for name, path in inner.items() if not path.failed.all()}
        best = min(usable, key=lambda name: usable[name].mean[usable[name].index], default=None)
        names.append("diverged" if best is None else best)
        lams.append(math.nan if best is None else inner[best].lam)
        losses.append(math.nan if best is None else _get_held_out_loss(paths[best], inner[best], fold))
    mean, se = some.summarise(np.array(losses)[:, None])
    return NestedEstimate(float(mean[0]), float(se[0]), tuple(names), tuple(lams), seconds)


def _get_held_out_loss(outer: Path, inner: Path, fold: int) -> float:
    """Return the loss of the inner choice in a fold of the outer path; NaN if its model diverged."""
    index, epoch = inner.index, inner.epochs[inner.index]
    finite_epochs = np.flatnonzero(np.isfinite(outer.cv_loss[fold, index, :epoch]))
    if outer.status[fold, index] == Status.DIVERGED or not len(finite_epochs):
        return math.nan
    return float(outer.cv_loss[fold, index, finite_epochs[-1]])  # `patience` may have stopped the outer path earlier
