"""Sparse matrices of SciPy, which nothing here imports, as dense arrays."""

import math
from typing import Any

import numpy as np


def is_sparse(values: Any) -> bool:
    """Whether `values` is a sparse matrix or array of SciPy."""
    return callable(getattr(values, "toarray", None)) and hasattr(values, "nnz")


def to_dense(name: str, values: Any, dtype: str, limit: int) -> Any:
    """Return sparse matrices, and dictionaries, lists and tuples of them, as dense arrays; anything else as it is.

    Args:
        name: What to call them in errors.
        values: As the user gave them.
        dtype: Of the dense arrays.
        limit: Bytes that a dense array may take.

    Raises:
        ValueError: If one would take more.
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
