"""TensorFlow's functions and data sets, and the functions that Keras compiles to train."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import tensorflow as tf

from shrinkage._host._origin import is_from_keras
from shrinkage._host._private import get_private, load

_get_resources: Any = load("tensorflow.python.framework.auto_control_deps_utils", "get_read_write_resource_inputs")
"""The resources that an operation reads and writes; for a call of a function, those of the function."""
_context: Any = load("tensorflow.python.eager.context", "context")
"""The state of eager execution, which has the cache of kernels."""


def list_concrete_functions(function: Any) -> list[Any] | None:
    """Return the concrete functions that a `tf.function` has been traced to, or None for other objects."""
    if not isinstance(function, tf.types.experimental.PolymorphicFunction):
        return None
    return list(get_private(function, "_list_all_concrete_functions")())


def list_compiled_steps(function: Any) -> list[Any]:
    """Return the concrete functions of a `train_function`. Keras keeps the functions that it compiles in a closure.

    The list is empty for None, for a step that runs eagerly, and for a step that has not run.
    """
    if is_from_keras(function):  # a custom class may make any other callable object
        get_private(function, "__closure__")
    return _collect_concrete_functions(function)


def _collect_concrete_functions(function: Any) -> list[Any]:
    found = list_concrete_functions(function)
    if found is not None:
        return found
    cells = getattr(function, "__closure__", None) or ()
    return [concrete for cell in cells for concrete in _collect_concrete_functions(cell.cell_contents)]


def allow_tracing(function: Any) -> None:
    """Disable the warning that a `tf.function` is traced often: it counts over all functions of the same code."""
    get_private(function, "_omit_frequent_tracing_warning")
    function._omit_frequent_tracing_warning = True


def release_kernels() -> None:
    """Release the compiled functions that are called no more, and that TensorFlow otherwise keeps with their graphs.

    `keras.utils.clear_session` does so too, and resets the names of layers besides. A function that is called later is
    prepared again, which takes about a tenth of a second.
    """
    get_private(_context(), "clear_kernel_cache")()


def iterate_transformations(dataset: Any) -> Iterator[str]:
    """Yield the transformations of a `tf.data.Dataset`, last first, and the source, such as "Shuffle" or "Batch".

    They tell whether rows are shuffled or batched, which no public attribute does. Of several inputs, which have equal
    elements, only the last is followed: the first input of an interleaving is the choice among the others.
    """
    while isinstance(dataset, tf.data.Dataset):
        yield type(dataset).__name__.removeprefix("_").removesuffix("Dataset")
        dataset = (get_private(dataset, "_inputs")() or [None])[-1]


def get_traced_graph() -> Any:
    """Return the graph of the outermost `tf.function` that is being traced, or None."""
    if not tf.inside_function():
        return None
    graph: Any = tf.compat.v1.get_default_graph()
    while hasattr(graph.outer_graph, "outer_graph"):  # the default graph around it has none
        graph = graph.outer_graph
    return graph


def call_after_trace(graph: Any, callback: Callable[[], None]) -> None:
    """Call a function once a graph has been traced."""
    get_private(graph, "_add_scope_exit_callback")(callback)


def find_assigned_variables(graph: Any, variables: Iterable[Any], start: int = 0) -> list[Any]:
    """Return the Keras variables that operations of a graph assign to, and functions that these call.

    Args:
        graph: Of a `tf.function`.
        variables: To choose from.
        start: How many operations to leave out, from the first.
    """
    variables = list(variables)
    operations = graph.get_operations()[start:] if variables else []
    targets = {id(tensor) for operation in operations for tensor in _get_resources(operation)[1]}
    handles = {id(outside) for outside, inside in graph.captures if id(inside) in targets}
    return [variable for variable in variables if not handles.isdisjoint(_get_handles(variable))]


def _get_handles(variable: Any) -> set[int]:
    """Return the handles of a variable: one for each device that has a replica."""
    return {id(replica.handle) for replica in getattr(variable.value, "values", (variable.value,))}
