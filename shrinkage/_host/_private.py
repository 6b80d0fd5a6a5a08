"""Access to private attributes of Keras and TensorFlow, with a clear error if an attribute is missing.

No other package reads private attributes or instance dictionaries of Keras or TensorFlow, or the words of their errors
(`tests/test_private_parts.py` enforces the first two). Each accessor has a contract test in `tests/host/`, so this room
alone checks a new release.
"""

from importlib import import_module
from typing import Any

TESTED = {"keras": ("Keras", "3.13.2", "3.15.1"), "tensorflow": ("TensorFlow", "2.18.0", "2.21.0")}
"""(name, oldest version, newest version) of each, as in `constraints-oldest.txt` and `constraints.txt`."""

_MISSING = object()


class UnsupportedVersion(NotImplementedError):
    """The installed Keras or TensorFlow lacks what this package needs: no fault of a model or of the user's code.

    Where any exception of such code is caught, this one is passed on.
    """


def read(thing: Any, name: str) -> Any:
    """Return a private attribute of an object or a class of Keras or TensorFlow.

    Raises:
        UnsupportedVersion: If there is no such attribute. The message names the attribute, the installed version and
            the versions to install.

    Example:
        >>> import keras
        >>> read(keras.layers.Dense(1), "_layers")
        []
    """
    value = getattr(thing, name, _MISSING)
    if value is _MISSING:
        kind = thing if isinstance(thing, type) else type(thing)
        raise UnsupportedVersion(_missing_message(f"{kind.__name__}.{name}", kind.__module__))
    return value


def read_set(thing: Any, name: str, by: Any) -> Any:
    """Return a private attribute that an object has only after a method set it, or None before.

    Args:
        thing: The object.
        name: The name of the attribute.
        by: A method of Keras that sets an attribute of this name.

    Raises:
        UnsupportedVersion: If the method does not name the attribute, with the message of `read`.
    """
    if name not in by.__code__.co_names:
        raise UnsupportedVersion(_missing_message(f"{by.__qualname__.partition('.')[0]}.{name}", by.__module__))
    return getattr(thing, name, None)


def load(module: str, name: str) -> Any:
    """Return a class or a function of a private module of Keras or TensorFlow.

    Raises:
        UnsupportedVersion: If there is no such module or name, with the message of `read`.
    """
    try:
        return getattr(import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise UnsupportedVersion(_missing_message(f"{module}.{name}", module)) from error


def _missing_message(name: str, module: str) -> str:
    package = "tensorflow" if module.split(".")[0] == "tensorflow" else "keras"
    title, oldest, newest = TESTED[package]
    return (
        f"shrinkage needs {name}, which {title} {import_module(package).__version__} does not have. Install a version "
        f'that shrinkage is tested with, "{package}>={oldest},<={newest}", or a newer shrinkage.'
    )
