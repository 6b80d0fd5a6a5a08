"""The arguments of the call of `fit` that made a path, as code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from shrinkage._path._curve import Curve

_DEFAULTS = {"cv": "5", "batch_size": "32", "seed": "0"}
"""Defaults that `make_call_arguments` returns too; the others are left out there."""


def make_call_arguments(curve: Curve, plan: Mapping[str, Any], seed: int) -> dict[str, str]:
    """Return the arguments of the call by name.

    In the code `path`, `groups`, `x_val`, `y_val`, and rows or functions under the name of their argument, are
    variables of the reader.

    Args:
        curve: the curve of the path.
        plan, seed: as in `Path`.
    """
    model_penalty = curve.lam_model is not None
    arguments = {"penalty": "'model'" if model_penalty else f"sh.{curve.penalty!r}"}
    if not model_penalty and curve.how != curve.penalty.default_how:
        arguments["how"] = f"sh.{curve.how!r}"
    arguments |= {"lams": "path.lams"} if curve.budget is None else {"budget": f"{curve.budget:g}"}
    arguments |= _make_split_arguments(curve)
    if curve.solver == "exact":
        arguments["solver"] = "'exact'"
    else:
        arguments["epochs"] = str(curve.cv_loss.shape[2])
    for name, default in (("batch_size", None), ("init", "fresh"), ("models", "all")):
        if curve.budget is None and plan.get(name, default) != default or name == "batch_size" and name in plan:
            arguments[name] = repr(plan[name])
    if (curve.target_mean, curve.target_sd) != (0, 1):
        arguments["standardize_target"] = "True"
    if curve.learning_curve is not None:
        arguments["learning_curve"] = "True"
    return {**arguments, **plan.get("arguments", {}), "seed": str(seed)}


def format_attach_call(curve: Curve, lam: float, plan: Mapping[str, Any]) -> str:
    """Return the call of `shrinkage.attach` that penalises a model as the members of a path at a strength.

    Args:
        curve: the curve of the path.
        lam: the strength.
        plan: as in `Path`.
    """
    arguments = ["model", repr(curve.penalty), f"lam={lam:.6g}"]
    arguments += [f"how={curve.how!r}"] * (curve.how != curve.penalty.default_how)
    arguments += [f"on={on}"] if (on := plan.get("arguments", {}).get("on")) else []
    return f"shrinkage.attach({', '.join(arguments)})"


def drop_defaults(curve: Curve, arguments: Mapping[str, str]) -> dict[str, str]:
    """Return the arguments without those that `fit` has, or finds, by itself."""
    left = {name: value for name, value in arguments.items() if _DEFAULTS.get(name) != value}
    if curve.n_rows < 32 and left.get("batch_size") == str(curve.n_rows):  # the default is cut to the rows
        del left["batch_size"]
    if "lams" in left and _is_automatic(curve):
        del left["lams"]
    return left


def _is_automatic(curve: Curve) -> bool:
    """Return whether the strengths are in steps of a quarter of a decade, as in the grid that `fit` finds.

    `fit` adds the strength of the model's own penalty to the grid.
    """
    lams = curve.lams[curve.lams > 0]
    grids = [lams] if curve.lam_model is None else [lams, lams[~np.isclose(lams, curve.lam_model)]]
    return any(len(grid) > 4 and np.allclose(np.diff(np.log10(grid)), -0.25) for grid in grids)


def _make_split_arguments(curve: Curve) -> dict[str, str]:
    folds = curve.folds
    if folds.kind.startswith("given"):
        return {"validation_data": "(x_val, y_val)"}
    if folds.is_rung:
        return {}
    repeats = {"repeats": str(folds.repeats)} if folds.repeats > 1 else {}
    if folds.kind.endswith("k-fold"):
        groups = {"groups": "groups"} if "group" in folds.kind else {}
        return {"cv": str(folds.per_repeat), **groups, **repeats}
    if folds.kind in ("hold-out", "stratified hold-out"):
        return {"cv": f"{np.round(folds.held_out.sizes[0] / folds.n_rows, 4):g}", **repeats}
    return {"cv": "list(zip(path.folds.train, path.folds.held_out))"}
