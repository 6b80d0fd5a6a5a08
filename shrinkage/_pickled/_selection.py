"""The name under which pickles of version 0.1 look for their classes."""

from shrinkage._weights._selection import Selection, Weight  # noqa: F401
