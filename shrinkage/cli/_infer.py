"""Which columns a model can use, and how: numbers, booleans, categories; the rest is dropped and said."""

from collections import Counter

import numpy as np
import pandas as pd

from ._columns import MISSING, CategoryColumn, NumberColumn
from ._console import plural
from ._errors import BadInput
from ._table import column
from ._values import as_categories, as_inputs, as_numbers, describe_cells, kind_of

MAX_CATEGORIES = 100
# Numbers are clipped beyond the 1 % and 99 % quantiles, three times as far from them as they lie apart. Ordinary
# columns (uniform, normal, exponential) do not reach that; one cell of a thousand times the usual size would rule the
# network. Nearer bounds cost more where far cells count in full, such as the departure delays of flights.
TAIL = 0.01
REACH = 3


class Unused(Exception):
    """A column that says nothing; its argument is the reason."""


def infer_columns(frame: pd.DataFrame) -> tuple[tuple[NumberColumn, ...], tuple[CategoryColumn, ...], dict[str, str]]:
    """The usable columns of a frame without its target; its index says where in the file a row was.

    Returns:
        (numbers and booleans, categories, the reason by name of what is dropped). The encoded training matrix has no
        constant column.

    Raises:
        BadInput: Infinite numbers (all such columns are named), or no usable column.
    """
    columns, dropped, infinite = [], {}, []
    for name in frame.columns:
        try:
            columns.append(_column(column(frame, name)))
        except Unused as reason:
            dropped[name] = str(reason)
        except _Infinite as found:
            infinite.append(f"{name} ({found} of {len(frame)} rows)")
    if infinite:
        raise BadInput(f"infinite numbers in {', '.join(infinite)}; correct them or leave the cells empty.")
    if not columns:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in dropped.items())
        raise BadInput(f"no column is left to predict from ({reasons or 'the target is the only one'}).")
    numbers = tuple(column for column in columns if isinstance(column, NumberColumn))
    return numbers, tuple(column for column in columns if isinstance(column, CategoryColumn)), dropped


class _Infinite(Exception):
    """Its argument is the number of rows."""


def rare(n_rows: int) -> int:
    """The rows a category needs for a column of its own: fewer would often all lie in one fold, and be new to it.

    >>> rare(10), rare(60), rare(5000)
    (2, 3, 5)
    """
    return max(2, min(5, n_rows // 20))


def _column(cells: pd.Series) -> NumberColumn | CategoryColumn:
    if cells.isna().all():
        raise Unused("every cell is missing")
    kind = kind_of(cells)
    if kind is None:
        raise Unused(describe_cells(cells))
    if kind == "category":
        return _categories(str(cells.name), as_categories(cells))
    if _is_row_number(cells):
        raise Unused("it numbers the rows")
    values = as_inputs(cells, kind == "boolean").astype(np.float64)
    if np.isnan(values).any() and len(np.unique(values[~np.isnan(values)])) == 1:
        # One value or nothing: all it can say is whether the cell is filled, as a category does.
        return _categories(str(cells.name), as_categories(cells))
    return _numbers(str(cells.name), values, boolean=kind == "boolean")


def _numbers(name: str, values: np.ndarray, boolean: bool) -> NumberColumn:
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise _Infinite(infinite)
    known = values[~np.isnan(values)]
    n_missing = len(values) - len(known)
    if known.min() == known.max():
        raise Unused("it is constant")
    n_other = len(known) - int(np.unique(known, return_counts=True)[1].max())
    if n_other < rare(len(values)):
        raise Unused(f"it is constant but for {plural(n_other, 'row')}")
    # float32, so that Keras' subtraction loses nothing even where the numbers are large and close together.
    low, high = _bounds(known)
    centre, scale = float(np.float32(np.median(known))), float(np.float32(_spread(known.clip(low, high))))
    if not 1e-30 < scale < 1e30:
        raise Unused(f"its standard deviation, {scale:.0e}, is out of float32's range")
    return NumberColumn(name, low, high, centre, scale, n_missing >= rare(len(values)), boolean)


def _is_row_number(cells: pd.Series) -> bool:
    """Whether whole numbers count the file's rows from 0 or 1, or are all different under a name that says so."""
    name, values, places = str(cells.name), as_numbers(cells), cells.index.to_numpy()
    if np.array_equal(values, places) or np.array_equal(values, places + 1):
        return True
    named = name.lower() in ("id", "index", "row") or name.startswith("Unnamed:")
    return named and len(np.unique(values)) == len(values) and bool((values == np.floor(values)).all())


def _bounds(known: np.ndarray) -> tuple[float, float]:
    """Where numbers are clipped: far outside the bulk, in float32's range."""
    # Order statistics, not values in between: the least and the greatest number never count.
    low, high = np.quantile(known, TAIL, method="higher"), np.quantile(known, 1 - TAIL, method="lower")
    reach = REACH * (high - low)
    if reach <= 0:  # nearly all are equal: the others are no outliers but all that the column says
        return float(known.min()), float(known.max())
    largest = float(np.finfo(np.float32).max)
    low, high = np.clip([low - reach, high + reach], -largest, largest).astype(np.float32)
    return float(low), float(high)


def _spread(known: np.ndarray) -> float:
    """The standard deviation, safe from overflow."""
    largest = np.abs(known - np.median(known)).max()
    return float(largest * np.std(known / largest))


def _categories(name: str, cells: np.ndarray) -> CategoryColumn:
    counts = Counter(cells.tolist())
    known = len(cells) - counts[MISSING]
    if len(counts) == 1:
        raise Unused("it is constant")
    enough = rare(len(cells))
    frequent = [value for value, count in counts.most_common(MAX_CATEGORIES) if count >= enough]
    if sum(counts[value] for value in frequent if value != MISSING) < known / 2:
        raise Unused(f"most of its {len(counts)} values are nearly unique, as names and identifiers are")
    n_rest = len(cells) - sum(counts[value] for value in frequent)
    if n_rest == 0 and len(frequent) == 1:
        raise Unused("it is constant")
    return CategoryColumn(name, tuple(sorted(frequent)), other=n_rest >= enough)
