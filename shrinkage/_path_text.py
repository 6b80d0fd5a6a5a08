"""A path as text: the table of `print(path)`, and what the curve says in words."""

import math
import textwrap

import numpy as np

from shrinkage._path import Path, Status

_LOG_LOSSES = ("binarycrossentropy", "categoricalcrossentropy", "sparsecategoricalcrossentropy")
_SQUARED_ERRORS = ("meansquarederror", "mse")
_WIDTH = 110


def summary(path: Path) -> str:
    """Lay out a path as cv.glmnet prints its own: a header, the choices, what they mean, and what went wrong."""
    words = [verdict(path), _optimism(path), *_problems(path), *path.notes]
    return "\n".join([_header(path), *_table(path), *(textwrap.fill(text, _WIDTH) for text in words if text)])


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


# --- the table


def _header(path: Path) -> str:
    selection, n_strengths, n_folds = path.selection, len(path.lams), len(path.fold_weight)
    split = "1 split" if path.single_split else f"{n_folds} folds"
    return (
        f"{path.penalty.name} path of {path.template.name}: {selection.n_weights:,} weights, "
        f"{selection.n_penalised:,} penalised; {n_strengths} strengths x {split}, then all rows: "
        f"{n_strengths * (n_folds + 1):,} models in {_duration(path.seconds)}"
    )


def _table(path: Path) -> list[str]:
    se_title = "se (rows)" if path.single_split else "se"
    titles = ["lambda", "index", loss_words(path.template.loss_name), se_title]
    titles += [name.replace("_", " ") for name in path.metrics]
    titles += ["epoch", "||w||"] + ["nonzero"] * (path.penalty.name == "L1")
    rows = {"": titles}
    if math.isfinite(path.null_loss):
        rows["null"] = _null_cells(path, len(titles))
    rows |= {"none": _cells(path, -1), "min": _cells(path, path.index_min), "1se": _cells(path, path.index_1se)}
    least = [8, 6] + [5] * (len(titles) - 2)
    widths = [max(width, *map(len, column)) for width, *column in zip(least, *rows.values(), strict=True)]
    return [f"{label:4}" + _join(cells, widths) for label, cells in rows.items()]


def _join(cells: list[str], widths: list[int]) -> str:
    gaps = ["  "] + ["    "] * (len(cells) - 1)
    return "".join(gap + cell.rjust(width) for gap, cell, width in zip(gaps, cells, widths, strict=True)).rstrip()


def _cells(path: Path, index: int) -> list[str]:
    digits = _loss_digits(path)
    cells = [lam_text(path.lams[index]), str(range(1, len(path.lams) + 1)[index])]
    cells += [_fixed(path.mean[index], digits), _fixed(path.se[index], digits)]
    cells += [_metric(values[index]) for values in path.metrics.values()]
    cells += [str(path.epochs[index]), _norm(path.norm[index])]
    return cells + [f"{int(path.nonzero[index]):,}"] * (path.penalty.name == "L1")


def _null_cells(path: Path, n_cells: int) -> list[str]:
    # Three figures are enough for a constant, where the other rows need the digits in which they differ.
    digits = min(_loss_digits(path), _digits(path.null_loss, figures=3))
    cells = ["", "", _fixed(path.null_loss, digits), _fixed(path.null_se, digits)]
    cells += [_metric(path.null_metrics.get(name, math.nan)) for name in path.metrics]
    return cells + [""] * (n_cells - len(cells))


# --- the words


def verdict(path: Path) -> str:
    """Say what the curve shows; see `Path.verdict`."""
    loss = loss_words(path.template.loss_name)
    if path.mean[path.index_min] >= path.null_loss:
        return (
            f"No strength beats the best constant ({loss} {_loss(path, path.null_loss)}): nothing was learnt that "
            f"holds on other rows."
        )
    return " ".join(sentence for sentence in (_gain_words(path, loss), _edge_words(path)) if sentence)


def _gain_words(path: Path, loss: str) -> str:
    at_min = f"{path.penalty.name} at {lam_text(path.lam_min)}"
    if path.failed[-1]:
        least = _loss(path, path.mean[path.index_min])
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
    losses = f"{_loss(path, train_none)} in training and {_loss(path, held_out_none)} held out"
    return f": it was overfitting ({losses} after as many epochs without a penalty)"


def _gap_words(path: Path) -> str:
    """Tell under- from overfitting where the penalty gained nothing: by the gap between the losses without it."""
    train, held_out = path.train_mean[-1], path.mean[-1]
    losses = f"(training {_loss(path, train)}, held out {_loss(path, held_out)}, without a penalty)"
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


def _optimism(path: Path) -> str:
    least = path.mean[path.index_min]
    shown, corrected = _loss(path, least), _loss(path, least + path.optimism)
    if path.single_split or corrected == shown:
        return ""
    return f"Being the least of {len(path.lams)}, {shown} is optimistic: {corrected} by Tibshirani & Tibshirani (2009)."


# --- what went wrong


def _problems(path: Path) -> list[str]:
    statuses = np.vstack([path.status, path.full_status[None]])
    kinds = [status for status in Status if status is not Status.OK and (statuses == status).any()]
    return [
        f"{(statuses == kind).sum()} of {statuses.size:,} models {kind.value}: "
        f"{_where((statuses == kind).any(axis=0), path.lams)}. Not chosen."
        for kind in kinds
    ]


def _where(hit: np.ndarray, lams: np.ndarray) -> str:
    """Name strengths by one bound where they are an end of the grid, and one by one otherwise."""
    n_hit = int(hit.sum())
    if n_hit > 1 and hit[:n_hit].all():
        return f"at lambda >= {lam_text(lams[n_hit - 1])}"
    if n_hit > 1 and hit[-n_hit:].all():
        return f"at lambda <= {lam_text(lams[-n_hit])}"
    return "at lambda = " + ", ".join(lam_text(lam) for lam in lams[hit])


# --- numbers


def _digits(value: float, figures: int = 2) -> int:
    """Count the decimals that show `figures` significant figures of `value`."""
    if not math.isfinite(value) or value == 0:
        return 3
    return max(0, figures - 1 - math.floor(math.log10(abs(value))))


def _loss_digits(path: Path) -> int:
    """Losses are shown to two figures of the standard error of the least: what comes after is noise."""
    return _digits(path.se[path.index_min])


def _fixed(value: float, digits: int) -> str:
    if not math.isfinite(value):
        return "diverged" if math.isinf(value) else "-"
    return f"{value:.2e}" if digits > 6 or abs(value) >= 1e6 else f"{value:.{digits}f}"


def _loss(path: Path, value: float) -> str:
    return _fixed(value, _loss_digits(path))


def _interval_words(path: Path) -> str:
    gain = path.gain
    digits = min(_digits((gain.high - gain.low) / 2), _loss_digits(path) + 1)
    return f"{_fixed(gain.mean, digits)} (95 % interval {_fixed(gain.low, digits)} to {_fixed(gain.high, digits)})"


def _metric(value: float) -> str:
    return "-" if not math.isfinite(value) else f"{value:.3f}" if abs(value) < 100 else f"{value:.4g}"


def _norm(value: float) -> str:
    return f"{value:.1f}" if 1 <= abs(value) < 1e5 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s"
