"""The cells of one column as numbers, booleans or categories, the same way when fitting and when predicting."""

import datetime
from decimal import Decimal
from numbers import Number
from typing import Literal

import numpy as np
import pandas as pd

from ._formats import DATES, LEADING_ZERO, MOST, are_dates, quantity

Kind = Literal["number", "boolean", "category"]

TRUTH = {"true": 1.0, "false": 0.0}
# Fewer distinct numbers than this may be codes.
FEW_VALUES = 20


def rare_limit(n_rows: int) -> int:
    """The rows a category needs for a column of its own: fewer would often all lie in one fold, and be new to it.

    >>> rare_limit(10), rare_limit(60), rare_limit(5000)
    (2, 3, 5)
    """
    return max(2, min(5, n_rows // 20))


def kind_of(column: pd.Series) -> Kind | None:
    """What the cells are; None for what the program does not handle (dates, amounts of money, lists, bytes).

    Among numbers, or truth values, a few odd cells are missing ones: see `_are_odd`.

    >>> kind_of(pd.Series(["1", "2.5", None])), kind_of(pd.Series(["TRUE", "false"])), kind_of(pd.Series(["1", "b"]))
    ('number', 'boolean', 'category')
    >>> kind_of(pd.Series([*map(str, range(30)), "oops"])), kind_of(pd.Series([1, 2, 1], dtype="category"))
    ('number', 'category')
    """
    cells = column.dropna()
    if isinstance(cells.dtype, pd.CategoricalDtype):  # whoever made it has said so
        return "category"
    if pd.api.types.is_bool_dtype(cells.dtype):
        return "boolean"
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return None if pd.api.types.is_complex_dtype(cells.dtype) else "number"
    if not cells.map(lambda cell: isinstance(cell, str | Number | Decimal)).all():
        return None
    if _are_odd(cells, find_unreadable(cells, _truth(cells))):
        return "boolean"
    codes = cells.map(lambda cell: isinstance(cell, str)) & cells.astype(str).str.fullmatch(LEADING_ZERO)
    if not codes.any() and _are_odd(cells, find_unreadable(cells, as_numbers(cells))):
        return "number"
    return None if are_dates(cells) or (quantity(cells) and not are_classes(cells)) else "category"


def are_classes(cells: pd.Series) -> bool:
    """Whether cells have few distinct values, each in rows enough for a category: "36 months" and "60 months"."""
    counts = cells.dropna().astype(str).value_counts()
    return len(counts) < FEW_VALUES and bool(counts.min() >= rare_limit(len(cells)))


def _are_odd(cells: pd.Series, wrong: np.ndarray) -> bool:
    """Whether the cells that are wrong, if any, are odd ones in a column of the others, and no categories of it.

    They are a tenth at most, and beside few distinct values none is frequent enough for a category; or they are all the
    same mark, such as "n.a.", between many distinct values.
    """
    if not wrong.any():
        return True
    odd, n_values = cells.loc[wrong].astype(str), cells.loc[~wrong].nunique()
    if n_values > FEW_VALUES and odd.nunique() == 1:
        return bool(wrong.mean() <= 0.5)
    if wrong.mean() > 1 - MOST + 1e-9:
        return False
    return n_values > FEW_VALUES or int(odd.value_counts().iloc[0]) < rare_limit(len(cells))


def describe_cells(column: pd.Series) -> str:
    """Why `kind_of` gave None, in words."""
    first = column.dropna().iloc[0]
    if isinstance(first, datetime.date | datetime.timedelta | np.datetime64 | np.timedelta64):
        return DATES
    if isinstance(first, str):
        return DATES if are_dates(column) else quantity(column) or "text mixed with other types is not used"
    return f"cells of type {type(first).__name__} are not used"


def as_numbers(column: pd.Series) -> np.ndarray:
    """(n,) float64; NaN where a cell is missing or not a number."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype) or pd.api.types.is_timedelta64_dtype(column.dtype):
        return np.full(len(column), np.nan)  # pandas would give nanoseconds
    if column.dtype == object:
        column = column.map(lambda cell: float(cell) if isinstance(cell, Decimal) else cell)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    return pd.Series(pd.to_numeric(column, errors="coerce")).to_numpy(dtype=np.float64, na_value=np.nan)


def as_booleans(column: pd.Series) -> np.ndarray:
    """(n,) float64; 1 for true, 0 for false, NaN where a cell is missing or neither. 1 and 0 pass too."""
    words = _truth(column)
    numbers = as_numbers(column)
    return np.where(np.isin(numbers, (0.0, 1.0)), numbers, words)


def values_as(kind: Kind, column: pd.Series) -> np.ndarray:
    """(n,) a column's cells as what they are taken for."""
    return {"number": as_numbers, "boolean": as_booleans, "category": as_categories}[kind](column)


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


def equal_in_float64(column: pd.Series) -> bool:
    """Whether cells that are one number in float64 are not all the same."""
    values = as_numbers(column)
    known = values[~np.isnan(values)]
    return len(known) > 0 and known.min() == known.max() and column.loc[~np.isnan(values)].astype(str).nunique() > 1


def find_unreadable(column: pd.Series, values: np.ndarray) -> np.ndarray:
    """(n,) bool: the cells that hold something which `values` could not keep."""
    return column.notna().to_numpy() & np.isnan(values)
