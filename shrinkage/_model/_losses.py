"""The data loss per row, or per batch for losses that mix rows.

A Keras loss averages over the batch. The choice of a strength needs the loss of every held-out row, and the rows of all
members are evaluated in one call. Both require that the loss of a row does not depend on other rows. Keras losses with
this property are listed by name. Other losses are tested, because the shape is not sufficient: Circle returns a value
per row, and mixes rows.
"""

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from shrinkage._host._compiled import LossFunctionWrapper, get_loss_arguments
from shrinkage._host._errors import is_of_numpy
from shrinkage._host._origin import is_from_keras
from shrinkage._host._private import UnsupportedVersion
from shrinkage._host._tensors import get_logits, get_mask, set_logits
from shrinkage._messages._note import Note

_PER_ROW = (
    "MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredLogarithmicError",
    "CosineSimilarity", "Huber", "LogCosh", "Hinge", "SquaredHinge", "CategoricalHinge", "KLDivergence", "Poisson",
    "BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy", "CategoricalFocalCrossentropy",
    "SparseCategoricalCrossentropy",
)  # fmt: skip
_CLASSES = {getattr(keras.losses, name): name for name in _PER_ROW}


def resolve_loss(loss: keras.losses.Loss) -> keras.losses.Loss:
    """Return a loss of `compile` as an instance of the matching class of `keras.losses`, or unchanged without a match.

    Args:
        loss: The loss object that Keras makes from a name, a function or an object.

    Raises:
        ValueError: For a loss that does not average over all rows, or that overrides `__call__`.
    """
    instance = _unwrap(loss)
    if type(instance).__call__ is not keras.losses.Loss.__call__:
        raise ValueError(
            Note(
                f"$loss must be of a class that does not override `__call__`. Received: {type(instance).__name__}. "
                f"Override `call` instead."
            )
        )
    if getattr(instance, "ignore_class", None) is not None:
        received = f"Received: ignore_class={instance.ignore_class}"
        raise ValueError(Note(f"$loss must count every row. {received}. Drop the rows of that class."))
    if instance.reduction not in ("sum_over_batch_size", "mean"):
        raise ValueError(
            Note(
                f"$loss must average over rows (reduction='sum_over_batch_size'): lambda is the strength on the mean "
                f"loss. Received: reduction={instance.reduction!r}."
            )
        )
    return instance


def _unwrap(loss: keras.losses.Loss) -> Any:
    """Return the class instance for a wrapped function of `keras.losses`, such as from "mse"; else the loss."""
    if type(loss) is LossFunctionWrapper and not get_loss_arguments(loss) and loss.reduction == "sum_over_batch_size":
        for loss_class in _CLASSES:
            instance = loss_class()
            if instance.fn is loss.fn:
                return instance
    return loss


def is_listed(loss: keras.losses.Loss) -> bool:
    """Return whether a loss is a Keras loss with a value per row."""
    return type(loss) in _CLASSES


def get_loss_name(loss: keras.losses.Loss) -> str:
    """Return the snake-case name of a loss as in `keras.losses`, "mean_squared_error" for `MeanSquaredError`."""
    return getattr(getattr(loss, "fn", None), "__name__", loss.name)


def is_classification(loss: keras.losses.Loss) -> bool:
    """Return whether a loss is for classification, so that folds are stratified by class."""
    words = ("crossentropy", "cross_entropy", "hinge", "circle", "dice", "tversky")
    code = getattr(loss, "fn", type(loss))
    return is_from_keras(code) and any(word in get_loss_name(loss) for word in words)


def takes_labels(loss: keras.losses.Loss) -> bool:
    """Return whether targets are integer labels, one per row, for an output with one unit per class."""
    return type(loss) in (
        keras.losses.SparseCategoricalCrossentropy,
        keras.losses.CategoricalGeneralizedCrossEntropy,
    )


def carry_logits(source: Any, result: Any, change: Callable[[Any], Any]) -> Any:
    """Attach the transformed logits of `source` to `result`, and return `result`.

    Softmax and sigmoid of Keras attach the logits to the tensor of probabilities. The cross-entropies use the logits
    instead of the clipped logarithm of the probability. Without logits, members would differ from Keras for
    probabilities close to 0 and 1.

    Args:
        source: A tensor, with or without attached logits.
        result: The transformed tensor.
        change: The transformation of `source` to `result`.
    """
    logits = get_logits(source)
    if logits is not None and result.dtype == source.dtype:  # a cast to the dtype of the loss drops the logits in Keras
        set_logits(result, change(logits))
    return result


def compute_keras_row_losses(loss: keras.losses.Loss, y: Any, predictions: Any) -> Any:
    """Return the loss per row, (f, s, batch), of predictions (f, s, batch, ...) for targets y (f, batch, ...).

    The loss of a row is the mean over units and time steps, as in Keras. The loss must not mix rows.
    """
    f, s, batch = predictions.shape[:3]

    def merge(value: Any) -> Any:
        value = ops.broadcast_to(value, (f, s, batch, *value.shape[3:]))
        return ops.cast(ops.reshape(value, (f * s * batch, *value.shape[3:])), loss.dtype)

    values = loss.call(merge(ops.expand_dims(y, 1)), carry_logits(predictions, merge(predictions), merge))
    return ops.mean(ops.reshape(values, (f, s, batch, math.prod(values.shape[1:]))), axis=-1)


def compute_batch_losses(loss: keras.losses.Loss, y: Any, predictions: Any, weight: Any) -> Any:
    """Return the loss per member, (f, s), with one Keras call per member on the whole batch.

    Args:
        loss: Any loss.
        y: Targets, (f, batch, ...).
        predictions: (f, s, batch, ...).
        weight: Sample weights, (f, batch), or None.
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
    """Return whether a loss mixes rows, or has no value per row; True if the rows cannot decide.

    The loss of each row must be the same in other batches: single rows, a half, shuffled, repeated. The test cannot
    exclude that a loss mixes other rows, so that gradients are compared before training too.

    Args:
        loss: Any loss.
        y: Targets of some real rows, (n, ...).
        predictions: Predictions for the rows, (n, ...). They are perturbed, because initial predictions hardly vary.
    """
    generator, n = np.random.default_rng(0), len(y)
    if n < 2:
        return True
    predictions = _scatter(predictions, generator)

    def values(rows: Any) -> np.ndarray:
        losses = loss.call(*(ops.convert_to_tensor(part[rows], dtype=loss.dtype) for part in (y, predictions)))
        # A mask changes the divisor of the mean over rows.
        if get_mask(losses) is not None or tuple(losses.shape[:1]) != (len(rows),):
            return np.full(len(rows), np.nan)
        return ops.convert_to_numpy(losses).reshape(len(rows), -1).mean(axis=1)

    together = values(np.arange(n))
    if not np.isfinite(together).all() or np.ptp(together) == 0:
        return True
    ways = [generator.permutation(n), np.arange(n // 2), np.tile(np.arange(n), 2), *np.arange(n)[:4, None]]
    tolerance = 1e-4 if loss.dtype == "float32" else 1e-9
    return not all(np.allclose(values(rows), together[rows], rtol=tolerance, atol=tolerance / 100) for rows in ways)


def check_compilable(loss: keras.losses.Loss, y: np.ndarray, predictions: np.ndarray) -> None:
    """Refuse a loss that uses NumPy, because training compiles the loss.

    Raises:
        ValueError: If the loss cannot be traced because of NumPy. The message names `keras.ops`.
    """
    tensors = [ops.convert_to_tensor(part, dtype=loss.dtype) for part in (y, predictions)]
    try:
        tf.function(loss.call, autograph=False).get_concrete_function(*tensors)
    except UnsupportedVersion:
        raise
    except Exception as error:  # of any class: from custom code
        if is_of_numpy(error):
            raise ValueError(
                Note(
                    f"$loss ({get_loss_name(loss)}) must be written with keras.ops, as "
                    "keras.ops.mean(keras.ops.square(y_true - y_pred)): training compiles and differentiates it. "
                    "Received: a loss that uses NumPy or .numpy()."
                )
            ) from error


def _scatter(predictions: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return randomly perturbed predictions; positive values, probabilities, and sums of 1 over classes are kept."""
    noise = generator.uniform(-1, 1, predictions.shape)
    if predictions.min() < 0:
        return predictions + noise * (predictions.std() or 1.0)
    if predictions.max() > 1:
        return predictions * np.exp(noise)
    moved = np.clip(predictions, 0.01, 0.99) ** np.exp(noise)
    whole = predictions.ndim > 1 and predictions.shape[-1] > 1 and np.allclose(predictions.sum(axis=-1), 1, atol=1e-3)
    return moved / moved.sum(axis=-1, keepdims=True) if whole else moved
