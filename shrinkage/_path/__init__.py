"""What comes back: the curve, the models on all rows, and what is said, drawn and saved of them."""

from importlib import import_module

_CLASSES = {"Path": "_path", "Status": "_curve"}


def __getattr__(name: str) -> object:
    """Return a class that pickles of version 0.1 look for here; importing it takes seconds."""
    if name in _CLASSES:
        return getattr(import_module(f"shrinkage._path.{_CLASSES[name]}"), name)
    raise AttributeError(f"module 'shrinkage._path' has no attribute {name!r}")
