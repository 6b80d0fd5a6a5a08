"""The name under which pickles of version 0.1 look for their classes."""

from shrinkage._cv._choice import Difference, NothingToChoose  # noqa: F401
