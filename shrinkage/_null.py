"""The null model: the constant prediction that is best on the training rows."""

from typing import Any

import keras
import numpy as np

from shrinkage._losses import name_of

_TINY = 1e-7  # Keras' own clipping of probabilities


def null_predictions(
    loss: keras.losses.Loss, y: np.ndarray, weight: np.ndarray, train: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray | None:
    """Return the best constant on rows `train`, of the shape of one row's output, or None where it has no simple form.

    It is the weighted class frequencies for log losses (their logarithms where the model gives logits), the mean for
    squared error and Poisson, the median for absolute error.

    Args:
        loss: The model's loss.
        y: Targets of all rows.
        weight: Weights of all rows, (n,).
        train: The training rows.
        shape: Of the model's output for one row.
    """
    name = name_of(loss)
    if len(shape) != 1:
        return None
    y, weight = y[train], weight[train]
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
