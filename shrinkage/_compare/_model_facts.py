"""Facts about a model that was trained on all rows: exact zeros, size, and the time of a prediction."""

import math
import time
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from shrinkage._path._path import Path
from shrinkage._weights._selection import Weight

_ROWS, _CALLS, _SECONDS = 256, 20, 1.0


@dataclass(frozen=True)
class ModelFacts:
    """Facts about a model; NaN where no model was trained on all rows.

    Attributes:
        zeros: number of penalised weights that are exactly 0.
        zero_units: number of units with all weights into them 0, which can be removed, over the penalised kernels.
        zero_inputs: number of inputs of the first penalised kernel with all weights out of them 0.
        size: bytes of all weights.
        zipped: bytes of all weights after compression by DEFLATE.
        predict_seconds: seconds to predict a row, in batches of 256; NaN if the model takes no numbers of a fixed
            shape.
    """

    zeros: float = math.nan
    zero_units: float = math.nan
    zero_inputs: float = math.nan
    size: float = math.nan
    zipped: float = math.nan
    predict_seconds: float = math.nan


UNKNOWN_FACTS = ModelFacts()


def compute_model_facts(path: Path, index: int, predict_seconds: float) -> ModelFacts:
    """Return the facts about the model at `path.lams[index]`."""
    if not path.has_model[index]:
        return ModelFacts(predict_seconds=predict_seconds)
    place = find_model_place(path, index)
    values = [np.asarray(weight[place]) for weight in path.weights]
    kernels = [(weight, values[number]) for weight, number in list_penalised_kernels(path)]
    data = b"".join(value.tobytes() for value in values)
    first = find_input_kernel(path)
    return ModelFacts(
        zeros=sum(int((w == 0).sum()) for _, w in kernels),
        zero_units=sum(int((w == 0).all(axis=weight.per_unit).sum()) for weight, w in kernels if weight.per_unit),
        zero_inputs=0 if first is None else int((values[first[1]] == 0).all(axis=first[0].per_input).sum()),
        size=len(data),
        zipped=len(zlib.compress(data)),
        predict_seconds=predict_seconds,
    )


def find_model_place(path: Path, index: int) -> int:
    """Return the place of the model of a strength in `path.weights`."""
    return int(np.count_nonzero(path.has_model[:index]))


def list_penalised_kernels(path: Path) -> list[tuple[Weight, int]]:
    """Return the penalised weights, each with its place among the variables of the model."""
    network = path.template.network
    places = {id(variable): place for place, variable in enumerate(network.variables)}
    pairs = zip(path.selection.weights, network.trainable_variables, strict=True)
    return [(weight, places[id(variable)]) for weight, variable in pairs if weight.penalised]


def find_input_kernel(path: Path) -> tuple[Weight, int] | None:
    """Return the first penalised kernel with inputs, and its place. The rows of an embedding are tokens, not inputs."""
    pairs = list_penalised_kernels(path)
    return next((pair for pair in pairs if pair[0].per_input and not pair[0].path.endswith("/embeddings")), None)


def time_prediction(model: Any) -> float:
    """Return the seconds to predict a row: the median of up to 20 calls of `predict_on_batch` with 256 rows of zeros.

    NaN if an input is text or has an axis of no fixed length.
    """
    inputs = model.inputs
    if any(None in tensor.shape[1:] or tensor.dtype == "string" for tensor in inputs):
        return math.nan
    rows = [np.zeros((_ROWS, *tensor.shape[1:]), tensor.dtype) for tensor in inputs]
    batch = rows if len(rows) > 1 else rows[0]
    model.predict_on_batch(batch)  # compiles
    seconds, began = [], time.perf_counter()
    while len(seconds) < _CALLS and (len(seconds) < 3 or time.perf_counter() - began < _SECONDS):
        start = time.perf_counter()
        model.predict_on_batch(batch)
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds)) / _ROWS
