"""The members' first values: drawn per fold or kept from the caller, with normalization fitted to each fold's rows."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from shrinkage._cohort._forward import run_mode
from shrinkage._data._data import Data
from shrinkage._host._layers import inbound_nodes, own_trainable, reduced_axes, seed_generators, sublayers
from shrinkage._model._template import Template


def first_values(
    template: Template, data: Data, train: Sequence[np.ndarray], numbers: Sequence[int], *, seed: int, init: str
) -> list[list[np.ndarray]]:
    """Return for each fold the first value of each of the network's variables, (1, ...): the same for all strengths.

    Args:
        template: The recipe.
        data: All rows.
        train: Each fold's training rows.
        numbers: The folds' numbers, which their weights are drawn by.
        seed: The run's seed.
        init: "fresh" or "keep".
    """
    if init == "keep":
        drawn = [template.source_values()] * len(train)
    else:
        drawn = [template.fresh_values((seed, number)) for number in numbers]
    index = {id(variable): i for i, variable in enumerate(template.network.variables)}
    folds = [[value[None] for value in values] for values in drawn]
    inputs = keras.tree.flatten(data.x)
    for layer, places in adapted_layers(template.network):
        for values, rows in zip(folds, train, strict=True):
            seen = np.concatenate([inputs[place][rows] for place in places])
            moments = _moments(layer, seen, np.tile(data.weight[rows], len(places)))
            for variable, moment in zip((layer.adapt_mean, layer.adapt_variance), moments, strict=True):
                values[index[id(variable)]] = moment[None].astype(variable.dtype)
    return folds


def origins(
    toward: Any, template: Template, first: Sequence[Sequence[np.ndarray]]
) -> list[list[np.ndarray]] | list[None]:
    """Return for each fold what the penalty draws the trainable variables towards, each (1, ...), or None for 0.

    Args:
        toward: As `L2` has it.
        template: The recipe.
        first: Each fold's first values, as `first_values` gives them.
    """
    if toward is None:
        return [None] * len(first)
    network = template.network
    own, given = ({id(v): i for i, v in enumerate(part)} for part in (network.variables, network.weights))
    if toward == "initial":
        return [[values[own[id(v)]] for v in network.trainable_variables] for values in first]
    drawn = [toward[given[id(v)]][None].astype(v.dtype) for v in network.trainable_variables]
    return [drawn] * len(first)


def adapted_layers(network: keras.Model) -> list[tuple[Any, list[int]]]:
    """Return the Normalization layers that are fitted to each fold, those that see nothing but the model's own inputs.

    Each comes with the places of these inputs: more than one if it is shared between them.
    """
    if run_mode(network) != "graph":  # a `call` of its own may change the inputs first
        return []
    places = {id(tensor): place for place, tensor in enumerate(network.inputs)}
    found = []
    for layer in network.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:
            seen = {places.get(id(tensor), -1) for node in inbound_nodes(layer) for tensor in node.input_tensors}
            if seen and -1 not in seen:
                found.append((layer, sorted(seen)))
    return found


def _moments(layer: Any, x: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the weighted mean and variance of inputs, as glmnet standardises; `Normalization.adapt` has no weights."""
    axes = reduced_axes(layer)
    if not np.ptp(weight):
        mean, variance = x.mean(axis=axes, dtype=np.float64), x.var(axis=axes, dtype=np.float64)
    else:
        counted, weight = x[weight > 0].astype(np.float64), weight[weight > 0].astype(np.float64)
        weight = np.broadcast_to(weight.reshape(-1, *[1] * (x.ndim - 1)), counted.shape)
        # Counted from one value, a constant has a variance of exactly 0.
        first = counted[tuple(slice(1) if axis in axes else slice(None) for axis in range(x.ndim))]
        shift = np.average(counted - first, axis=axes, weights=weight, keepdims=True)
        variance = np.average((counted - first - shift) ** 2, axis=axes, weights=weight)
        mean = (first + shift).squeeze(axes)
    # As in scikit-learn: a column that is constant in these rows is not blown up where it varies, in the held-out ones.
    return mean, np.where(variance == 0, 1.0, variance)


def seed_variables(network: keras.Model) -> list[Any]:
    """Return the states of the network's seed generators, which draw its random numbers."""
    generators = [g for layer in sublayers(network) for g in seed_generators(layer)]
    return list({id(g.state): g.state for g in generators}.values())


def shared(network: keras.Model, written: Sequence[int] = ()) -> list[bool]:
    """Say of each variable whether all strengths share its value: frozen weights, and a fold's own statistics.

    Args:
        network: The model.
        written: The places of variables that a step assigns, which no two strengths share.
    """
    layers = sublayers(network)
    normalization = [layer for layer in layers if isinstance(layer, keras.layers.Normalization)]
    statistics = {id(variable) for layer in normalization for variable in layer.variables}
    frozen = {id(v) for layer in layers for v in own_trainable(layer) if not v.trainable}
    return [id(v) in statistics | frozen and i not in written for i, v in enumerate(network.variables)]
