"""Decisions about the choice and the folds that the verdict leaves out, and `path.diagnose()` reports."""

from typing import Literal, NamedTuple

import numpy as np

from shrinkage._path._curve import Curve
from shrinkage._path._findings import find_usable_strengths, has_rows_in_folds


def find_flat_strengths(curve: Curve) -> tuple[float, float] | None:
    """Return the largest and smallest strength above 0 next to `min` that are within one standard error.

    Strengths in between are within one standard error too. The result is None if they are less than a decade apart.
    """
    close = (curve.mean <= curve.mean[curve.index] + curve.se[curve.index]) & find_usable_strengths(curve)
    if not close[curve.index]:
        return None
    outside = np.flatnonzero(~close)
    first = int(np.max(outside[outside < curve.index], initial=-1)) + 1
    last = int(np.min(outside[outside > curve.index], initial=len(close))) - 1
    largest, smallest = float(curve.lams[first]), float(curve.lams[last])
    return (largest, smallest) if largest >= 10 * smallest * (1 - 1e-9) else None


def compute_norm_reduction(curve: Curve) -> float | None:
    """Return by which share the penalised weights are smaller at `min` than without a penalty.

    The norms are of the models trained on all rows, each at its chosen epoch. The result is None if one of them is not
    known, or if no penalty is at `min`.
    """
    norms = np.asarray(curve.norm, float)[[-1, curve.index]]
    if curve.lam == 0 or not np.isfinite(norms).all() or not norms[0] > 0:
        return None
    return float(1 - norms[1] / norms[0])


def find_disagreeing_folds(curve: Curve) -> list[int]:
    """Return the folds in which the loss at `min` is higher than without a penalty, if the gain is not clear.

    Nothing is said of folds with few rows, of which one decides.
    """
    if not has_rows_in_folds(curve) or curve.lam == 0 or curve.single_split or curve.failed[-1] or curve.gain.low > 0:
        return []
    return [int(fold) for fold in np.flatnonzero(curve.fold_loss[:, curve.index] > curve.fold_loss[:, -1])]


class DominantRows(NamedTuple):
    """Few rows or groups without which the loss in some folds would not be higher."""

    unit: Literal["row", "group"]
    names: tuple[str, ...]


_MAX_NAMES = 3


def find_dominant_rows(curve: Curve, folds: list[int]) -> DominantRows | None:
    """Return the groups, or the rows, that the higher loss at `min` in these folds comes from, if they are few.

    They are the fewest whose losses rise so much that the losses of the others fall in sum: at most three, and not all.
    Rows are named by their numbers in `x`.
    """
    if curve.folds.repeats > 1 or curve.folds.overlap > 1 or not np.isfinite(curve.row_loss).all():
        return None
    inside = curve.folds.held_out[folds].contain(curve.held_out_rows).any(axis=0)
    weight = 1.0 if curve.row_weight is None else curve.row_weight[inside]
    rises = (curve.row_loss[inside, curve.index] - curve.row_loss[inside, -1]) * weight
    labels = curve.held_out_rows[inside] if curve.groups is None else curve.groups[inside]
    names, places = np.unique(labels, return_inverse=True)
    of_each = np.bincount(places, weights=rises, minlength=len(names))
    order = np.argsort(-of_each, kind="stable")
    enough = np.flatnonzero(of_each.sum() - np.cumsum(of_each[order]) <= 0)
    if not of_each.sum() > 0 or not len(enough) or enough[0] >= min(_MAX_NAMES, len(names) - 1):
        return None
    return DominantRows(
        "row" if curve.groups is None else "group", tuple(str(names[k]) for k in order[: enough[0] + 1])
    )
