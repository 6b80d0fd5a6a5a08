"""Formatting of paths, losses and strengths as text."""

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:  # the shell shows an unfinished run without TensorFlow
    from shrinkage._cv._statistics import Difference
    from shrinkage._path._curve import Curve
    from shrinkage._penalties import How, Penalty

_LOSSES = {
    "binarycrossentropy": "log loss",
    "categoricalcrossentropy": "log loss",
    "sparsecategoricalcrossentropy": "log loss",
    "binaryfocalcrossentropy": "focal loss",
    "categoricalfocalcrossentropy": "focal loss",
    "categoricalgeneralizedcrossentropy": "generalized cross-entropy",
    "meansquarederror": "squared error",
    "mse": "squared error",
    "meanabsoluteerror": "absolute error",
    "meanabsolutepercentageerror": "absolute percentage error",
    "meansquaredlogarithmicerror": "squared logarithmic error",
    "huber": "Huber loss",
    "logcosh": "log-cosh loss",
    "poisson": "Poisson loss",
    "hinge": "hinge loss",
    "squaredhinge": "squared hinge loss",
    "categoricalhinge": "categorical hinge loss",
    "kldivergence": "KL divergence",
    "cosinesimilarity": "negative cosine similarity",
    "dice": "Dice loss",
    "tversky": "Tversky loss",
    "circle": "circle loss",
    "ctc": "CTC loss",
}
_NOUNS = ("loss", "error", "entropy", "crossentropy", "divergence", "deviance", "likelihood")


class Sentence(NamedTuple):
    """Sentences of the verdict about one finding, with the code of the finding."""

    code: str
    words: str
    """Empty if there is no finding."""
    has_interval: bool = False
    """Whether the sentences give a difference with its interval, as `format_gain_interval` does."""


NOTHING = Sentence("", "")


def format_title(penalty: "Penalty", how: "How", model: str) -> str:
    """Return the title of a path: the penalty, `how` if it is not the default, and the name of the model."""
    entry = "" if how == penalty.default_how else f"{type(how).__name__.lower()} "
    return f"{capitalise(entry + penalty.name)} path of {model}"


def capitalise(text: str) -> str:
    return text[:1].upper() + text[1:]


def format_loss_name(name: str) -> str:
    """Return the name of a loss as a noun, which can follow "the", "its" or "the least".

    Args:
        name: `mean_squared_error` or `MeanSquaredError`, or the name of a custom function or class.

    Example:
        >>> format_loss_name("sparse_categorical_crossentropy"), format_loss_name("MeanSquaredError")
        ('log loss', 'squared error')
        >>> format_loss_name("my_loss"), format_loss_name("pinball"), format_loss_name("<lambda>")
        ('my loss', 'loss (pinball)', 'loss')
    """
    words = name.replace("_", " ").strip()
    known = _LOSSES.get(words.lower().replace(" ", ""))
    if known or words.split(" ")[-1] in _NOUNS:
        return known or words
    return f"loss ({name})" if name.isidentifier() else "loss"


def format_lam(lam: float) -> str:
    """Format a strength as in the table.

    Example:
        >>> format_lam(0.000127), format_lam(0.0)
        ('1.27e-04', '0')
    """
    return f"{lam:.2e}" if lam else "0"


def count_decimals(value: float, figures: int = 2) -> int:
    """Return the number of decimals that shows `figures` significant figures of `value`."""
    if not math.isfinite(value) or value == 0:
        return 3
    return max(0, figures - 1 - math.floor(math.log10(abs(value))))


def count_loss_decimals(curve: "Curve") -> int:
    """Return the number of decimals for losses: two significant figures of the standard error at `min`."""
    return count_decimals(curve.null_se if curve.failed.all() else curve.se[curve.index])


def format_fixed_point(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return "diverged" if math.isinf(value) else "-"
    if digits > 6 or abs(value) >= 1e6:
        return f"{value:.2e}"
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0 avoids "-0"


def format_loss(curve: "Curve", value: float) -> str:
    """Format a loss with the decimals of `count_loss_decimals`, but at least two significant figures."""
    digits = count_loss_decimals(curve)
    return format_fixed_point(value, max(digits, count_decimals(value)) if value else digits)


def format_gain_interval(curve: "Curve", gain: "Difference") -> str:
    """Format a difference and the 95 % interval, with two significant figures of the half width."""
    half = (gain.high - gain.low) / 2
    digits = min(count_decimals(half), count_loss_decimals(curve) + 1)
    if not any(round(value, digits) for value in (gain.mean, gain.low, gain.high)):
        digits = count_decimals(half or gain.mean)
    mean, low, high = (format_fixed_point(value, digits) for value in (gain.mean, gain.low, gain.high))
    if gain.mean and not round(gain.mean, digits):
        mean = f"less than {format_fixed_point(10.0**-digits, digits)}"
    over = f" over the {curve.error_units} of one split," if curve.single_split else ""
    return f"{mean} (95 % interval{over} {low} to {high})"


def format_figures(value: float) -> str:
    """Format a number with three significant figures."""
    return format_fixed_point(value, count_decimals(value, 3))


def format_rough_duration(seconds: float) -> str:
    """Return a time in words that is only known roughly.

    Example:
        >>> [format_rough_duration(seconds) for seconds in (0.4, 28.7, 200, 9000)]
        ['1 s', '29 s', '3 min', '2.5 h']
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def format_strength(curve: "Curve", index: int) -> str:
    return f"{curve.penalty.name} at {format_lam(curve.lams[index])}" if curve.lams[index] else "no penalty"


def format_chosen_strength(curve: "Curve") -> str:
    return format_strength(curve, curve.index)


def describe_flat_range(curve: "Curve") -> str:
    """Return text for the range of strengths from 0 with losses within one standard error of the smallest loss."""
    close = curve.mean <= curve.mean[curve.index] + curve.se[curve.index]
    close &= ~curve.failed
    start = len(close) - int(np.argmin(np.append(close[::-1], False)))
    if start == len(close) - 1:
        return f"at lambda = 0 as at {format_lam(curve.lam)}"
    return f"from lambda = 0 to {format_lam(curve.lams[start])}"


def format_fold(curve: "Curve", fold: int) -> str:
    """Name a fold, counted from 0: `fold 3`, or `fold 3 of repeat 2`."""
    repeat, place = divmod(fold, curve.folds.per_repeat)
    if 1 < curve.folds.per_repeat < len(curve.fold_weight):
        return f"fold {place + 1} of repeat {repeat + 1}"
    return f"fold {fold + 1}"


def format_folds(curve: "Curve", folds: list[int]) -> str:
    """Name several folds; of many, the first three."""
    more = f" and {len(folds) - 3} more" if len(folds) > 3 else ""
    return ", ".join(format_fold(curve, fold) for fold in folds[:3]) + more
