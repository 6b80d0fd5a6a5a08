"""The graphs of functional models: nodes, and execution with replaced operations."""

from collections.abc import Callable
from typing import Any

import keras

from shrinkage._host._private import get_private, load

Functional: Any = load("keras.src.models.functional", "Functional")
"""The class of `keras.Model(inputs, outputs)`. A subclass that overrides `call` does not run the graph."""


def get_graph(operation: Any) -> Any:
    """Return the graph of a model or a `keras.Function`, or None if it has none.

    A `Sequential` model has a graph after it was built, if all layers accept symbolic inputs.
    """
    if isinstance(operation, keras.Sequential):
        return get_private(operation, "_functional")
    return operation if isinstance(operation, keras.Function) else None


def list_nodes(graph: Any) -> list[Any]:
    """Return the nodes of a graph in topological order: each node follows the nodes that produce the inputs."""
    by_depth = get_private(graph, "_nodes_by_depth")
    return [node for depth in sorted(by_depth, reverse=True) for node in by_depth[depth]]


def run_through_graph(graph: Any, inputs: list[Any], call_of: Callable[[Any], Callable[..., Any]]) -> Any:
    """Run a graph with `call_of(operation)` in place of each operation, and return the outputs.

    `clone_model` uses the same function. It binds the recorded arguments of each node. `inputs` are in the order of
    `graph.inputs`.
    """
    return get_private(graph, "_run_through_graph")(inputs, call_of)


def list_layers(model: keras.Sequential) -> list[Any]:
    """Return the layers of a `Sequential` model, with the `InputLayer`. The public `layers` omits the `InputLayer`."""
    return list(get_private(model, "_layers"))


def get_operation_kind(operation: Any) -> str | None:
    """Return the class name of an operation of `keras.ops`, or None for others. The classes are not public."""
    return type(operation).__name__ if type(operation).__module__.startswith("keras.src.ops.") else None
