"""The argument `learning_curve` of `fit`: the parts of the training rows, and refusals."""

from typing import NamedTuple

import numpy as np

from shrinkage._cv._folds import Folds
from shrinkage._cv._series import rank_rows_by_time
from shrinkage._cv._subsets import cut_folds, describe_small_subset
from shrinkage._data._data import Data, TargetUnits
from shrinkage._messages._note import Note
from shrinkage._model._objective import Objective
from shrinkage._problem._groups import number_groups
from shrinkage._problem._request import Request
from shrinkage._problem._split import compute_target_units, make_split_inputs


class Subset(NamedTuple):
    """A part of the training rows of each fold."""

    folds: Folds
    """The folds with these training rows, and the same held-out rows."""
    share: float
    """Number of these rows relative to all training rows of the folds."""
    target: TargetUnits | None
    """Units of standardised targets, as in `Problem`."""


def check_learning_curve(request: Request) -> None:
    """Refuse a `learning_curve` that conflicts with another argument."""
    if request.learning_curve and request.budget is not None:
        raise ValueError(
            "`learning_curve` must be left out with `budget`, whose search trains on a part of the rows already. "
            "Received: both. Leave `budget` out for the learning curve."
        )


def read_subsets(
    request: Request, folds: Folds, data: Data, objective: Objective, labels: np.ndarray | None
) -> tuple[Subset, ...]:
    """Return the parts of the training rows, the smallest first; none without `learning_curve`.

    Parts that are too small are left out, but for the half, which tells what more rows would add.

    Args:
        request: The arguments of `fit`.
        folds: The folds with all training rows.
        data: All rows.
        objective: The objective, which tells the classes.
        labels: The group of each row, (n,), or None.

    Raises:
        ValueError: If half of the training rows of a fold are too few.
    """
    if not request.learning_curve:
        return ()
    inputs = make_split_inputs(data, objective)
    groups = None if labels is None else number_groups(labels)
    time = rank_rows_by_time(folds, request.cv)
    cuts = cut_folds(folds, inputs.classes, groups, seed=request.seed, time=time)
    found, larger = list[Subset](), folds
    for cut in reversed(cuts):
        reason = describe_small_subset(cut, larger, inputs.classes, [inputs.weight > 0, *inputs.counts.values()])
        target = None
        if not reason and request.standardize_target:
            try:
                target = compute_target_units(inputs, cut)
            except ValueError:
                reason = "a constant target in a fold"
        if reason and not found:
            text = (
                f"$learning_curve must have enough rows to train on half of the training rows. Received: a half with "
                f"{reason}. Leave $learning_curve out, or give more rows."
            )
            raise ValueError(Note(text))
        if reason:
            break
        share = int(cut.train.sizes.sum()) / int(folds.train.sizes.sum())
        found.append(Subset(cut, share, target))
        larger = cut
    return tuple(reversed(found))


def refuse_on_disk(request: Request) -> None:
    """Refuse a learning curve of rows that do not fit into memory."""
    if request.learning_curve:
        text = (
            "$learning_curve needs rows that fit into memory: its parts of the rows are drawn at random, and rows on "
            "disk are read in blocks. Received: rows that are written to disk. Give a larger $max_memory, or a sample "
            "of the rows, or leave $learning_curve out."
        )
        raise ValueError(Note(text))
