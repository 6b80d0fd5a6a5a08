"""A path as text: the table of `print(path)`, and below it what the path says in words."""

import math
import textwrap

import numpy as np

from shrinkage._path import Path, Status
from shrinkage._path_findings import Progress, beats_constant, main_progress
from shrinkage._path_words import decimals, fixed_text, lam_text, loss_digits, loss_text, loss_words, title

_WIDTH = 110


def summary(path: Path) -> str:
    """Lay out a path as cv.glmnet prints its own: a header, the choices, what they mean, and what went wrong."""
    words = [path.verdict(), _optimism(path), _largest_tried(path), _units(path), *_problems(path), *path.notes]
    return "\n".join([_header(path), *_table(path), *(textwrap.fill(text, _WIDTH) for text in words if text)])


# --- the table


def _header(path: Path) -> str:
    selection, n_strengths, n_folds = path.selection, len(path.lams), len(path.fold_weight)
    split = "1 split" if path.single_split else f"{n_folds} folds"
    all_rows = bool((path.full_status != Status.SKIPPED).any())
    return (
        f"{title(path)}: {selection.n_weights:,} weights, "
        f"{selection.n_penalised:,} penalised; {n_strengths} strengths x {split}{', then all rows' * all_rows}: "
        f"{n_strengths * (n_folds + all_rows):,} models in {_duration(path.seconds)}"
    )


def _table(path: Path) -> list[str]:
    se_title = "se (rows)" if path.single_split else "se"
    titles = ["lambda", "index", loss_words(path.template.loss_name), se_title]
    titles += [name.replace("_", " ") for name in path.metrics]
    titles += (
        ["epoch", "||w - w0||" if path.penalty.name == "L2-SP" else "||w||"]
        + ["nonzero"] * path.penalty.sparse
        + _zero_title(path)
    )
    rows = {"": titles}
    if math.isfinite(path.null_loss):
        rows["null"] = _null_cells(path, len(titles))
    rows["none"] = _cells(path, -1)
    if not path.failed.all():
        rows |= {"min": _cells(path, path.index_min), "1se": _cells(path, path.index_1se)}
    rows |= {} if path.index_model is None else {"model": _cells(path, path.index_model)}
    least = [8, 6] + [5] * (len(titles) - 2)
    widths = [max(width, *map(len, column)) for width, *column in zip(least, *rows.values(), strict=True)]
    longest = max(map(len, rows))
    return [f"{label:{longest}}" + _join(cells, widths) for label, cells in rows.items()]


def _join(cells: list[str], widths: list[int]) -> str:
    gaps = ["  "] + ["    "] * (len(cells) - 1)
    return "".join(gap + cell.rjust(width) for gap, cell, width in zip(gaps, cells, widths, strict=True)).rstrip()


def _cells(path: Path, index: int) -> list[str]:
    digits = loss_digits(path)
    cells = [lam_text(path.lams[index]), str(range(1, len(path.lams) + 1)[index])]
    cells += [fixed_text(path.mean[index], digits), fixed_text(path.se[index], digits)]
    cells += [_metric(values[index]) for values in path.metrics.values()]
    cells += [str(path.epochs[index]), _norm(path.norm[index])]
    cells += [_count(path.nonzero[index])] * path.penalty.sparse
    return cells + ([] if path.zero_groups is None else [_count(path.zero_groups[index])])


def _zero_title(path: Path) -> list[str]:
    groups = getattr(path.penalty, "groups", None)
    return [] if path.zero_groups is None else [f"zero {groups if isinstance(groups, str) else 'groups'}"]


def _null_cells(path: Path, n_cells: int) -> list[str]:
    # Three figures are enough for a constant, where the other rows need the digits in which they differ.
    digits = min(loss_digits(path), decimals(path.null_loss, figures=3))
    cells = ["", "", fixed_text(path.null_loss, digits), fixed_text(path.null_se, digits)]
    cells += [_metric(path.null_metrics.get(name, math.nan)) for name in path.metrics]
    return cells + [""] * (n_cells - len(cells))


# --- below the table


def _optimism(path: Path) -> str:
    if path.failed.all():
        return ""
    least = path.mean[path.index_min]
    shown, corrected = loss_text(path, least), loss_text(path, least + path.optimism)
    if path.single_split or corrected == shown:
        return ""
    return f"Being the least of {len(path.lams)}, {shown} is optimistic: {corrected} by Tibshirani & Tibshirani (2009)."


def _largest_tried(path: Path) -> str:
    """Say that `1se` has no strength above it, unless that is plain: of a `min` there, or where little was learnt."""
    if path.failed.all():
        return ""
    unlearnt = not beats_constant(path) or main_progress(path) is Progress.BEGINNING
    if path.index_1se > 0 or path.index_min == 0 or path.nonzero[0] == 0 or unlearnt:
        return ""
    return "1se lies at the largest strength tried: larger ones may be within one standard error too (give `lams`)."


def _units(path: Path) -> str:
    if (path.target_mean, path.target_sd) == (0, 1):
        return ""
    losses = (
        f"Losses are in units of the target's variance (sd {path.target_sd:.4g})"
        f"{', metrics in units of y' if path.metrics else ''}."
    )
    if path.failed.all():
        return losses  # there is no model
    return (
        f"{losses} path.model() predicts standardised targets: "
        f"path.target_mean + path.target_sd * prediction gives those of y."
    )


def _problems(path: Path) -> list[str]:
    statuses = np.vstack([path.status, path.full_status[None]])
    n_trained, hit = (statuses != Status.SKIPPED).sum(), statuses == Status.DIVERGED
    if not hit.any():
        return []
    where = "at every strength" if hit.any(axis=0).all() else f"{_where(hit.any(axis=0), path.lams)}. Not chosen"
    return [f"{hit.sum():,} of {n_trained:,} models {Status.DIVERGED.value}: {where}."]


def _where(hit: np.ndarray, lams: np.ndarray) -> str:
    """Name strengths by one bound where they are an end of the grid, and one by one otherwise."""
    n_hit = int(hit.sum())
    if n_hit > 1 and hit[:n_hit].all():
        return f"at lambda >= {lam_text(lams[n_hit - 1])}"
    if n_hit > 1 and hit[-n_hit:].all():
        return f"at lambda <= {lam_text(lams[-n_hit])}"
    return "at lambda = " + ", ".join(lam_text(lam) for lam in lams[hit])


# --- numbers


def _metric(value: float) -> str:
    return "-" if not math.isfinite(value) else f"{value:.3f}" if abs(value) < 100 else f"{value:.4g}"


def _count(value: float) -> str:
    return f"{int(value):,}" if math.isfinite(value) else "-"


def _norm(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.1f}" if 1 <= abs(value) < 1e5 else f"{value:.3g}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    return f"{minutes} min {seconds} s"
