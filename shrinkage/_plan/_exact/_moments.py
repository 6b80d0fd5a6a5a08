"""Weighted sums of columns and of their products, for the training rows of each set."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from shrinkage._data._stored import Block
from shrinkage._plan._exact._head import Head
from shrinkage._plan._exact._rows import ExactRows


@dataclass
class Moments:
    """Weighted sums over some rows, of columns minus a shift."""

    weight: float
    """The sum of the weights."""
    total: np.ndarray
    """The sums of the columns of design and targets, (P + k,)."""
    gram: np.ndarray
    """The sums of the products of two columns, (P + k, P + k)."""

    def __add__(self, other: "Moments") -> "Moments":
        return Moments(self.weight + other.weight, self.total + other.total, self.gram + other.gram)

    def scale(self, share: float) -> "Moments":
        """Return the moments for weights times a number."""
        return Moments(share * self.weight, share * self.total, share * self.gram)


def compute_set_moments(
    rows: ExactRows, head: Head, get_design: Callable[[int, Block, int], np.ndarray]
) -> tuple[np.ndarray, list[Moments]]:
    """Return the shift of the columns, and the moments of the training rows of each set, in one pass over the rows.

    Args:
        rows: The rows.
        head: The head of the model.
        get_design: A method of the rows that returns the columns of a set for a block.
    """
    shift, sums = np.zeros(0), list[Moments]()
    for number, block in itertools.chain.from_iterable(rows.read_small_blocks()):
        weight, y = block.data.weight.astype(np.float64), rows.get_targets(number, block)
        if not len(shift):
            shift = _compute_shift(np.concatenate([get_design(number, block, 0), y], axis=1), head)
            none = Moments(0.0, np.zeros(len(shift)), np.zeros((len(shift), len(shift))))
            sums = [none] * rows.n_sets
        train = block.sides.train
        if rows.adapts:
            groups = [(np.flatnonzero(part), [f]) for f, part in enumerate(train)]
        else:
            groups = group_rows_by_sets(train)
        parts = [(get_design(number, block, sets[0]), some) for some, sets in groups]  # layers before the head run
        compute = partial(_compute_part, y=y, weight=weight, shift=shift)
        for (_, sets), found in zip(groups, rows.map_in_parallel(compute, parts), strict=True):
            for f in sets:
                sums[f] = sums[f] + found
    return shift, sums


def _compute_part(part: tuple[np.ndarray, np.ndarray], y: np.ndarray, weight: np.ndarray, shift: np.ndarray) -> Moments:
    design, some = part
    columns = np.empty((len(some), len(shift)))
    columns[:, : design.shape[1]], columns[:, design.shape[1] :] = design[some], y[some]
    columns -= shift
    weight = weight[some]
    # The product of a matrix with itself takes half of the time.
    root = columns if (weight == 1).all() else columns * np.sqrt(weight)[:, None]
    return Moments(float(weight.sum()), weight @ columns, root.T @ root)


def _compute_shift(columns: np.ndarray, head: Head) -> np.ndarray:
    """Return means near those of all rows, so that the Gram matrix of centred columns loses no digits."""
    shift = columns.mean(axis=0)
    if not head.has_intercept:
        return np.zeros_like(shift)
    shift[-1 - head.units] = 0  # the constant
    return shift


def group_rows_by_sets(train: np.ndarray) -> list[tuple[np.ndarray, list[int]]]:
    """Return parts of the rows, and the sets that each part is in.

    Rows in the same sets are one part, if there are not more such parts than sets: with K folds, a Gram matrix of each
    fold's held-out rows serves all sets. Otherwise, as with repeats, each set is a part.

    Args:
        train: Whether each row is in each set, (sets, n).
    """
    packed = np.packbits(train, axis=0)
    # Numbers are sorted ten times as fast as columns of several.
    part = packed[0] if len(packed) == 1 else np.unique(packed, axis=1, return_inverse=True)[1]
    patterns = np.unique(part)
    if len(patterns) > len(train):
        return [(np.flatnonzero(rows), [f]) for f, rows in enumerate(train)]
    places = [np.flatnonzero(part == pattern) for pattern in patterns]
    return [(rows, np.flatnonzero(train[:, rows[0]]).tolist()) for rows in places if train[:, rows[0]].any()]
