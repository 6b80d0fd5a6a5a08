"""The rung of a search within a budget: a part of the rows for training, and other rows that are held out.

A row pass is the training on a row in an epoch. Scoring a row costs a third of a row pass, as it has no backward pass.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from shrinkage._cv._folds import Folds, to_folds
from shrinkage._cv._orders import order_groups, order_rows

_MEMBERS = 6
"""Maximum number of strengths that a search tries."""
_LEAST_MEMBERS = 3
_FIRST = 3
"""Number of strengths above 0 that a search tries first."""
_STEP = 0.5
"""Decades between strengths."""
LEAST_ROWS = 1200
"""With fewer rows in all, a rung is too small to be like all rows."""
_LEAST_BATCHES = 10
"""In an epoch of the rung. With fewer, the rung is undertrained."""
LEAST_HELD_OUT, _MOST_HELD_OUT = 75, 2500
"""Numbers of held-out rows."""
_SCORING = 0.1
"""Maximum share of the row passes of a member that scoring takes before the last epoch."""
PASSES_OF_A_SCORE = 1 / 3


@dataclass(frozen=True)
class Rung:
    """The cost of a search within a budget.

    Attributes:
        budget: the budget, in trainings on all rows.
        members: number of strengths that the budget allows.
        scored_epochs: the epochs after which the members are scored, counted from 1.
        cost: the cost of a member in trainings on all rows, scoring included.
        share: the number of training rows relative to all rows.
    """

    budget: float
    members: int
    scored_epochs: tuple[int, ...]
    cost: float
    share: float


def cost_rung(
    n_train: int, n_held_out: int, n_rows: int, budget: float, epochs: int, epoch: Literal["best", "last"] | int
) -> Rung:
    """Return the cost of a search on a rung.

    Args:
        n_train: number of training rows of the rung.
        n_held_out: number of held-out rows. As many training rows are scored too.
        n_rows: number of all rows.
        budget: the budget, in trainings on all rows.
        epochs: number of epochs.
        epoch: the epoch that a strength keeps. "best" needs several scores, within a tenth of the cost of training.

    Example:
        >>> rung = cost_rung(2500, 2500, 10_000, 1.5, epochs=20, epoch="last")
        >>> rung.members, rung.scored_epochs, round(rung.cost, 3)
        (5, (20,), 0.258)
    """
    score = (n_held_out + min(n_held_out, n_train)) * PASSES_OF_A_SCORE
    scored = {epochs} if epoch in ("best", "last") else {int(epoch), epochs}
    if epoch == "best":
        times = min(epochs, max(1, int(_SCORING * n_train * epochs / score)))
        scored = {round(epochs * (time + 1) / times) for time in range(times)}
    cost = (n_train * epochs + score * len(scored)) / (n_rows * epochs)
    return Rung(budget, min(_MEMBERS, int(budget / cost + 1e-9)), tuple(sorted(scored)), cost, n_train / n_rows)


def make_first_strengths(
    total: float, members: int, largest_delta: float = 100.0, lam_max: float = np.inf
) -> np.ndarray:
    """Return the strengths that a search tries first: delta = total * lam of 100, 31.6 and 10, or less, and then 0.

    Args:
        total: the number of rows, n, divided by the scale of the loss; for `Decoupled` the sum of the learning rates.
        members: number of strengths that the budget allows.
        largest_delta: the largest delta.
        lam_max: the largest strength allowed.

    Example:
        >>> make_first_strengths(100, members=6).round(3)
        array([1.   , 0.316, 0.1  , 0.   ])
    """
    deltas = largest_delta / 10.0 ** (_STEP * np.arange(_FIRST))
    lams = np.append(np.minimum(deltas / total, lam_max), 0.0)
    return np.unique(lams[-min(members, len(lams)) :])[::-1]


def find_next_strength(lams: np.ndarray, index: int, lam_max: float = np.inf) -> float | None:
    """Return the strength beyond the end of `lams` where the choice is, half a decade away; None elsewhere.

    Args:
        lams: the strengths so far, descending, 0 last, (S,).
        index: the index of the choice.
        lam_max: the largest strength allowed.

    Example:
        >>> lams = np.array([10.0, 1.0, 0.0])
        >>> [None if lam is None else round(lam, 3) for lam in (find_next_strength(lams, index) for index in range(3))]
        [31.623, 0.316, 0.316]
    """
    if index == 0:
        larger = lams[0] * 10**_STEP
        return float(larger) if larger <= lam_max else None
    return float(lams[-2] / 10**_STEP) if index >= len(lams) - 2 else None


def size_rung(
    n_rows: int,
    budget: float,
    *,
    epochs: int,
    epoch: Literal["best", "last"] | int,
    batch_size: int,
    n_validation: int = 0,
) -> tuple[int, int] | None:
    """Return the number of training rows and of held-out rows; None if the budget is too small for a search.

    The rung is as large as six members within the budget allow, and at least ten batches.

    Args:
        n_rows: number of rows.
        budget: the budget, in trainings on all rows.
        epochs, epoch: the arguments of `fit`.
        batch_size: number of rows in a batch.
        n_validation: number of rows of `validation_data`, which are then the held-out rows.

    Example:
        >>> size_rung(10_000, 1.5, epochs=20, epoch="last", batch_size=32)
        (2400, 2400)
        >>> size_rung(10_000, 1.5, epochs=20, epoch="last", batch_size=500) is None
        True
    """
    if n_rows < LEAST_ROWS:
        return None
    n_train = max(int(min(1.0, budget / _MEMBERS) * n_rows), _LEAST_BATCHES * batch_size)
    while True:
        # A rung of more than half of the rows leaves fewer for the choice, as a fold of cross-validation does.
        most = n_rows // 2 if n_train <= n_rows // 2 else n_rows // 5
        n_held_out = n_validation or min(max(n_train, LEAST_HELD_OUT), _MOST_HELD_OUT, most)
        n_train = min(n_train, n_rows - (0 if n_validation else n_held_out))
        rung = cost_rung(n_train, n_held_out, n_rows, budget, epochs, epoch)
        smaller = max(int(0.99 * n_train), _LEAST_BATCHES * batch_size)
        if rung.members == _MEMBERS or smaller >= n_train:
            break
        n_train = smaller
    has_batches = n_train >= _LEAST_BATCHES * batch_size
    return (n_train, n_held_out) if has_batches and rung.members >= _LEAST_MEMBERS else None


def make_rung_folds(
    counts: np.ndarray,
    sizes: tuple[int, int],
    *,
    classes: np.ndarray | None = None,
    groups: np.ndarray | None = None,
    n_validation: int = 0,
    seed: int = 0,
) -> Folds | None:
    """Return a single fold that trains on the rung. A larger rung with the same seed contains a smaller rung.

    Args:
        counts: whether the weight of each row is above 0, (n,). Other rows are not in the rung.
        sizes: number of training rows and of held-out rows.
        classes: the class of each row, (n,), or whether each label applies, (n, L), for equal shares of the classes;
            ignored with `groups`.
        groups: the group of each row as an integer from 0, (n,). The rows of a group are on the same side.
        n_validation: number of rows of `validation_data`, which are the last rows and are held out.
        seed: the same seed gives the same rows.

    Returns:
        The fold; None if the groups are too large.

    Example:
        >>> folds = make_rung_folds(np.ones(10, bool), (3, 2), classes=np.arange(10) % 2)
        >>> folds.kind, [rows.size for rows in (folds.train[0], folds.held_out[0])]
        ('rung', [3, 2])
    """
    n_rows = len(counts)
    own = np.arange(n_rows - n_validation)[counts[: n_rows - n_validation]]
    if groups is not None:
        order, ends = order_groups(groups[own], (seed, 12))
        n_train = int(ends[np.searchsorted(ends, sizes[0], side="right") - 1])
        n_held_out = len(own) - int(ends[max(0, np.searchsorted(ends, len(own) - sizes[1], side="right") - 1)])
        sizes = n_train, n_held_out
        if not n_train or n_train + n_held_out > len(own):
            return None
    else:
        order = order_rows(len(own), None if classes is None else classes[own], (seed, 12))
    train, last = own[order[: sizes[0]]], own[order[len(order) - sizes[1] :]]
    held_out = slice(n_rows - n_validation, n_rows) if n_validation else last
    return to_folds([(train, held_out)], n_rows, "given rung" if n_validation else "rung")
