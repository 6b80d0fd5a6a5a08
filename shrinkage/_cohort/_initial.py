"""Initial values of the members, drawn per fold or taken from the model, with normalization layers adapted per fold."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from shrinkage._cohort._forward import run_mode
from shrinkage._data._data import Data, take
from shrinkage._host._layers import (
    get_direct_trainable_variables,
    get_reduced_axes,
    list_inbound_nodes,
    list_seed_generators,
    list_sublayers,
)
from shrinkage._model._table_normalization import TableNormalization
from shrinkage._model._template import Template

Statistics = tuple[np.ndarray, ...]
"""Mean and variance of the inputs of an adapted layer, or the statistics of a `TableNormalization`."""
Moments = list[Statistics]
"""The statistics of each adapted layer."""


def make_initial_values(
    template: Template,
    data: Data,
    train: Sequence[np.ndarray],
    numbers: Sequence[int],
    *,
    seed: int,
    init: str,
    moments: Sequence[Moments] | None = None,
) -> list[list[np.ndarray]]:
    """Return for each fold the initial value of each of the network's variables, (1, ...), shared by all strengths.

    Args:
        template: The template of the model.
        data: All rows.
        train: The training rows of each fold.
        numbers: The numbers of the folds, which seed their weights.
        seed: The seed of the run.
        init: "fresh" or "keep".
        moments: For each fold the statistics of the inputs of each adapted layer; None takes those of the training
            rows.
    """
    if init == "keep":
        drawn = [template.get_source_values()] * len(train)
    else:
        drawn = [template.make_fresh_values((seed, number)) for number in numbers]
    index = {id(variable): i for i, variable in enumerate(template.network.variables)}
    folds = [[value[None] for value in values] for values in drawn]
    if moments is None:
        moments = [[]] * len(train)
        if find_adapted_layers(template.network):  # else a copy of all training rows would be in vain
            moments = [compute_input_moments(template.network, take(data.x, rows), data.weight[rows]) for rows in train]
    for values, of_layers in zip(folds, moments, strict=True):
        for (layer, _), statistics in zip(find_adapted_layers(template.network), of_layers, strict=True):
            for variable, value in zip(*_get_adapted_state(layer, statistics), strict=True):
                values[index[id(variable)]] = value[None].astype(variable.dtype)
    return folds


def _get_adapted_state(layer: Any, statistics: tuple[np.ndarray, ...]) -> tuple[Sequence[Any], Sequence[np.ndarray]]:
    """Return the variables of an adapted layer, and their values."""
    if isinstance(layer, TableNormalization):
        return layer.statistics, statistics
    mean, variance = statistics
    # As in scikit-learn: a column that is constant in these rows is not scaled up where it varies, in others.
    return (layer.adapt_mean, layer.adapt_variance), (mean, np.where(variance == 0, 1.0, variance))


def compute_input_moments(network: keras.Model, x: Any, weight: np.ndarray) -> Moments:
    """Return the statistics of the inputs of each adapted layer, for some rows.

    Args:
        network: The model.
        x: Inputs, a tree of (n, ...).
        weight: Weights of the rows, (n,).
    """
    inputs = keras.tree.flatten(x)
    return [
        _compute_moments(layer, np.concatenate([inputs[place] for place in places]), np.tile(weight, len(places)))
        for layer, places in find_adapted_layers(network)
    ]


def list_origins(
    toward: Any, template: Template, initial: Sequence[Sequence[np.ndarray]]
) -> list[list[np.ndarray]] | list[None]:
    """Return for each fold the values towards which the penalty draws the trainable variables, or None for 0.

    Args:
        toward: The argument `toward` of `L2`.
        template: The template of the model.
        initial: The initial values of each fold, as `initial_values` returns them.

    Returns:
        For each fold None, or a list with a value (1, ...) for each trainable variable.
    """
    if toward is None:
        return [None] * len(initial)
    network = template.network
    variable_index, weight_index = (
        {id(v): i for i, v in enumerate(part)} for part in (network.variables, network.weights)
    )
    if toward == "initial":
        return [[values[variable_index[id(v)]] for v in network.trainable_variables] for values in initial]
    targets = [toward[weight_index[id(v)]][None].astype(v.dtype) for v in network.trainable_variables]
    return [targets] * len(initial)


def find_adapted_layers(network: keras.Model) -> list[tuple[Any, list[int]]]:
    """Return the normalization layers that are adapted to each fold, with the indices of their inputs.

    A layer is adapted if it is applied only to inputs of the model. It has several indices if several inputs share it.
    """
    if run_mode(network) != "graph":  # a custom `call` may change the inputs first
        return []
    places = {id(tensor): place for place, tensor in enumerate(network.inputs)}
    found = []
    for layer in network.layers:
        is_adapted = isinstance(layer, keras.layers.Normalization) and layer.input_mean is None
        if is_adapted or isinstance(layer, TableNormalization):
            seen = {places.get(id(tensor), -1) for node in list_inbound_nodes(layer) for tensor in node.input_tensors}
            if seen and -1 not in seen:
                found.append((layer, sorted(seen)))
    return found


def _compute_moments(layer: Any, x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return the weighted mean and variance of inputs, as in glmnet; `Normalization.adapt` does not support weights."""
    if isinstance(layer, TableNormalization):
        return layer.compute_statistics(x, weight)
    axes = get_reduced_axes(layer)
    if not np.ptp(weight):
        mean, variance = x.mean(axis=axes, dtype=np.float64), x.var(axis=axes, dtype=np.float64)
    else:
        counted, weight = x[weight > 0].astype(np.float64), weight[weight > 0].astype(np.float64)
        weight = np.broadcast_to(weight.reshape(-1, *[1] * (x.ndim - 1)), counted.shape)
        # Subtract a value of the data first: then the variance of a constant is exactly 0.
        first = counted[tuple(slice(1) if axis in axes else slice(None) for axis in range(x.ndim))]
        shift = np.average(counted - first, axis=axes, weights=weight, keepdims=True)
        variance = np.average((counted - first - shift) ** 2, axis=axes, weights=weight)
        mean = (first + shift).squeeze(axes)
    return mean, variance


def list_seed_variables(network: keras.Model) -> list[Any]:
    """Return the state variables of the network's seed generators."""
    generators = [g for layer in list_sublayers(network) for g in list_seed_generators(layer)]
    return list({id(g.state): g.state for g in generators}.values())


def find_shared(network: keras.Model, assigned_variables: Sequence[int] = ()) -> list[bool]:
    """Return for each variable whether all strengths share the value: frozen weights, and statistics of normalization.

    Args:
        network: The model.
        assigned_variables: Indices of variables that a step assigns; strengths do not share them.
    """
    layers = list_sublayers(network)
    normalization = [x for x in layers if isinstance(x, (keras.layers.Normalization, TableNormalization))]
    statistics = {id(variable) for layer in normalization for variable in layer.variables}
    frozen = {id(v) for layer in layers for v in get_direct_trainable_variables(layer) if not v.trainable}
    return [id(v) in statistics | frozen and i not in assigned_variables for i, v in enumerate(network.variables)]
