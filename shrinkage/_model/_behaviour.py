"""How a model behaves when it is called, found on a few real rows: what is trained must be what comes back."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers, ops, tree

from shrinkage._data._data import take
from shrinkage._host._layers import sublayers
from shrinkage._host._origin import is_from_keras
from shrinkage._model._template import Template
from shrinkage._weights._kinds import is_of_keras

# Eleven rows, put together by six, five and one: `keras.ops.add` with TensorFlow takes a column of as many rows as the
# other side has columns for a bias, so that one size alone shows nothing.
COMPARED = 11
# What rounding may change, relative to the largest prediction: in two equal calls, and with other rows in the batch.
_EQUAL = {"float32": 1e-5, "float64": 1e-12, "bfloat16": 1e-2}
_ALONE = {"float32": 1e-4, "float64": 1e-9, "bfloat16": 0.1}
# ... and in sums that are made in another order, of inputs that a GPU has cut to TF32.
_TRAINED = {"float32": 1e-2, "float64": 1e-6, "bfloat16": 0.3}


# They may mix rows, assign weights, or keep what they learnt from data outside of them.
_OPEN = (
    layers.Lambda, layers.EinsumDense, layers.SpectralNormalization,
    layers.Discretization, layers.IntegerLookup, layers.StringLookup, layers.TextVectorization,
)  # fmt: skip


@dataclass(frozen=True)
class Behaviour:
    """What a few calls of a model show."""

    mixes_rows: bool = False
    """Whether a prediction depends on the batch, in inference mode: on the other rows, or on the row's place."""
    by_place: bool = False
    """Whether it depends on the row's place alone: random numbers are drawn when the model predicts, too."""
    random: bool = False
    """Whether two equal calls differ: random numbers outside Keras' seed generators."""
    written: tuple[int, ...] = ()
    """Which of the network's variables a call in training mode assigns, by their places."""


def observe(template: Template, x: Any) -> Behaviour:
    """Return how the caller's model behaves; its weights are moved a little, as first ones may hide something.

    Args:
        template: The model; neither the caller's nor the network of the template changes.
        x: All rows' inputs, a tree of arrays.

    Raises:
        ValueError: If a network of the template predicts otherwise than the caller's model with the same weights.
    """
    source, network = template.source, template.network
    if not template.is_function and all(map(_is_known, sublayers(network))):
        return Behaviour()
    n_rows = len(tree.flatten(x)[0])
    rows = take(x, np.unique(np.linspace(0, n_rows - 1, COMPARED).astype(int)))
    generator = np.random.default_rng(0)
    values = [perturb(variable, generator) for variable in network.variables]
    if not _is_finite(_call(network, values, rows)[0]):
        values = template.source_values()
    precision = _precision(network)
    trained, again = (_call(source, values, rows, training=True) for _ in range(2))
    predicted = _call(source, values, rows)
    random = not _are_equal(trained, again, precision)
    random_scores = random and not _are_equal(predicted, _call(source, values, rows), precision)
    if not random_scores:
        _check_copy(template, predicted, _call(network, values, rows), precision)
    if not random:
        _check_copy(template, trained, _call(network, values, rows, training=True), precision)
    written = [i for i, (new, old) in enumerate(zip(trained[1], values, strict=True)) if new is not None]
    mixes = not random_scores and _mixes_rows(network, values, rows, predicted[0], precision)
    by_place = mixes and _depends_on_place_alone(network, values, rows, predicted[0], precision)
    return Behaviour(mixes, by_place, random, tuple(written))


def describe_difference(
    template: Template, behaviour: Behaviour, values: Sequence[np.ndarray], rows: Any, predictions: Sequence[np.ndarray]
) -> str:
    """Say that the model with a member's weights, as it is handed out, predicts otherwise than the member did.

    Args:
        template: What it is made from.
        behaviour: What calls of it show.
        values: The member's, one for each of the network's variables.
        rows: Inputs, a tree of arrays.
        predictions: The member's, for these rows.

    Returns:
        A note; empty if they are equal but for rounding, or random, and nothing can be said.
    """
    if behaviour.random or behaviour.by_place or not _is_finite(predictions):
        return ""
    outputs = tree.flatten(template.model(values)(rows, training=False))
    pairs = zip(map(_numbers, outputs), predictions, strict=True)
    apart = max(_distance(mine, theirs) for mine, theirs in pairs)
    if apart <= _TRAINED[_precision(template.network)]:
        return ""
    return (
        f"path.model() predicts otherwise than the models that were trained and scored, by {apart:.2g} of the largest "
        f"prediction: losses and choice are not those of the models that come back. Say plan={{'rules': False}}, with "
        f"which every member calls the model itself; if this note stays, something that the model computes with is "
        f"kept outside its weights, and differs in each copy: keep it in a weight that is not trained, or give a "
        f"function that builds the same model at each call, shrinkage.fit(lambda: make_model(), ...)."
    )


def _is_known(layer: Any) -> bool:
    """Whether a layer is Keras' own, computes with its weights alone, and leaves the axis of the rows alone."""
    if not is_of_keras(layer) or isinstance(layer, _OPEN):
        return False
    if isinstance(layer, keras.Function) and not all(isinstance(one, keras.Layer) for one in layer.operations):
        return False  # `keras.ops` in a graph
    axes = [getattr(layer, name, None) for name in ("axis", "axes", "attention_axes")]
    functions = [getattr(layer, name, None) for name in ("activation", "recurrent_activation")]
    return all(axis is None or axis == -1 or axis >= 1 for axis in tree.flatten(axes)) and all(
        one is None or is_from_keras(type(one)) or is_from_keras(one) for one in functions
    )


def perturb(variable: Any, generator: np.random.Generator, members: tuple[int, ...] = ()) -> np.ndarray:
    """Return values near a variable's own for some members, (*members, ...); what is not trained stays."""
    value = ops.convert_to_numpy(variable)
    if not variable.trainable:
        return np.broadcast_to(value, (*members, *value.shape))
    noise = generator.normal(size=(*members, *value.shape))
    return (value + 0.1 * noise * max(float(value.std()), 0.1)).astype(variable.dtype)


Call = tuple[list[np.ndarray], list[Any]]
"""Predictions, and the new values of the variables that were assigned; None for the others."""


def _call(model: keras.Model, values: Sequence[np.ndarray], rows: Any, *, training: bool = False) -> Call:
    """Call a model with these values of its variables, which stay as they are.

    Raises:
        ValueError: If it assigns a variable that is not among them.
    """
    given = [ops.convert_to_tensor(value, v.dtype) for v, value in zip(model.variables, values, strict=True)]
    scope = keras.StatelessScope(state_mapping=[*zip(model.variables, given, strict=True)])
    with scope, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Keras, about a batch of one row
        outputs = model(rows, training=training)
    if set(scope.state_mapping) - set(map(id, model.variables)):
        raise ValueError(
            f"`model` ({model.name}) changes a variable that is not its own when it is called: every step would find "
            f"the same value. Random numbers of keras.random without a `seed` do that: let the layer keep "
            f"self.seed_generator = keras.random.SeedGenerator(), and draw with seed=self.seed_generator."
        )
    now = [scope.get_current_value(variable) for variable in model.variables]
    new = [None if a is b else _numbers(a) for a, b in zip(now, given, strict=True)]
    return [_numbers(output) for output in tree.flatten(outputs)], new


def _numbers(value: Any) -> np.ndarray:
    return ops.convert_to_numpy(ops.cast(value, "float64"))


def _is_finite(arrays: Sequence[np.ndarray]) -> bool:
    return all(bool(np.isfinite(array).all()) for array in arrays)


def _precision(network: keras.Model) -> str:
    types = {layer.compute_dtype for layer in sublayers(network)}
    return "bfloat16" if "bfloat16" in types else "float32" if "float32" in types else "float64"


def _are_equal(one: Call, other: Call, precision: str) -> bool:
    return all(_distance(a, b) <= _EQUAL[precision] for a, b in zip(_flat(one), _flat(other), strict=True))


def _flat(call: Call) -> list[np.ndarray]:
    return [*call[0], *(np.zeros(1) if value is None else value for value in call[1])]


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Return the largest difference, relative to the largest value; infinite for other shapes."""
    if one.shape != other.shape:
        return np.inf
    differences = np.abs(one - other)[~(np.isnan(one) & np.isnan(other))]
    if not differences.size:
        return 0.0
    return float(differences.max() / max(np.nanmax(np.abs(one)), 1e-6)) if np.isfinite(differences).all() else np.inf


def _mixes_rows(
    network: keras.Model, values: Sequence[np.ndarray], rows: Any, together: Sequence[np.ndarray], precision: str
) -> bool:
    """Whether predictions for rows change when they are put together in other ways: shuffled, halved, alone."""
    n = len(tree.flatten(rows)[0])
    if n < 2:
        return False
    half, every = -(-n // 2), np.arange(n)
    ways = [np.random.default_rng(0).permutation(n), every[:half], every[half:], every[:1], every[-1:]]
    changed = set()
    for way in ways:
        try:
            found, _ = _call(network, values, take(rows, way))
        except Exception:  # of any class: a model of the user's own may take no such batch, and so knows of batches
            return True
        for alone, whole in zip(found, together, strict=True):
            if len(whole) != n or _distance(whole[way], alone) > _ALONE[precision]:
                changed.add(len(way))
    return n in changed or len(changed) > (n > 3)


def _depends_on_place_alone(
    network: keras.Model, values: Sequence[np.ndarray], rows: Any, together: Sequence[np.ndarray], precision: str
) -> bool:
    """Whether predictions for the first rows stay when only the rows behind them are others."""
    n = len(tree.flatten(rows)[0])
    half = n // 2
    other = np.where(np.arange(n) < half, np.arange(n), 0)
    found, _ = _call(network, values, take(rows, other))
    return half > 0 and all(
        len(alone) == n and _distance(whole[:half], alone[:half]) <= _ALONE[precision]
        for alone, whole in zip(found, together, strict=True)
    )


def _check_copy(template: Template, mine: Call, copied: Call, precision: str) -> None:
    """Refuse a model whose copy does not predict the same."""
    if _are_equal(mine, copied, precision):
        return
    apart = max(_distance(a, b) for a, b in zip(_flat(mine), _flat(copied), strict=True))
    own = sorted({type(layer).__name__ for layer in sublayers(template.network) if not is_of_keras(layer)})
    named = f" (its own classes are {', '.join(own)})" if own else ""
    what = "two models that the function returns" if template.is_function else "a copy of it"
    fix = (
        "draw it from a fixed seed inside the function"
        if template.is_function
        else "return it from `get_config`, or give a function that builds the same model at each call, every random "
        "number from a fixed seed: shrinkage.fit(lambda: make_model(), ...)"
    )
    raise ValueError(
        f"`model` must predict the same as {what} with the same weights, or what comes back is not what was trained. "
        f"Received: predictions or states that differ by {apart:.2g} of the largest. Something that it computes with "
        f"is kept outside its weights{named}. Keep it in a weight that is not trained, "
        f"self.add_weight(..., trainable=False); or {fix}."
    )
