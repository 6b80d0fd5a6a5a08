"""The objects that `compile` creates from losses and metrics."""

from itertools import zip_longest
from typing import Any

import keras

from shrinkage._host._private import load, read, read_set

CompileMetrics: Any = load("keras.src.trainers.compile_utils", "CompileMetrics")
"""The class that `compile` wraps `metrics` in. It calls metrics as `evaluate` does, to test them before training."""

CompileLoss: Any = load("keras.src.trainers.compile_utils", "CompileLoss")
"""The class that `compile` wraps `loss` and `loss_weights` in. It assigns the losses to the outputs."""

get_loss: Any = load("keras.src.trainers.compile_utils", "get_loss")
"""The function that resolves a name or a function to a loss, for given targets and predictions."""

LossFunctionWrapper: Any = load("keras.src.losses.losses", "LossFunctionWrapper")
"""The loss that `get_loss` returns for a function, and for a name such as "mse"."""


_FLAT = "_flat_metrics", "_flat_weighted_metrics"


def loss_arguments(loss: Any) -> dict[str, Any]:
    """Return the keyword arguments of a wrapped loss function, other than targets and predictions."""
    return read(loss, "_fn_kwargs")


def flat_losses(compiled: Any) -> list[tuple[Any, Any, Any]]:
    """Return (path of the output, loss, weight) for each loss of a built `CompileLoss`."""
    return [(path, loss, weight) for path, loss, weight, *_ in read(compiled, "_flat_losses") or ()]


def flat_metrics(compiled: Any) -> list[tuple[list[Any], list[Any]]]:
    """Return (metrics, weighted metrics) for each output of a built `CompileMetrics`.

    In Keras 3.13 the list is empty for a model with several outputs and no metrics.
    """
    plain, weighted = ([[] if each is None else each.metrics for each in read(compiled, name)] for name in _FLAT)
    return list(zip_longest(plain, weighted, fillvalue=[]))


def given_loss_weights(model: keras.Model) -> Any:
    """Return the argument `loss_weights` of `compile`. A model has no public attribute for it."""
    compiled = read(model, "_compile_loss")
    return None if compiled is None else read(compiled, "_user_loss_weights")


def given_metrics(model: keras.Model) -> tuple[Any, Any]:
    """Return the arguments `metrics` and `weighted_metrics` of `compile`, as the user passed them."""
    compiled = read(model, "_compile_metrics")
    if compiled is None:
        return None, None
    return read(compiled, "_user_metrics"), read(compiled, "_user_weighted_metrics")


def metric_direction(metric: Any) -> str | None:
    """Return "up" if larger values of a metric are better, "down" if smaller ones are, or None if Keras does not know.

    `EarlyStopping(mode="auto")` reads the same attribute. `Mean` and custom metrics may lack it.
    """
    return read_set(metric, "_direction", by=keras.metrics.MeanSquaredError.__init__)
