"""Test whether code is defined in Keras."""

from typing import Any


def is_from_keras(code: Any) -> bool:
    """Return whether a class or a function is defined in Keras.

    The test reads the module name. Public classes of Keras are defined in `keras.src`.

    Example:
        >>> import keras
        >>> is_from_keras(keras.layers.Dense), is_from_keras(keras.activations.relu), is_from_keras(dict)
        (True, True, False)
    """
    return getattr(code, "__module__", None) is not None and code.__module__.startswith("keras.")
