"""Further sentences of the verdict: outlying folds, and epochs and strengths beyond those tried."""

import numpy as np

from shrinkage._path._convergence import Convergence
from shrinkage._path._curve import Curve
from shrinkage._path._findings import (
    assess_convergence_at,
    falls_towards,
    falls_towards_none,
    find_far_folds,
    find_usable_strengths,
    is_near_perfect,
    list_none_and_min,
)
from shrinkage._path._words import capitalise, format_fold, format_lam


def describe_near_perfect_loss(curve: Curve, loss: str) -> str:
    if not is_near_perfect(curve):
        return ""
    share = curve.mean[curve.index] / curve.null_loss
    return (
        f"The {loss} is nearly perfect, {share:.1g} of the best constant's. If that is a "
        f"surprise, look for a column that gives the target away, or for rows that are there twice."
    )


def describe_diverged_strengths(curve: Curve) -> str:
    """Return a sentence if strengths diverged that could have been chosen."""
    positive, tried = curve.lams > 0, find_usable_strengths(curve)
    if tried.sum() == positive.sum() or not tried.any():
        return ""
    if curve.lam > 0 and curve.index == np.flatnonzero(tried)[0] and curve.index > 0:
        return "All larger strengths diverged, and one of them may be better: lower $learning_rate to try them."
    if 2 * tried.sum() <= positive.sum():
        return f"Only {tried.sum()} of {positive.sum()} strengths above 0 did not diverge: lower $learning_rate."
    return ""


def describe_far_folds(curve: Curve, loss: str) -> str:
    sentences = []
    for fold, times in find_far_folds(curve).items():
        (first, ratio), *more = times.items()
        also = "".join(f" ({ratio:.1f} times at {format_lam(lam)})" for lam, ratio in more)
        sentences.append(
            f"{capitalise(format_fold(curve, fold))} is far from the others: its {loss} is {ratio:.1f} times the "
            f"median of the other folds at lambda = {format_lam(first)}{also}. Look for outliers in its rows, "
            f"${{held_out}}[{fold}]$in_python."
        )
    return " ".join(sentences)


def describe_epoch_limit(curve: Curve) -> str:
    """Return a sentence if the loss, without a penalty or at `min`, still fell at the last epoch."""
    where = [
        i
        for i in list_none_and_min(curve)
        if curve.epochs[i] > 1 and assess_convergence_at(curve, i) is not Convergence.LEVELLED
    ]
    if not where:
        return ""
    falling = " and ".join(f"at lambda = {format_lam(curve.lams[i])}" for i in where)
    return f"The held-out loss still fell at the last epoch ({curve.epochs[where[0]]}), {falling}: raise $epochs."


def describe_grid_edge(curve: Curve) -> str:
    """Return a sentence if strengths beyond the grid are likely to be better; none if the curve is flat."""
    last = int(np.sum(curve.lams > 0)) - 1  # the smallest strength above 0
    if falls_towards_none(curve):
        return "Every strength above 0 is clearly too large: $extend_lams downwards."
    if 0 == curve.index < last and falls_towards(curve, 1):
        return "The minimum lies at the largest strength of the grid: $extend_lams upwards."
    if 0 < curve.index == last and falls_towards(curve, last - 1) and curve.gain.low > 0:
        return "The minimum lies at the smallest strength above 0: $extend_lams downwards."
    return ""
