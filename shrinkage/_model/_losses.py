"""The data loss of each row, for losses that have one, and of each member's batch, for those that have not.

A Keras loss averages over the batch. Selection needs the loss of every held-out row, and all members' rows are put
through it at once: both are right only for losses whose value for a row depends on that row alone. Keras' own are
listed by name; of another it is tried out, as a shape cannot tell (Circle returns a value per row, and mixes them).
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from shrinkage._host._compiled import LossFunctionWrapper, loss_arguments
from shrinkage._host._origin import is_from_keras
from shrinkage._host._private import UnsupportedVersion
from shrinkage._host._tensors import logits_of, mask_of, set_logits

_PER_ROW = (
    "MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredLogarithmicError",
    "CosineSimilarity", "Huber", "LogCosh", "Hinge", "SquaredHinge", "CategoricalHinge", "KLDivergence", "Poisson",
    "BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy", "CategoricalFocalCrossentropy",
    "SparseCategoricalCrossentropy",
)  # fmt: skip
_CLASSES = {getattr(keras.losses, name): name for name in _PER_ROW}


def resolve(loss: keras.losses.Loss) -> keras.losses.Loss:
    """Return a loss of `compile` as the class of `keras.losses` that it is, or itself if it is none of them.

    Args:
        loss: As Keras resolves a name, function or object: a function comes wrapped.

    Raises:
        ValueError: For a loss that does not average over all rows, or that Keras calls in another way.
    """
    found = _of_function(loss)
    if type(found).__call__ is not keras.losses.Loss.__call__:
        raise ValueError(f"`loss` of class {type(found).__name__} has its own `__call__`: write `call` in its place.")
    if getattr(found, "ignore_class", None) is not None:
        raise ValueError(
            f"`loss` must count every row. Received: ignore_class={found.ignore_class}. Drop the rows of that class."
        )
    if found.reduction not in ("sum_over_batch_size", "mean"):
        raise ValueError(
            f"`loss` must average over rows (reduction='sum_over_batch_size'): lambda is the strength on the mean "
            f"loss. Received: reduction={found.reduction!r}."
        )
    return found


def _of_function(loss: keras.losses.Loss) -> Any:
    """Return an instance of the class that goes with a wrapped function of `keras.losses` ("mse" came as one)."""
    if type(loss) is LossFunctionWrapper and not loss_arguments(loss) and loss.reduction == "sum_over_batch_size":
        for loss_class in _CLASSES:
            instance = loss_class()
            if instance.fn is loss.fn:
                return instance
    return loss


def is_listed(loss: keras.losses.Loss) -> bool:
    """Say whether a loss is one of Keras' own that have a value per row."""
    return type(loss) in _CLASSES


def name_of(loss: keras.losses.Loss) -> str:
    """Return the snake-case name of a loss as in `keras.losses`, "mean_squared_error" for `MeanSquaredError`."""
    return getattr(getattr(loss, "fn", None), "__name__", loss.name)


def is_classification(loss: keras.losses.Loss) -> bool:
    """Say whether a loss compares with classes, so that folds are stratified by them."""
    words = ("crossentropy", "cross_entropy", "hinge", "circle", "dice", "tversky")
    code = getattr(loss, "fn", type(loss))
    return is_from_keras(code) and any(word in name_of(loss) for word in words)


def takes_labels(loss: keras.losses.Loss) -> bool:
    """Say whether targets are one label a row, to be compared with an output of one unit a class."""
    return type(loss) in (
        keras.losses.SparseCategoricalCrossentropy,
        keras.losses.CategoricalGeneralizedCrossEntropy,
    )


def carry_logits(source: Any, result: Any, change: Callable[[Any], Any]) -> Any:
    """Return `result` with the logits that Keras hung on `source`, changed in the same way.

    Keras' softmax and sigmoid remember their argument on the tensor they return, and the cross-entropies use it in
    place of the clipped logarithm of the probability: without it, members would differ from plain Keras where that is
    certain.
    """
    logits = logits_of(source)
    if logits is not None and result.dtype == source.dtype:  # Keras too loses them where it casts to the loss's dtype
        set_logits(result, change(logits))
    return result


def row_losses(loss: keras.losses.Loss, y: Any, predictions: Any) -> Any:
    """Return each row's loss (f, s, batch) of predictions (f, s, batch, ...) against targets y (f, batch, ...).

    A row with several outputs or time steps counts with their mean, as in Keras. The loss must not mix rows.
    """
    f, s, batch = predictions.shape[:3]

    def merge(value: Any) -> Any:
        value = ops.broadcast_to(value, (f, s, batch, *value.shape[3:]))
        return ops.cast(ops.reshape(value, (f * s * batch, *value.shape[3:])), loss.dtype)

    values = loss.call(merge(ops.expand_dims(y, 1)), carry_logits(predictions, merge(predictions), merge))
    return ops.mean(ops.reshape(values, (f, s, batch, math.prod(values.shape[1:]))), axis=-1)


def batch_losses(loss: keras.losses.Loss, y: Any, predictions: Any, weight: Any) -> Any:
    """Return the members' losses (f, s) on the batch as a whole, each as plain Keras calls it.

    Args:
        loss: Any loss.
        y: Targets, (f, batch, ...).
        predictions: (f, s, batch, ...).
        weight: Weights of the rows, (f, batch), or None.
    """
    f, s = predictions.shape[:2]
    losses = []
    for i in range(f):
        for j in range(s):
            member = carry_logits(predictions, predictions[i, j], lambda logits, at=(i, j): logits[at])
            weights = None if weight is None else weight[min(i, weight.shape[0] - 1)]
            losses.append(loss(y[min(i, y.shape[0] - 1)], member, sample_weight=weights))
    return ops.reshape(ops.stack(losses), (f, s))


def mixes_rows(loss: keras.losses.Loss, y: np.ndarray, predictions: np.ndarray) -> bool:
    """Say whether a loss has no value per row, or one that changes with the other rows; in doubt it does.

    Rows are put together in other ways, alone, halved, shuffled and twice, and each must keep its loss. Nothing can
    show that a function never mixes rows: the gradients are compared before training too.

    Args:
        loss: Any loss.
        y: Targets of some real rows, (n, ...).
        predictions: The model's for them, (n, ...); they are scattered, as first predictions are much alike.
    """
    generator, n = np.random.default_rng(0), len(y)
    if n < 2:
        return True
    predictions = _scatter(predictions, generator)

    def values(rows: Any) -> np.ndarray:
        found = loss.call(*(ops.convert_to_tensor(part[rows], dtype=loss.dtype) for part in (y, predictions)))
        # A mask changes what the other rows are divided by.
        if mask_of(found) is not None or tuple(found.shape[:1]) != (len(rows),):
            return np.full(len(rows), np.nan)
        return ops.convert_to_numpy(found).reshape(len(rows), -1).mean(axis=1)

    together = values(np.arange(n))
    if not np.isfinite(together).all() or np.ptp(together) == 0:
        return True
    ways = [generator.permutation(n), np.arange(n // 2), np.tile(np.arange(n), 2), *np.arange(n)[:4, None]]
    tolerance = 1e-4 if loss.dtype == "float32" else 1e-9
    return not all(np.allclose(values(rows), together[rows], rtol=tolerance, atol=tolerance / 100) for rows in ways)


def check_compiled(loss: keras.losses.Loss, y: np.ndarray, predictions: np.ndarray) -> None:
    """Refuse a loss that computes with NumPy: it works on arrays, and in training there are none.

    Raises:
        ValueError: Naming what it is to be written with.
    """
    tensors = [ops.convert_to_tensor(part, dtype=loss.dtype) for part in (y, predictions)]
    try:
        tf.function(loss.call, autograph=False).get_concrete_function(*tensors)
    except UnsupportedVersion:
        raise
    except Exception as error:  # of any class: it comes from the user's own function
        if "numpy" in str(error).lower():
            raise ValueError(
                f"`loss` ({name_of(loss)}) must be written with keras.ops, as keras.ops.mean(keras.ops.square(y_true - "
                f"y_pred)): training compiles it and needs its gradient. It calls NumPy, or .numpy()."
            ) from error


def _scatter(predictions: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return predictions moved at random: positive ones stay so, those up to 1 too; what adds up to 1 still does."""
    noise = generator.uniform(-1, 1, predictions.shape)
    if predictions.min() < 0:
        return predictions + noise * (predictions.std() or 1.0)
    if predictions.max() > 1:
        return predictions * np.exp(noise)
    moved = np.clip(predictions, 0.01, 0.99) ** np.exp(noise)
    whole = predictions.ndim > 1 and predictions.shape[-1] > 1 and np.allclose(predictions.sum(axis=-1), 1, atol=1e-3)
    return moved / moved.sum(axis=-1, keepdims=True) if whole else moved
