"""The result of a fit: curve, path, table, verdict, figure and files."""

from importlib import import_module

_CLASSES = {"Path": "_path", "Status": "_curve"}


def __getattr__(name: str) -> object:
    """Return a class that pickles of version 0.1 expect here; the import is lazy, because it takes seconds."""
    if name in _CLASSES:
        return getattr(import_module(f"shrinkage._path.{_CLASSES[name]}"), name)
    raise AttributeError(f"module 'shrinkage._path' has no attribute {name!r}")
