"""Tables and columns of pandas, Polars and PyArrow. Polars and PyArrow are not imported."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

_NUMBERS = ("boolean", "decimal", "empty")  # dtype object in NumPy: decimal numbers, and columns with nulls


def get_column_names(values: Any) -> list[Any]:
    """Return the column names of a table, and an empty list for any other value.

    Example:
        >>> get_column_names(pd.DataFrame({"a": [1], "b": [2]})), get_column_names([1, 2])
        (['a', 'b'], [])
    """
    names = getattr(values, "column_names", None)  # PyArrow: `columns` contains the values
    return list(getattr(values, "columns", []) if names is None else names)


def get_table_library(values: Any) -> str | None:
    """Return "polars" or "pyarrow" for a table or column of Polars or PyArrow, and None for any other value."""
    packages = [base.__module__.partition(".")[0] for base in type(values).__mro__]
    return next((package for package in packages if package in ("polars", "pyarrow")), None)


def to_pandas(values: Any) -> Any:
    """Convert a table or column of Polars or PyArrow to pandas, and return any other value unchanged.

    Numbers with nulls become floating-point numbers with NaN.
    """
    if get_table_library(values) is None:
        return values
    if not hasattr(values, "columns"):
        return array if (array := np.asarray(values)).ndim > 1 else _to_series(values)
    columns = values.get_columns() if hasattr(values, "get_columns") else values.columns
    frame = pd.DataFrame({i: _to_series(column) for i, column in enumerate(columns)}, copy=False)
    frame.columns = get_column_names(values)  # names may be duplicates
    return frame


def split_table_columns(x: Any, inputs: Sequence[Any]) -> Any:
    """Return a dictionary of table columns for a model with several inputs, and any other value unchanged.

    Args:
        x: The argument `x` of `fit`.
        inputs: Names of the model inputs.

    Raises:
        ValueError: If the column names differ from the names of the inputs.
    """
    is_table = (
        isinstance(x, pd.DataFrame)
        or get_table_library(x)
        and hasattr(x, "__getitem__")
        and hasattr(type(x), "columns")
    )
    if not is_table or len(inputs) < 2 or type(x).__name__ == "LazyFrame":
        return x
    names = get_column_names(x)
    absent, more = [name for name in inputs if name not in names], [name for name in names if name not in inputs]
    if absent or more:
        code = f" Say x[{list(inputs)}]." if not absent and get_table_library(x) != "pyarrow" else ""
        code = code or (f" Say x.select({list(inputs)})." if not absent else "")
        raise ValueError(
            f"`x` must have one column for each of the model's {len(inputs)} inputs, {_quote_few(inputs)}. Received: a "
            f"table {f'without {_quote_few(absent)}' if absent else f'with {_quote_few(more)} besides'}.{code}"
        )
    return {name: x[name] for name in inputs}


def _to_series(column: Any) -> Any:
    """Convert a column to a pandas series. A column with several axes becomes a series of arrays."""
    array = np.asarray(column)
    if array.dtype == object and pd.api.types.infer_dtype(array, skipna=True) in _NUMBERS:
        array = pd.Series(array, dtype=object).to_numpy(dtype="float64", na_value=np.nan)
    return pd.Series(array if array.ndim == 1 else list(array), copy=False)


def _quote_few(names: Sequence[Any]) -> str:
    return ", ".join(map(repr, names[:5])) + ", ..." * (len(names) > 5)
