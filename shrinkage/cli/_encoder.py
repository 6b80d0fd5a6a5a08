"""Encode the columns of a table as the inputs of a network, in NumPy and as Keras layers for the saved model.

Both give the same inputs:

- numbers, centred in float64 and divided by a unit, with NaN for missing cells. The network clips and standardises
  them, by the training rows of each fold.
- marks: indicators of missing cells, places in the cycles of dates, one-hot categories, and words of texts.
- for each column with an embedding, the number of its category, or of its words.

For a network of the user (`Columns.as_matrix`) numbers and marks are one matrix. Numbers are then clipped by bounds of
all rows, and the median of all rows replaces a missing cell.
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from shrinkage._data._statistics import LARGEST

from ._columns import MISSING, CategoryColumn, Columns, NumberColumn, TextColumn, split_float64, to_input_name
from ._dates import PERIODS, as_seconds, compute_cycle_place
from ._errors import BadInput
from ._formats import TYPE_SHARE
from ._table import get_column
from ._target import describe_column_names
from ._text import PAD, UNKNOWN, count_without_words, encode_bag_of_words, encode_tokens
from ._values import as_booleans, as_categories, as_numbers, find_unreadable

if TYPE_CHECKING:
    import keras

# The token for rare and unseen categories in the lookup; no category may have this name.
OTHER = "[rare or unseen: shrinkage]"
_NETWORK, _TARGET = "shrinkage_network", "shrinkage_target"  # names of submodels that `predict` uses


def read_cells(columns: Columns, frame: pd.DataFrame, is_part: bool = False) -> dict[str, np.ndarray]:
    """Return the model's inputs by name, (n, 1): float64 with NaN for missing cells, or text with "" for missing cells.

    Args:
        columns: The columns of the model.
        frame: The rows.
        is_part: Whether the frame has a part of the rows only, in which many cells may be odd.

    Raises:
        BadInput: If a column is missing, or cells are infinite or not numbers. Further columns are ignored.
    """
    check_names(columns, list(frame.columns))
    cells = {c.name: _read_numbers(c, get_column(frame, c.name), is_part) for c in columns.numbers}
    cells |= {c.name: as_categories(get_column(frame, c.name)) for c in (*columns.categories, *columns.texts)}
    return {to_input_name(name): values[:, None] for name, values in cells.items()}


def check_names(columns: Columns, names: Collection[str]) -> None:
    """Raise `BadInput` unless a table with columns of these names has those that the model needs."""
    if lost_names := [name for name in columns.names if name not in names]:
        received = f"a table without {', '.join(lost_names)}. {_suggest_names(lost_names, names)}"
        raise BadInput(f"DATA must have the columns that the model was fitted with. Received: {received}")


def _suggest_names(missing_names: list[str], names: Collection[str]) -> str:
    """Suggest columns that differ in case or spaces only, or have the name of the input of model.keras."""
    others = {to_input_name(name.strip().lower()): name for name in names}
    keys = {name: to_input_name(name.strip().lower()) for name in missing_names}
    near = [f"{others[key]!r} to {name!r}" for name, key in keys.items() if key in others]
    hint = f"rename {', '.join(near)}." if near else describe_column_names(list(names))
    return hint[:1].upper() + hint[1:]


def _read_numbers(column: NumberColumn, cells: pd.Series, is_part: bool) -> np.ndarray:
    values = _convert_cells(column, cells)
    if not is_part and (wrong := find_unreadable(cells, values)).any():
        check_odd_cells(column, cells.loc[wrong].astype(str).value_counts().to_dict(), len(cells))
    if np.isinf(values).any():
        raise BadInput(
            f"column {column.name} must hold finite numbers. Received: infinity in {np.isinf(values).sum()} of "
            f"{len(cells)} rows. Correct these cells or leave them empty."
        )
    return values


def check_odd_cells(column: NumberColumn, odd_counts: Mapping[str, int], n_cells: int) -> None:
    """Raise `BadInput` if more than a few cells are not numbers, beside the texts that the training rows had.

    Args:
        column: The column of numbers.
        odd_counts: The cells that are not numbers: text -> count.
        n_cells: The number of all cells.
    """
    unknown = {text: count for text, count in odd_counts.items() if text not in column.marks}
    if (n_unknown := sum(unknown.values())) > (1 - TYPE_SHARE) * n_cells:
        kinds = {"boolean": "true or false", "date": f"dates such as {_format_example(column)}"}
        raise BadInput(
            f"column {column.name} must hold {kinds.get(column.kind, 'numbers')}. Received: other values in "
            f"{n_unknown} of {n_cells} cells, such as {next(iter(unknown))!r}. Correct these cells or leave them empty."
        )


def _format_example(column: NumberColumn) -> str:
    return pd.Timestamp(column.centre, unit="s").strftime((column.form or "%Y-%m-%d").replace("ISO8601", "%Y-%m-%d"))


def _convert_cells(column: NumberColumn, cells: pd.Series) -> np.ndarray:
    if column.form is not None:
        return as_seconds(cells, column.form)
    return as_booleans(cells) if column.boolean else as_numbers(cells)


def count_odd_cells(columns: Columns, frame: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Count cells of number columns that are not numbers and count as missing: column -> text -> count."""
    found = {}
    for each in columns.numbers:
        cells = get_column(frame, each.name)
        wrong = find_unreadable(cells, _convert_cells(each, cells))
        if wrong.any():
            counts = cells.loc[wrong].astype(str).value_counts()
            found[each.name] = {str(text): int(count) for text, count in counts.items()}
    return found


def encode(columns: Columns, cells: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Return the inputs of the network for the result of `read_cells`; those without columns are left out."""
    if columns.as_matrix:
        return [encode_matrix(columns, cells)]
    parts = []
    if columns.numbers:
        with np.errstate(over="ignore"):
            numbers = _scale(columns.numbers, make_number_matrix(columns, cells)).astype(np.float32)
        parts.append(numbers.clip(-LARGEST, LARGEST))
    if columns.marks:
        parts.append(_encode_marks(columns, cells))
    return [*parts, *(_encode_tokens(column, cells[to_input_name(column.name)]) for column in columns.embedded_columns)]


def encode_matrix(columns: Columns, cells: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the encoded matrix, (n, len(columns.features)) float32, for the result of `read_cells`."""
    parts = [_encode_marks(columns, cells)]
    if columns.numbers:
        values = _scale(columns.numbers, make_number_matrix(columns, cells))
        parts.insert(0, np.nan_to_num(values).clip(*_compute_bounds(columns.numbers)))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _encode_marks(columns: Columns, cells: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the inputs beside the numbers, (n, len(columns.marks)) float32."""
    n_rows = len(next(iter(cells.values())))
    parts: list[Any] = [np.zeros((n_rows, 0), np.float32)]
    parts += [np.isnan(cells[to_input_name(column.name)]) for column in columns.numbers if column.indicator]
    for date in columns.numbers:
        seconds = cells[to_input_name(date.name)][:, 0]
        parts += [np.nan_to_num(compute_cycle_place(seconds, PERIODS[cycle], np)) for cycle in date.cycles]
    parts += [_encode_one_hot(c, cells[to_input_name(c.name)]) for c in columns.categories if not c.embedded]
    parts += [encode_bag_of_words(cells[to_input_name(c.name)][:, 0], c.words) for c in columns.texts if not c.embedded]
    return np.concatenate([part.astype(np.float32) for part in parts], axis=1)


def _encode_tokens(column: CategoryColumn | TextColumn, cells: np.ndarray) -> np.ndarray:
    """Return the numbers of words, (n, length), or of the category, (n, 1), where 0 is one that is rare or unseen."""
    if isinstance(column, TextColumn):
        return encode_tokens(cells[:, 0], column.words, column.length)
    numbers = {category: number for number, category in enumerate(column.categories, 1)}
    return np.array([[numbers.get(cell, 0)] for cell in cells[:, 0].tolist()], np.int32).reshape(-1, 1)


def make_number_matrix(columns: Columns, cells: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the raw numbers, booleans and dates as a matrix, (n, d) float64."""
    return np.concatenate([cells[to_input_name(column.name)] for column in columns.numbers], axis=1, dtype=np.float64)


def _compute_constants(columns: tuple[NumberColumn, ...]) -> tuple[list[float], list[float], list[float]]:
    """Return the offsets of the columns, each split into two float32, and the factors."""
    high, low = zip(*(split_float64(column.centre) for column in columns), strict=True)
    return [-part for part in high], [-part for part in low], [float(np.float32(1 / c.scale)) for c in columns]


def _scale(columns: tuple[NumberColumn, ...], values: np.ndarray) -> np.ndarray:
    """Centre numbers, (n, d), in float64 and scale them."""
    high, low, factor = map(np.array, _compute_constants(columns))
    with np.errstate(over="ignore"):  # clipped next
        return (values + high + low) * factor


def _compute_bounds(columns: tuple[NumberColumn, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Return the bounds of the scaled columns. Clip after missing cells are filled, because NaN is not ordered."""
    bounds = _scale(columns, np.array([[c.low for c in columns], [c.high for c in columns]]))
    low, high = bounds.clip(-LARGEST, LARGEST).astype(np.float32).astype(np.float64)
    return low, high


def _encode_one_hot(column: CategoryColumn, cells: np.ndarray) -> np.ndarray:
    hot = cells == np.array([column.categories], dtype=object)
    return np.concatenate([~hot.any(axis=1, keepdims=True), hot], axis=1) if column.other else hot


def count_unseen(columns: Columns, cells: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Count the cells of each category column with a rare or unseen category."""
    counts = {}
    for column in columns.categories:
        values = pd.Series(cells[to_input_name(column.name)][:, 0])
        counts[column.name] = int((~values.isin([*column.categories, MISSING])).sum())
    return {name: count for name, count in counts.items() if count}


def count_unread(columns: Columns, cells: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Count the cells of each text column that have none of the words of the column."""
    counts = {c.name: count_without_words(cells[to_input_name(c.name)][:, 0], c.words) for c in columns.texts}
    return {name: count for name, count in counts.items() if count}


def count_clipped(columns: Columns, cells: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Count the cells of each number column outside the bounds."""
    values = {column: cells[to_input_name(column.name)] for column in columns.numbers}
    counts = {column.name: int(((x < column.low) | (x > column.high)).sum()) for column, x in values.items()}
    return {name: count for name, count in counts.items() if count}


def count_missing(columns: Columns, cells: Mapping[str, np.ndarray]) -> dict[str, int]:
    """Count the missing cells of each column."""
    counts = {name: int(pd.isna(cells[to_input_name(name)]).sum()) for name in columns.names}
    texts = (*columns.categories, *columns.texts)
    counts |= {c.name: int((cells[to_input_name(c.name)] == MISSING).sum()) for c in texts}
    return {name: count for name, count in counts.items() if count}


def check_encoder_model(model: "keras.Model", columns: Columns) -> None:
    """Refuse a model that does not belong to these columns, for example files of two runs in a folder."""
    parts = {layer.name: layer for layer in model.layers}
    needed = [_NETWORK, _TARGET] if columns.task == "regression" else [_NETWORK]
    sizes = _compute_encoded_sizes(columns)
    fits = all(name in parts for name in needed) and _get_input_sizes(parts[_NETWORK]) == sizes
    n_outputs = 1 if columns.task != "multi-class" else len(columns.labels)
    fits &= len(columns.labels) == 2 if columns.task == "binary" else True
    if not fits or parts[_NETWORK].output_shape != (None, n_outputs):
        found = "a model.keras that does not fit columns.json"
        raise BadInput(f"RUN must hold files of one run. Received: {found}. Fit again with --overwrite.")


def _get_input_sizes(network: Any) -> list[int]:
    return [tensor.shape[-1] for tensor in network.inputs]


def _compute_encoded_sizes(columns: Columns) -> list[int]:
    """Return the size of a row of each input of the network."""
    if columns.as_matrix:
        return [len(columns.features)]
    sizes = [len(part) for part in (columns.numbers, columns.marks) if part]
    return [*sizes, *(c.length if isinstance(c, TextColumn) else 1 for c in columns.embedded_columns)]


def predict_cells(model: "keras.Model", columns: Columns, cells: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the outputs, (n, ...), of a model from `assemble`, for the result of `read_cells`.

    The network gets the encoded inputs: passing a thousand columns to Keras separately takes seconds.
    """
    network: Any = model.get_layer(_NETWORK)
    inputs = encode(columns, cells)
    outputs = np.asarray(network.predict(inputs if len(inputs) > 1 else inputs[0], batch_size=1024, verbose=0))
    if columns.task != "regression":
        return outputs
    return np.asarray(model.get_layer(_TARGET)(outputs))


def make_encoder(columns: Columns) -> "keras.Model":
    """Return the encoder as a Keras model: from the matrix of raw numbers and each column of text to `encode`."""
    import keras

    raw = [keras.Input((len(columns.numbers),), dtype="float64", name="numbers")] if columns.numbers else []
    # Numbered, because a column may have the name of a layer.
    others = (*columns.categories, *columns.texts)
    texts = [keras.Input((1,), dtype="string", name=f"text_{i}") for i in range(len(others))]
    numbers = [_make_number_layers(columns, raw[0])] if raw else []
    marks = _make_mark_layers(columns.numbers, raw[0]) if raw else []
    pairs = list(zip(others, texts, strict=True))
    marks += [_make_text_layers(column, cells) for column, cells in pairs if not column.embedded]
    groups = [numbers + marks] if columns.as_matrix else [numbers, marks]
    names = ["matrix"] if columns.as_matrix else ["standard_numbers", "marks"]
    joined = [
        keras.layers.Concatenate(name=name)(group) if len(group) > 1 else group[0]
        for name, group in zip(names, groups, strict=True)
        if group
    ]
    outputs = [*joined, *(_make_text_layers(column, cells) for column, cells in pairs if column.embedded)]
    return keras.Model([*raw, *texts], outputs if len(outputs) > 1 else outputs[0], name="shrinkage_encoder")


def _make_number_layers(columns: Columns, raw_numbers: Any) -> Any:
    """Return the numbers, centred and scaled; those of a matrix without missing cells, and clipped."""
    import keras

    high, low, factor = _compute_constants(columns.numbers)
    values: Any = raw_numbers
    # Keras stores a layer's constants as float32: hence two offsets, and a separate factor.
    for name, offset in (("centred", high), ("centred_finely", low)):
        values = keras.layers.Rescaling(1.0, offset, name=name, dtype="float64")(values)  # pyright: ignore
    values = keras.layers.Rescaling(factor, name="scaled", dtype="float64")(values)  # pyright: ignore
    if columns.as_matrix:
        low, high = (bound.tolist() for bound in _compute_bounds(columns.numbers))
        values = keras.ops.clip(keras.ops.nan_to_num(values), low, high)
    return keras.ops.cast(values, "float32")


def _make_mark_layers(columns: tuple[NumberColumn, ...], raw_numbers: Any) -> list[Any]:
    """Return the indicators of missing cells, and the places of dates in their cycles."""
    from keras import ops

    parts = []
    marked = [i for i, column in enumerate(columns) if column.indicator]
    if marked:
        parts.append(ops.cast(ops.isnan(ops.take(raw_numbers, marked, axis=1)), "float32"))
    cycles = [(i, PERIODS[cycle]) for i, column in enumerate(columns) for cycle in column.cycles]
    parts += [
        ops.cast(ops.nan_to_num(compute_cycle_place(raw_numbers[:, i], period, ops)), "float32") for i, period in cycles
    ]
    return parts


def _make_text_layers(column: CategoryColumn | TextColumn, cells: Any) -> Any:
    """Return one-hot categories or words; with an embedding, their numbers."""
    import keras

    if isinstance(column, TextColumn):
        return _make_word_layers(column, cells[:, 0])
    mode = "int" if column.embedded else "one_hot"
    lookup = keras.layers.StringLookup(vocabulary=list(column.categories), oov_token=OTHER, output_mode=mode)
    if column.embedded:
        return keras.ops.cast(lookup(cells), "int32")
    one_hot: Any = keras.ops.cast(lookup(cells), "float32")
    return one_hot if column.other else one_hot[:, 1:]


def _make_word_layers(column: TextColumn, cells: Any) -> Any:
    import keras

    words = list(column.words)
    if not column.embedded:
        found: Any = keras.layers.TextVectorization(vocabulary=words, output_mode="multi_hot")(cells)
        return keras.ops.cast(found[:, 1:], "float32")
    found = keras.layers.TextVectorization(vocabulary=words, output_sequence_length=column.length)(cells)
    first = [UNKNOWN, *[PAD] * (column.length - 1)]  # a text without words has an unknown one
    return keras.ops.maximum(keras.ops.cast(found, "int32"), np.array(first, np.int32))


def assemble_model(columns: Columns, network: "keras.Model", target_mean: float, target_sd: float) -> "keras.Model":
    """Return a model from raw columns to predictions in the units of the target, which plain Keras can load.

    Args:
        columns: The columns of the encoder.
        network: The network from the encoded inputs to predictions.
        target_mean: Added to predictions after they are multiplied by `target_sd` (regression only).
        target_sd: The factor of predictions, in units of the target.

    Returns:
        A model that takes a dictionary, input name -> (n, 1): float64 numbers with NaN where missing (booleans as 0
        and 1, dates as seconds since 1970), text with "" where missing. Call it on the dictionary: Keras' `predict`
        turns arrays into float32, which has 7 digits, before the model sees them, and a time stamp has 10 and more.
    """
    import keras

    numbers = {
        to_input_name(c.name): keras.Input((1,), dtype="float64", name=to_input_name(c.name)) for c in columns.numbers
    }
    others = [to_input_name(c.name) for c in (*columns.categories, *columns.texts)]
    texts = {name: keras.Input((1,), dtype="string", name=name) for name in others}
    side_by_side = keras.layers.Concatenate(name="shrinkage_numbers", dtype="float64")
    raw = [side_by_side(list(numbers.values()))] if len(numbers) > 1 else list(numbers.values())
    outputs = _to_keras(network)(make_encoder(columns)([*raw, *texts.values()]))
    if columns.task == "regression":
        outputs = make_target_layers(outputs.shape[1:], target_mean, target_sd)(outputs)
    return keras.Model({**numbers, **texts}, outputs, name="shrinkage_model")


def _to_keras(network: "keras.Model") -> "keras.Model":
    """Return a copy of a network with shared layers, all of Keras. It is not compiled: the file needs no optimizer."""
    import keras

    from shrinkage._model._table_normalization import TableNormalization

    if not any(isinstance(layer, TableNormalization) for layer in network.layers):
        return keras.Model(network.inputs, network.outputs[0], name=_NETWORK)

    def plain(layer: Any) -> Any:
        return layer.as_keras() if isinstance(layer, TableNormalization) else layer

    copy = keras.models.clone_model(network, clone_function=plain)
    return keras.Model(copy.inputs, copy.outputs[0], name=_NETWORK)


def make_target_layers(shape: tuple[int, ...], mean: float, sd: float) -> "keras.Model":
    """Return layers from standardised predictions to the target's units, in float64 for large close numbers."""
    import keras

    high, low = split_float64(mean)
    layers = [
        keras.layers.Rescaling(float(np.float32(sd)), low, name="shrinkage_units", dtype="float64"),
        keras.layers.Rescaling(1.0, high, name="shrinkage_mean", dtype="float64"),
    ]
    return keras.Sequential([keras.Input(shape), *layers], name=_TARGET)
