"""The name under which pickles of version 0.1 look for their classes."""

from shrinkage._cv._folds import Folds  # noqa: F401
