"""The text of `print(path)`: the table, and below it the verdict and the notes."""

import math
import textwrap
from collections.abc import Sequence

import numpy as np

from shrinkage._messages._note import Note, Vocabulary, format_duration
from shrinkage._path._convergence import Convergence
from shrinkage._path._curve import Curve, Status
from shrinkage._path._findings import assess_convergence_without_penalty, beats_constant
from shrinkage._path._split_words import describe_held_out_rows, format_split
from shrinkage._path._words import (
    count_decimals,
    count_loss_decimals,
    format_fixed_point,
    format_lam,
    format_loss,
    format_loss_name,
)
from shrinkage._weights._selection import Selection

_WIDTH = 110


def format_path_summary(curve: Curve, header: str, verdict: str, notes: Sequence[str], terms: Vocabulary) -> str:
    """Lay out a path as `cv.glmnet` in R does: a header, the choices, the verdict, and the notes."""
    words = [terms.say(text) for text in (verdict, *list_remarks(curve), *notes)]
    return "\n".join([header, *_format_table(curve), *(textwrap.fill(text, _WIDTH) for text in words if text)])


def list_remarks(curve: Curve) -> list[Note]:
    """Return the sentences between the verdict and the notes of the run."""
    texts = (
        *(
            _describe_optimism(curve),
            describe_held_out_rows(curve),
            _describe_largest_strength(curve),
            _describe_models(curve),
            _describe_units(curve),
        ),
        *_describe_problems(curve),
    )
    return [Note(text) for text in texts if text]


# --- the table


def format_header(curve: Curve, title: str, selection: Selection, seconds: float) -> str:
    """Return one line on the model, the penalty, the number of models and the time."""
    n_strengths, n_folds, split = len(curve.lams), len(curve.fold_weight), format_split(curve)
    n_models = int(curve.has_model.sum())
    further = f", then {'' if n_models == n_strengths else f'{n_models} on '}all rows" if n_models else ""
    n_learned = 0
    if (learned := curve.learning_curve) is not None:
        further += ", then the learning curve"
        n_learned = (len(learned.rows) - 1) * n_folds * len(learned.lams)
    return (
        f"{title}: {selection.n_weights:,} weights, "
        f"{selection.n_penalised:,} penalised; {n_strengths} strength{'s' * (n_strengths > 1)} x {split}{further}: "
        f"{n_strengths * n_folds + n_models + n_learned:,} models in {format_duration(seconds)}"
    )


def format_table_cells(curve: Curve) -> dict[str, list[str]]:
    """Return the cells of each row by its label; the titles of the columns have the label ""."""
    se_title = f"se ({curve.error_units})" if curve.single_split else "se"
    titles = ["lambda", "index", format_loss_name(curve.loss_name), se_title]
    titles += [name.replace("_", " ") for name in curve.metrics]
    titles += (
        ["epoch"] * (curve.solver == "gradient")
        + ["||w - w0||" if curve.penalty.name == "L2-SP" else "||w||"]
        + ["nonzero"] * curve.penalty.sparse
        + _format_zero_title(curve)
    )
    rows = {"": titles}
    if math.isfinite(curve.null_loss):
        rows["null"] = _format_null_cells(curve, len(titles))
    rows["none"] = _format_cells(curve, -1)
    if curve.budget is not None:
        rows |= {_format_trial_label(curve, index): _format_cells(curve, index) for index in range(len(curve.lams) - 1)}
    elif not curve.failed.all():
        rows |= {"min": _format_cells(curve, curve.index_min), "1se": _format_cells(curve, curve.index_1se)}
    rows |= {} if curve.index_model is None else {"model": _format_cells(curve, curve.index_model)}
    return rows


def _format_table(curve: Curve) -> list[str]:
    rows = format_table_cells(curve)
    least = [8, 6] + [5] * (len(rows[""]) - 2)
    widths = [max(width, *map(len, column)) for width, *column in zip(least, *rows.values(), strict=True)]
    longest = max(map(len, rows))
    return [f"{label:{longest}}" + _join_cells(cells, widths) for label, cells in rows.items()]


def _format_trial_label(curve: Curve, index: int) -> str:
    """Return the label of a strength that a search within a budget tried."""
    return "choice" if not curve.failed.all() and index == curve.index else f"trial {index + 1}"


def _join_cells(cells: list[str], widths: list[int]) -> str:
    gaps = ["  "] + ["    "] * (len(cells) - 1)
    return "".join(gap + cell.rjust(width) for gap, cell, width in zip(gaps, cells, widths, strict=True)).rstrip()


def _format_cells(curve: Curve, index: int) -> list[str]:
    mean, digits = curve.mean[index], count_loss_decimals(curve)
    digits = max(digits, count_decimals(mean)) if mean else digits  # at least two significant figures of each loss
    cells = [format_lam(curve.lams[index]), str(range(1, len(curve.lams) + 1)[index])]
    cells += [format_fixed_point(mean, digits), format_fixed_point(curve.se[index], digits)]
    cells += [_format_metric(values[index]) for values in curve.metrics.values()]
    cells += [str(curve.epochs[index])] * (curve.solver == "gradient") + [_format_norm(curve.norm[index])]
    cells += [_format_count(curve.nonzero[index])] * curve.penalty.sparse
    return cells + ([] if curve.zero_groups is None else [_format_count(curve.zero_groups[index])])


def _format_zero_title(curve: Curve) -> list[str]:
    if curve.zero_groups is None:
        return []
    groups = getattr(curve.penalty, "groups", None)
    # Those of the first layer are inputs of the model, and those of other layers are not.
    return [f"zero {'layer inputs' if groups == 'inputs' else groups if isinstance(groups, str) else 'groups'}"]


def _format_null_cells(curve: Curve, n_cells: int) -> list[str]:
    # Three significant figures are enough here: the other rows may need more to show their differences.
    digits = count_decimals(curve.null_loss, figures=3)
    cells = ["", "", format_fixed_point(curve.null_loss, digits), format_fixed_point(curve.null_se, digits)]
    cells += [_format_metric(curve.null_metrics.get(name, math.nan)) for name in curve.metrics]
    return cells + [""] * (n_cells - len(cells))


# --- below the table


def _describe_optimism(curve: Curve) -> str:
    if curve.failed.all() or not beats_constant(curve):
        return ""
    least = curve.mean[curve.index]
    least_text, corrected = format_loss(curve, least), format_loss(curve, least + curve.optimism)
    if curve.single_split or corrected == least_text:
        return ""
    return (
        f"Report {corrected}, not {least_text}: the least of {len(curve.lams)} looks better than it is (Tibshirani & "
        f"Tibshirani 2009)."
    )


def _describe_largest_strength(curve: Curve) -> str:
    """Return a sentence if `1se` is the largest strength, unless `min` is too or the models learnt little."""
    if curve.failed.all() or curve.budget is not None:
        return ""
    unlearnt = not beats_constant(curve) or assess_convergence_without_penalty(curve) is Convergence.BEGINNING
    if curve.index_1se > 0 or curve.index_min == 0 or curve.nonzero[0] == 0 or unlearnt:
        return ""
    return "1se lies at the largest strength tried: larger ones may be within one standard error too ($give_lams)."


def _describe_models(curve: Curve) -> str:
    """Return the strengths with a model of all rows, if only the choices were trained on them."""
    if curve.budget is not None or not (curve.full_status == Status.NOT_TRAINED).any() or not curve.has_model.any():
        return ""
    lams_text = " and ".join(format_lam(lam) for lam in curve.lams[curve.has_model])
    return f"Only the choices have a model of all rows: lambda = {lams_text}."


def _describe_units(curve: Curve) -> str:
    if (curve.target_mean, curve.target_sd) == (0, 1):
        return ""
    losses = (
        f"Losses are in units of the target's variance (sd {curve.target_sd:.4g})"
        f"{', metrics in units of y' if curve.metrics else ''}."
    )
    if curve.failed.all():
        return losses  # there is no model
    return f"{losses} $target_units."


def _describe_problems(curve: Curve) -> list[str]:
    statuses = np.vstack([curve.status, curve.full_status[None]])
    n_trained = ((statuses != Status.SKIPPED) & (statuses != Status.NOT_TRAINED)).sum()
    lines = []
    for status, words in ((Status.DIVERGED, Status.DIVERGED.value), (Status.NO_MINIMUM, _NO_MINIMUM)):
        if (hit := statuses == status).any():
            names = _name_strengths(hit.any(axis=0), curve.lams)
            where = "at every strength" if hit.any(axis=0).all() else f"{names}. Not chosen"
            lines.append(f"{hit.sum():,} of {n_trained:,} models {words}: {where}.")
    return lines


_NO_MINIMUM = "have no minimum, as the inputs separate classes"


def _name_strengths(hit: np.ndarray, lams: np.ndarray) -> str:
    """Return text for strengths: a bound if they are an end of the grid, otherwise a list."""
    n_hit = int(hit.sum())
    if n_hit > 1 and hit[:n_hit].all():
        return f"at lambda >= {format_lam(lams[n_hit - 1])}"
    if n_hit > 1 and hit[-n_hit:].all():
        return f"at lambda <= {format_lam(lams[-n_hit])}"
    return "at lambda = " + ", ".join(format_lam(lam) for lam in lams[hit])


# --- numbers


def _format_metric(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.2g}" if 0 < abs(value) < 0.001 else f"{value:.3f}" if abs(value) < 100 else f"{value:.4g}"


def _format_count(value: float) -> str:
    return f"{int(value):,}" if math.isfinite(value) else "-"


def _format_norm(value: float) -> str:
    if not math.isfinite(value):
        return "-"
    return f"{value:.1f}" if 1 <= abs(value) < 1e5 else f"{value:#.3g}" if value else "0"
