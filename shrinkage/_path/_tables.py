"""Tables of a path: its strengths; and its members, with the loss, the paired error and the cost."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from shrinkage._cv._rung import PASSES_OF_A_SCORE
from shrinkage._cv._statistics import compute_paired_errors
from shrinkage._path._curve import Curve
from shrinkage._penalties import Decoupled


def make_trial_columns(curve: Curve, plan: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of `Path.trials`.

    Args:
        curve: the curve of the path.
        plan: as in `Path`. An earlier version did not write the sum of the learning rates.
    """
    n_folds, n_lams = curve.fold_loss.shape
    rows = np.repeat(curve.folds.train.sizes, n_lams)
    lams = np.tile(curve.lams, n_folds)
    total = plan.get("rate_sum", np.nan) if isinstance(curve.how, Decoupled) else curve.n_rows
    least = np.full((n_folds, 1), np.nan) if curve.failed.all() else curve.fold_loss[:, [curve.index]]
    return {
        "fold": np.repeat(np.arange(1, n_folds + 1), n_lams),
        "rows": rows,
        "lam": lams,
        "delta": lams * total,
        "epoch": np.tile(curve.epochs, n_folds),
        "loss": curve.fold_loss.ravel(),
        "difference": (curve.fold_loss - least).ravel(),
        "error": _compute_errors(curve).ravel(),
        "cost": _compute_costs(curve).ravel(),
    }


def _compute_errors(curve: Curve) -> np.ndarray:
    """Return the paired standard error of each member's difference to the choice, (F, S)."""
    if curve.failed.all() or curve.folds.repeats > 1 or curve.folds.overlap > 1:
        return np.full(curve.fold_loss.shape, np.nan)  # a row has the mean loss of several members
    inside = curve.folds.held_out.contain(curve.held_out_rows)

    def errors(rows: np.ndarray) -> np.ndarray:
        weight, groups = (None if column is None else column[rows] for column in (curve.row_weight, curve.groups))
        return compute_paired_errors(curve.row_loss[rows], curve.index, weight, groups)

    return np.stack([errors(rows) for rows in inside])


def _compute_costs(curve: Curve) -> np.ndarray:
    """Return the cost of each member in trainings on all rows, (F, S)."""
    scored = np.isfinite(curve.cv_loss)
    n_epochs = curve.cv_loss.shape[2]
    trained = n_epochs - np.argmax(scored[..., ::-1], axis=2)  # until the last score
    n_train, n_held_out = (part.sizes[:, None] for part in (curve.folds.train, curve.folds.held_out))
    scoring = (n_held_out + np.minimum(n_held_out, n_train)) * PASSES_OF_A_SCORE * scored.sum(axis=2)
    return (n_train * trained + scoring) / (curve.n_rows * n_epochs)


def make_table_columns(curve: Curve) -> dict[str, Any]:
    """Return the columns of `Path.table`."""
    columns = {"lam": curve.lams, "index": np.arange(1, len(curve.lams) + 1), "loss": curve.mean, "se": curve.se}
    columns |= {"train_loss": curve.train_mean} | curve.metrics
    columns |= {"epoch": curve.epochs, "norm": curve.norm, "nonzero": curve.nonzero}
    columns |= {} if curve.zero_groups is None else {"zero_groups": curve.zero_groups}
    return columns | {"failed": curve.failed}
