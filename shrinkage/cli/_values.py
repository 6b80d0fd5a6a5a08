"""Convert the cells of a column to numbers, booleans or categories, in the same way for `fit` and `predict`."""

import datetime
import functools
import re
from collections.abc import Callable
from decimal import Decimal
from numbers import Number
from typing import Literal

import numpy as np
import pandas as pd

from ._formats import DATES, LEADING_ZERO, TYPE_SHARE, are_dates, describe_quantity

Kind = Literal["number", "boolean", "category"]

_LEADING_ZERO = re.compile(LEADING_ZERO)
TRUTH = {"true": 1.0, "false": 0.0}
# Fewer distinct numbers than this may be codes.
FEW_VALUES = 20


def compute_rare_limit(n_rows: int) -> int:
    """Return the number of rows that a category needs for an input: fewer rows would often lie in a single fold.

    >>> compute_rare_limit(10), compute_rare_limit(60), compute_rare_limit(5000)
    (2, 3, 5)
    """
    return max(2, min(5, n_rows // 20))


def infer_kind(column: pd.Series) -> Kind | None:
    """Return the type of cells; None for unsupported types (dates, amounts of money, lists, bytes).

    Among numbers or booleans, a few odd cells count as missing: see `_are_odd`.

    >>> [infer_kind(pd.Series(cells)) for cells in (["1", "2.5", None], ["TRUE", "false"], ["1", "b"])]
    ['number', 'boolean', 'category']
    >>> infer_kind(pd.Series([*map(str, range(30)), "oops"])), infer_kind(pd.Series([1, 2, 1], dtype="category"))
    ('number', 'category')
    """
    cells = column.dropna()
    if isinstance(cells.dtype, pd.CategoricalDtype):  # chosen by the author of the file
        return "category"
    if pd.api.types.is_bool_dtype(cells.dtype):
        return "boolean"
    if pd.api.types.is_numeric_dtype(cells.dtype):
        return None if pd.api.types.is_complex_dtype(cells.dtype) else "number"
    if not is_text_column(cells) and not cells.map(lambda cell: isinstance(cell, str | Number | Decimal)).all():
        return None
    if _are_odd(cells, find_unreadable(cells, _as_truth_values(cells))):
        return "boolean"
    texts = [cell for cell in cells.unique().tolist() if isinstance(cell, str)]
    if not any(map(_LEADING_ZERO.fullmatch, texts)) and _are_odd(cells, find_unreadable(cells, as_numbers(cells))):
        return "number"
    return None if are_dates(cells) or (describe_quantity(cells) and not are_classes(cells)) else "category"


def are_classes(cells: pd.Series) -> bool:
    """Whether cells have few distinct values with enough rows each, such as "36 months" and "60 months"."""
    counts = cells.dropna().astype(str).value_counts()
    return len(counts) < FEW_VALUES and bool(counts.min() >= compute_rare_limit(len(cells)))


def _are_odd(cells: pd.Series, is_wrong: np.ndarray) -> bool:
    """Whether wrong cells are odd cells in a column of another type, and not categories.

    At most a tenth of the cells may be wrong; with few distinct values, no wrong text may be frequent enough for a
    category. With many distinct values, half of the cells may be a single mark, such as "n.a.".
    """
    if not is_wrong.any():
        return True
    odd, n_values = cells.loc[is_wrong].astype(str), cells.loc[~is_wrong].nunique()
    if n_values > FEW_VALUES and odd.nunique() == 1:
        return bool(is_wrong.mean() <= 0.5)
    if is_wrong.mean() > 1 - TYPE_SHARE + 1e-9:
        return False
    return n_values > FEW_VALUES or int(odd.value_counts().iloc[0]) < compute_rare_limit(len(cells))


def describe_cells(column: pd.Series) -> str:
    """Return the reason why `kind_of` returned None, as text."""
    first = column.dropna().iloc[0]
    if isinstance(first, datetime.date | datetime.timedelta | np.datetime64 | np.timedelta64):
        return DATES
    if isinstance(first, str):
        return DATES if are_dates(column) else describe_quantity(column) or "text mixed with other types is not used"
    return f"cells of type {type(first).__name__} are not used"


def is_text_column(column: pd.Series) -> bool:
    """Whether all filled cells of a column are text."""
    if column.dtype == object:  # as pandas 2 reads text
        return pd.api.types.infer_dtype(column, skipna=True) == "string"
    return isinstance(column.dtype, pd.StringDtype)


def convert_by_value(convert: Callable[[pd.Series], np.ndarray]) -> Callable[[pd.Series], np.ndarray]:
    """Decorate a function from cells to an array (n,): each distinct cell of a column of text is converted once.

    The result for a cell must not depend on how often a cell occurs.
    """

    @functools.wraps(convert)
    def convert_distinct(column: pd.Series) -> np.ndarray:
        if not is_text_column(column):
            return convert(column)
        places, cells = pd.factorize(column)  # -1 for a missing cell, which is the last below
        return convert(pd.Series([*cells, None], dtype=column.dtype))[places]

    return convert_distinct


@convert_by_value
def as_numbers(column: pd.Series) -> np.ndarray:
    """Return (n,) float64, with NaN for cells that are missing or not numbers."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype) or pd.api.types.is_timedelta64_dtype(column.dtype):
        return np.full(len(column), np.nan)  # pandas would give nanoseconds
    if column.dtype == object:
        column = column.map(lambda cell: float(cell) if isinstance(cell, Decimal) else cell)
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    return pd.Series(pd.to_numeric(column, errors="coerce")).to_numpy(dtype=np.float64, na_value=np.nan)


def as_booleans(column: pd.Series) -> np.ndarray:
    """Return (n,) float64: 1 for true or 1, 0 for false or 0, NaN for other and missing cells."""
    words = _as_truth_values(column)
    numbers = as_numbers(column)
    return np.where(np.isin(numbers, (0.0, 1.0)), numbers, words)


def convert_values(kind: Kind, column: pd.Series) -> np.ndarray:
    """Return the cells of a column, (n,), converted to a type."""
    return {"number": as_numbers, "boolean": as_booleans, "category": as_categories}[kind](column)


@convert_by_value
def _as_truth_values(column: pd.Series) -> np.ndarray:
    return column.astype(str).str.lower().map(TRUTH).to_numpy(dtype=np.float64)


@convert_by_value
def as_categories(column: pd.Series) -> np.ndarray:
    """Return (n,) text, "" for missing cells. Whole numbers lose the .0 that pandas adds beside missing cells."""
    return np.array([_as_text(cell) for cell in column.astype(object)], dtype=object)


def _as_text(cell: object) -> str:
    if cell is None or cell is pd.NA or cell != cell:  # only NaN differs from itself
        return ""
    if isinstance(cell, float | np.floating) and float(cell).is_integer():
        return str(int(cell))
    return str(cell)


def are_equal_in_float64(column: pd.Series) -> bool:
    """Whether cells with different texts are the same number in float64."""
    values = as_numbers(column)
    numbers = values[~np.isnan(values)]
    return (
        len(numbers) > 0 and numbers.min() == numbers.max() and column.loc[~np.isnan(values)].astype(str).nunique() > 1
    )


def find_unreadable(column: pd.Series, values: np.ndarray) -> np.ndarray:
    """Return (n,) booleans: True for filled cells that are NaN in `values`."""
    return column.notna().to_numpy() & np.isnan(values)
