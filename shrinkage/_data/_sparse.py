"""SciPy sparse matrices: kept sparse in memory as inputs, with dense batches, or converted to dense arrays.

SciPy is imported only for a sparse matrix of SciPy.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from shrinkage._data._memory_limit import format_bytes


@dataclass(frozen=True, eq=False)
class SparseRows:
    """Rows of a sparse matrix (n, d). Row numbers select dense rows; a slice or a mask selects sparse rows."""

    matrix: Any
    """A SciPy matrix in CSR format, without duplicates."""

    @property
    def shape(self) -> tuple[int, int]:
        """Number of rows and columns."""
        return self.matrix.shape

    @property
    def dtype(self) -> np.dtype:
        """Data type of the values."""
        return self.matrix.dtype

    @property
    def ndim(self) -> int:
        """Number of axes, 2."""
        return 2

    @property
    def size(self) -> int:
        """Number of values, including zeros."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Number of bytes in memory."""
        return self.matrix.data.nbytes + self.matrix.indices.nbytes + self.matrix.indptr.nbytes

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, tuple):
            rows, column = key  # all rows, and the number of a column, in a list as SciPy before 1.15 needs it
            return self.matrix[rows, [column]].toarray().reshape(-1)
        if isinstance(key, slice) or np.asarray(key).dtype.kind == "b":
            return SparseRows(self.matrix[key])
        rows = np.asarray(key)
        return self.matrix[rows.reshape(-1)].toarray().reshape(*rows.shape, self.shape[1])

    def astype(self, dtype: Any, copy: bool = True) -> "SparseRows":
        """Return the rows with values of another data type."""
        return SparseRows(self.matrix.astype(dtype, copy=copy))


def is_sparse(values: Any) -> bool:
    """Whether `values` is a SciPy sparse matrix or array."""
    return callable(getattr(values, "toarray", None)) and hasattr(values, "nnz")


def to_sparse_rows(name: str, values: Any, dtype: str) -> Any:
    """Convert sparse matrices, also in dictionaries, lists and tuples, to `SparseRows`. Other values are unchanged."""

    def convert(name: str, values: Any) -> SparseRows:
        if len(values.shape) != 2:
            raise ValueError(f"`{name}` must have rows and columns. Received: a sparse array of shape {values.shape}.")
        matrix = values.tocsr().astype(dtype)
        matrix.sum_duplicates()
        return SparseRows(matrix)

    return _convert(name, values, convert)


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

    def convert(name: str, values: Any) -> np.ndarray:
        size = math.prod(values.shape) * np.dtype(dtype).itemsize
        if size > limit:
            raise ValueError(
                f"`{name}` must fit into memory as a dense array. Received: a {type(values).__name__} of shape "
                f"{tuple(values.shape)}, dense {format_bytes(size)} in {dtype}, of {format_bytes(limit)} allowed. Give "
                "a larger max_memory, or take fewer columns, for example by sklearn.decomposition.TruncatedSVD."
            )
        return values.astype(dtype).toarray()

    return _convert(name, values, convert)


def _convert(name: str, values: Any, convert: Callable[[str, Any], Any]) -> Any:
    """Convert sparse matrices in dictionaries, lists and tuples."""
    if isinstance(values, dict):
        return {key: _convert(f"{name}[{key!r}]", value, convert) for key, value in values.items()}
    if isinstance(values, (list, tuple)) and any(is_sparse(value) or isinstance(value, dict) for value in values):
        return tuple(_convert(f"{name}[{i}]", value, convert) for i, value in enumerate(values))
    return convert(name, values) if is_sparse(values) else values


def concatenate(parts: Sequence[Any]) -> Any:
    """Concatenate arrays, or sparse rows with arrays."""
    if not any(isinstance(part, SparseRows) for part in parts):
        return np.concatenate(parts)
    from scipy import sparse

    rows = [part.matrix if isinstance(part, SparseRows) else sparse.csr_matrix(part) for part in parts]
    return SparseRows(sparse.vstack(rows, format="csr"))
