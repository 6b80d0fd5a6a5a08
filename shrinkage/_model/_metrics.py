"""Scores of predictions for held-out rows: the compiled metrics, and what the best constants reach."""

import math
import re
from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._cv._choice import row_se, summarise
from shrinkage._cv._folds import Folds
from shrinkage._data._data import Data, TargetUnits, take
from shrinkage._model._null import null_predictions
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template


def metrics_of(template: Template, data: Data, held: np.ndarray, predictions: Any) -> dict[str, np.ndarray]:
    """Return the compiled metrics of each strength's predictions, each (S,), named as Keras names them.

    Args:
        template: The recipe.
        data: All rows.
        held: Which of them were held out, (m,).
        predictions: Theirs, a tree of (m, S, ...).
    """
    compiled = template.metrics()
    if compiled is None:
        return {}
    y, weight = take(data.y, held), data.weight[held]
    found: dict[str, list[float]] = {}
    for s in range(tree.flatten(predictions)[0].shape[1]):
        compiled.reset_state()
        compiled.update_state(y, tree.map_structure(lambda value, s=s: value[:, s], predictions), weight)
        for metric in compiled.metrics if s == 0 else ():
            metric.name = _plain_name(metric)
        for name, value in compiled.result().items():
            found.setdefault(name, []).append(float(np.asarray(value).mean()))
    return {name: np.array(values) for name, values in found.items()}


def _plain_name(metric: keras.metrics.Metric) -> str:
    """Name a metric without the number that Keras appends, which counts all metrics that the process has ever made."""
    numbered = re.fullmatch(r"(.+)_\d+", metric.name)
    own = type(metric).__name__.lower()
    return numbered[1] if numbered and numbered[1].replace("_", "") == own else metric.name


def null_scores(
    template: Template, data: Data, objective: Objective, folds: Folds, outputs: Any, target: TargetUnits | None
) -> dict[str, Any]:
    """Return loss, standard error and metrics of the best constants of each fold on its held-out rows.

    The losses of each fold and of each row come with them.

    Args:
        template: The recipe.
        data: All rows.
        objective: The outputs' losses.
        folds: The split.
        outputs: Predictions of all strengths, a tree of (m, S, ...).
        target: The units that targets are trained in, or None.
    """
    held = np.sort(np.concatenate(folds.held_out))
    one = tree.map_structure(lambda value: value[:, 0], outputs)
    constants = [null_predictions(data, objective, rows, one) for rows in folds.train]
    predictions = tree.map_structure(lambda value: np.zeros((folds.n_rows, *value.shape[1:]), value.dtype), one)
    for constant, rows in zip(constants, folds.held_out, strict=True):
        for whole, part in zip(tree.flatten(predictions), tree.flatten(constant), strict=True):
            whole[rows] = part
    known = [bool(np.isfinite(leaf).all()) for leaf in tree.flatten(constants[0])]
    if not all(known[term.place] for term in objective.terms):
        return {
            **{"null_loss": math.nan, "null_se": math.nan, "null_metrics": {}},
            **{"null_fold_loss": np.full(len(folds.train), np.nan), "null_row_loss": np.full(len(held), np.nan)},
        }
    ours = tree.map_structure(lambda value: value[held][None, None], predictions)
    losses = objective.rows(take(data.y, held[None]), ours, data.weight[held][None])
    everything = np.zeros(folds.n_rows)
    everything[held] = np.asarray(losses).reshape(-1) / (1.0 if target is None else target.reference**2)
    weights = [data.weight[rows] for rows in folds.held_out]
    pairs = zip(folds.held_out, weights, strict=True)
    fold_loss = [np.average(everything[rows][w > 0], weights=w[w > 0]) for rows, w in pairs]
    mean, se = summarise(np.array(fold_loss)[:, None], [w.sum() for w in weights])
    if len(fold_loss) == 1:
        se = row_se(everything[held, None], data.weight[held])
    metrics = {}
    if all(known):
        metrics = metrics_of(template, data, held, tree.map_structure(lambda value: value[held][:, None], predictions))
    return {
        "null_loss": float(mean[0]),
        "null_se": float(se[0]),
        "null_fold_loss": np.array(fold_loss),
        "null_row_loss": everything[held],
        "null_metrics": {name: float(value[0]) for name, value in metrics.items()},
    }
