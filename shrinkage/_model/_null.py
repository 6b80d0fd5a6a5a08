"""The null model: the constant prediction with the lowest loss on the training rows."""

from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._data._data import Data
from shrinkage._model._losses import get_loss_name, is_listed
from shrinkage._model._objective import Objective

_TINY = 1e-7  # as in Keras, which clips probabilities


def compute_null_predictions(data: Data, objective: Objective, train: np.ndarray, outputs: Any) -> Any:
    """Return the best constants on rows `train`, a tree of arrays of the shape of the output for a row.

    The constant of an output is NaN without a loss, and for a loss without a simple formula for the best constant.

    Args:
        data: All rows.
        objective: The losses of the outputs.
        train: The training rows.
        outputs: Outputs of the model for some rows, a tree of (n, ...).
    """
    constants = []
    for place, (y, output) in enumerate(zip(tree.flatten(data.targets), tree.flatten(outputs), strict=True)):
        term, shape = objective.find_term(place), output.shape[1:]
        constant = (
            None if term is None else compute_null_constant(term.loss, y[train], data.get_weight(place)[train], shape)
        )
        constants.append(np.full(shape, np.nan) if constant is None else constant)
    return tree.pack_sequence_as(outputs, constants)


def compute_null_constant(
    loss: keras.losses.Loss, y: np.ndarray, weight: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray | None:
    """Return the best constant for targets `y`, or None without a simple formula.

    Log losses: the weighted class frequencies, with the label smoothing of the loss; the logits of the frequencies if
    the model returns logits. Squared error and Poisson: the weighted mean. Absolute error: the weighted median.

    Args:
        loss: The loss of the output.
        y: Targets, (n, ...).
        weight: Sample weights, (n,).
        shape: The shape of the output for a row.
    """
    if len(shape) != 1 or not is_listed(loss):
        return None
    if get_loss_name(loss) == "mean_absolute_error":
        return np.array([_weighted_median(column, weight) for column in as_target_values(loss, y, shape[0]).T])
    if not has_constant_of_mean(loss):
        return None
    return compute_constant_of_mean(
        loss, np.average(as_target_values(loss, y, shape[0]), axis=0, weights=weight.astype(np.float64))
    )


def has_constant_of_mean(loss: keras.losses.Loss) -> bool:
    """Whether the best constant is a function of the mean of the targets."""
    return is_listed(loss) and get_loss_name(loss) in _BY_MEAN


def as_target_values(loss: keras.losses.Loss, y: np.ndarray, size: int) -> np.ndarray:
    """Return targets as numbers, (n, size). Class labels become one-hot rows."""
    if get_loss_name(loss) == "sparse_categorical_crossentropy":
        y = np.eye(size)[y.reshape(-1).astype(int)]
    return y.reshape(len(y), -1).astype(np.float64)


def compute_constant_of_mean(loss: keras.losses.Loss, mean: np.ndarray) -> np.ndarray:
    """Return the best constant for the mean of the targets, (size,)."""
    mean = _smooth(loss, mean)
    if not _takes_logits(loss):
        return mean
    mean = np.clip(mean, _TINY, 1 - _TINY)
    return np.log(mean / (1 - mean)) if get_loss_name(loss) == "binary_crossentropy" else np.log(mean)


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
    """Return the weighted median, the midpoint if an interval of values divides the weight in halves."""
    order = np.argsort(values, kind="stable")
    order = order[weight[order] > 0]
    below = np.cumsum(weight[order], dtype=np.float64)
    half = below[-1] / 2
    return float(values[order[[np.searchsorted(below, half, side) for side in ("left", "right")]]].mean())


def _smooth(loss: Any, mean: np.ndarray) -> np.ndarray:
    """Mix class frequencies with equal frequencies, as `label_smoothing` of the loss does with labels."""
    share = loss.get_config().get("label_smoothing", 0.0)
    n_classes = len(mean) if get_loss_name(loss) == "categorical_crossentropy" else 2
    return (1 - share) * mean + share / n_classes


def _takes_logits(loss: Any) -> bool:
    return bool(loss.get_config().get("from_logits", False))
