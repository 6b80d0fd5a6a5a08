"""How this room reads what Keras and TensorFlow do not promise to keep, and says so when it is gone.

No other module of the package touches a private attribute of theirs (`tests/test_architecture.py` holds it), and each
accessor of this room has a contract test in `tests/host/test_host.py`: a new release is checked by that file alone.
"""

from importlib import import_module
from typing import Any

TESTED = {"keras": ("Keras", "3.13.0", "3.15.1"), "tensorflow": ("TensorFlow", "2.18.0", "2.21.0")}
"""Name, oldest and newest version of each, as `constraints-oldest.txt` and `constraints.txt` have them."""

_MISSING = object()


class UnsupportedVersion(NotImplementedError):
    """The installed Keras or TensorFlow lacks what this package needs: no fault of a model or of the user's code.

    Where any exception of such code is caught, this one is passed on.
    """


def read(thing: Any, name: str) -> Any:
    """Return a private attribute of an object or a class of Keras or TensorFlow.

    Raises:
        UnsupportedVersion: If it has none, naming the attribute, the installed version and what to install.

    Example:
        >>> import keras
        >>> read(keras.layers.Dense(1), "_layers")
        []
    """
    value = getattr(thing, name, _MISSING)
    if value is _MISSING:
        kind = thing if isinstance(thing, type) else type(thing)
        raise UnsupportedVersion(_sentence(f"{kind.__name__}.{name}", kind.__module__))
    return value


def load(module: str, name: str) -> Any:
    """Return what a private module of Keras or TensorFlow defines.

    Raises:
        UnsupportedVersion: If there is no such module or name, as `read` does.
    """
    try:
        return getattr(import_module(module), name)
    except (ModuleNotFoundError, AttributeError) as error:
        raise UnsupportedVersion(_sentence(f"{module}.{name}", module)) from error


def _sentence(what: str, module: str) -> str:
    package = "tensorflow" if module.split(".")[0] == "tensorflow" else "keras"
    name, oldest, newest = TESTED[package]
    return (
        f"shrinkage needs {what}, which {name} {import_module(package).__version__} does not have. Install a version "
        f'that shrinkage is tested with, "{package}>={oldest},<={newest}", or a newer shrinkage.'
    )
