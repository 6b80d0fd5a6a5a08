"""The cells of one column as numbers, booleans or categories, the same way when fitting and when predicting."""

import datetime
from decimal import Decimal
from numbers import Number
from typing import Literal

import numpy as np
import pandas as pd

from ._formats import LEADING_ZERO, unusable

Kind = Literal["number", "boolean", "category"]

TRUTH = {"true": 1.0, "false": 0.0}


def kind_of(column: pd.Series) -> Kind | None:
    """What the cells are; None for what the program does not handle (dates, amounts of money, lists, bytes).

    >>> kind_of(pd.Series(["1", "2.5", None])), kind_of(pd.Series(["TRUE", "false"])), kind_of(pd.Series(["1", "b"]))
    ('number', 'boolean', 'category')
    """
    cells = column.dropna()
    if pd.api.types.is_bool_dtype(cells.dtype):
        return "boolean"
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return None if pd.api.types.is_complex_dtype(cells.dtype) else "number"
    if not cells.map(lambda cell: isinstance(cell, str | Number | Decimal)).all():
        return None
    if not unreadable(cells, _truth(cells)).any():
        return "boolean"
    codes = cells.map(lambda cell: isinstance(cell, str)) & cells.astype(str).str.fullmatch(LEADING_ZERO)
    if not codes.any() and not unreadable(cells, as_numbers(cells)).any():
        return "number"
    return None if unusable(cells) else "category"


def describe_cells(column: pd.Series) -> str:
    """Why `kind_of` gave None, in words."""
    first = column.dropna().iloc[0]
    if isinstance(first, datetime.date | datetime.timedelta | np.datetime64 | np.timedelta64):
        return "dates and times are not used"
    if isinstance(first, str):
        return unusable(column) or "text mixed with other types is not used"
    return f"cells of type {type(first).__name__} are not used"


def as_numbers(column: pd.Series) -> np.ndarray:
    """(n,) float64; NaN where a cell is missing or not a number."""
    if column.dtype == object:
        column = column.map(lambda cell: float(cell) if isinstance(cell, Decimal) else cell)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype)
    return pd.Series(pd.to_numeric(column, errors="coerce")).to_numpy(dtype=np.float64, na_value=np.nan)


def as_inputs(column: pd.Series, boolean: bool) -> np.ndarray:
    """(n,) float32, as Keras' `predict` hands numbers on: NaN where missing, infinite beyond 3.4e38."""
    with np.errstate(over="ignore"):
        return (as_booleans(column) if boolean else as_numbers(column)).astype(np.float32)


def as_booleans(column: pd.Series) -> np.ndarray:
    """(n,) float64; 1 for true, 0 for false, NaN where a cell is missing or neither. 1 and 0 pass too."""
    words = _truth(column)
    numbers = as_numbers(column)
    return np.where(np.isin(numbers, (0.0, 1.0)), numbers, words)


def _truth(column: pd.Series) -> np.ndarray:
    return column.astype(str).str.lower().map(TRUTH).to_numpy(dtype=np.float64)


def as_categories(column: pd.Series) -> np.ndarray:
    """(n,) text objects; "" where a cell is missing. Whole numbers lose the .0 that missing neighbours give them."""
    return np.array([_as_text(cell) for cell in column.astype(object)], dtype=object)


def _as_text(cell: object) -> str:
    if cell is None or cell is pd.NA or cell != cell:  # only NaN differs from itself
        return ""
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell)


def unreadable(column: pd.Series, values: np.ndarray) -> np.ndarray:
    """(n,) bool: the cells that hold something which `values` could not keep."""
    return column.notna().to_numpy() & np.isnan(values)
