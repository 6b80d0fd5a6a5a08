"""The strengths of a call: a list from the user, or an automatic grid in the units of the loss and the penalty."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from shrinkage._cv._rung import Rung, make_first_strengths
from shrinkage._cv._strengths import check_lams, make_automatic_grid
from shrinkage._data._data import Data
from shrinkage._data._stored import StoredRows, WeightedMoments, merge_moments
from shrinkage._host._graphs import get_graph, list_nodes
from shrinkage._host._layers import get_direct_trainable_variables, list_sublayers
from shrinkage._model._losses import get_loss_name
from shrinkage._model._objective import Objective
from shrinkage._model._optimizers import summarise_learning_rates
from shrinkage._model._template import Template
from shrinkage._penalties import Decoupled, How, Penalty
from shrinkage._weights._kinds import PENALISED_KINDS, find_weight_kind, is_of_keras

_UNIT_SIZE = 0.1, 10.0  # range of target variances that train as well as variance 1
_FIRST_DELTA, _FIRST_SPARSE_DELTA, _FIRST_DECAY = 100.0, 10.0, 10**0.5
"""The largest n * lambda that a search within a budget tries first: of L2; of penalties that set weights to zero; and
with the sum of the learning rates in place of n. docs/budget.md has the measurement."""


@dataclass(frozen=True)
class Grid:
    """The initial strengths, and the limits of extensions."""

    lams: np.ndarray
    """Strengths in descending order, with 0 last, (S,)."""
    lam_max: float | None = None
    """Largest strength that an extension may add; None forbids extensions."""
    is_far_from_unit: bool = False
    """Whether the strengths depend on a target variance far from 1."""
    notes: tuple[str, ...] = ()
    """Sentences for the user about changes and cautions."""


def make_grid(
    lams: Any,
    penalty: Penalty,
    how: How,
    template: Template,
    mask: Sequence[bool],
    *,
    loss_size: float,
    target_variance: float,
    n_rows: int,
    steps: int,
    rung: Rung | None = None,
) -> Grid:
    """Return the strengths of a call.

    Args:
        lams: The argument `lams` of `fit`.
        penalty, how: The penalty, and the way to apply the penalty.
        template: The template of the model.
        mask: Whether each trainable variable is penalised.
        loss_size, target_variance: The results of `compute_loss_sizes`.
        n_rows: Number of training rows with a weight above 0.
        steps: Number of training steps on all rows.
        rung: The cost of a search within a budget, or None for a grid.

    Raises:
        ValueError: If `lams` is invalid, or all learning rates are 0 with `Decoupled`.
    """
    if not isinstance(lams, str):
        _check_no_count(lams)
        checked, notes = check_lams(lams)
        return Grid(checked, notes=notes)
    if lams != "auto":
        raise ValueError(f'`lams` must be "auto" or a list of strengths. Received: {lams!r}.')
    if isinstance(how, Decoupled):
        return _make_decay_grid(template.optimizer, steps, rung)
    scale = loss_size / _compute_growth(penalty, math.sqrt(target_variance), compute_depth(template.network, mask))
    is_far_from_unit = not _UNIT_SIZE[0] <= target_variance <= _UNIT_SIZE[1]
    if rung is None:
        return Grid(make_automatic_grid(n_rows, scale), np.inf, is_far_from_unit)
    largest = _FIRST_SPARSE_DELTA if penalty.sparse else _FIRST_DELTA
    return Grid(make_first_strengths(n_rows / scale, rung.members, largest), np.inf, is_far_from_unit)


def _check_no_count(lams: Any) -> None:
    """Refuse a number of strengths, such as `nlambda` in glmnet."""
    if isinstance(lams, (int, np.integer)) and not isinstance(lams, bool) and lams >= 2:
        raise ValueError(
            f'`lams` must be "auto" or a list of strengths. Received: {lams}. For a grid that is found leave it out; '
            f"for {lams} strengths say lams=numpy.geomspace(1e-1, 1e-6, {lams}); for a strength of {lams} say "
            f"lams=[{float(lams)}]."
        )


def _make_decay_grid(optimizer: Any, steps: int, rung: Rung | None) -> Grid:
    total, largest = summarise_learning_rates(optimizer, steps)
    if not total > 0:
        raise ValueError(
            "`learning_rate` must be above 0 in some step for how=Decoupled(), which shrinks by learning rate times "
            "strength. Received: no learning rate above 0. Compile the model with another `learning_rate`, "
            "train for longer, or give `lams`."
        )
    lam_max = 1 / largest  # shrinks weights to 0 in a step; a larger strength flips the sign
    if rung is None:
        return Grid(make_automatic_grid(total, lam_max=lam_max), lam_max)
    lam_max *= rung.share
    return Grid(make_first_strengths(total, rung.members, _FIRST_DECAY, lam_max), lam_max)


def compute_loss_sizes(data: Data, objective: Objective, rows: np.ndarray) -> tuple[float, float]:
    """Return the size of the loss, and the variance of the targets.

    The size of a squared error is the weighted variance of the target, and the size of any other loss is 1. For several
    outputs the size is the sum, and the variance the mean, weighted by `loss_weights`.

    Args:
        data: All rows.
        objective: The losses of the outputs.
        rows: Numbers of the training rows.
    """
    moments = _compute_target_moments(data, objective, rows)
    return _compute_sizes(objective, {place: float(np.mean(variance)) for place, (_, _, variance) in moments.items()})


def compute_stored_loss_sizes(stored_rows: StoredRows, objective: Objective) -> tuple[float, float]:
    """Return the result of `compute_loss_sizes` for the training rows on disk."""
    totals: dict[int, WeightedMoments] = {}
    for block in stored_rows.read_blocks():
        rows = np.flatnonzero(block.sides.train[-1] & (block.data.weight > 0))
        for place, found in _compute_target_moments(block.data, objective, rows).items() if len(rows) else ():
            totals[place] = merge_moments(totals[place], found) if place in totals else found
    return _compute_sizes(objective, {place: float(np.mean(variance)) for place, (_, _, variance) in totals.items()})


def _compute_target_moments(data: Data, objective: Objective, rows: np.ndarray) -> dict[int, WeightedMoments]:
    """Return the weight, mean and variance of the targets with a squared error, by the index of the output."""
    leaves, found = keras.tree.flatten(data.targets), {}
    for term in objective.terms:
        if get_loss_name(term.loss) == "mean_squared_error":
            y, weight = (part[rows].astype(np.float64) for part in (leaves[term.place], data.get_weight(term.place)))
            if not weight.any():
                continue
            mean = np.average(y, axis=0, weights=weight)
            found[term.place] = float(weight.sum()), mean, np.average((y - mean) ** 2, axis=0, weights=weight)
    return found


def _compute_sizes(objective: Objective, variances: dict[int, float]) -> tuple[float, float]:
    size = total = 0.0
    for term in objective.terms:
        size, total = size + term.weight * variances.get(term.place, 1.0), total + term.weight
    return (size, size / total) if size > 0 and total > 0 else (1.0, 1.0)


def _compute_growth(penalty: Penalty, sd: float, depth: float) -> float:
    """Return the factor by which the penalty grows if the target grows by the factor `sd`.

    In a chain of L homogeneous, penalised layers the weights of each layer grow by `sd**(1/L)`. L2 then grows by
    `sd**(2/L)`, L1 and the group lasso by `sd**(1/L)`, and an elastic net as for a weight that grows from 1. The loss
    grows by `sd**2`. If the strength is multiplied by `sd**2` and divided by the factor returned here, the optimal
    network is the same up to scale.
    """
    weight = sd ** (1 / depth)
    rho = penalty.rho
    return (rho * weight + (1 - rho) * weight**2 / 2) / (rho + (1 - rho) / 2)


def compute_depth(network: keras.Model, mask: Sequence[bool]) -> float:
    """Return the number of penalised layers on the longest path from the inputs to the outputs, at least 1.

    The depth is infinite if a path contains a trained kernel or gain without a penalty, as the penalty does not limit
    the size of the outputs. For a custom layer or a model without a graph, each inner layer with a penalised weight
    counts. Keras layers, including recurrent layers and attention, count once.

    Args:
        network: A built model.
        mask: Whether each trainable variable is penalised.

    Example:
        >>> layers = [keras.layers.Dense(4, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(1)]
        >>> model = keras.Sequential([keras.Input((3,)), *layers])
        >>> compute_depth(model, [True, False, True, False]), compute_depth(model, [True, False, False, False])
        (2.0, inf)
    """
    penalised = {id(v) for v, covered in zip(network.trainable_variables, mask, strict=True) if covered}
    return max(1.0, _compute_length(network, penalised))


def _compute_length(operation: Any, penalised_ids: set[int]) -> float:
    graph = get_graph(operation)
    if graph is None:
        return _count_penalised_layers(operation, penalised_ids)
    reached: dict[int, float] = {}
    for node in list_nodes(graph):
        before = max((reached.get(id(tensor), 0.0) for tensor in node.input_tensors), default=0.0)
        length = before + _compute_length(node.operation, penalised_ids)
        reached |= {id(tensor): length for tensor in node.outputs}
    return max(reached[id(tensor)] for tensor in keras.tree.flatten(graph.outputs))


def _count_penalised_layers(operation: Any, penalised_ids: set[int]) -> float:
    """Return the number of penalised layers in an operation without a graph."""
    if not isinstance(operation, keras.Layer):
        return 0.0
    count = 0
    for layer in list_sublayers(operation):
        own = [v for v in get_direct_trainable_variables(layer) if v.trainable]
        if any(id(v) not in penalised_ids and find_weight_kind(layer, v) in (*PENALISED_KINDS, "gain") for v in own):
            return math.inf
        count += any(id(v) in penalised_ids for v in own)
    opaque = is_of_keras(operation) and not isinstance(operation, keras.Model)
    return float(min(count, 1) if opaque else count)
