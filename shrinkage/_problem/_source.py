"""Conversion of the data arguments: datasets are read into arrays, and sparse matrices become sparse rows."""

from typing import Any

import keras

from shrinkage._data._dataset import DatasetRows, is_dataset, is_shuffled, read_dataset
from shrinkage._data._memory_limit import read_memory_limit
from shrinkage._data._sparse import to_dense, to_sparse_rows
from shrinkage._host._graphs import get_graph
from shrinkage._host._layers import list_sublayers
from shrinkage._messages._hints_of_fit import describe_stream
from shrinkage._model._table_normalization import TableNormalization
from shrinkage._model._template import Template
from shrinkage._problem._request import Request

_NEED_ALL_ROWS = keras.layers.Embedding, keras.layers.Normalization, TableNormalization
"""Layers with tokens that are checked, or with moments that are computed, in all rows."""


def read_training_rows(request: Request, network: keras.Model) -> DatasetRows:
    """Return the rows of a request without `validation_data`.

    Raises:
        TypeError, ValueError: If the dataset cannot be read, or an argument such as `y` conflicts with a dataset.
    """
    if not is_dataset(request.x):
        if request.steps_per_epoch is not None:
            raise ValueError(
                "`x` must be a dataset with `steps_per_epoch`, which says how many of its batches are the rows. "
                "Received: arrays. Leave `steps_per_epoch` out: an epoch is round(rows / batch_size) steps."
            )
        x, y = _convert_inputs("x", request.x, request, network), _to_dense("y", request.y, request, network)
        return DatasetRows(x, y, request.sample_weight, None)
    for name in ("y", "sample_weight"):
        if getattr(request, name) is not None:
            raise ValueError(
                f"`{name}` must be left out where `x` is a dataset, which gives (x, y) or (x, y, sample_weight). "
                f"Received: both. Join arrays by tf.data.Dataset.zip."
            )
    return _read("`x`", request.x, request, network, request.steps_per_epoch)


def read_validation_rows(request: Request, network: keras.Model) -> DatasetRows | None:
    """Return the rows of `validation_data`, or None without it.

    Raises:
        TypeError, ValueError: If the dataset cannot be read, or the value is neither a dataset nor a tuple of arrays.
    """
    validation = request.validation_data
    if validation is None:
        return None
    if is_dataset(validation):
        return _read("`validation_data`", validation, request, network, None)
    if not isinstance(validation, (tuple, list)) or len(validation) not in (2, 3):
        size = f" of {len(validation)}" if isinstance(validation, (tuple, list)) else ""
        raise ValueError(
            "`validation_data` must be a tuple (x, y) or (x, y, sample_weight) of arrays, or a dataset of these. "
            f"Received: {type(validation).__name__}{size}. {describe_stream(validation, '_val')}".rstrip()
        )
    x, y, weight = (*validation, None)[:3]
    y = _to_dense("validation_data[1]", y, request, network)
    return DatasetRows(_convert_inputs("validation_data[0]", x, request, network), y, weight, None)


def read_dataset_arguments(request: Request) -> dict[str, Any]:
    """Return the arguments that give the rows of the datasets as arrays, for several fits to the same rows.

    A dataset may give other rows in each pass, or another order. Rows that do not fit into memory are left out: each
    fit reads them.

    Raises:
        TypeError, ValueError: If a dataset cannot be read, or shuffles rows that do not fit into memory.
    """
    found: dict[str, Any] = {}
    if not (is_dataset(request.x) or is_dataset(request.validation_data)):
        return found
    network = Template(request.model).network
    if is_dataset(request.x):
        rows = read_training_rows(request, network)
        if rows.rest is None:
            found = {"x": rows.x, "y": rows.y, "sample_weight": rows.sample_weight, "steps_per_epoch": None}
            found["batch_size"] = request.batch_size or rows.batch_size
        elif is_shuffled(request.x):
            raise ValueError(
                "`x` must give the rows in the same order for each fit, where they do not fit into memory. Received: a "
                "dataset that shuffles. Leave .shuffle() out: `fit` shuffles the rows in every epoch."
            )
    if is_dataset(request.validation_data):
        rows = read_validation_rows(request, network)
        if rows is not None and rows.rest is None:
            weight = () if rows.sample_weight is None else (rows.sample_weight,)
            found["validation_data"] = (rows.x, rows.y, *weight)
    return found


def _convert_inputs(name: str, values: Any, request: Request, network: keras.Model) -> Any:
    """Keep sparse matrices sparse if batches of dense rows are all that the model needs."""
    graph = get_graph(network)
    has_other_inputs = graph is not None and any(len(tensor.shape) != 2 for tensor in graph.inputs)
    if has_other_inputs or any(isinstance(layer, _NEED_ALL_ROWS) for layer in list_sublayers(network)):
        return _to_dense(name, values, request, network)
    return to_sparse_rows(name, values, network.trainable_variables[0].dtype)


def _to_dense(name: str, values: Any, request: Request, network: keras.Model) -> Any:
    return to_dense(name, values, network.trainable_variables[0].dtype, read_memory_limit(request.max_memory))


def _read(name: str, dataset: Any, request: Request, network: keras.Model, steps: int | None) -> DatasetRows:
    graph = get_graph(network)
    shapes = [] if graph is None else [tuple(tensor.shape) for tensor in graph.inputs]
    shape = shapes[0] if len(shapes) == 1 else None
    return read_dataset(name, dataset, shape=shape, steps=steps, limit=read_memory_limit(request.max_memory) // 4)
