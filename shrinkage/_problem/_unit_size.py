"""Notes on inputs and targets far from unit size, for which networks train slowly or not at all."""

from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, tree

from shrinkage._data._data import Data, list_leaf_names, take
from shrinkage._data._tables import get_column_names
from shrinkage._host._attributes import remove_stored, store
from shrinkage._host._graphs import get_graph
from shrinkage._host._layers import list_inbound_nodes, list_sublayers
from shrinkage._host._private import UnsupportedVersion
from shrinkage._messages._note import Note, include_code
from shrinkage._model._losses import get_loss_name
from shrinkage._model._objective import Objective
from shrinkage._weights._kinds import is_of_keras

_ROWS, _NUMBERS = 2000, 2_000_000  # maximum number of rows and values to check
_LARGE = 30.0  # root mean square of a column; digits from 0 to 16 have 12, ages 45, pixels up to 255 have 80
_UNEQUAL = 30.0  # ratio of standard deviations; a rare category of 1 % has a tenth of a standardised number's
_SMALL = 0.01  # largest absolute value; 0.2 for `load_diabetes`, with columns of sum of squares 1
_FAR_INPUTS, _FAR_TARGETS = "far-inputs", "far-targets"  # codes of notes
_SCALE_FREE_LAYERS = (  # the output does not depend on the scale of the input
    layers.Embedding, layers.Normalization, layers.BatchNormalization, layers.LayerNormalization,
    layers.GroupNormalization, layers.UnitNormalization, layers.RMSNormalization,
)  # fmt: skip


def names_inputs(notes: Sequence[str]) -> bool:
    """Whether the notes include a note of inputs far from unit size."""
    return include_code(notes, _FAR_INPUTS)


def names_targets(notes: Sequence[str]) -> bool:
    """Whether the notes include a note of targets far from unit size."""
    return include_code(notes, _FAR_TARGETS)


# --- inputs


def describe_input_scale(network: keras.Model, x: Any, user_x: Any) -> str:
    """Return a note if the inputs of the first trained layers are far from unit size.

    Args:
        network: The model.
        x: Rows with a weight above 0, with the structure of the model inputs.
        user_x: The argument `x` of `fit`, possibly with column names.

    Returns:
        The note, or an empty string.
    """
    leaves = tree.flatten(x)
    n_rows, in_a_row = len(leaves[0]), sum(leaf[:1].size for leaf in leaves)
    n_some = min(n_rows, _ROWS, max(32, _NUMBERS // max(1, in_a_row)))
    some = np.unique(np.linspace(0, n_rows - 1, n_some).astype(int))
    for layer, values, place in _find_first_values(network, take(x, some)):
        found = _find_far_column(values)
        if found is None:
            continue
        column, most = found
        if place is None:
            where = f" at the layer {layer.name}"
        else:
            whole = leaves[place]
            most = _find_extreme(whole if column is None else whole[:, column])
            where = _describe_place(user_x, x, place, column)
        image = max(leaf.ndim for leaf in leaves) > 2 and values.min() >= 0 and 128 < most <= 255
        remedy = (
            "Divide them by 255, or put keras.layers.Rescaling(1 / 255) first."
            if image
            else "Standardise them, or put keras.layers.Normalization() first, which is fitted to each fold's training "
            "rows."
        )
        text = (
            f"Inputs range {'down' if most < 0 else 'up'} to {_format_number(most)}{where}: networks train on inputs "
            f"of about unit size. {remedy}"
        )
        return Note(text.replace("$", "$$"), _FAR_INPUTS)  # a name of a column may have a "$"
    return ""


def describe_unequal_inputs(network: keras.Model, x: Any, user_x: Any) -> str:
    """Return a note if columns of the inputs of a computed layer have very different standard deviations.

    The minimum is the minimum in any units, but a penalty treats the columns alike only if they have about one size.

    Args:
        network: The model, of which the last layer is trained.
        x: Rows with a weight above 0, with the structure of the model inputs.
        user_x: The argument `x` of `fit`, possibly with column names.

    Returns:
        The note, or an empty string.
    """
    some = np.unique(np.linspace(0, len(tree.flatten(x)[0]) - 1, _ROWS).astype(int))
    for layer, values, place in _find_first_values(network, take(x, some)):
        sizes = values.std(axis=0) if values.ndim == 2 else np.zeros(1)
        varied = np.flatnonzero(sizes > 0)
        if not len(varied) or sizes.max() <= _UNEQUAL * sizes[varied].min():
            continue
        least, most = int(varied[sizes[varied].argmin()]), int(sizes.argmax())
        where = [f" at the layer {layer.name}"] * 2 if place is None else []
        first, last = where or [_describe_place(user_x, x, place or 0, column) for column in (least, most)]
        return (
            f"Inputs have standard deviations from {_format_number(float(sizes[least]))}{first} to "
            f"{_format_number(float(sizes[most]))}{last}: L2 draws the weights of columns of small numbers to 0 first. "
            "Standardise them, or put keras.layers.Normalization() first, which is fitted to each fold's training rows."
        )
    return ""


def _find_first_values(network: keras.Model, x: Any) -> Iterator[tuple[Any, np.ndarray, int | None]]:
    """Yield each first layer with weights, the input values of the layer, and the index of the model input.

    The index is None if other layers precede the layer. Layers of inner models, or of a model without a graph, are
    found only if the input values equal a model input.
    """
    graph = get_graph(network)
    if graph is None or any(isinstance(layer, keras.Model) for layer in network.layers):
        yield from _find_first_calls(network, x)
    if graph is None:
        return
    inputs = [id(tensor) for tensor in tree.flatten(graph.inputs)]
    for layer in network.layers:
        if not _depends_on_scale(layer):
            continue
        for node in list_inbound_nodes(layer):
            tensors = [t for t in node.input_tensors if "int" not in str(t.dtype) or id(t) in inputs]
            for tensor in tensors:
                if id(tensor) in inputs:
                    place = inputs.index(id(tensor))
                    yield layer, np.asarray(tree.flatten(x)[place], np.float64), place
                    continue
                if (values := _compute_tensor(graph, tensor, x)) is not None:
                    yield layer, values, None


def _find_first_calls(network: keras.Model, x: Any) -> Iterator[tuple[Any, np.ndarray, int]]:
    """Call a model, and yield each layer with weights that receives a model input, the input, and the input index.

    Inputs of a normalization layer are omitted, as such a layer returns the input unchanged before adaptation.
    """
    leaves, found = [np.asarray(leaf, np.float64) for leaf in tree.flatten(x)], []

    def record(layer: Any) -> Any:
        def call(inputs: Any, *args: Any, **options: Any) -> Any:
            found.append((layer, inputs))
            return type(layer).call(layer, inputs, *args, **options)

        return call

    watched = [
        layer for layer in list_sublayers(network) if _depends_on_scale(layer) or isinstance(layer, _SCALE_FREE_LAYERS)
    ]
    for layer in watched:
        store(layer, call=record(layer))
    try:
        with keras.StatelessScope():
            network(x, training=False)
    except UnsupportedVersion:
        raise
    except Exception:  # of any class: a subclassed model runs code of the user
        return
    finally:
        for layer in watched:
            remove_stored(layer, "call")
    input_calls = [
        (layer, place) for layer, inputs in found for place, leaf in enumerate(leaves) if _is_same(inputs, leaf)
    ]
    normalized = {place for layer, place in input_calls if isinstance(layer, _SCALE_FREE_LAYERS)}
    yield from ((layer, leaves[place], place) for layer, place in input_calls if place not in normalized)


def _is_same(tensor: Any, values: np.ndarray) -> bool:
    if not hasattr(tensor, "shape") or tuple(tensor.shape) != values.shape:
        return False
    return np.allclose(keras.ops.convert_to_numpy(tensor), values, rtol=1e-5)


def _depends_on_scale(layer: keras.Layer) -> bool:
    """Whether a layer is a Keras layer with trainable weights that expects inputs of unit size."""
    is_open = isinstance(layer, (*_SCALE_FREE_LAYERS, keras.Model))
    return bool(layer.trainable_weights) and not is_open and is_of_keras(layer)


def _compute_tensor(graph: Any, tensor: Any, x: Any) -> np.ndarray | None:
    """Return the values of a tensor, or None if weights or a normalization precede the tensor."""
    try:
        before = keras.Model(graph.input, tensor)
        if before.weights or any(
            isinstance(layer, _SCALE_FREE_LAYERS) for layer in list_sublayers(before, include_self=False)
        ):
            return None
        with keras.StatelessScope():
            return keras.ops.convert_to_numpy(before(x, training=False)).astype(np.float64)
    except UnsupportedVersion:
        raise
    except Exception:  # of any class: the tensor may belong to another model, or a layer may run code of the user
        return None


def _find_far_column(values: np.ndarray) -> tuple[int | None, float] | None:
    """Return the column farthest from unit size and the extreme value, or None if all values are near unit size.

    The column is None if the values are not a table, or if all columns are too small.

    Example:
        >>> _find_far_column(np.array([[0.5, 300.0], [1.0, -400.0]])), _find_far_column(np.eye(3))
        ((1, -400.0), None)
    """
    table = values.reshape(-1, values.shape[-1]) if values.ndim > 1 else values[:, None]
    if not table.size or not np.isfinite(table).all():
        return None
    size = np.sqrt((table**2).mean(axis=0))
    worst = int(size.argmax())
    if size[worst] <= _LARGE and not 0 < np.abs(table).max() < _SMALL:
        return None
    one = values.ndim == 2 and size[worst] > _LARGE
    return (worst, _find_extreme(table[:, worst])) if one else (None, _find_extreme(table))


def _find_extreme(values: np.ndarray) -> float:
    low, high = float(values.min()), float(values.max())
    return high if abs(high) >= abs(low) else low


def _describe_place(user_x: Any, x: Any, place: int, column: int | None) -> str:
    """Describe the location in notes: the name of the input if there are several, and the column name or number."""
    several = len(tree.flatten(x)) > 1
    parts = [list_leaf_names("x", x)[place]] if several else []
    if column is not None:
        names = get_column_names(user_x) if not several else []
        parts.append(f"column {names[column]!r}" if column < len(names) else f"column {column}")
    return f" ({', '.join(parts)})" if parts else ""


def _format_number(value: float) -> str:
    return f"{value:,.0f}" if 100 <= abs(value) < 1e7 else f"{value:.3g}"


# --- targets


def describe_target_scale(data: Data, objective: Objective, rows: np.ndarray) -> str:
    """Return a note with a remedy if the targets of a regression are far from unit size.

    Args:
        data: All rows.
        objective: The losses of the outputs.
        rows: Numbers of the training rows.

    Returns:
        The note, or an empty string.
    """
    leaves = tree.flatten(data.targets)
    for term in objective.terms:
        if get_loss_name(term.loss) not in _SCALED_LOSSES:
            continue
        y, weight = (part[rows].astype(np.float64) for part in (leaves[term.place], data.get_weight(term.place)))
        mean = np.average(y, axis=0, weights=weight)
        variance = float(np.mean(np.average((y - mean) ** 2, axis=0, weights=weight)))
        offset = float(np.sqrt((mean**2).mean()))
        if not variance:  # `describe_target_values` tells of a constant, which has no scale
            continue
        if 0.1 <= variance <= 10 and offset**2 <= _OFFSET**2 * variance:
            continue
        alone = len(leaves) == 1 and y.shape[1:] == (1,) and get_loss_name(term.loss) == "mean_squared_error"
        called = "y" if len(leaves) == 1 else "that output's y"
        axis = "axis=0" if y.shape[1:] != (1,) else ""
        remedy = f"divide y yourself, {called} = (y - y.mean({axis})) / y.std({axis})"
        size = f"variance is {variance:.3g}" if offset**2 <= _OFFSET**2 * variance else f"mean is {offset:.3g}"
        return Note(
            f"The target's {size}, and initial weights and learning rates suit one of about "
            f"{'1' if 'variance' in size else '0'}: say {'standardize_target=True' if alone else remedy}.",
            _FAR_TARGETS,
        )
    return ""


_OFFSET = 10.0  # maximum distance of the mean from 0, in standard deviations
_SCALED_LOSSES = ("mean_squared_error", "mean_absolute_error", "huber", "log_cosh")
