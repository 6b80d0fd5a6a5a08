"""Layers: what they hold, where they are called, how they were built."""

import inspect
from collections.abc import Iterator
from typing import Any

import keras

from shrinkage._host._private import load, read

rnn = load("keras.src.backend", "rnn")
"""The loop of Keras' recurrent layers over time steps: members take each step together, and else as the layers do."""


def sublayers(layer: Any, *, itself: bool = True) -> list[Any]:
    """Return all layers in a layer or a model, at any depth, each once.

    `Model.layers` has the outermost alone, and a layer has no public list.
    """
    return read(layer, "_flatten_layers")(include_self=itself)


def held_attributes(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yield the attributes of a layer by their names, without Keras' and TensorFlow's records of the same objects."""
    for name, value in vars(layer).items():
        if name != "_layers" and not name.startswith("_self_"):
            yield name, value


def own_trainable(layer: Any) -> list[Any]:
    """Return the variables that a layer itself has made to be trained, also while they are frozen.

    `trainable_variables` has those of the layers inside too, and none that is frozen: it does not tell whose one is.
    """
    return read(layer, "_trainable_variables")


def seed_generators(layer: Any) -> list[Any]:
    """Return the generators from which a layer itself draws: members draw from states of their own."""
    return read(layer, "_seed_generators")


def inbound_nodes(layer: Any) -> list[Any]:
    """Return the calls of a layer in graphs: their `input_tensors` say what it is given."""
    return read(layer, "_inbound_nodes")


def build_shapes(layer: Any) -> dict[str, Any]:
    """Return the shapes by which a layer was built, by names of arguments; none if that is not known.

    `get_build_config` is public, and a user's own class may return anything there.
    """
    return read(layer, "_build_shapes_dict") or {}


def call_signature(layer: Any) -> inspect.Signature:
    """Return the arguments of a layer's `call`, as `Layer.__call__` reads them once and for all."""
    return read(layer, "_call_signature")


def kept_axes(normalization: Any) -> tuple[int, ...]:
    """Return the axes of which a built `Normalization` has a mean and a variance for each place."""
    return tuple(read(normalization, "_keep_axis"))


def reduced_axes(normalization: Any) -> tuple[int, ...]:
    """Return the axes over which a built `Normalization` takes mean and variance: `adapt` has no weights of rows."""
    return tuple(read(normalization, "_reduce_axis"))


def lambda_output_shape(layer: keras.layers.Lambda) -> Any:
    """Return the argument `output_shape` of a `Lambda`, whose configuration loses functions."""
    return read(layer, "_output_shape")
