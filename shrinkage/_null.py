"""The null model: the constant prediction that is best on the training rows."""

from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._data import Data
from shrinkage._losses import is_listed, name_of
from shrinkage._objective import Objective

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

    It is the weighted class frequencies for log losses (their logarithms where the model gives logits), the mean for
    squared error and Poisson, the median for absolute error.
    """
    name = name_of(loss)
    if len(shape) != 1 or not is_listed(loss):
        return None
    if name == "sparse_categorical_crossentropy":
        y = np.eye(shape[0])[y.reshape(-1).astype(int)]
    y = y.reshape(len(y), -1).astype(np.float64)
    if name == "mean_absolute_error":
        return np.median(y, axis=0)
    if name not in _BY_MEAN:
        return None
    mean = np.average(y, axis=0, weights=weight)
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


def _from_logits(loss: Any) -> bool:
    return bool(loss.get_config().get("from_logits", False))
