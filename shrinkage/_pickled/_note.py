"""The name under which pickles of version 0.1 look for their classes."""

from shrinkage._messages._note import Argument, Classes, _note  # noqa: F401
