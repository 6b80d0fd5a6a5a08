"""Layer rules, one file per family of layers. Importing this package registers all rules."""

from shrinkage._cohort._rules import (  # noqa: F401
    _attention,
    _convolution,
    _dense,
    _dropout,
    _embedding,
    _normalization,
    _pooling,
    _prelu,
    _recurrent,
    _time,
    _transposed,
)
from shrinkage._cohort._rules._registry import rule as rule
