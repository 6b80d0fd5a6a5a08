"""Whether more rows would help: the decision from the learning curve, and the sentence."""

import math
from enum import Enum

from shrinkage._cv._series import is_series
from shrinkage._cv._statistics import Difference, summarise
from shrinkage._path._convergence import Convergence, assess_convergence
from shrinkage._path._curve import Curve
from shrinkage._path._findings import assess_convergence_without_penalty, beats_constant, get_loss_scale
from shrinkage._path._kinds import EPOCHS, REPEATS, SLOWER, Fix
from shrinkage._path._learning_curve import LearningCurve
from shrinkage._path._words import NOTHING, Sentence, format_gain_interval, format_loss_name


class MoreRows(Enum):
    """The finding of a learning curve on more rows, or the reason why it does not decide."""

    HELP = "from half of the rows to all, the loss falls clearly"
    HARDLY_HELP = "it falls by less than matters"
    OR_EPOCHS = "it falls clearly, and training on half of the rows, which has fewer steps, had not levelled off"
    UNCLEAR = "none of these is clear"
    NO_INTERVAL = "there is no interval of the fall"
    DIVERGED = "a model diverged on half of the rows"
    HARDLY_TRAINED = "training has hardly begun"
    NOTHING_LEARNT = "no strength clearly beats the best constant"


def assess_more_rows(curve: Curve, learning_curve: LearningCurve) -> MoreRows:
    """Decide from the fall of the loss from half of the training rows to all of them.

    Twice the rows usually lower the loss by less than the doubling before. A fall below 1 % of the best constant's loss
    hardly matters, unless it is clear, and may be 5 % of the loss: the loss may be far below the constant's.
    """
    if assess_convergence_without_penalty(curve) is Convergence.BEGINNING:
        return MoreRows.HARDLY_TRAINED
    if not beats_constant(curve):
        return MoreRows.NOTHING_LEARNT
    fall = learning_curve.fall
    if not math.isfinite(fall.mean):
        return MoreRows.DIVERGED
    if not math.isfinite(fall.low):
        return MoreRows.NO_INTERVAL
    is_clear, loss = fall.low > 0, abs(float(learning_curve.mean[-1, 0]))
    if fall.high < 0.01 * abs(get_loss_scale(curve)) and not (is_clear and fall.high >= 0.05 * loss):
        return MoreRows.HARDLY_HELP
    if not is_clear:
        return MoreRows.UNCLEAR
    return MoreRows.OR_EPOCHS if _half_still_falls(curve, learning_curve) else MoreRows.HELP


def _half_still_falls(curve: Curve, learning_curve: LearningCurve) -> bool:
    """Return whether training on half of the rows, which has half of the steps, still fell at its last epoch."""
    if curve.solver == "exact":
        return False
    mean = summarise(learning_curve.cv_loss[-2, :, 0], curve.fold_weight)[0]
    epoch, se = int(learning_curve.epochs[-2, 0]), float(learning_curve.se[-2, 0])
    return assess_convergence(mean, epoch, se, curve.null_loss) is not Convergence.LEVELLED


def describe_more_rows(curve: Curve) -> Sentence:
    """Return the sentence on more rows, if the path has a learning curve."""
    learned = curve.learning_curve
    if learned is None:
        return NOTHING
    found = assess_more_rows(curve, learned)
    if found in (MoreRows.HARDLY_TRAINED, MoreRows.NOTHING_LEARNT, MoreRows.DIVERGED):
        return _say_unclear(f", as {found.value}")
    few, all_rows = (f"{round(rows):,}" for rows in learned.rows[-2:])
    steps = f"from the latest {few} to all {all_rows}" if is_series(curve.folds) else f"from {few} to {all_rows}"
    change = f"{steps} training rows the {format_loss_name(curve.loss_name)} {_describe_change(curve, learned.fall)}"
    if found is MoreRows.HELP:
        return Sentence("more-rows-help", f"More rows would help: {change}.", has_interval=True)
    if found is MoreRows.OR_EPOCHS:
        fewer = "On half of the rows training had fewer steps, and the loss still fell at the last epoch"
        words = f"More rows or more epochs would help: {change}. {fewer}: raise $epochs to tell which."
        return Sentence("more-rows-or-epochs-help", words, has_interval=True)
    if found is MoreRows.HARDLY_HELP:
        words = f"More rows would hardly help: {change}{_describe_small_fall(curve, learned.fall)}."
        return Sentence("more-rows-hardly-help", words, has_interval=True)
    no_interval = ", and there is no standard error to judge it by" * (found is MoreRows.NO_INTERVAL)
    return _say_unclear(f": {change}{no_interval}")._replace(has_interval=True)


def get_more_rows_fix(curve: Curve) -> Fix:
    """Return the next step where it cannot be told whether more rows would help."""
    learned = curve.learning_curve
    return Fix() if learned is None else _FIXES.get(assess_more_rows(curve, learned), Fix())


_FIXES = {
    MoreRows.UNCLEAR: REPEATS,
    MoreRows.NO_INTERVAL: REPEATS,
    MoreRows.HARDLY_TRAINED: EPOCHS,
    MoreRows.DIVERGED: SLOWER,
}  # where nothing is learnt, other findings have the next step


def _say_unclear(reason: str) -> Sentence:
    return Sentence("more-rows-unclear", f"Whether more rows would help cannot be told{reason}.")


def _describe_small_fall(curve: Curve, fall: Difference) -> str:
    """Return how small a fall is; nothing of a rise."""
    scale = "the best constant's" if math.isfinite(curve.null_loss) else "the loss after the first epoch"
    return f", less than 1 % of {scale}" if fall.high > 0 else ""


def _describe_change(curve: Curve, fall: Difference) -> str:
    """Return by how much a loss fell or rose, with the interval."""
    if fall.mean >= 0:
        return f"fell by {format_gain_interval(curve, fall)}"
    return f"rose by {format_gain_interval(curve, Difference(-fall.mean, -fall.high, -fall.low))}"
