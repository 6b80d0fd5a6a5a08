"""Layers: sublayers, variables, nodes, and build shapes."""

import inspect
from collections.abc import Callable
from typing import Any

import keras

from shrinkage._host._private import get_private, load

rnn = load("keras.src.backend", "rnn")
"""The loop of recurrent layers over time steps. The rules of recurrent layers run it for all members at once."""


def list_sublayers(layer: Any, *, include_self: bool = True) -> list[Any]:
    """Return all layers inside a layer or a model, at any depth, each once.

    `Model.layers` lists only the outermost layers, and a layer has no public list of sublayers.

    Args:
        layer: A layer or a model.
        include_self: Whether the list contains `layer`.
    """
    return get_private(layer, "_flatten_layers")(include_self=include_self)


def get_direct_trainable_variables(layer: Any) -> list[Any]:
    """Return the trainable variables that a layer created directly, even while they are frozen.

    The public `trainable_variables` also has the variables of sublayers, and omits frozen variables.
    """
    return get_private(layer, "_trainable_variables")


def list_seed_generators(layer: Any) -> list[Any]:
    """Return the seed generators that a layer created directly. Each member has a separate state of them."""
    return get_private(layer, "_seed_generators")


def list_inbound_nodes(layer: Any) -> list[Any]:
    """Return the nodes of a layer in graphs, one per call. `input_tensors` of a node are the inputs of the call."""
    return get_private(layer, "_inbound_nodes")


def get_build_shapes(layer: Any) -> dict[str, Any]:
    """Return the shapes that a layer was built with, by argument name; empty if they are unknown.

    The public `get_build_config` is not used, as a custom class may override it and return anything.
    """
    return get_private(layer, "_build_shapes_dict") or {}


def get_call_signature(layer: Any) -> inspect.Signature:
    """Return the signature of the `call` method of a layer, which Keras stores when the layer is created."""
    return get_private(layer, "_call_signature")


def get_kept_axes(normalization: Any) -> tuple[int, ...]:
    """Return the axes along which a built `Normalization` has separate means and variances."""
    return tuple(get_private(normalization, "_keep_axis"))


def get_reduced_axes(normalization: Any) -> tuple[int, ...]:
    """Return the axes over which a built `Normalization` averages, as `adapt` takes no sample weights."""
    return tuple(get_private(normalization, "_reduce_axis"))


def get_lambda_output_shape(layer: keras.layers.Lambda) -> Any:
    """Return the argument `output_shape` of a `Lambda`. The configuration of the layer loses it if it is a function."""
    return get_private(layer, "_output_shape")


def replace_lambdas(layer: keras.layers.Lambda, replace: Callable[[Any], Any]) -> None:
    """Replace the functions of a `Lambda` layer: `function`, `mask` and `output_shape`, if they are functions."""
    output_shape = get_private(layer, "_output_shape")
    layer.function = replace(layer.function)
    if callable(layer.mask):
        layer.mask = replace(layer.mask)
    if callable(output_shape):
        setattr(layer, "_output_shape", replace(output_shape))  # noqa: B010
