"""Loss and metrics of the null model for rows on disk: sums over blocks, in place of `compute_null_scores`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import tree

from shrinkage._cv._folds import Folds
from shrinkage._cv._statistics import compute_row_se, summarise
from shrinkage._data._data import Data, TargetUnits
from shrinkage._data._stored import Block, StoredRows
from shrinkage._model._metrics import (
    RunningMetrics,
    average_by_rows,
    compute_constant_losses,
    compute_mean_constant,
    make_empty_null_scores,
)
from shrinkage._model._null import (
    as_target_values,
    compute_constant_of_mean,
    compute_null_constant,
    has_constant_of_mean,
)
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template


def compute_stored_null_scores(
    template: Template,
    stored_rows: StoredRows,
    sample: Data,
    objective: Objective,
    folds: Folds,
    outputs: Any,
    target: TargetUnits | None,
    groups: np.ndarray | None,
) -> dict[str, Any]:
    """Return the scores of `compute_null_scores` over all held-out rows; losses per row are of the sample of them.

    The best constants are exact if they depend on the mean of the targets. A median is that of a sample.

    Args:
        template: The template of the model.
        stored_rows: All rows.
        sample: A sample of the training rows.
        objective: The losses of the outputs.
        folds: The split.
        outputs: Predictions of all strengths, a tree of (m, S, ...).
        target: The units of the targets in training, or None.
        groups: Groups of the held-out rows, (m,), or None.
    """
    one = tree.map_structure(lambda value: value[:1, 0], outputs)
    constants = _compute_constants(stored_rows, sample, objective, one)
    are_finite = [bool(np.isfinite(leaf).all()) for leaf in tree.flatten(constants)]
    if not all(are_finite[term.place] for term in objective.terms):
        return make_empty_null_scores(stored_rows.n_folds, len(stored_rows.sample_rows))
    metrics = RunningMetrics(template, int(all(are_finite)))
    totals, row_loss = np.zeros(stored_rows.n_folds), np.zeros(len(stored_rows.sample_rows))
    for block in stored_rows.read_blocks():
        scores = _score(block, constants, objective, target)
        totals += scores.totals
        place, found = stored_rows.find_sample_places(block.rows[scores.rows])
        row_loss[place] = scores.row_loss[found]
        if len(scores.rows):
            n_rows = len(scores.rows)
            whole = tree.map_structure(lambda each, n=n_rows: compute_mean_constant(each, n, each.dtype), constants)
            metrics.update(block.data, scores.rows, whole)
    fold_loss = totals / stored_rows.weight
    mean, se = summarise(fold_loss[:, None], stored_rows.weight, repeats=folds.repeats, overlap=folds.overlap)
    if stored_rows.n_folds == 1:
        share = len(row_loss) / folds.held_out.union_size
        se = compute_row_se(row_loss[:, None], stored_rows.sample_weight, groups, share)
    return {
        "null_loss": float(mean[0]),
        "null_se": float(se[0]),
        "null_fold_loss": fold_loss,
        "null_row_loss": row_loss,
        "null_metrics": {name: float(value[0]) for name, value in metrics.result().items()},
    }


def _compute_constants(stored_rows: StoredRows, sample: Data, objective: Objective, outputs: Any) -> Any:
    """Return the best constant of each fold, a tree of (F, ...) with the dtypes of the outputs."""
    leaves = tree.flatten(outputs)
    terms = {term.place: term.loss for term in objective.terms if len(leaves[term.place].shape) == 2}
    by_mean = {place: loss for place, loss in terms.items() if has_constant_of_mean(loss)}
    sums = {place: np.zeros((stored_rows.n_folds, leaves[place].shape[1])) for place in by_mean}
    weights = {place: np.zeros((stored_rows.n_folds, 1)) for place in by_mean}
    for block in stored_rows.read_blocks() if by_mean else ():
        y = tree.flatten(block.data.targets)
        for place, loss in by_mean.items():
            shares = block.sides.train[:-1] * block.data.get_weight(place).astype(np.float64)
            weights[place] += shares.sum(axis=1, keepdims=True)
            sums[place] += shares @ as_target_values(loss, y[place], leaves[place].shape[1])
    constants = []
    for place, output in enumerate(leaves):
        shape = output.shape[1:]
        if place in by_mean:
            found = [compute_constant_of_mean(by_mean[place], mean) for mean in sums[place] / weights[place]]
        else:
            y, weight = tree.flatten(sample.targets)[place], sample.get_weight(place)
            one = None if place not in terms else compute_null_constant(terms[place], y, weight, shape)
            found = [np.full(shape, np.nan) if one is None else one] * stored_rows.n_folds
        constants.append(np.stack(found).astype(output.dtype))
    return tree.pack_sequence_as(outputs, constants)


@dataclass(frozen=True)
class _Scores:
    """Scores of the constants on a block."""

    totals: np.ndarray
    """Weighted sum of the losses of each fold, (F,)."""
    rows: np.ndarray
    """Held-out rows of the block, (m,)."""
    row_loss: np.ndarray
    """Their losses, averaged over the folds, (m,)."""


def _score(block: Block, constants: Any, objective: Objective, target: TargetUnits | None) -> _Scores:
    held_out = block.sides.held_out[:-1]
    rows, fold = np.nonzero(held_out.T)  # in the order of the rows
    if not len(rows):
        return _Scores(np.zeros(len(held_out)), rows, np.zeros(0))
    predictions = tree.map_structure(lambda values: values[fold], constants)
    losses = compute_constant_losses(block.data, objective, rows, predictions, target)
    weight = block.data.weight[rows].astype(np.float64)
    counts = weight > 0
    totals = np.bincount(fold[counts], (losses * weight)[counts], len(held_out))
    return _Scores(totals, np.unique(rows), average_by_rows(losses, rows))
