"""The data loss of each row, for losses that have one.

A Keras loss averages over the batch. Selection needs the loss of every held-out row, and all members' rows are put
through it at once: both are right only for losses whose value for a row depends on that row alone. These are listed by
name: a shape cannot tell (Circle returns a value per row, and mixes them).
"""

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import ops

_PER_ROW = (
    "MeanSquaredError", "MeanAbsoluteError", "MeanAbsolutePercentageError", "MeanSquaredLogarithmicError",
    "CosineSimilarity", "Huber", "LogCosh", "Hinge", "SquaredHinge", "CategoricalHinge", "KLDivergence", "Poisson",
    "BinaryCrossentropy", "BinaryFocalCrossentropy", "CategoricalCrossentropy", "CategoricalFocalCrossentropy",
    "SparseCategoricalCrossentropy",
)  # fmt: skip
_CLASSES = {getattr(keras.losses, name): name for name in _PER_ROW}

RowLoss = Callable[[Any, Any], Any]


def resolve(loss: Any) -> keras.losses.Loss:
    """Return the Keras loss object that `compile(loss=...)` means.

    Args:
        loss: A name, a function of `keras.losses`, or a `keras.losses.Loss`.

    Raises:
        ValueError: For a loss without a value per row, or with another reduction than the mean over rows.
    """
    found = loss if isinstance(loss, keras.losses.Loss) else _by_name(loss)
    if type(found) not in _CLASSES:
        raise ValueError(
            f"`loss` must be one of Keras' losses that have a value per row ({', '.join(_PER_ROW)}): they score "
            f"held-out rows. Received: {loss!r}. Other losses, and losses per output, are not supported yet."
        )
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


def _by_name(loss: Any) -> Any:
    """Return an instance of the class that goes with a loss' name or function ("mse", keras.losses.mse, ...)."""
    try:
        function = keras.losses.get(loss)
    except (ValueError, TypeError):
        return None
    for loss_class in _CLASSES:
        instance = loss_class()
        if getattr(instance, "fn", None) is function:
            return instance
    return function


def name_of(loss: keras.losses.Loss) -> str:
    """Return the snake-case name of a loss as in `keras.losses`, "mean_squared_error" for `MeanSquaredError`."""
    return loss.fn.__name__  # type: ignore[attr-defined]


def is_classification(loss: keras.losses.Loss) -> bool:
    """Say whether a loss compares with classes, so that folds are stratified by them."""
    words = ("crossentropy", "hinge")
    return any(word in name_of(loss) for word in words)


def carry_logits(source: Any, result: Any, change: Callable[[Any], Any]) -> Any:
    """Return `result` with the logits that Keras hung on `source`, changed in the same way.

    Keras' softmax and sigmoid remember their argument on the tensor they return, and the cross-entropies use it in
    place of the clipped logarithm of the probability: without it, members would differ from plain Keras where that is
    certain.
    """
    logits = getattr(source, "_keras_logits", None)
    if logits is not None and result.dtype == source.dtype:  # Keras too loses them where it casts to the loss's dtype
        result._keras_logits = change(logits)
    return result


def row_losses(loss: keras.losses.Loss, y: Any, predictions: Any) -> Any:
    """Return each row's loss (f, s, batch) of predictions (f, s, batch, ...) against targets y (f, batch, ...).

    A row with several outputs or time steps counts with their mean, as in Keras.
    """
    f, s, batch = predictions.shape[:3]

    def merged(value: Any) -> Any:
        value = ops.broadcast_to(value, (f, s, batch, *value.shape[3:]))
        return ops.cast(ops.reshape(value, (f * s * batch, *value.shape[3:])), loss.dtype)

    values = loss.call(merged(ops.expand_dims(y, 1)), carry_logits(predictions, merged(predictions), merged))
    return ops.mean(ops.reshape(values, (f, s, batch, math.prod(values.shape[1:]))), axis=-1)
