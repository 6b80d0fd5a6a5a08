"""Metrics of the held-out predictions, and loss and metrics of the null model."""

import math
import re
from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._cv._choice import row_se, summarise
from shrinkage._cv._folds import Folds
from shrinkage._data._data import Data, TargetUnits, take
from shrinkage._data._stored import StoredRows
from shrinkage._model._null import null_predictions
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template


def metrics_of(template: Template, data: Data, held_out: np.ndarray, predictions: Any) -> dict[str, np.ndarray]:
    """Return the compiled metrics per strength, each (S,), by the name in Keras.

    Args:
        template: The template of the model.
        data: All rows.
        held_out: Indices of the held-out rows, (m,).
        predictions: Predictions for the held-out rows, a tree of (m, S, ...).
    """
    compiled = template.metrics()
    if compiled is None:
        return {}
    y, weight = take(data.y, held_out), data.weight[held_out]
    values_by_name: dict[str, list[float]] = {}
    for s in range(tree.flatten(predictions)[0].shape[1]):
        compiled.reset_state()
        compiled.update_state(y, tree.map_structure(lambda value, s=s: value[:, s], predictions), weight)
        for metric in compiled.metrics if s == 0 else ():
            metric.name = _base_name(metric)
        for name, value in compiled.result().items():
            values_by_name.setdefault(name, []).append(float(np.asarray(value).mean()))
    return {name: np.array(values) for name, values in values_by_name.items()}


def _base_name(metric: keras.metrics.Metric) -> str:
    """Return the name of a metric without the suffix "_1", "_2", ... by which Keras makes default names unique."""
    numbered = re.fullmatch(r"(.+)_\d+", metric.name)
    class_name = type(metric).__name__.lower()
    return numbered[1] if numbered and numbered[1].replace("_", "") == class_name else metric.name


def null_scores(
    template: Template,
    data: Data,
    objective: Objective,
    folds: Folds,
    outputs: Any,
    target: TargetUnits | None,
    stored: StoredRows | None = None,
) -> dict[str, Any]:
    """Return the held-out loss of the null model with standard error, metrics, and losses per fold and per row.

    The null model of a fold predicts the best constant on the training rows of the fold.

    Args:
        template: The template of the model.
        data: All rows.
        objective: The losses of the outputs.
        folds: The split.
        outputs: Predictions of all strengths, a tree of (m, S, ...).
        target: The units of the targets in training, or None.
        stored: All rows, where `data` is a sample of them: losses of the folds are then over all held-out rows.
    """
    one = tree.map_structure(lambda value: value[:, 0], outputs)
    constants = [null_predictions(data, objective, rows, one) for rows in folds.train]
    held = folds.held_out_rows
    known = [bool(np.isfinite(leaf).all()) for leaf in tree.flatten(constants[0])]
    if not all(known[term.place] for term in objective.terms):
        return {
            **{"null_loss": math.nan, "null_se": math.nan, "null_metrics": {}},
            **{"null_fold_loss": np.full(len(folds.train), np.nan), "null_row_loss": np.full(len(held), np.nan)},
        }
    rows, fold = _by_rows(folds)
    predictions = tree.map_structure(lambda value, *each: np.stack(each)[fold].astype(value.dtype), one, *constants)
    ours = tree.map_structure(lambda value: value[None, None], predictions)
    losses = objective.rows(take(data.y, rows[None]), ours, data.weight[rows][None])
    losses = np.asarray(losses).reshape(-1) / (1.0 if target is None else target.reference**2)
    losses = losses.astype(np.float64)
    counts = [(fold == f) & (data.weight[rows] > 0) for f in range(len(folds.train))]
    fold_loss = np.array([np.average(losses[each], weights=data.weight[rows[each]]) for each in counts])
    fold_weight = [data.weight[part].sum() for part in folds.held_out]
    if stored is not None:
        fold_loss, fold_weight = _stored_fold_loss(stored, objective, one, constants), stored.weight
    mean, se = summarise(fold_loss[:, None], fold_weight, repeats=folds.repeats, overlap=folds.overlap)
    row_loss = _mean_by_rows(losses, rows)
    if len(fold_loss) == 1:
        se = row_se(row_loss[:, None], data.weight[held])
    metrics = {}
    if all(known):
        averaged = tree.map_structure(lambda value: _mean_by_rows(value, rows)[:, None], predictions)
        metrics = metrics_of(template, data, held, averaged)
    return {
        "null_loss": float(mean[0]),
        "null_se": float(se[0]),
        "null_fold_loss": fold_loss,
        "null_row_loss": row_loss,
        "null_metrics": {name: float(value[0]) for name, value in metrics.items()},
    }


def _stored_fold_loss(stored: StoredRows, objective: Objective, outputs: Any, constants: list[Any]) -> np.ndarray:
    """Return the mean loss of the constant of each fold on all rows that it holds out, (F,)."""
    totals = np.zeros(len(constants))
    for _, data, sections in stored.blocks(range(stored.n_blocks)):
        for f, constant in enumerate(constants):
            rows = np.flatnonzero((sections == f) & (data.weight > 0))
            predictions = _repeat(outputs, constant, len(rows))
            losses = objective.rows(take(data.y, rows[None]), predictions, data.weight[rows][None])
            totals[f] += np.asarray(losses).reshape(-1) @ data.weight[rows].astype(np.float64)
    return totals / stored.weight


def _repeat(outputs: Any, constant: Any, n_rows: int) -> Any:
    """Return a constant as the predictions of one member for n rows, a tree of (1, 1, n, ...)."""
    return tree.map_structure(
        lambda output, value: np.broadcast_to(value.astype(output.dtype), (1, 1, n_rows, *value.shape)),
        outputs,
        constant,
    )


def _by_rows(folds: Folds) -> tuple[np.ndarray, np.ndarray]:
    """Return the held-out rows in ascending order, each once for every fold that holds it out, and these folds."""
    rows = np.concatenate(folds.held_out)
    fold = np.repeat(np.arange(len(folds.held_out)), [len(part) for part in folds.held_out])
    order = np.argsort(rows, kind="stable")
    return rows[order], fold[order]


def _mean_by_rows(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Average values over equal, neighbouring rows."""
    _, first, times = np.unique(rows, return_index=True, return_counts=True)
    times = times.astype(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    return np.add.reduceat(values, first, axis=0) / times
