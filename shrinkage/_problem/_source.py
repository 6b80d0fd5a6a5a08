"""Conversion of the data arguments: datasets are read into arrays, and sparse matrices become dense arrays."""

from typing import Any

import keras

from shrinkage._data._dataset import Rows, is_dataset, read_dataset
from shrinkage._data._memory import memory_limit
from shrinkage._data._sparse import to_dense
from shrinkage._host._graphs import graph_of
from shrinkage._problem._request import Request


def training_rows(request: Request, network: keras.Model) -> Rows:
    """Return the rows of a request without `validation_data`.

    Raises:
        TypeError, ValueError: If the dataset cannot be read, or an argument such as `y` conflicts with a dataset.
    """
    if not is_dataset(request.x):
        if request.steps_per_epoch is not None:
            raise ValueError(
                "`steps_per_epoch` is for a dataset, of which it says how many batches are the rows. Received: arrays. "
                "Leave it out: an epoch is round(rows / batch_size) steps."
            )
        x, y = (_dense(name, getattr(request, name), request, network) for name in ("x", "y"))
        return Rows(x, y, request.sample_weight, None)
    for name in ("y", "sample_weight"):
        if getattr(request, name) is not None:
            raise ValueError(
                f"`{name}` must be left out where `x` is a dataset, which gives (x, y) or (x, y, sample_weight). "
                f"Received: both. Join arrays by tf.data.Dataset.zip."
            )
    return _read("`x`", request.x, request, network, request.steps_per_epoch)


def validation_rows(request: Request, network: keras.Model) -> Any:
    """Return `validation_data`: a dataset becomes a tuple of arrays, and sparse matrices become dense arrays."""
    if not is_dataset(request.validation_data):
        return _dense("validation_data", request.validation_data, request, network)
    rows = _read("`validation_data`", request.validation_data, request, network, None)
    if rows.rest is not None:
        raise ValueError(
            "`validation_data` must fit into memory. Received: a dataset that takes more than a quarter of "
            "max_memory. Give a larger max_memory or fewer rows, dataset.take(n)."
        )
    return rows[:3]


def _dense(name: str, values: Any, request: Request, network: keras.Model) -> Any:
    return to_dense(name, values, network.trainable_variables[0].dtype, memory_limit(request.max_memory))


def _read(name: str, dataset: Any, request: Request, network: keras.Model, steps: int | None) -> Rows:
    graph = graph_of(network)
    shapes = [] if graph is None else [tuple(tensor.shape) for tensor in graph.inputs]
    shape = shapes[0] if len(shapes) == 1 else None
    return read_dataset(name, dataset, shape=shape, steps=steps, limit=memory_limit(request.max_memory) // 4)
