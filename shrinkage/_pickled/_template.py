"""The name under which pickles of version 0.1 look for their classes."""

from shrinkage._model._template import Template  # noqa: F401
