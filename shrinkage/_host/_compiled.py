"""What `compile` makes of losses and metrics."""

from itertools import zip_longest
from typing import Any

import keras

from shrinkage._host._private import load, read

CompileMetrics: Any = load("keras.src.trainers.compile_utils", "CompileMetrics")
"""What `compile` makes of `metrics`, by which they are tried before the training as `evaluate` will call them."""

CompileLoss: Any = load("keras.src.trainers.compile_utils", "CompileLoss")
"""What `compile` makes of `loss` and `loss_weights`: which output has which loss is read from it, as Keras reads it."""

get_loss: Any = load("keras.src.trainers.compile_utils", "get_loss")
"""What `compile` makes of a name or a function as a loss, given targets and predictions."""

LossFunctionWrapper: Any = load("keras.src.losses.losses", "LossFunctionWrapper")
"""What `get_loss` makes of a function: "mse" comes as one, and is `keras.losses.MeanSquaredError` all the same."""


_FLAT = "_flat_metrics", "_flat_weighted_metrics"


def loss_arguments(loss: Any) -> dict[str, Any]:
    """Return the arguments that a wrapped loss function was given beside targets and predictions."""
    return read(loss, "_fn_kwargs")


def flat_losses(compiled: Any) -> list[tuple[Any, Any, Any]]:
    """Return for each loss of a built `CompileLoss` the path of its output, the loss and its weight."""
    return [(path, loss, weight) for path, loss, weight, *_ in read(compiled, "_flat_losses") or ()]


def flat_metrics(compiled: Any) -> list[tuple[list[Any], list[Any]]]:
    """Return for each output of a built `CompileMetrics` its metrics and its weighted metrics.

    Keras 3.13 has an empty list for several outputs where none were given.
    """
    plain, weighted = ([[] if each is None else each.metrics for each in read(compiled, name)] for name in _FLAT)
    return list(zip_longest(plain, weighted, fillvalue=[]))


def given_loss_weights(model: keras.Model) -> Any:
    """Return the argument `loss_weights` of `compile`: a model keeps `loss`, and not this."""
    compiled = read(model, "_compile_loss")
    return None if compiled is None else read(compiled, "_user_loss_weights")


def given_metrics(model: keras.Model) -> tuple[Any, Any]:
    """Return the arguments `metrics` and `weighted_metrics` of `compile`: a model keeps neither as it was given."""
    compiled = read(model, "_compile_metrics")
    if compiled is None:
        return None, None
    return read(compiled, "_user_metrics"), read(compiled, "_user_weighted_metrics")
