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


class Said(NamedTuple):
    """Sentences of the verdict about one finding, with the code of the finding."""

    code: str
    words: str
    """Empty if there is no finding."""
    has_interval: bool = False
    """Whether the sentences give a difference with its interval, as `interval_text` does."""


NOTHING = Said("", "")


def title(penalty: "Penalty", how: "How", model: str) -> str:
    """Return the title of a path: the penalty, `how` if it is not the default, and the name of the model."""
    entry = "" if how == penalty.default_how else f"{type(how).__name__.lower()} "
    return f"{capital(entry + penalty.name)} path of {model}"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def loss_words(name: str) -> str:
    """Return the name of a loss as a noun, which can follow "the", "its" or "the least".

    Args:
        name: `mean_squared_error` or `MeanSquaredError`, or the name of a custom function or class.

    Example:
        >>> loss_words("sparse_categorical_crossentropy"), loss_words("MeanSquaredError"), loss_words("log_cosh")
        ('log loss', 'squared error', 'log-cosh loss')
        >>> loss_words("my_loss"), loss_words("pinball"), loss_words("<lambda>")
        ('my loss', 'loss (pinball)', 'loss')
    """
    words = name.replace("_", " ").strip()
    known = _LOSSES.get(words.lower().replace(" ", ""))
    if known or words.split(" ")[-1] in _NOUNS:
        return known or words
    return f"loss ({name})" if name.isidentifier() else "loss"


def lam_text(lam: float) -> str:
    """Format a strength as in the table.

    Example:
        >>> lam_text(0.000127), lam_text(0.0)
        ('1.27e-04', '0')
    """
    return f"{lam:.2e}" if lam else "0"


def decimals(value: float, figures: int = 2) -> int:
    """Return the number of decimals that shows `figures` significant figures of `value`."""
    if not math.isfinite(value) or value == 0:
        return 3
    return max(0, figures - 1 - math.floor(math.log10(abs(value))))


def loss_digits(curve: "Curve") -> int:
    """Return the number of decimals for losses: two significant figures of the standard error at `min`."""
    return decimals(curve.null_se if curve.failed.all() else curve.se[curve.index])


def fixed_text(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return "diverged" if math.isinf(value) else "-"
    if digits > 6 or abs(value) >= 1e6:
        return f"{value:.2e}"
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0 avoids "-0"


def loss_text(curve: "Curve", value: float) -> str:
    """Format a loss with the decimals of `loss_digits`, but at least two significant figures."""
    digits = loss_digits(curve)
    return fixed_text(value, max(digits, decimals(value)) if value else digits)


def interval_text(curve: "Curve", gain: "Difference") -> str:
    """Format a difference and the 95 % interval, with two significant figures of the half width."""
    half = (gain.high - gain.low) / 2
    digits = min(decimals(half), loss_digits(curve) + 1)
    if not any(round(value, digits) for value in (gain.mean, gain.low, gain.high)):
        digits = decimals(half or gain.mean)
    mean, low, high = (fixed_text(value, digits) for value in (gain.mean, gain.low, gain.high))
    if gain.mean and not round(gain.mean, digits):
        mean = f"less than {fixed_text(10.0**-digits, digits)}"
    over = f" over the {curve.error_units} of one split," if curve.single_split else ""
    return f"{mean} (95 % interval{over} {low} to {high})"


def figures(value: float) -> str:
    """Format a number with three significant figures."""
    return fixed_text(value, decimals(value, 3))


def rough_duration(seconds: float) -> str:
    """Return a time in words that is only known roughly.

    Example:
        >>> rough_duration(0.4), rough_duration(28.7), rough_duration(200), rough_duration(9000)
        ('1 s', '29 s', '3 min', '2.5 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def strength_text(curve: "Curve", index: int) -> str:
    return f"{curve.penalty.name} at {lam_text(curve.lams[index])}" if curve.lams[index] else "no penalty"


def at_min(curve: "Curve") -> str:
    return strength_text(curve, curve.index)


def flat_range(curve: "Curve") -> str:
    """Return text for the range of strengths from 0 with losses within one standard error of the smallest loss."""
    close = curve.mean <= curve.mean[curve.index] + curve.se[curve.index]
    close &= ~curve.failed
    start = len(close) - int(np.argmin(np.append(close[::-1], False)))
    if start == len(close) - 1:
        return f"at lambda = 0 as at {lam_text(curve.lam)}"
    return f"from lambda = 0 to {lam_text(curve.lams[start])}"


def fold_text(curve: "Curve", fold: int) -> str:
    """Name a fold, counted from 0: `fold 3`, or `fold 3 of repeat 2`."""
    repeat, place = divmod(fold, curve.folds.per_repeat)
    if 1 < curve.folds.per_repeat < len(curve.fold_weight):
        return f"fold {place + 1} of repeat {repeat + 1}"
    return f"fold {fold + 1}"


def held_out_folds(curve: "Curve", folds: list[int]) -> str:
    """Name several folds; of many, the first three."""
    more = f" and {len(folds) - 3} more" if len(folds) > 3 else ""
    return ", ".join(fold_text(curve, fold) for fold in folds[:3]) + more
