"""Conversion of SciPy sparse matrices to dense arrays. SciPy is not imported."""

import math
from typing import Any

import numpy as np


def is_sparse(values: Any) -> bool:
    """Whether `values` is a SciPy sparse matrix or array."""
    return callable(getattr(values, "toarray", None)) and hasattr(values, "nnz")


def to_dense(name: str, values: Any, dtype: str, limit: int) -> Any:
    """Convert sparse matrices, also in dictionaries, lists and tuples, to dense arrays. Other values are unchanged.

    Args:
        name: Name of the argument in errors.
        values: The argument of `fit`.
        dtype: Data type of the dense arrays.
        limit: Maximum size of a dense array in bytes.

    Raises:
        ValueError: If a dense array would exceed `limit`.
    """
    if isinstance(values, dict):
        return {key: to_dense(f"{name}[{key!r}]", value, dtype, limit) for key, value in values.items()}
    if isinstance(values, (list, tuple)) and any(map(is_sparse, values)):
        return tuple(to_dense(f"{name}[{i}]", value, dtype, limit) for i, value in enumerate(values))
    return _dense(name, values, dtype, limit) if is_sparse(values) else values


def _dense(name: str, values: Any, dtype: str, limit: int) -> np.ndarray:
    size = math.prod(values.shape) * np.dtype(dtype).itemsize
    if size > limit:
        raise ValueError(
            f"`{name}` must fit into memory as a dense array. Received: a {type(values).__name__} of shape "
            f"{tuple(values.shape)}, dense {size / 2**20:,.1f} MiB in {dtype}, of {limit / 2**20:,.1f} MiB allowed. "
            f"Give a larger max_memory, or take fewer columns, for example by sklearn.decomposition.TruncatedSVD."
        )
    return values.astype(dtype).toarray()
