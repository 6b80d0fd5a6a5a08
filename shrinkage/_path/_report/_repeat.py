"""The call of `shrinkage.fit` that repeats a path."""

from __future__ import annotations

from typing import Any

import numpy as np

from shrinkage._path._curve import Curve
from shrinkage._path._report._provenance import Provenance


def call(curve: Curve, provenance: Provenance) -> str:
    """Return the call as far as the path knows it: `model`, `x`, `y` and `path` are variables of the reader."""
    plan, penalty = provenance.plan, curve.penalty
    model_penalty = curve.lam_model is not None
    arguments: dict[str, Any] = {"penalty": "'model'" if model_penalty else f"sh.{penalty!r}"}
    if not model_penalty and provenance.how != penalty.default_how:
        arguments["how"] = f"sh.{provenance.how!r}"
    arguments |= {"lams": "path.lams"} if curve.budget is None else {"budget": f"{curve.budget:g}"}
    arguments |= _split(curve)
    if curve.solver == "exact":
        arguments["solver"] = "'exact'"
    else:
        arguments["epochs"] = str(curve.cv_loss.shape[2])
    for name, default in (("batch_size", None), ("init", "fresh"), ("models", "all")):
        if curve.budget is None and plan.get(name, default) != default or name == "batch_size" and name in plan:
            arguments[name] = repr(plan[name])
    if (curve.target_mean, curve.target_sd) != (0, 1):
        arguments["standardize_target"] = "True"
    arguments |= {"seed": str(provenance.seed), "plan": "path.plan"}
    lines = [f"    {name}={value}," for name, value in arguments.items()]
    return "\n".join(["sh.fit(", "    model, x, y,", *lines, ")"])


def _split(curve: Curve) -> dict[str, str]:
    folds = curve.folds
    if folds.kind.startswith("given"):
        return {"validation_data": "(x_val, y_val)"}
    if folds.is_rung:
        return {}
    if folds.kind.endswith("k-fold"):
        groups = {"groups": "groups"} if folds.kind.startswith("group") else {}
        repeats = {"repeats": str(folds.repeats)} if folds.repeats > 1 else {}
        return {"cv": str(folds.per_repeat), **groups, **repeats}
    if folds.kind in ("hold-out", "stratified hold-out"):
        return {"cv": f"{np.round(folds.held_out.sizes[0] / folds.n_rows, 4):g}"}
    return {"cv": "list(zip(path.folds.train, path.folds.held_out))"}
