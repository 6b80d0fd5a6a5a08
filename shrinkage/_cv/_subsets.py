"""Folds with a part of the training rows, nested, for a learning curve."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from shrinkage._cv._folds import Folds
from shrinkage._cv._orders import order_groups, order_groups_by_time, order_rows
from shrinkage._cv._row_sets import RowSets

SHARES = 1 / 8, 1 / 4, 1 / 2
"""The parts of the training rows. With a factor of 2, a point says what twice the rows would add. Fewer than an eighth
say little about more rows, and more points between cost more than they tell."""
_LEAST_ROWS = 10


def cut_folds(
    folds: Folds,
    classes: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    *,
    seed: int,
    time: np.ndarray | None = None,
) -> list[Folds]:
    """Return the folds with each share of their training rows, and the same held-out rows.

    In each fold, the rows have a random order, and a share is the first part of it, so that a smaller share is in a
    larger one. The order of a fold does not depend on other folds. In a time series, the latest rows come first: the
    share is then a shorter history. Rows at random would have the time span of all rows, with gaps.

    Args:
        folds: The folds with all training rows.
        classes: The class of each row, (n,), or whether each label applies, (n, L). Every share has nearly the same
            part of each; ignored with `groups` and with `time`.
        groups: The group of each row as an integer from 0, (n,). A group is in a share as a whole; a share then has
            the number of rows nearest to it.
        seed: The same seed gives the same rows.
        time: The place of each row in time, (n,), if the folds are of a time series.

    Example:
        >>> from shrinkage._cv._splits import make_folds
        >>> folds = make_folds(100, 5)
        >>> [cut.train.sizes.tolist() for cut in cut_folds(folds, seed=0)]
        [[10, 10, 10, 10, 10], [20, 20, 20, 20, 20], [40, 40, 40, 40, 40]]
    """
    parts = [_cut_rows(rows, classes, groups, time, (seed, 13, fold)) for fold, rows in enumerate(folds.train)]
    sets = [RowSets.from_rows(rows, folds.n_rows) for rows in zip(*parts, strict=True)]
    return [replace(folds, train=train, notes=()) for train in sets]


def _cut_rows(
    rows: np.ndarray,
    classes: np.ndarray | None,
    groups: np.ndarray | None,
    time: np.ndarray | None,
    key: tuple[int, ...],
) -> list[np.ndarray]:
    """Return each share of the training rows of a fold."""
    if groups is None:
        if time is not None:
            order = rows[np.argsort(-time[rows])]
        else:
            order = rows[order_rows(len(rows), None if classes is None else classes[rows], key)]
        return [order[: round(share * len(rows))] for share in SHARES]
    own = groups[rows]
    places, ends = order_groups(own, key) if time is None else order_groups_by_time(own, time[rows])
    order = rows[places]
    return [order[: ends[1:][np.argmin(np.abs(ends[1:] - share * len(rows)))]] for share in SHARES]


def describe_small_subset(
    cut: Folds, larger_cut: Folds, classes: np.ndarray | None, counts: Sequence[np.ndarray]
) -> str:
    """Return why a share of the training rows is too small for a point of a learning curve, or "".

    Args:
        cut: The folds with the share.
        larger_cut: The folds with twice the share.
        classes: The classes of `cut_folds`.
        counts: Whether each row has a weight above 0 in the loss of each output, (n,) each.

    Example:
        >>> from shrinkage._cv._splits import make_folds
        >>> folds, counts = make_folds(50, 5), [np.ones(50, bool)]
        >>> [describe_small_subset(cut, folds, None, counts) for cut in cut_folds(folds, seed=0)]
        ['5 rows in fold 1, of 10 that are needed', '', '']
    """
    sizes = np.array([[mask[rows].sum() for mask in counts] for rows in cut.train]).min(axis=1)
    fold = int(sizes.argmin())
    if (least := int(sizes[fold])) < _LEAST_ROWS:
        counting = " of weight above 0" * (least < int(cut.train.sizes[fold]))
        return f"{least} row{'s' * (least != 1)}{counting} in fold {fold + 1}, of {_LEAST_ROWS} that are needed"
    if (cut.train.sizes >= larger_cut.train.sizes).any():
        return "no fewer groups in a fold than with all rows"
    if classes is not None and any(
        _count_classes(classes[few]) < _count_classes(classes[more])
        for few, more in zip(cut.train, larger_cut.train, strict=True)
    ):
        return "no row of a class in a fold"
    return ""


def _count_classes(classes: np.ndarray) -> int:
    return int(classes.any(axis=0).sum()) if classes.ndim == 2 else len(np.unique(classes))
