"""What a path says in words: whether the penalty gained anything, and why or why not."""

import math

import numpy as np

from shrinkage._path import Path

_LOG_LOSSES = ("binarycrossentropy", "categoricalcrossentropy", "sparsecategoricalcrossentropy")
_SQUARED_ERRORS = ("meansquarederror", "mse")


def verdict(path: Path) -> str:
    """Say what the curve shows; see `Path.verdict`."""
    loss = loss_words(path.template.loss_name)
    if path.mean[path.index_min] >= path.null_loss:
        return (
            f"No strength beats the best constant ({loss} {loss_text(path, path.null_loss)}): nothing was learnt that "
            f"holds on other rows."
        )
    return " ".join(sentence for sentence in (_gain_words(path, loss), _edge_words(path)) if sentence)


def _gain_words(path: Path, loss: str) -> str:
    at_min = f"{path.penalty.name} at {lam_text(path.lam_min)}"
    if path.failed[-1]:
        least = loss_text(path, path.mean[path.index_min])
        return f"Without a penalty training diverged; {at_min} has the least {loss}, {least}."
    if path.lam_min == 0:
        return _no_penalty_words(path, loss)
    if path.gain.low > 0:
        return f"{at_min} lowers the {loss} by {_interval_words(path)} against no penalty{_why_it_helps(path)}."
    if path.mean[-1] <= path.mean[path.index_min] + path.se[path.index_min]:
        return (
            f"Flat: {_flat_range(path)} the {loss} is within one standard error of the least; {at_min} lowers it by "
            f"{_interval_words(path)} against no penalty, which may be chance. {_gap_words(path)}"
        )
    return (
        f"No clear gain: {at_min} lowers the {loss} by {_interval_words(path)} against no penalty, and the interval "
        f"contains 0. {_gap_words(path)}"
    )


def _no_penalty_words(path: Path, loss: str) -> str:
    if path.index_1se == path.index_min:
        return (
            f"No penalty is best: at every other strength the {loss} is more than one standard error higher. "
            f"{_gap_words(path)}"
        )
    return (
        f"No penalty is best, but {_flat_range(path)} the {loss} is within one standard error of the least: the "
        f"penalty does not matter there. {_gap_words(path)}"
    )


def _flat_range(path: Path) -> str:
    """Name the unbroken stretch of strengths, from 0 up, whose loss is within one standard error of the least."""
    close = path.mean <= path.mean[path.index_min] + path.se[path.index_min]
    start = len(close) - int(np.argmin(np.append(close[::-1], False)))
    if start == len(close) - 1:
        return f"at lambda = 0 as at {lam_text(path.lam_min)}"
    return f"from lambda = 0 to {lam_text(path.lams[start])}"


def _why_it_helps(path: Path) -> str:
    """Overfitting is what a narrower gap between training and held-out loss cures; a lower training loss is not that.

    Both are compared after equally many epochs: without a penalty the best epoch comes early *because* of overfitting.
    """
    epoch = path.epochs[path.index_min]
    (train_none, held_out_none), (train_min, held_out_min) = (
        [
            path.fold_weight @ loss[:, index, epoch - 1] / path.fold_weight.sum()
            for loss in (path.train_loss, path.cv_loss)
        ]
        for index in (-1, path.index_min)
    )
    if not math.isfinite(train_none + held_out_none):
        return ""
    lower_training = train_none - train_min
    if lower_training > (held_out_none - held_out_min) / 2:
        return ", mostly by a lower training loss: it helped the training itself"
    losses = f"{loss_text(path, train_none)} in training and {loss_text(path, held_out_none)} held out"
    return f": it was overfitting ({losses} after as many epochs without a penalty)"


def _gap_words(path: Path) -> str:
    """Tell under- from overfitting where the penalty gained nothing: by the gap between the losses without it."""
    train, held_out = path.train_mean[-1], path.mean[-1]
    losses = f"(training {loss_text(path, train)}, held out {loss_text(path, held_out)}, without a penalty)"
    if held_out - train <= path.se[-1]:
        return f"It is not overfitting {losses}: a larger model or longer training may gain more."
    return f"There is a gap that this penalty does not close {losses}: more rows may gain more."


def _edge_words(path: Path) -> str:
    n_positive = int(np.sum(path.lams > 0))
    if n_positive < 2:
        return ""
    if path.index_min == 0:
        return "The minimum lies at the largest strength of the grid: extend `lams` upwards."
    if path.index_min == n_positive - 1 and path.gain.low > 0:
        return "The minimum lies at the smallest strength above 0: extend `lams` downwards."
    return ""


# --- names and numbers


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


def loss_digits(path: Path) -> int:
    """Losses are shown to two figures of the standard error of the least: what comes after is noise."""
    return decimals(path.se[path.index_min])


def fixed_text(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return "diverged" if math.isinf(value) else "-"
    return f"{value:.2e}" if digits > 6 or abs(value) >= 1e6 else f"{value:.{digits}f}"


def loss_text(path: Path, value: float) -> str:
    return fixed_text(value, loss_digits(path))


def _interval_words(path: Path) -> str:
    gain = path.gain
    digits = min(decimals((gain.high - gain.low) / 2), loss_digits(path) + 1)
    mean, low, high = (fixed_text(value, digits) for value in (gain.mean, gain.low, gain.high))
    return f"{mean} (95 % interval {low} to {high})"
