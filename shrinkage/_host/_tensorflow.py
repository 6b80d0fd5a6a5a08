"""TensorFlow's functions and data sets."""

from typing import Any

import tensorflow as tf

from shrinkage._host._private import read


def concrete_functions(function: Any) -> list[Any] | None:
    """Return what a `tf.function` has been traced to so far, with its graphs, or None for another thing."""
    if not isinstance(function, tf.types.experimental.PolymorphicFunction):
        return None
    return list(read(function, "_list_all_concrete_functions")())


def allow_tracing(function: Any) -> None:
    """Let TensorFlow not warn that a `tf.function` is traced often: it counts over all functions of the same code."""
    read(function, "_omit_frequent_tracing_warning")
    function._omit_frequent_tracing_warning = True


def dataset_before(dataset: Any) -> Any:
    """Return the `tf.data.Dataset` from which another was made, or None: it tells whether rows are in batches."""
    return getattr(dataset, "_input_dataset", None)  # one that was made of several, or of arrays, has none
