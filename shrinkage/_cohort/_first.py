"""The members' first values: drawn per fold or kept from the caller, with normalization fitted to each fold's rows."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from shrinkage._template import Template


def first_values(
    template: Template, x: np.ndarray, train: Sequence[np.ndarray], numbers: Sequence[int], *, seed: int, init: str
) -> list[list[np.ndarray]]:
    """Return for each fold the first value of each of the network's variables, (1, ...): the same for all strengths.

    Args:
        template: The recipe.
        x: All rows' inputs.
        train: Each fold's training rows.
        numbers: The folds' numbers, which their weights are drawn by.
        seed: The run's seed.
        init: "fresh" or "keep".
    """
    if init == "keep":
        drawn = [template.kept_values()] * len(train)
    else:
        drawn = [template.fresh_values((seed, number)) for number in numbers]
    index = {id(variable): i for i, variable in enumerate(template.network.variables)}
    folds = [[value[None] for value in values] for values in drawn]
    for layer in adapted_layers(template.network):
        for values, rows in zip(folds, train, strict=True):
            for variable, moment in zip(
                (layer.adapt_mean, layer.adapt_variance), _moments(layer, x[rows]), strict=True
            ):
                values[index[id(variable)]] = moment[None].astype(variable.dtype)
    return folds


def adapted_layers(network: keras.Model) -> list[Any]:
    """Return the Normalization layers that are fitted to each fold: those that see the model's input itself."""
    inputs = getattr(network, "inputs", None) or []
    layers = [layer for layer in network.layers if isinstance(layer, keras.layers.Normalization)]
    return [layer for layer in layers if layer.input_mean is None and any(layer.input is x for x in inputs)]


def _moments(layer: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    axes = tuple(layer._reduce_axis)
    variance = x.var(axis=axes, dtype=np.float64)
    # As in scikit-learn: a column that is constant in these rows is not blown up where it varies, in the held-out ones.
    return x.mean(axis=axes, dtype=np.float64), np.where(variance == 0, 1.0, variance)


def seed_variables(network: keras.Model) -> list[Any]:
    """Return the states of the network's seed generators, which draw its random numbers."""
    generators = [g for layer in network._flatten_layers() for g in layer._seed_generators]
    return list({id(g.state): g.state for g in generators}.values())


def shared(network: keras.Model) -> list[bool]:
    """Say of each variable whether all strengths share its value: frozen weights, and a fold's own statistics."""
    layers = list(network._flatten_layers())
    normalization = [layer for layer in layers if isinstance(layer, keras.layers.Normalization)]
    statistics = {id(variable) for layer in normalization for variable in layer.variables}
    frozen = {id(v) for layer in layers for v in layer._trainable_variables if not v.trainable}
    return [id(variable) in statistics | frozen for variable in network.variables]
