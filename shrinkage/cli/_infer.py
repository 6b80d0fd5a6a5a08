"""Infer the type of each column: numbers, booleans or categories. Other columns are dropped, with the reason."""

import shlex
from collections import Counter
from collections.abc import Collection

import numpy as np
import pandas as pd

from ._columns import MISSING, CategoryColumn, NumberColumn, halves
from ._console import plural
from ._errors import BadInput
from ._formats import quantity
from ._table import column
from ._values import (
    Kind,
    as_categories,
    as_numbers,
    describe_cells,
    equal_in_float64,
    find_unreadable,
    kind_of,
    rare_limit,
    values_as,
)

# Each category has a separate input.
MAX_CATEGORIES = 100
MAX_MARKS = 20
# Bounds of clipping: the 1 % and 99 % quantiles, widened by three times their distance. Ordinary
# columns (uniform, normal, exponential) stay inside; a cell of a thousand times the usual size would dominate the
# network. Narrower bounds lose accuracy on columns with long tails, such as the departure delays of flights.
TAIL = 0.01
REACH = 3
LARGEST = float(np.finfo(np.float32).max)


class Unused(Exception):
    """A column without information; the argument is the reason."""


def infer_columns(
    frame: pd.DataFrame, *, number: Collection[str] = (), category: Collection[str] = (), clip: bool = True
) -> tuple[tuple[NumberColumn, ...], tuple[CategoryColumn, ...], dict[str, str]]:
    """Infer the usable columns of a frame without the target. The index is the position of a row in the file.

    Args:
        number: Names of columns to read as numbers; cells that are not numbers are missing.
        category: Names of columns to read as categories, without a limit on their number.
        clip: Whether to clip numbers far outside the others.

    Returns:
        (numbers and booleans, categories, dropped columns as name -> reason). The encoded training matrix has no
        constant column.

    Raises:
        BadInput: If numbers are infinite (the message names all such columns), or no column is usable.
    """
    columns, dropped, infinite = [], {}, []
    for name in frame.columns:
        given: Kind | None = "number" if name in number else "category" if name in category else None
        try:
            columns.append(_column(column(frame, name), given, clip))
        except Unused as reason:
            if given:
                raise BadInput(
                    f"--{given} {name}: {reason}. Leave the option out, and the column is not used."
                ) from None
            dropped[name] = str(reason)
        except _Infinite as found:
            infinite.append(f"{name} ({found} of {len(frame)} rows)")
    if infinite:
        raise BadInput(f"infinite numbers in {', '.join(infinite)}; correct them or leave the cells empty.")
    if not columns:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in dropped.items())
        raise BadInput(f"no column is left to predict from ({reasons or 'beside the target there is none to use'}).")
    numbers = tuple(column for column in columns if isinstance(column, NumberColumn))
    return numbers, tuple(column for column in columns if isinstance(column, CategoryColumn)), dropped


class _Infinite(Exception):
    """A column with infinite numbers; the argument is the number of rows."""


def _column(cells: pd.Series, given: Kind | None, clip: bool) -> NumberColumn | CategoryColumn:
    """Return the type of a column; `given` is the type that the user chose, or None."""
    if cells.isna().all():
        raise Unused("every cell is missing")
    kind = given or kind_of(cells)
    if kind is None:
        raise Unused(describe_cells(cells))
    if kind == "category":
        return _categories(str(cells.name), as_categories(cells), limit=None if given else MAX_CATEGORIES)
    if not given and _is_row_number(cells):
        raise Unused("it numbers the rows")
    values = values_as(kind, cells)
    odd = cells.loc[find_unreadable(cells, values)].astype(str)
    if np.isnan(values).all():
        hint = quantity(odd) or f"the first is {odd.iloc[0]!r}"
        raise BadInput(f"--number {cells.name}: no cell is a number; {hint}.")
    if np.isnan(values).any() and len(np.unique(values[~np.isnan(values)])) == 1:
        # A single value and missing cells: the only information is whether a cell is filled.
        return _categories(str(cells.name), as_categories(cells), limit=MAX_CATEGORIES)
    if equal_in_float64(cells):
        raise Unused("the numbers have the same first 16 digits, and more are not read")
    marks = tuple(odd.value_counts().index[:MAX_MARKS])
    return _numbers(str(cells.name), values, kind == "boolean", marks, clip)


def _numbers(name: str, values: np.ndarray, boolean: bool, marks: tuple[str, ...], clip: bool) -> NumberColumn:
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise _Infinite(infinite)
    known = values[~np.isnan(values)]
    n_missing = len(values) - len(known)
    if known.min() == known.max():
        raise Unused("it is constant")
    n_other = len(known) - int(np.unique(known, return_counts=True)[1].max())
    if n_other < rare_limit(len(values)):
        raise Unused(f"it is constant but for {plural(n_other, 'row')}")
    low, high = _bounds(known) if clip else (float(known.min()), float(known.max()))
    centre, scale = float(sum(halves(np.median(known)))), float(np.float32(_safe_sd(known.clip(low, high))))
    if not (1e-30 < scale < 1e30 and abs(centre) < 1e36):
        raise Unused(f"its median, {centre:.0e}, or its standard deviation, {scale:.0e}, is out of float32's range")
    if not clip:
        low, high = -LARGEST, LARGEST
    return NumberColumn(name, low, high, centre, scale, n_missing >= rare_limit(len(values)), boolean, marks)


def _is_row_number(cells: pd.Series) -> bool:
    """Whether whole numbers count the rows from 0 or 1, or are all different in a column named "id" or similar."""
    name, values, places = str(cells.name), as_numbers(cells), cells.index.to_numpy()
    if np.array_equal(values, places) or np.array_equal(values, places + 1):
        return True
    named = name.lower() in ("id", "index", "row") or name.startswith("Unnamed:")
    return named and len(np.unique(values)) == len(values) and bool((values == np.floor(values)).all())


def _bounds(known: np.ndarray) -> tuple[float, float]:
    """Return the bounds of clipping, far outside the bulk and in the range of float32."""
    # Order statistics without interpolation: the smallest and the largest number have no influence.
    low, high = np.quantile(known, TAIL, method="higher"), np.quantile(known, 1 - TAIL, method="lower")
    with np.errstate(over="ignore"):
        reach = REACH * (high - low)
        if reach <= 0:  # nearly all numbers are equal: the others are the information, not outliers
            return float(known.min()), float(known.max())
        low, high = np.clip([low - reach, high + reach], -LARGEST, LARGEST)
    return float(low), float(high)


def _safe_sd(known: np.ndarray) -> float:
    """Return the standard deviation, without overflow."""
    largest = np.abs(known - np.median(known)).max()
    return float(largest * np.std(known / largest))


def _categories(name: str, cells: np.ndarray, limit: int | None) -> CategoryColumn:
    """Return the categories with enough rows; with more than `limit`, those more frequent than the next category."""
    counts = Counter(cells.tolist())
    known = len(cells) - counts[MISSING]
    if len(counts) == 1:
        raise Unused("it is constant")
    # If the user chose the type, a category needs two rows only.
    enough = rare_limit(len(cells)) if limit is not None else 2
    frequent = [value for value, count in counts.most_common() if count >= enough]
    if limit is not None and sum(counts[value] for value in frequent if value != MISSING) < known / 2:
        raise Unused(f"most of the {len(counts)} values are nearly unique, like names and identifiers")
    n_frequent = len(frequent)
    if limit is not None and n_frequent > limit:
        frequent = [value for value in frequent[:limit] if counts[value] > counts[frequent[limit]]]
        if not frequent:
            raise Unused(
                f"it has {n_frequent} equally frequent categories, and the limit is {limit} with an input each; "
                f"--category {shlex.quote(name)} gives each category an input"
            )
    n_rest = len(cells) - sum(counts[value] for value in frequent)
    if not frequent:
        raise Unused("each value is in a single row" if limit is None else "each value is nearly unique")
    return CategoryColumn(name, tuple(sorted(frequent)), n_rest >= enough, n_frequent - len(frequent))
