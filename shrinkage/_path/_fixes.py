"""The next step of a finding as code: a line, or the call that made the path with other arguments."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from shrinkage._path._call import drop_defaults, make_call_arguments
from shrinkage._path._curve import Curve
from shrinkage._path._kinds import KINDS, LOWER_RATE, USE, Fix
from shrinkage._path._more_rows import get_more_rows_fix

_WIDTH = 100
_FIT_ONLY_ARGUMENTS = ("penalty", "how", "lams", "models", "learning_curve", "budget")


def make_fix(
    curve: Curve,
    code: str,
    plan: Mapping[str, Any],
    seed: int,
    *,
    folds: Sequence[int] = (),
    has_schedule: bool = False,
) -> str:
    """Return the next step of a finding; empty if there is none that code can make.

    Args:
        curve: the curve of the path.
        code: the code of the finding.
        plan, seed: as in `Path`.
        folds: the folds that the finding is about, counted from 0.
        has_schedule: whether the learning rate follows a schedule, which no fix can lower.
    """
    fix = get_more_rows_fix(curve) if code == "more-rows-unclear" else KINDS[code].fix
    fix = _adapt_fix(curve, fix, plan, has_schedule)
    call = make_call_arguments(curve, plan, seed)
    values = {
        "fold": str(folds[0]) if len(folds) else "",
        "epochs": str(int(curve.cv_loss.shape[2]) * (4 if code in ("hardly-trained", "more-rows-unclear") else 2)),
        "repeats": str(max(4, 2 * curve.folds.repeats)),
        "lams": _format_wider_grid(curve) if "lams" in fix.changes and not curve.failed.all() else "",
    }
    changes = {name: value.format(**values) for name, value in fix.changes.items()}
    return fix.code.format(
        fit=_format_fit_call(curve, call, changes), compare=_format_compare_call(curve, call), **values
    )


def _adapt_fix(curve: Curve, fix: Fix, plan: Mapping[str, Any], has_schedule: bool) -> Fix:
    """Return a step that the path allows in place of one that would fail, or would change nothing."""
    no_curve = curve.learning_curve is not None or curve.budget is not None or plan.get("blocks", 1) > 1
    if list(fix.changes) == ["learning_curve"] and no_curve:
        return USE
    if fix.code.startswith(LOWER_RATE) and has_schedule:
        return Fix()
    if "{compare}" in fix.code and (curve.solver == "exact" or curve.lam_model is not None):
        return Fix()  # the exact solver has one penalty, and `compare` refuses a model with regularizers
    if "repeats" in fix.changes and "k-fold" not in curve.folds.kind:  # only folds at random can be repeated
        changes = {name: value for name, value in fix.changes.items() if name != "repeats"}
        return Fix(fix.code, {**changes, "cv": "5"}) if curve.single_split else Fix()
    return fix


def _format_fit_call(curve: Curve, arguments: Mapping[str, str], changes: Mapping[str, str]) -> str:
    """Return the call of `fit` with the arguments of a path, and changes; "" leaves an argument out."""
    call_arguments = drop_defaults(curve, arguments)
    call_arguments |= {
        name: f"path.{name}" for name in ("penalty", "how") if call_arguments.get(name, "").startswith("sh.")
    }
    if "cv" in changes:
        call_arguments = {
            name: value for name, value in call_arguments.items() if name not in ("repeats", "validation_data")
        }
        call_arguments |= {"groups": "groups"} if curve.groups is not None else {}
    if changes.get("solver"):
        call_arguments.pop("epochs", None)
    return _format_call("path = sh.fit", {**call_arguments, **changes})


def _format_compare_call(curve: Curve, arguments: Mapping[str, str]) -> str:
    call_arguments = drop_defaults(curve, arguments)
    return _format_call(
        "comparison = sh.compare", {name: v for name, v in call_arguments.items() if name not in _FIT_ONLY_ARGUMENTS}
    )


def _format_call(prefix: str, arguments: Mapping[str, str]) -> str:
    """Return a call in one line, or in several if it is long."""
    text = ", ".join(["model", "x", "y", *(f"{name}={value}" for name, value in arguments.items() if value)])
    if len(prefix) + len(text) <= _WIDTH:
        return f"{prefix}({text})"
    indent = "    "
    lines = textwrap.fill(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    return f"{prefix}(\n{lines}\n)"


def _format_wider_grid(curve: Curve) -> str:
    """Return a grid with the strengths of the path and a decade more, at the end where the minimum lies."""
    if curve.index == 0:
        return "np.append(np.geomspace(10 * path.lams[0], path.lams[0], 5), path.lams[1:])"
    return "np.append(path.lams[:-2], np.geomspace(path.lams[-2], path.lams[-2] / 10, 5))"
