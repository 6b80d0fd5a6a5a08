"""Whether code is Keras' own."""

from typing import Any


def is_from_keras(code: Any) -> bool:
    """Say whether a class or a function is defined in Keras.

    Only the module tells: Keras defines its public classes in `keras.src`, and says of none that it is its own.

    Example:
        >>> import keras
        >>> is_from_keras(keras.layers.Dense), is_from_keras(keras.activations.relu), is_from_keras(dict)
        (True, True, False)
    """
    return getattr(code, "__module__", None) is not None and code.__module__.startswith("keras.")
