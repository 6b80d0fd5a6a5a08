"""Folds of a time series: each trains on rows before those that it holds out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn import model_selection

from shrinkage._cv._folds import Folds


@dataclass(frozen=True, eq=False)
class TimeSeriesSplit:
    """The splits of scikit-learn's class of the same name, of rows in another order than they have."""

    n_splits: int
    """The number of folds."""
    order: np.ndarray
    """The rows, the earliest first, (n,)."""

    def split(self, x: Any = None, y: Any = None, groups: Any = None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the training and the held-out rows of each fold."""
        for train, held_out in model_selection.TimeSeriesSplit(self.n_splits).split(self.order):
            yield self.order[train], self.order[held_out]


def is_series(folds: Folds) -> bool:
    """Return whether no fold trains on rows that it or a later fold holds out, and the last one on those of earlier.

    Folds at random and repeated hold-outs are not like this. A single split is never a series, as it does not show it.

    Example:
        >>> from shrinkage._cv._given import read_folds
        >>> is_series(read_folds(model_selection.TimeSeriesSplit(3), 20, None))
        True
        >>> is_series(read_folds(model_selection.KFold(3), 20, None))
        False
    """
    later = np.zeros_like(folds.held_out.bits[0])
    for fold in reversed(range(len(folds.train))):
        later = later | folds.held_out.bits[fold]
        if (folds.train.bits[fold] & later).any():
            return False
    earlier = np.bitwise_or.reduce(folds.held_out.bits[:-1], axis=0)
    return bool((folds.train.bits[-1] & earlier).any())


def rank_rows_by_time(folds: Folds, cv: Any) -> np.ndarray | None:
    """Return the place of each row in time, (n,), the earliest 0; None if the folds are not of a time series.

    Without `cv.order`, a row is later than those that an earlier fold trains on. Among the rows that begin to be
    trained on in the same fold, a larger row number is later.
    """
    if not is_series(folds):
        return None
    if isinstance(cv, TimeSeriesSplit):
        return np.argsort(cv.order)
    first = np.full(folds.n_rows, len(folds.train))
    for fold in reversed(range(len(folds.train))):
        first[folds.train[fold]] = fold
    return np.argsort(np.argsort(first, kind="stable"))
