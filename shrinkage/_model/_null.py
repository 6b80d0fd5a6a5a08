"""The null model: the constant prediction that is best on the training rows."""

from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._data._data import Data
from shrinkage._model._losses import is_listed, name_of
from shrinkage._model._objective import Objective

_TINY = 1e-7  # Keras' own clipping of probabilities


def null_predictions(data: Data, objective: Objective, train: np.ndarray, outputs: Any) -> Any:
    """Return the best constants on rows `train`, a tree of arrays of the shape of one row's output.

    An output is NaN where it has no loss, or one without a simple best constant.

    Args:
        data: All rows.
        objective: The outputs' losses.
        train: The training rows.
        outputs: The model's outputs for some rows, a tree of (n, ...).
    """
    found = []
    for place, (y, output) in enumerate(zip(tree.flatten(data.y), tree.flatten(outputs), strict=True)):
        term, shape = objective.term_of(place), output.shape[1:]
        constant = None if term is None else null_constant(term.loss, y[train], data.weight[train], shape)
        found.append(np.full(shape, np.nan) if constant is None else constant)
    return tree.pack_sequence_as(outputs, found)


def null_constant(
    loss: keras.losses.Loss, y: np.ndarray, weight: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray | None:
    """Return the best constant for targets `y`, or None where it has no simple form.

    It is the weighted class frequencies for log losses, smoothed as the loss smooths its labels (their logarithms where
    the model gives logits), the weighted mean for squared error and Poisson, the weighted median for absolute error.
    """
    name = name_of(loss)
    if len(shape) != 1 or not is_listed(loss):
        return None
    if name == "sparse_categorical_crossentropy":
        y = np.eye(shape[0])[y.reshape(-1).astype(int)]
    y = y.reshape(len(y), -1).astype(np.float64)
    if name == "mean_absolute_error":
        return np.array([_weighted_median(column, weight) for column in y.T])
    if name not in _BY_MEAN:
        return None
    mean = _smooth(loss, np.average(y, axis=0, weights=weight.astype(np.float64)))
    if not _from_logits(loss):
        return mean
    mean = np.clip(mean, _TINY, 1 - _TINY)
    return np.log(mean / (1 - mean)) if name == "binary_crossentropy" else np.log(mean)


_BY_MEAN = frozenset(
    {
        "mean_squared_error",
        "poisson",
        "binary_crossentropy",
        "categorical_crossentropy",
        "sparse_categorical_crossentropy",
    }
)


def _weighted_median(values: np.ndarray, weight: np.ndarray) -> float:
    """Return the middle of the values that have half of the weight on either side; rows of weight 0 count nowhere."""
    order = np.argsort(values, kind="stable")
    order = order[weight[order] > 0]
    below = np.cumsum(weight[order], dtype=np.float64)
    half = below[-1] / 2
    return float(values[order[[np.searchsorted(below, half, side) for side in ("left", "right")]]].mean())


def _smooth(loss: Any, mean: np.ndarray) -> np.ndarray:
    """Mix class frequencies with equal ones, as `label_smoothing` mixes the labels."""
    share = loss.get_config().get("label_smoothing", 0.0)
    n_classes = len(mean) if name_of(loss) == "categorical_crossentropy" else 2
    return (1 - share) * mean + share / n_classes


def _from_logits(loss: Any) -> bool:
    return bool(loss.get_config().get("from_logits", False))
