"""From a table's columns to the matrix a network trains on: once in NumPy, once as Keras layers for the saved model.

Both give the same matrix: numbers (clipped where they lie far outside the bulk, centred at the median of all rows and
divided by their standard deviation; a missing cell is at the median), one column per indicator of missing cells, then
the one-hot categories.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ._columns import MISSING, CategoryColumn, Columns, NumberColumn, input_name
from ._errors import BadInput
from ._table import column
from ._values import as_categories, as_inputs, unreadable

if TYPE_CHECKING:
    import keras

# Stands for rare and unseen categories inside the lookup, and must not be a category itself.
OTHER = "[rare or unseen: shrinkage]"


def read_cells(columns: Columns, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """The model's inputs from a table, by input name: (n, 1) float32, NaN where missing, or text, "" where missing.

    Raises:
        BadInput: A column that is missing, or cells that are not numbers or are infinite. Other columns are ignored.
    """
    missing = [name for name in columns.names if name not in frame.columns]
    if missing:
        raise BadInput(f"the data lacks {', '.join(missing)}, which the model was fitted with.")
    cells = {c.name: _numbers(c, column(frame, c.name)) for c in columns.numbers}
    cells |= {c.name: as_categories(column(frame, c.name)) for c in columns.categories}
    return {input_name(name): values[:, None] for name, values in cells.items()}


def _numbers(column: NumberColumn, cells: pd.Series) -> np.ndarray:
    values = as_inputs(cells, column.boolean)
    wrong = unreadable(cells, values)
    if wrong.any():
        expected = "true or false" if column.boolean else "numbers"
        example = cells.iloc[wrong.argmax()]
        raise BadInput(
            f"column {column.name} should hold {expected}; {wrong.sum()} of {len(cells)} cells do not, "
            f"for example {example!r}. Correct them or leave them empty."
        )
    if np.isinf(values).any():
        raise BadInput(f"column {column.name} is infinite in {np.isinf(values).sum()} of {len(cells)} rows.")
    return values


def matrix(columns: Columns, cells: Mapping[str, np.ndarray]) -> np.ndarray:
    """The encoded matrix, (n, len(columns.features)) float32, from what `read_cells` gives."""
    numbers = [cells[input_name(column.name)] for column in columns.numbers]
    values = [np.nan_to_num(_scaled(x, c)).clip(*_bounds(c)) for x, c in zip(numbers, columns.numbers, strict=True)]
    indicators = [np.isnan(x) for x, c in zip(numbers, columns.numbers, strict=True) if c.indicator]
    one_hots = [_one_hot(column, cells[input_name(column.name)]) for column in columns.categories]
    return np.concatenate([*values, *indicators, *one_hots], axis=1).astype(np.float32)


def _scaled(values: np.ndarray, column: NumberColumn) -> np.ndarray:
    with np.errstate(over="ignore"):  # clipped next
        return (values - np.float32(column.centre)) * np.float32(1 / column.scale)


def _bounds(column: NumberColumn) -> tuple[np.float32, np.float32]:
    """Where the scaled column is clipped: after missing cells are filled, for NaN has no place in an order."""
    low, high = np.nan_to_num(_scaled(np.array([column.low, column.high], dtype=np.float32), column))
    return low, high


def _one_hot(column: CategoryColumn, cells: np.ndarray) -> np.ndarray:
    own = cells == np.array([column.categories], dtype=object)
    return np.concatenate([~own.any(axis=1, keepdims=True), own], axis=1) if column.other else own


def unseen(columns: Columns, cells: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many cells of each category column hold a category without a column of its own, rare ones included."""
    counts = {
        column.name: int((~np.isin(cells[input_name(column.name)], [*column.categories, MISSING])).sum())
        for column in columns.categories
    }
    return {name: count for name, count in counts.items() if count}


def clipped(columns: Columns, cells: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many cells of each number column lie outside its bounds."""
    values = {column: cells[input_name(column.name)] for column in columns.numbers}
    counts = {column.name: int(((x < column.low) | (x > column.high)).sum()) for column, x in values.items()}
    return {name: count for name, count in counts.items() if count}


def missing(columns: Columns, cells: Mapping[str, np.ndarray]) -> dict[str, int]:
    """How many cells of each column are missing."""
    counts = {name: int(pd.isna(cells[input_name(name)]).sum()) for name in columns.names}
    counts |= {c.name: int((cells[input_name(c.name)] == MISSING).sum()) for c in columns.categories}
    return {name: count for name, count in counts.items() if count}


def predict(model: "keras.Model", cells: Mapping[str, np.ndarray]) -> np.ndarray:
    """The model's outputs, (n, ...), for what `read_cells` gives."""
    import tensorflow as tf

    # Keras' `predict` refuses NumPy arrays of text, but not tensors of it.
    texts = {name: tf.constant(x.tolist()) for name, x in cells.items() if x.dtype == object}
    verbosity: Any = 0  # Keras' annotation knows only "auto"
    return np.asarray(model.predict({**cells, **texts}, batch_size=1024, verbose=verbosity))


def encoder(columns: Columns) -> "keras.Model":
    """The encoder as a Keras model of Keras' own layers: a dictionary of raw columns in, the matrix out."""
    import keras

    # Numbered, not named after the columns: a column may be called like one of Keras' layers.
    inputs = {
        input_name(c.name): keras.Input((1,), dtype="float32", name=f"number_{i}")
        for i, c in enumerate(columns.numbers)
    } | {
        input_name(c.name): keras.Input((1,), dtype="string", name=f"category_{i}")
        for i, c in enumerate(columns.categories)
    }
    parts = _number_layers(columns.numbers, inputs)
    parts += [_category_layers(column, inputs[input_name(column.name)]) for column in columns.categories]
    matrix = keras.layers.Concatenate(name="matrix")(parts)
    return keras.Model(list(inputs.values()), matrix, name="shrinkage_encoder")


def _number_layers(columns: tuple[NumberColumn, ...], inputs: Mapping[str, Any]) -> list[Any]:
    import keras

    if not columns:
        return []
    raw = keras.layers.Concatenate(name="numbers")([inputs[input_name(column.name)] for column in columns])
    # Two layers: scale and offset in one would round the offset of large numbers.
    offset: Any = [-column.centre for column in columns]
    centred = keras.layers.Rescaling(1.0, offset, name="centred")(raw)
    scaled = keras.layers.Rescaling([1 / column.scale for column in columns], name="scaled")(centred)
    low, high = zip(*(map(float, _bounds(column)) for column in columns), strict=True)
    parts = [keras.ops.clip(keras.ops.nan_to_num(scaled), list(low), list(high))]
    marked = [inputs[input_name(column.name)] for column in columns if column.indicator]
    if marked:
        parts.append(keras.ops.cast(keras.ops.isnan(keras.layers.Concatenate(name="marked")(marked)), "float32"))
    return parts


def _category_layers(column: CategoryColumn, cells: Any) -> Any:
    import keras

    lookup = keras.layers.StringLookup(vocabulary=list(column.categories), oov_token=OTHER, output_mode="one_hot")
    one_hot: Any = keras.ops.cast(lookup(cells), "float32")
    return one_hot if column.other else one_hot[:, 1:]


def assemble(columns: Columns, network: "keras.Model", target_mean: float, target_sd: float) -> "keras.Model":
    """One model from raw columns to predictions in the target's own units, loadable by plain Keras.

    Args:
        columns: What the encoder is built from.
        network: From the encoded matrix to predictions.
        target_mean: Added to predictions after they are multiplied by `target_sd` (regression only).
        target_sd: In the target's units.

    Returns:
        A model that takes a dictionary, input name -> (n, 1): float32 numbers with NaN where missing (booleans as 0
        and 1), text with "" where missing.
    """
    import keras

    inputs = {
        input_name(c.name): keras.Input(
            (1,), dtype="float32" if isinstance(c, NumberColumn) else "string", name=input_name(c.name)
        )
        for c in (*columns.numbers, *columns.categories)
    }
    # A copy of the graph (the layers are shared) that is not compiled: the file needs no optimizer.
    bare = keras.Model(network.inputs[0], network.outputs[0], name="shrinkage_network")
    outputs = bare(encoder(columns)(list(inputs.values())))
    if columns.task == "regression":
        outputs = keras.layers.Rescaling(target_sd, offset=target_mean, name="shrinkage_target")(outputs)
    return keras.Model(inputs, outputs, name="shrinkage_model")
