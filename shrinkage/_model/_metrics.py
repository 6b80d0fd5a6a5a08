"""Metrics of the held-out predictions, and loss and metrics of the null model."""

import math
import re
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._cv._folds import Folds
from shrinkage._cv._statistics import compute_row_se, summarise
from shrinkage._data._data import Data, TargetUnits, WeightedTargets, take
from shrinkage._host._compiled import get_metric_direction
from shrinkage._model._null import compute_null_predictions
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template


class RunningMetrics:
    """The compiled metrics of each strength, for rows that come in parts.

    Args:
        template: The template of the model.
        strengths: Number of strengths, S.
    """

    def __init__(self, template: Template, strengths: int):
        compiled = (template.make_metrics() for _ in range(strengths))
        self._compiled = [each for each in compiled if each is not None]
        self._lost = np.zeros(strengths, bool)
        self.directions: dict[str, str | None] = {}
        """"up" if larger values of a metric are better, "down", or None if Keras does not know, by name."""

    @property
    def has_metrics(self) -> bool:
        """Whether the model is compiled with metrics."""
        return bool(self._compiled)

    def update(self, data: Data, rows: np.ndarray, predictions: Any) -> None:
        """Add rows.

        Args:
            data: Rows with targets and weights.
            rows: Numbers of the added rows, (m,).
            predictions: Predictions for the added rows, a tree of (m, S, ...).
        """
        y, weight = take(data.targets, rows), data.weight[rows]
        if isinstance(data.y, WeightedTargets):
            weights = [data.get_weight(place)[rows] for place in range(data.y.share.shape[1])]
            weight = tree.pack_sequence_as(y, weights)
        self.add(y, weight, predictions)

    def add(self, y: Any, weight: Any, predictions: Any) -> None:
        """Add rows as targets, weights, and predictions, a tree of (m, S, ...)."""
        for s, compiled in enumerate(self._compiled):
            compiled.update_state(y, tree.map_structure(lambda value, s=s: value[:, s], predictions), weight)
        for leaf in tree.flatten(predictions):
            if np.issubdtype(leaf.dtype, np.floating):
                self._lost |= np.isnan(leaf).any(axis=(0, *range(2, leaf.ndim)))

    def result(self) -> dict[str, np.ndarray]:
        """Return the metrics of the rows so far, each (S,), by the name in Keras, and begin anew.

        A metric is NaN if a prediction is NaN: an accuracy of NaN predictions would look valid.
        """
        values_by_name: dict[str, list[float]] = {}
        for compiled in self._compiled:
            for metric in compiled.metrics:
                metric.name = _get_base_name(metric)
                self.directions[metric.name] = get_metric_direction(metric)
            for name, value in compiled.result().items():
                values_by_name.setdefault(name, []).append(float(np.asarray(value).mean()))
            compiled.reset_state()
        lost, self._lost = self._lost, np.zeros_like(self._lost)
        return {name: np.where(lost, np.nan, values) for name, values in values_by_name.items()}


def compute_metrics(template: Template, data: Data, held_out: np.ndarray, predictions: Any) -> dict[str, np.ndarray]:
    """Return the compiled metrics per strength, each (S,), by the name in Keras.

    Args:
        template: The template of the model.
        data: All rows.
        held_out: Indices of the held-out rows, (m,).
        predictions: Predictions for the held-out rows, a tree of (m, S, ...).
    """
    metrics = RunningMetrics(template, tree.flatten(predictions)[0].shape[1])
    metrics.update(data, held_out, predictions)
    return metrics.result()


def _get_base_name(metric: keras.metrics.Metric) -> str:
    """Return the name of a metric without the suffix "_1", "_2", ... by which Keras makes default names unique."""
    numbered = re.fullmatch(r"(.+)_\d+", metric.name)
    class_name = type(metric).__name__.lower()
    return numbered[1] if numbered and numbered[1].replace("_", "") == class_name else metric.name


def compute_null_scores(
    template: Template,
    data: Data,
    objective: Objective,
    folds: Folds,
    outputs: Any,
    target: TargetUnits | None,
    groups: np.ndarray | None,
) -> dict[str, Any]:
    """Return the held-out loss of the null model with standard error, metrics, and losses per fold and per row.

    The null model of a fold predicts the best constant on the training rows of the fold. The metrics are of the mean of
    the folds' constants: by constants that differ, a metric of ranks, such as AUC, would rank the folds.

    Args:
        template: The template of the model.
        data: All rows.
        objective: The losses of the outputs.
        folds: The split.
        outputs: Predictions of all strengths, a tree of (m, S, ...).
        target: The units of the targets in training, or None.
        groups: Groups of the held-out rows, (m,), or None.
    """
    one = tree.map_structure(lambda value: value[:, 0], outputs)
    constants = [compute_null_predictions(data, objective, rows, one) for rows in folds.train]
    held = folds.held_out_rows
    are_finite = [bool(np.isfinite(leaf).all()) for leaf in tree.flatten(constants[0])]
    if not all(are_finite[term.place] for term in objective.terms):
        return make_empty_null_scores(len(folds.train), len(held))
    rows, fold = _sort_held_out_rows(folds)
    predictions = tree.map_structure(lambda value, *each: np.stack(each)[fold].astype(value.dtype), one, *constants)
    losses = compute_constant_losses(data, objective, rows, predictions, target)
    counts = [(fold == f) & (data.weight[rows] > 0) for f in range(len(folds.train))]
    fold_loss = np.array([np.average(losses[each], weights=data.weight[rows[each]]) for each in counts])
    fold_weight = [data.weight[part].sum() for part in folds.held_out]
    mean, se = summarise(fold_loss[:, None], fold_weight, repeats=folds.repeats, overlap=folds.overlap)
    row_loss = average_by_rows(losses, rows)
    if len(fold_loss) == 1:
        se = compute_row_se(row_loss[:, None], data.weight[held], groups)
    metrics = {}
    if all(are_finite):
        whole = tree.map_structure(
            lambda value, *each: compute_mean_constant(each, len(held), value.dtype), one, *constants
        )
        metrics = compute_metrics(template, data, held, whole)
    return {
        "null_loss": float(mean[0]),
        "null_se": float(se[0]),
        "null_fold_loss": fold_loss,
        "null_row_loss": row_loss,
        "null_metrics": {name: float(value[0]) for name, value in metrics.items()},
    }


def compute_mean_constant(constants: Sequence[np.ndarray], n_rows: int, dtype: Any) -> np.ndarray:
    """Return the mean of the constants of all folds, each (...), as predictions for rows, (n_rows, 1, ...)."""
    mean = np.mean(constants, axis=0).astype(dtype)
    return np.broadcast_to(mean, (n_rows, 1, *mean.shape))


def make_empty_null_scores(n_folds: int, n_rows: int) -> dict[str, Any]:
    """Return the scores without a best constant."""
    return {
        **{"null_loss": math.nan, "null_se": math.nan, "null_metrics": {}},
        **{"null_fold_loss": np.full(n_folds, np.nan), "null_row_loss": np.full(n_rows, np.nan)},
    }


def compute_constant_losses(
    data: Data, objective: Objective, rows: np.ndarray, predictions: Any, target: TargetUnits | None
) -> np.ndarray:
    """Return the losses of predictions, a tree of (m, ...), for rows (m,) of the data, (m,)."""
    ours = tree.map_structure(lambda value: value[None, None], predictions)
    losses = objective.compute_row_losses(take(data.y, rows[None]), ours, data.weight[rows][None])
    losses = np.asarray(losses).reshape(-1) / (1.0 if target is None else target.reference**2)
    return losses.astype(np.float64)


def _sort_held_out_rows(folds: Folds) -> tuple[np.ndarray, np.ndarray]:
    """Return the held-out rows in ascending order, each once for every fold that holds it out, and these folds."""
    rows = np.concatenate(folds.held_out)
    fold = np.repeat(np.arange(len(folds.held_out)), [len(part) for part in folds.held_out])
    order = np.argsort(rows, kind="stable")
    return rows[order], fold[order]


def average_by_rows(values: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Average values over equal, neighbouring rows."""
    _, first, times = np.unique(rows, return_index=True, return_counts=True)
    times = times.astype(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    return np.add.reduceat(values, first, axis=0) / times
