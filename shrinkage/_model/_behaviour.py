"""Checks of a model on a few real rows: mixing of rows, random numbers, and predictions equal to those of the copy."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops, tree

from shrinkage._data._data import take
from shrinkage._host._layers import list_sublayers
from shrinkage._host._origin import is_from_keras
from shrinkage._host._private import UnsupportedVersion
from shrinkage._messages._note import Note
from shrinkage._model._template import Template
from shrinkage._weights._kinds import is_of_keras

# Number of rows for the comparisons, in batches of 11, 6, 5 and 1. A single batch size is not enough: `keras.ops.add`
# with TensorFlow treats a column as a bias if the number of rows equals the number of columns of the other operand.
COMPARED_ROWS = 11
# Rounding tolerances, relative to the largest prediction: for two equal calls, and for a batch with other rows.
_EQUAL_CALLS = {"float32": 1e-5, "float64": 1e-12, "bfloat16": 1e-2}
_OTHER_BATCH = {"float32": 1e-4, "float64": 1e-9, "bfloat16": 0.1}
# The tolerance for sums in another order, of inputs that a GPU rounds to TF32.
_OTHER_GRAPH = {"float32": 1e-2, "float64": 1e-6, "bfloat16": 0.3}
_ROUNDING, _MANY_SUMS = {"float32": 2.0**-24, "float64": 2.0**-53, "bfloat16": 2.0**-8}, 10.0
"""The relative error of a rounded number, and the largest error of a sum as a multiple of it."""


# Layers that may mix rows, assign weights, or hold data outside the weights.
_UNCERTAIN_LAYERS = (
    layers.Lambda, layers.EinsumDense, layers.SpectralNormalization,
    layers.Discretization, layers.IntegerLookup, layers.StringLookup, layers.TextVectorization,
)  # fmt: skip


@dataclass(frozen=True)
class Behaviour:
    """The behaviour of a model in a few calls."""

    mixes_rows: bool = False
    """Whether a prediction depends on the other rows of the batch, or on the position of the row, in inference mode."""
    depends_on_position: bool = False
    """Whether a prediction depends on the position of the row alone, as with random numbers in inference mode."""
    equal_calls_differ: bool = False
    """Whether two equal calls differ, as with random numbers outside the seed generators of Keras."""
    assigned_variables: tuple[int, ...] = ()
    """The indices of the variables of the network that a call in training mode assigns."""


def observe(template: Template, x: Any) -> Behaviour:
    """Return the behaviour of the user's model in a few calls.

    The calls use perturbed weights, because initial values such as zeros may hide a dependence. No weights change.

    Args:
        template: The template of the model.
        x: Inputs of all rows, a tree of arrays.

    Raises:
        ValueError: If the copy of the model and the user's model predict differently with the same weights.
    """
    source, network = template.source, template.network
    if not template.is_function and all(map(_is_known, list_sublayers(network))):
        return Behaviour()
    source = template.get_trained_part(source)
    n_rows = len(tree.flatten(x)[0])
    rows = take(x, np.unique(np.linspace(0, n_rows - 1, COMPARED_ROWS).astype(int)))
    generator = np.random.default_rng(0)
    values = [perturb(variable, generator) for variable in network.variables]
    if not _is_finite(_call(network, values, rows)[0]):
        values = template.get_source_values()
    precision = _get_precision(network)
    trained, again = (_call(source, values, rows, training=True) for _ in range(2))
    predicted = _call(source, values, rows)
    calls_differ = not _are_equal(trained, again, precision)
    random_scores = calls_differ and not _are_equal(predicted, _call(source, values, rows), precision)
    if not random_scores:
        _check_copy(template, predicted, _call(network, values, rows), precision)
    if not calls_differ:
        _check_copy(template, trained, _call(network, values, rows, training=True), precision)
    assigned = [i for i, new in enumerate(trained[1]) if new is not None]
    mixes = not random_scores and _mixes_rows(network, values, rows, predicted[0], precision)
    by_position = mixes and _depends_on_position_only(network, values, rows, predicted[0], precision)
    return Behaviour(mixes, by_position, calls_differ, tuple(assigned))


def describe_difference(
    template: Template, behaviour: Behaviour, values: Sequence[np.ndarray], rows: Any, predictions: Sequence[np.ndarray]
) -> str:
    """Return a note if the returned model with the weights of a member predicts differently from the member.

    Args:
        template: The template of the model.
        behaviour: The behaviour of the model.
        values: Values of the member for all variables of the network.
        rows: Inputs, a tree of arrays.
        predictions: Predictions of the member for the rows.

    Returns:
        The note. It is empty if the predictions agree up to rounding, and for models with random predictions.
    """
    if behaviour.equal_calls_differ or behaviour.depends_on_position or not _is_finite(predictions):
        return ""
    outputs = tree.flatten(template.get_trained_part(template.make_model(values))(rows, training=False))
    pairs = zip(map(_to_float64, outputs), predictions, strict=True)
    difference = max(_compute_distance(returned, trained) for returned, trained in pairs)
    if difference <= _OTHER_GRAPH[_get_precision(template.network)]:
        return ""
    return (
        f"path.model() predicts differently from the models that were trained and scored: the difference is "
        f"{difference:.2g} of the largest prediction. Losses and choice do not apply to the returned models. "
        f"{_explain_difference(template, rows, difference)}"
    )


def _explain_difference(template: Template, rows: Any, difference: float) -> str:
    """Return the cause of a difference between predictions, and what to do: rounding, or a value that is no weight."""
    offset = max(map(_compute_offset, tree.flatten(rows)), default=0.0)
    is_known = not template.is_function and all(map(_is_known, list_sublayers(template.network)))
    if is_known and difference <= _MANY_SUMS * _ROUNDING[_get_precision(template.network)] * offset:
        return (
            f"Inputs are up to {offset:,.0f} standard deviations from 0, and sums of such numbers lose digits in "
            f"{template.network.compute_dtype}. Put keras.layers.Normalization() first, which is fitted to each fold's "
            f"training rows, or subtract the mean of each column."
        )
    return (
        "Say plan={'rules': False}, so that every member calls the model. If this note remains, the model uses a value "
        "that is not a weight and differs between copies: store the value in a weight with trainable=False, or give a "
        "function that builds the same model at each call, shrinkage.fit(lambda: make_model(), ...)."
    )


def _compute_offset(values: Any) -> float:
    """Return the largest distance of a column's mean from 0, in standard deviations; 0 for inputs that are no table."""
    if not isinstance(values, np.ndarray) or values.ndim != 2 or values.dtype.kind != "f":
        return 0.0
    mean, sd = np.abs(values.mean(axis=0, dtype=np.float64)), values.std(axis=0, dtype=np.float64)
    return float(np.divide(mean, sd, out=np.zeros_like(mean), where=sd > 0).max(initial=0.0))


def _is_known(layer: Any) -> bool:
    """Return whether a layer is from Keras, has no state but the weights, and does not mix rows."""
    if not is_of_keras(layer) or isinstance(layer, _UNCERTAIN_LAYERS):
        return False
    if isinstance(layer, keras.Function) and not all(isinstance(part, keras.Layer) for part in layer.operations):
        return False  # `keras.ops` in a graph
    axes = [getattr(layer, name, None) for name in ("axis", "axes", "attention_axes")]
    functions = [getattr(layer, name, None) for name in ("activation", "recurrent_activation")]
    return all(axis is None or axis == -1 or axis >= 1 for axis in tree.flatten(axes)) and all(
        function is None or is_from_keras(type(function)) or is_from_keras(function) for function in functions
    )


def perturb(variable: Any, generator: np.random.Generator, members: tuple[int, ...] = ()) -> np.ndarray:
    """Return perturbed values of a variable, (*members, ...), or unperturbed values if it is not trainable."""
    value = ops.convert_to_numpy(variable)
    if not variable.trainable:
        return np.broadcast_to(value, (*members, *value.shape))
    noise = generator.normal(size=(*members, *value.shape))
    return (value + 0.1 * noise * max(float(value.std()), 0.1)).astype(variable.dtype)


Call = tuple[list[np.ndarray], list[Any]]
"""Predictions, and the new value of each variable, or None for a variable that was not assigned."""


def _call(model: keras.Model, values: Sequence[np.ndarray], rows: Any, *, training: bool = False) -> Call:
    """Call a model with the given values of the variables. The variables do not change.

    Raises:
        ValueError: If the call assigns a variable that is not in `model.variables`.
    """
    before = [ops.convert_to_tensor(value, v.dtype) for v, value in zip(model.variables, values, strict=True)]
    scope = keras.StatelessScope(state_mapping=[*zip(model.variables, before, strict=True)])
    with scope, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras warns about a batch of one row
        outputs = model(rows, training=training)
    if set(scope.state_mapping) - set(map(id, model.variables)):
        raise ValueError(
            Note(
                f"$model ({model.name}) must change no variables but those of the model. Received: a call that changes "
                f"another variable, so that every step would see the same value. A common cause is keras.random "
                f"without `seed`. Store a seed generator in the layer, self.seed_generator = "
                f"keras.random.SeedGenerator(), and draw with seed=self.seed_generator."
            )
        )
    after = [scope.get_current_value(variable) for variable in model.variables]
    new = [None if a is b else _to_float64(a) for a, b in zip(after, before, strict=True)]
    return [_to_float64(output) for output in tree.flatten(outputs)], new


def _to_float64(value: Any) -> np.ndarray:
    return ops.convert_to_numpy(ops.cast(value, "float64"))


def _is_finite(arrays: Sequence[np.ndarray]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in arrays)


def _get_precision(network: keras.Model) -> str:
    types = {layer.compute_dtype for layer in list_sublayers(network)}
    return "bfloat16" if "bfloat16" in types else "float32" if "float32" in types else "float64"


def _are_equal(call: Call, other: Call, precision: str) -> bool:
    return all(
        _compute_distance(a, b) <= _EQUAL_CALLS[precision] for a, b in zip(_flatten(call), _flatten(other), strict=True)
    )


def _flatten(call: Call) -> list[np.ndarray]:
    return [*call[0], *(np.zeros(1) if value is None else value for value in call[1])]


def _compute_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Return the largest difference, relative to the largest finite value; infinite for different shapes."""
    if a.shape != b.shape:
        return np.inf
    apart = (a != b) & ~(np.isnan(a) & np.isnan(b))
    differences = np.abs(a[apart] - b[apart])
    if not np.isfinite(differences).all():
        return np.inf
    return float(differences.max(initial=0.0) / np.abs(a[np.isfinite(a)]).max(initial=1e-6))


def _mixes_rows(
    network: keras.Model, values: Sequence[np.ndarray], rows: Any, predictions: Sequence[np.ndarray], precision: str
) -> bool:
    """Return whether the predictions for rows change in other batches: shuffled, halves, single rows.

    Args:
        network: The model.
        values: Values of all variables.
        rows: Inputs, a tree of arrays.
        predictions: Predictions for all rows in one batch.
        precision: The key of the tolerances.
    """
    n = len(tree.flatten(rows)[0])
    if n < 2:
        return False
    half, every = -(-n // 2), np.arange(n)
    ways = [np.random.default_rng(0).permutation(n), every[:half], every[half:], every[:1], every[-1:]]
    changed = set()
    for way in ways:
        try:
            found, _ = _call(network, values, take(rows, way))
        except UnsupportedVersion:
            raise
        except Exception:  # of any class: a custom model may refuse the batch, and thus depends on the batch
            return True
        for part, whole in zip(found, predictions, strict=True):
            if len(whole) != n or _compute_distance(whole[way], part) > _OTHER_BATCH[precision]:
                changed.add(len(way))
    return n in changed or len(changed) > (n > 3)


def _depends_on_position_only(
    network: keras.Model, values: Sequence[np.ndarray], rows: Any, predictions: Sequence[np.ndarray], precision: str
) -> bool:
    """Return whether the predictions for the first half of the rows do not change when the second half is replaced."""
    n = len(tree.flatten(rows)[0])
    half = n // 2
    other = np.where(np.arange(n) < half, np.arange(n), 0)
    found, _ = _call(network, values, take(rows, other))
    return half > 0 and all(
        len(part) == n and _compute_distance(whole[:half], part[:half]) <= _OTHER_BATCH[precision]
        for part, whole in zip(found, predictions, strict=True)
    )


def _check_copy(template: Template, source_call: Call, copy_call: Call, precision: str) -> None:
    """Refuse a model if a copy with the same weights predicts differently."""
    if _are_equal(source_call, copy_call, precision):
        return
    difference = max(_compute_distance(a, b) for a, b in zip(_flatten(source_call), _flatten(copy_call), strict=True))
    custom = sorted({type(layer).__name__ for layer in list_sublayers(template.network) if not is_of_keras(layer)})
    classes = f" (custom classes: {', '.join(custom)})" if custom else ""
    other = "another model that the function returns" if template.is_function else "a copy of the model"
    fix = (
        "draw the value from a fixed seed inside the function"
        if template.is_function
        else "return the value from `get_config`$or_give_function"
    )
    raise ValueError(
        Note(
            f"$model must predict the same as {other} with the same weights, because copies are trained. Received: "
            f"predictions or states that differ by {difference:.2g} of the largest. The model uses a value that is not "
            f"a weight{classes}. Store the value in a weight, self.add_weight(..., trainable=False), or {fix}."
        )
    )
