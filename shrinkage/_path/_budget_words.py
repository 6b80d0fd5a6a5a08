"""The verdict of a search within a budget: the choice, what was measured, and what was not."""

import math

import numpy as np

from shrinkage._cv._statistics import compute_paired_errors
from shrinkage._path._curve import Curve
from shrinkage._path._findings import beats_constant
from shrinkage._path._words import (
    Sentence,
    format_figures,
    format_gain_interval,
    format_lam,
    format_loss,
    format_loss_name,
    format_strength,
)
from shrinkage._penalties import L1, L2, Decoupled, ElasticNet, GroupLasso

_GRID = "leave $budget out for the whole grid"
_MISSES = {
    (L1, False): "three", (L2, False): "nine", (ElasticNet, False): "four", (GroupLasso, False): "six",
    (L2, True): "twelve",
}  # fmt: skip
"""Of so many searches in a benchmark (docs/budget.md), one lost more than 0.01 against the choice from the grid; by the
penalty, and whether it is decoupled. Others were not measured."""
_NO_GAIN = (L1, False)
"""The penalty with which the searches of that benchmark were not better than no penalty, on average."""


def describe_budget_search(curve: Curve) -> list[Sentence]:
    """Return the sentences on a search within a budget that found a choice."""
    unmeasured = Sentence("not-measured", _describe_unmeasured_gain(curve))
    if not beats_constant(curve):
        sentence = Sentence(
            "constant-unclear" if _is_below_constant(curve) else "no-better-than-constant",
            _describe_unbeaten_constant(curve),
        )
        return [sentence, Sentence("search-too-short", _describe_largest_strength(curve)), unmeasured]
    return [
        Sentence(
            "choice-within-budget", f"{_describe_choice(curve)} {_describe_tied_strengths(curve)}", _is_compared(curve)
        ),
        Sentence("search-too-short", _describe_search_limit(curve)),
        unmeasured,
    ]


def _describe_unmeasured_gain(curve: Curve) -> str:
    without = "without" if curve.lam else "with"
    words = f"No model was trained on all rows {without} a penalty."
    measured = type(curve.penalty), isinstance(curve.how, Decoupled)
    if measured not in _MISSES:
        return words
    no_gain = ", and the searches were not better than no penalty on average" * (measured == _NO_GAIN)
    return (
        f"{words} In a benchmark, one such search in {_MISSES[measured]} lost more than 0.01 against the choice from "
        f"the whole grid, in log loss or squared errors of a target with variance 1{no_gain}."
    )


def _describe_rows(curve: Curve) -> str:
    rows, n_held_out = curve.folds.train.sizes[0], curve.folds.held_out.sizes[0]
    return f"trained on {rows:,} of {curve.n_rows:,} rows and scored on {n_held_out:,} others"


def _is_below_constant(curve: Curve) -> bool:
    """Return whether the least loss, which the choice may be above, is below that of the best constant."""
    return bool(np.nanmin(curve.candidates) < curve.null_loss)


def _describe_unbeaten_constant(curve: Curve) -> str:
    """Return the sentences if no model clearly beats the best constant."""
    least, loss = int(np.nanargmin(curve.candidates)), format_loss_name(curve.loss_name)
    clearly = "clearly " * _is_below_constant(curve)
    subject = format_strength(curve, least) if curve.lams[least] else "no penalty"
    return (
        f"Do not rely on these models: {_describe_rows(curve)}, none {clearly}beats the best constant ({loss} "
        f"{format_figures(curve.null_loss)}). The least is {format_figures(curve.mean[least])}, with {subject}. "
        f"Training may be too short, the rows too few, or the inputs may have little to do with the target: {_GRID}."
    )


def _is_compared(curve: Curve) -> bool:
    """Whether the choice is a penalty, and there is a loss without one."""
    return bool(curve.lam and math.isfinite(curve.mean[-1]) and not curve.failed[-1])


def _describe_choice(curve: Curve) -> str:
    on = _describe_rows(curve)
    loss, none, choice = format_loss_name(curve.loss_name), curve.mean[-1], curve.index
    if not curve.lam:
        tried = [index for index in range(len(curve.lams) - 1) if not curve.failed[index]]
        if not tried:
            return "At every strength above 0 a model diverged: lower $learning_rate. Nothing is known of the penalty."
        best = min(tried, key=lambda index: curve.mean[index])
        return (
            f"No penalty: {on}, the {loss} is {format_loss(curve, none)} without a penalty and "
            f"{format_loss(curve, curve.mean[best])} with {format_strength(curve, best)}, the best of the others. "
            f"Strengths below {format_lam(curve.lams[-2])} were not tried."
        )
    delta = f"{curve.penalty.name} at {format_lam(curve.lam)}"
    if not isinstance(curve.how, Decoupled):
        delta += f" (n * lambda = {curve.lam * curve.n_rows:.3g})"
    if not _is_compared(curve):
        return (
            f"Use {delta}: {on}, the {loss} is {format_loss(curve, curve.mean[choice])}. Without a penalty it diverged."
        )
    if curve.gain.low > 0:
        lowers = f"it lowers the {loss} by {format_gain_interval(curve, curve.gain)} against no penalty"
        return f"Use {delta}: {on}, {lowers}. The same rows chose it, which tends to make a gain look larger."
    both = f"{format_loss(curve, curve.mean[choice])} with it and {format_loss(curve, none)} without a penalty"
    gain = format_gain_interval(curve, curve.gain)
    return f"The choice is {delta}: {on}, the {loss} is {both}, a gain of {gain}: no clear difference was seen."


def _describe_tied_strengths(curve: Curve) -> str:
    """Name the strengths that the held-out rows cannot tell from the choice."""
    errors = np.nan_to_num(compute_paired_errors(curve.row_loss, curve.index, curve.row_weight, curve.groups))
    close = (np.abs(curve.mean - curve.mean[curve.index]) <= 2 * errors) & ~curve.failed & (curve.lams > 0)
    close[curve.index] = False
    if not close.any():
        return ""
    lams_text = ", ".join(format_lam(lam) for lam in curve.lams[close])
    return f"These rows show no difference to {lams_text}."


def _describe_search_limit(curve: Curve) -> str:
    """Name the whole grid where the search may have stopped too early."""
    if words := _describe_largest_strength(curve):
        return words
    if math.isfinite(curve.null_loss) and curve.mean[-1] >= curve.null_loss:
        constant = f"the best constant ({format_loss(curve, curve.null_loss)})"
        return f"Without a penalty the model is no better on this part of the rows than {constant}: {_GRID}."
    return ""


def _describe_largest_strength(curve: Curve) -> str:
    if not curve.lam or curve.index:
        return ""
    return f"The choice is the largest strength tried, and a larger one may be better: {_GRID}."
