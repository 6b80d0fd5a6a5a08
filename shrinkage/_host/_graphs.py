"""The graphs of models: their nodes, and a walk along them."""

from collections.abc import Callable
from typing import Any

import keras

from shrinkage._host._private import load, read

Functional: Any = load("keras.src.models.functional", "Functional")
"""The class that `keras.Model(inputs, outputs)` makes. A class that overrides its `call` does not run by its graph."""


def graph_of(operation: Any) -> Any:
    """Return the graph of a model or a `keras.Function`, or None if it has none.

    A `Sequential` model keeps one inside, once it is built and its layers could be called on symbolic inputs.
    """
    if isinstance(operation, keras.Sequential):
        return read(operation, "_functional")
    return operation if isinstance(operation, keras.Function) else None


def nodes_of(graph: Any) -> list[Any]:
    """Return the calls in a graph, each after those whose outputs it is given."""
    by_depth = read(graph, "_nodes_by_depth")
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def run_through_graph(graph: Any, inputs: list[Any], call_of: Callable[[Any], Callable[..., Any]]) -> Any:
    """Return a graph's outputs where `call_of(operation)` is called in the place of each operation.

    It is what `clone_model` uses, and binds each node's recorded arguments. `inputs` are in the graph's order.
    """
    return read(graph, "_run_through_graph")(inputs, call_of)


def layers_given(model: keras.Sequential) -> list[Any]:
    """Return the layers that make a `Sequential` model, its `InputLayer` with them: `layers` leaves that out."""
    return list(read(model, "_layers"))


def operation_kind(operation: Any) -> str | None:
    """Return the name of the class of an operation of `keras.ops`, or None for another: the classes are not public."""
    return type(operation).__name__ if type(operation).__module__.startswith("keras.src.ops.") else None
