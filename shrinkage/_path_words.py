"""What a path says in words: whether the penalty gained anything, and why or why not."""

import math

import numpy as np

from shrinkage._choice import far_fold
from shrinkage._path import Path

_LOG_LOSSES = ("binarycrossentropy", "categoricalcrossentropy", "sparsecategoricalcrossentropy")
_SQUARED_ERRORS = ("meansquarederror", "mse")


def verdict(path: Path) -> str:
    """Say what the curve shows; see `Path.verdict`."""
    loss = loss_words(path.template.loss_name)
    if not path.mean[path.index_min] >= path.null_loss:  # where there is no null model it is NaN
        sentences = [_gain_words(path, loss), _edge_words(path), _far_fold_words(path, loss), _epoch_limit_words(path)]
    elif _least_training_loss(path) >= path.null_loss:
        sentences = [_undertrained_words(path, loss), _far_fold_words(path, loss)]
    else:
        sentences = [_nothing_learnt_words(path, loss), _far_fold_words(path, loss), _epoch_limit_words(path)]
    return " ".join(" ".join(sentences).split())  # some are empty


def _nothing_learnt_words(path: Path, loss: str) -> str:
    return (
        f"No strength beats the best constant ({loss} {loss_text(path, path.null_loss)}): nothing was learnt that "
        f"holds on other rows."
    )


def _undertrained_words(path: Path, loss: str) -> str:
    """Not even in training is the best constant beaten: that says nothing yet of what there is to learn."""
    one_output = getattr(path.predictions, "shape", ())[2:] == (1,)
    raw_target = loss == "squared error" and one_output and (path.target_mean, path.target_sd) == (0, 1)
    least, null = (loss_text(path, value) for value in (_least_training_loss(path), path.null_loss))
    return (
        f"Training has not got as far as the best constant ({loss} {least} in training at the least, best constant "
        f"{null}): train longer{', ' if raw_target else ' or '}raise the learning rate"
        f"{', or say standardize_target=True' * raw_target}."
    )


def _gain_words(path: Path, loss: str) -> str:
    at_min = f"{path.penalty.name} at {lam_text(path.lam_min)}"
    if path.failed[-1]:
        least = loss_text(path, path.mean[path.index_min])
        return f"Without a penalty training diverged; {at_min} has the least {loss}, {least}."
    if not math.isfinite(path.se[path.index_min]):
        least, none = (loss_text(path, path.mean[index]) for index in (path.index_min, -1))
        return (
            f"The least {loss} is {least}, at lambda = {lam_text(path.lam_min)}, and {none} without a penalty: "
            f"there is no standard error to judge the difference by."
        )
    if path.lam_min == 0:
        return _no_penalty_words(path, loss)
    if path.gain.low > 0:
        return (
            f"{capital(at_min)} lowers the {loss} by {_interval_words(path)} against no penalty{_why_it_helps(path)}."
        )
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
    epoch = path.epochs[path.index_min] - 1
    train, held_out = (curve[:, epoch] for curve in (_training_curve(path), _held_out_curve(path)))
    train_none, train_min, held_out_none, held_out_min = (
        float(loss[index]) for loss in (train, held_out) for index in (-1, path.index_min)
    )
    if not math.isfinite(train_none + held_out_none):
        return ""
    lower_training = train_none - train_min
    if lower_training > (held_out_none - held_out_min) / 2:
        return ", mostly by a lower training loss: it helped the training itself"
    losses = f"{loss_text(path, train_none)} in training and {loss_text(path, held_out_none)} held out"
    return f": it was overfitting ({losses} after as many epochs without a penalty)"


def _gap_words(path: Path) -> str:
    """Tell under- from overfitting where the penalty gained nothing: by the gap between the losses without it.

    What would gain more is left to the words on a far fold or on the last epoch, where there are any.
    """
    train, held_out = path.train_mean[-1], path.mean[-1]
    losses = f"(training {loss_text(path, train)}, held out {loss_text(path, held_out)}, without a penalty)"
    far = bool(_far_folds(path))
    if held_out - train > path.se[-1]:
        return f"There is a gap that this penalty does not close {losses}{': more rows may gain more' * (not far)}."
    if far:
        return ""  # one fold's loss makes the standard error so large that any gap is within it
    remedy = "" if _epoch_limit_words(path) else ": a larger model or longer training may gain more"
    return f"It is not overfitting {losses}{remedy}."


def _far_fold_words(path: Path, loss: str) -> str:
    sentences = []
    for fold, times in _far_folds(path).items():
        (first, ratio), *more = times.items()
        also = "".join(f" ({ratio:.1f} times at {lam_text(lam)})" for lam, ratio in more)
        sentences.append(
            f"Fold {fold + 1} is far from the others: its {loss} is {ratio:.1f} times the median of theirs at lambda = "
            f"{lam_text(first)}{also}. Look for outliers in its rows, path.folds.held_out[{fold}]."
        )
    return " ".join(sentences)


def _far_folds(path: Path) -> dict[int, dict[float, float]]:
    """Find folds that are far from the others, without a penalty or at `min`: for each the strengths and how far."""
    found: dict[int, dict[float, float]] = {}
    for index in _none_and_min(path):
        fold, ratio = far_fold(path.fold_loss[:, index])
        if fold is not None:
            found.setdefault(fold, {})[float(path.lams[index])] = ratio
    return found


def _epoch_limit_words(path: Path) -> str:
    """Name the strengths, of none and `min`, whose chosen epoch is the last one only because training ended there."""
    falling = [f"at lambda = {lam_text(path.lams[i])}" for i in _none_and_min(path) if _still_falling(path, i)]
    if not falling:
        return ""
    last = path.cv_loss.shape[2]
    return f"The held-out loss still fell at the last epoch ({last}), {' and '.join(falling)}: raise `epochs`."


def _still_falling(path: Path, index: int) -> bool:
    """Whether the last tenth of the epochs lowered the mean loss by a tenth of its standard error or more.

    The last epoch must be the best, too: where patience ended the training, it is not.
    """
    curve = _held_out_curve(path)[index]
    n_epochs = len(curve)
    if n_epochs < 2 or path.epochs[index] != n_epochs or curve[-1] > np.nanmin(curve):
        return False
    fall = curve[-1 - max(1, n_epochs // 10)] - curve[-1]
    return bool(fall > 0.1 * np.nan_to_num(path.se[index]))


def _none_and_min(path: Path) -> list[int]:
    none = len(path.lams) - 1
    return [index for index in dict.fromkeys((none, path.index_min)) if not path.failed[index]]


def _least_training_loss(path: Path) -> float:
    return float(np.nanmin(_training_curve(path)))


def _held_out_curve(path: Path) -> np.ndarray:
    """Average the held-out losses over folds, to (S, E)."""
    return np.tensordot(path.fold_weight / path.fold_weight.sum(), path.cv_loss, axes=1)


def _training_curve(path: Path) -> np.ndarray:
    """Average the training losses over folds, to (S, E)."""
    return np.tensordot(path.train_weight / path.train_weight.sum(), path.train_loss, axes=1)


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


def title(path: Path) -> str:
    """Name a path by its penalty, by where that entered if not as usual, and by its model."""
    how = "" if path.how == path.penalty.default_how else f"{type(path.how).__name__.lower()} "
    return f"{capital(how + path.penalty.name)} path of {path.template.name}"


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
