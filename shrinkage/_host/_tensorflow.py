"""TensorFlow's functions and data sets."""

from typing import Any

import tensorflow as tf

from shrinkage._host._private import read


def concrete_functions(function: Any) -> list[Any] | None:
    """Return the concrete functions that a `tf.function` has been traced to, or None for other objects."""
    if not isinstance(function, tf.types.experimental.PolymorphicFunction):
        return None
    return list(read(function, "_list_all_concrete_functions")())


def allow_tracing(function: Any) -> None:
    """Disable the warning that a `tf.function` is traced often: it counts over all functions of the same code."""
    read(function, "_omit_frequent_tracing_warning")
    function._omit_frequent_tracing_warning = True


def dataset_before(dataset: Any) -> Any:
    """Return the input of a transformed `tf.data.Dataset`, or None. It shows whether rows are batched."""
    return getattr(dataset, "_input_dataset", None)  # sources and transformations of several data sets have none
