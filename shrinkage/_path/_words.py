"""How a path, its losses and its strengths are written."""

import math

from shrinkage._cv._choice import Difference
from shrinkage._path._curve import Curve
from shrinkage._penalties import How, Penalty

_LOG_LOSSES = ("binarycrossentropy", "categoricalcrossentropy", "sparsecategoricalcrossentropy")
_SQUARED_ERRORS = ("meansquarederror", "mse")


def title(penalty: Penalty, how: How, model: str) -> str:
    """Name a path by its penalty, by where that entered if not as usual, and by the name of its model."""
    entry = "" if how == penalty.default_how else f"{type(how).__name__.lower()} "
    return f"{capital(entry + penalty.name)} path of {model}"


def capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def loss_words(name: str) -> str:
    """Name a Keras loss in words, whether given as `mean_squared_error` or as `MeanSquaredError`.

    Example:
        >>> loss_words("sparse_categorical_crossentropy"), loss_words("MeanSquaredError"), loss_words("log_cosh")
        ('log loss', 'squared error', 'log cosh')
    """
    plain = name.lower().replace("_", "")
    if plain in _LOG_LOSSES:
        return "log loss"
    return "squared error" if plain in _SQUARED_ERRORS else name.replace("_", " ")


def lam_text(lam: float) -> str:
    """Write a strength as the table does.

    Example:
        >>> lam_text(0.000127), lam_text(0.0)
        ('1.27e-04', '0')
    """
    return f"{lam:.2e}" if lam else "0"


def decimals(value: float, figures: int = 2) -> int:
    """Count the decimals that show `figures` significant figures of `value`."""
    if not math.isfinite(value) or value == 0:
        return 3
    return max(0, figures - 1 - math.floor(math.log10(abs(value))))


def loss_digits(curve: Curve) -> int:
    """Losses are shown to two figures of the standard error of the least: what comes after is noise."""
    return decimals(curve.null_se if curve.failed.all() else curve.se[curve.index_min])


def fixed_text(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return "diverged" if math.isinf(value) else "-"
    if digits > 6 or abs(value) >= 1e6:
        return f"{value:.2e}"
    return f"{round(value, digits) + 0.0:.{digits}f}"  # + 0.0, as nothing is minus nothing


def loss_text(curve: Curve, value: float) -> str:
    return fixed_text(value, loss_digits(curve))


def interval_text(curve: Curve, gain: Difference) -> str:
    """Write a difference of losses and its interval, to two figures of the interval's half width."""
    digits = min(decimals((gain.high - gain.low) / 2), loss_digits(curve) + 1)
    mean, low, high = (fixed_text(value, digits) for value in (gain.mean, gain.low, gain.high))
    rows = " over the rows of one split," if curve.single_split else ""
    return f"{mean} (95 % interval{rows} {low} to {high})"
