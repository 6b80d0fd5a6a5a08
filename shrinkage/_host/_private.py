"""Access to private attributes of Keras and TensorFlow, with a clear error if an attribute is missing.

No other package reads private attributes or instance dictionaries of Keras or TensorFlow, or the words of their errors
(`tests/test_private_parts.py` enforces the first two). Each accessor has a contract test in `tests/host/`, so this room
alone checks a new release.
"""

from importlib import import_module
from typing import Any

TESTED_VERSIONS = {"keras": ("Keras", "3.13.2", "3.15.1"), "tensorflow": ("TensorFlow", "2.18.0", "2.21.0")}
"""(name, oldest version, newest version) of each, as in `constraints-oldest.txt` and `constraints.txt`."""

_MISSING = object()


class UnsupportedVersion(NotImplementedError):
    """The installed Keras or TensorFlow lacks what this package needs: no fault of a model or of the user's code.

    Where any exception of such code is caught, this one is passed on.
    """


def get_private(obj: Any, name: str) -> Any:
    """Return a private attribute of an object or a class of Keras or TensorFlow.

    Raises:
        UnsupportedVersion: If there is no such attribute. The message names the attribute, the installed version and
            the versions to install.

    Example:
        >>> import keras
        >>> get_private(keras.layers.Dense(1), "_layers")
        []
    """
    value = getattr(obj, name, _MISSING)
    if value is _MISSING:
        kind = obj if isinstance(obj, type) else type(obj)
        raise UnsupportedVersion(_describe_missing(f"{kind.__name__}.{name}", kind.__module__))
    return value


def get_private_or_none(obj: Any, name: str, setter: Any) -> Any:
    """Return a private attribute that an object has only after a method set it, or None before.

    Args:
        obj: The object.
        name: The name of the attribute.
        setter: A method of Keras that sets an attribute of this name.

    Raises:
        UnsupportedVersion: If the method does not name the attribute, with the message of `read`.
    """
    if name not in setter.__code__.co_names:
        raise UnsupportedVersion(
            _describe_missing(f"{setter.__qualname__.partition('.')[0]}.{name}", setter.__module__)
        )
    return getattr(obj, name, None)


def load(module: str, name: str) -> Any:
    """Return a class or a function of a private module of Keras or TensorFlow.

    Raises:
        UnsupportedVersion: If there is no such module or name, with the message of `read`.
    """
    try:
        return getattr(import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise UnsupportedVersion(_describe_missing(f"{module}.{name}", module)) from error


def _describe_missing(name: str, module: str) -> str:
    package = "tensorflow" if module.split(".")[0] == "tensorflow" else "keras"
    title, oldest, newest = TESTED_VERSIONS[package]
    return (
        f"shrinkage needs {name}, which {title} {import_module(package).__version__} does not have. Install a version "
        f'that shrinkage is tested with, "{package}>={oldest},<={newest}", or a newer shrinkage.'
    )
