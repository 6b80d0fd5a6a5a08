"""The objects that `compile` creates from losses and metrics."""

from itertools import zip_longest
from typing import Any

import keras

from shrinkage._host._private import get_private, get_private_or_none, load

CompileMetrics: Any = load("keras.src.trainers.compile_utils", "CompileMetrics")
"""The class that `compile` wraps `metrics` in. It calls metrics as `evaluate` does, to test them before training."""

CompileLoss: Any = load("keras.src.trainers.compile_utils", "CompileLoss")
"""The class that `compile` wraps `loss` and `loss_weights` in. It assigns the losses to the outputs."""

get_loss: Any = load("keras.src.trainers.compile_utils", "get_loss")
"""The function that resolves a name or a function to a loss, for given targets and predictions."""

LossFunctionWrapper: Any = load("keras.src.losses.losses", "LossFunctionWrapper")
"""The loss that `get_loss` returns for a function, and for a name such as "mse"."""


_FLAT = "_flat_metrics", "_flat_weighted_metrics"


def get_loss_arguments(loss: Any) -> dict[str, Any]:
    """Return the keyword arguments of a wrapped loss function, other than targets and predictions."""
    return get_private(loss, "_fn_kwargs")


def list_flat_losses(compile_loss: Any) -> list[tuple[Any, Any, Any]]:
    """Return (path of the output, loss, weight) for each loss of a built `CompileLoss`."""
    return [(path, loss, weight) for path, loss, weight, *_ in get_private(compile_loss, "_flat_losses") or ()]


def list_flat_metrics(compile_metrics: Any) -> list[tuple[list[Any], list[Any]]]:
    """Return (metrics, weighted metrics) for each output of a built `CompileMetrics`.

    In Keras 3.13 the list is empty for a model with several outputs and no metrics.
    """
    plain, weighted = (
        [[] if each is None else each.metrics for each in get_private(compile_metrics, name)] for name in _FLAT
    )
    return list(zip_longest(plain, weighted, fillvalue=[]))


def get_compile_loss_weights(model: keras.Model) -> Any:
    """Return the argument `loss_weights` of `compile`. A model has no public attribute for it."""
    compiled = get_private(model, "_compile_loss")
    return None if compiled is None else get_private(compiled, "_user_loss_weights")


def get_compile_metrics(model: keras.Model) -> tuple[Any, Any]:
    """Return the arguments `metrics` and `weighted_metrics` of `compile`, as the user passed them."""
    compiled = get_private(model, "_compile_metrics")
    if compiled is None:
        return None, None
    return get_private(compiled, "_user_metrics"), get_private(compiled, "_user_weighted_metrics")


def get_metric_direction(metric: Any) -> str | None:
    """Return "up" if larger values of a metric are better, "down" if smaller ones are, or None if Keras does not know.

    `EarlyStopping(mode="auto")` reads the same attribute. `Mean` and custom metrics may lack it.
    """
    return get_private_or_none(metric, "_direction", setter=keras.metrics.MeanSquaredError.__init__)
