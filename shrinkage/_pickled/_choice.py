"""The name under which pickles of version 0.1 look for their classes."""

from shrinkage._cv._choice import NothingToChoose  # noqa: F401
from shrinkage._cv._statistics import Difference  # noqa: F401
