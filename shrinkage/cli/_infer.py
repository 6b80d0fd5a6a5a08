"""Infer the type of each column: numbers, booleans, dates, categories or text. Other columns are dropped, with the
reason.
"""

import re
import shlex
from collections import Counter
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import pandas as pd

from shrinkage._data._statistics import LARGEST, compute_clip_bounds

from ._columns import MISSING, CategoryColumn, Column, NumberColumn, TextColumn, split_float64
from ._console import format_item_count
from ._dates import NoDates, as_seconds, find_cycles, find_form
from ._errors import BadInput
from ._formats import DATES, describe_quantity
from ._table import get_column
from ._text import are_sentences, find_words
from ._values import (
    Kind,
    are_equal_in_float64,
    as_categories,
    as_numbers,
    compute_rare_limit,
    convert_values,
    describe_cells,
    find_unreadable,
    infer_kind,
)

# Each category has a separate input. A network of hidden layers has an embedding for more.
MAX_CATEGORIES = 100
MAX_EMBEDDED = 10_000
MAX_MARKS = 20
# id, customer_id, PassengerId, CustomerID, order_no, row number and rownames; not width, acid and no_of_rooms.
_IDENTIFIER = re.compile(
    r"(?i:(?:^|[\W_])(?:id|uuid|guid|index|key)(?:$|[\W_])|(?:^|[\W_])(?:no|nr|num|number|code|serial)\.?$)"
    r"|(?i:^row(?:[\W_]?names?)?$)|[a-z](?:Id|ID|No|Number)$|[a-z](?:Id|ID)[\W_]|^Unnamed:"
)


class UnusedColumn(Exception):
    """A column that is not used.

    Args:
        reason: The reason.
        advice: The option of the shell with which the column is used.
    """

    def __init__(self, reason: str, advice: str = ""):
        super().__init__(reason)
        self.advice = advice


def infer_columns(
    frame: pd.DataFrame,
    *,
    number: Collection[str] = (),
    category: Collection[str] = (),
    clip: bool = True,
    embeds: bool = False,
    in_shell: bool = True,
) -> tuple[tuple[NumberColumn, ...], tuple[CategoryColumn, ...], dict[str, str], tuple[TextColumn, ...]]:
    """Infer the usable columns of a frame without the target. The index is the position of a row in the file.

    Args:
        number: Names of columns to read as numbers; cells that are not numbers are missing.
        category: Names of columns to read as categories, without a limit on their number.
        clip: Whether to clip numbers far outside the others.
        embeds: Whether the network has embeddings, for text and more categories than `MAX_CATEGORIES`.
        in_shell: Whether the reasons name options of the shell.

    Returns:
        (numbers, booleans and dates; categories; dropped columns as name -> reason; texts). The encoded training matrix
        has no constant column.

    Raises:
        BadInput: If numbers are infinite (the message names all such columns), or no column is usable.
    """
    columns, dropped, infinite = [], {}, []
    for name in frame.columns:
        user_kind: Kind | None = "number" if name in number else "category" if name in category else None
        try:
            columns.append(_infer_column(get_column(frame, name), user_kind, clip, embeds))
        except UnusedColumn as reason:
            if user_kind:
                raise BadInput(
                    f"--{user_kind} must be a column that can be used. Received: {name} ({reason}). Leave the option "
                    f"out, or replace it with --drop {shlex.quote(str(name))}."
                ) from None
            dropped[name] = f"{reason}; {reason.advice}" if reason.advice and in_shell else str(reason)
        except _InfiniteNumbers as found:
            infinite.append(f"{name} ({found} of {len(frame)} rows)")
    subject = "DATA" if in_shell else "`X`"
    if infinite:
        raise BadInput(
            f"{subject} must hold finite numbers. Received: infinite numbers in {', '.join(infinite)}. Correct the "
            "cells, or leave them empty."
        )
    if not columns:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in dropped.items())
        found = f"columns that cannot be used ({reasons})" if reasons else "no column beside the target to use"
        raise BadInput(f"{subject} must have a column to predict from. Received: {found}. Add a column.")
    numbers = tuple(column for column in columns if isinstance(column, NumberColumn))
    categories = tuple(column for column in columns if isinstance(column, CategoryColumn))
    return numbers, categories, dropped, tuple(column for column in columns if isinstance(column, TextColumn))


class _InfiniteNumbers(Exception):
    """A column with infinite numbers; the argument is the number of rows."""


def _infer_column(cells: pd.Series, user_kind: Kind | None, clip: bool, embeds: bool) -> Column:
    """Return the type of a column; `user_kind` is the type that the user chose, or None."""
    if cells.isna().all():
        raise UnusedColumn("every cell is missing")
    kind = user_kind or infer_kind(cells)
    if kind is None:
        return _make_date_column(cells, clip)
    if kind == "category":
        texts = as_categories(cells)
        if not user_kind and _is_free(texts) and are_sentences(texts):
            return _make_text_column(str(cells.name), texts, embeds)
        return _make_category_column(str(cells.name), texts, None if user_kind else MAX_CATEGORIES, embeds)
    if not user_kind:
        _refuse_identifier(cells)
    values = convert_values(kind, cells)
    odd = cells.loc[find_unreadable(cells, values)].astype(str)
    if np.isnan(values).all():
        hint = describe_quantity(odd) or f"the first is {odd.iloc[0]!r}"
        raise BadInput(
            f"--number must be a column with a number in some cell. Received: {cells.name}, in which no cell is one: "
            f"{hint}. Correct the cells, or leave the option out."
        )
    if np.isnan(values).any() and len(np.unique(values[~np.isnan(values)])) == 1:
        # A single value and missing cells: the only information is whether a cell is filled.
        return _make_category_column(str(cells.name), as_categories(cells), MAX_CATEGORIES, embeds)
    if are_equal_in_float64(cells):
        raise UnusedColumn("the numbers have the same first 16 digits, and more are not read")
    marks = tuple(odd.value_counts().index[:MAX_MARKS])
    return _make_number_column(str(cells.name), values, kind == "boolean", marks, clip)


def _make_date_column(cells: pd.Series, clip: bool) -> NumberColumn:
    """Return a column of dates, as numbers with a place in the year, the week and the day."""
    reason = describe_cells(cells)
    if not reason.startswith(DATES):
        raise UnusedColumn(reason)
    try:
        form = find_form(cells)
    except NoDates as error:
        raise UnusedColumn(str(error)) from None
    values = as_seconds(cells, form)
    marks = cells.loc[find_unreadable(cells, values)].astype(str).value_counts().index[:MAX_MARKS]
    numbers = _make_number_column(str(cells.name), values, False, tuple(marks), clip)
    return replace(numbers, form=form, cycles=find_cycles(values))


def _make_number_column(
    name: str, values: np.ndarray, is_boolean: bool, marks: tuple[str, ...], clip: bool
) -> NumberColumn:
    infinite = int(np.isinf(values).sum())
    if infinite:
        raise _InfiniteNumbers(infinite)
    numbers = values[~np.isnan(values)]
    n_missing = len(values) - len(numbers)
    if numbers.min() == numbers.max():
        raise UnusedColumn("it is constant")
    n_other = len(numbers) - int(np.unique(numbers, return_counts=True)[1].max())
    if n_other < compute_rare_limit(len(values)):
        raise UnusedColumn(f"it is constant but for {format_item_count(n_other, 'row')}")
    low, high = compute_clip_bounds(numbers) if clip else (float(numbers.min()), float(numbers.max()))
    with np.errstate(over="ignore"):
        centre, scale = (
            float(sum(split_float64(np.median(numbers)))),
            float(np.float32(_compute_sd(numbers.clip(low, high)))),
        )
    if not (1e-30 < scale < 1e30 and abs(centre) < 1e36):
        raise UnusedColumn(
            f"its median, {centre:.0e}, or its standard deviation, {scale:.0e}, is out of float32's range"
        )
    if not clip:
        low, high = -LARGEST, LARGEST
    return NumberColumn(name, low, high, centre, scale, n_missing >= compute_rare_limit(len(values)), is_boolean, marks)


def _refuse_identifier(cells: pd.Series) -> None:
    """Raise `UnusedColumn` if whole numbers are an identifier of the rows.

    They count the rows from 0 or 1, or are all different in a column named "id" or similar. Measurements may be all
    different, too.
    """
    values, places = as_numbers(cells), cells.index.to_numpy()
    if np.array_equal(values, places) or np.array_equal(values, places + 1):
        raise UnusedColumn("it numbers the rows")
    named = _IDENTIFIER.search(str(cells.name))
    if named and len(np.unique(values)) == len(values) and (values == np.floor(values)).all():
        raise UnusedColumn(
            "an identifier by its name, with another whole number in each row",
            f"--number {shlex.quote(str(cells.name))} takes it as numbers",
        )


def _compute_sd(numbers: np.ndarray) -> float:
    """Return the standard deviation, without overflow."""
    largest = np.abs(numbers - np.median(numbers)).max()
    return float(largest * np.std(numbers / largest))


def _make_category_column(name: str, cells: np.ndarray, limit: int | None, embeds: bool) -> CategoryColumn:
    """Return the categories with enough rows; with more than `limit`, those more frequent than the next category."""
    counts = Counter(cells.tolist())
    if len(counts) == 1:
        raise UnusedColumn("it is constant")
    if limit is not None and _is_free(cells):
        raise UnusedColumn(f"most of the {len(counts)} values are nearly unique, like names and identifiers")
    # If the user chose the type, a category needs two rows only.
    enough = compute_rare_limit(len(cells)) if limit is not None else 2
    frequent = [value for value, count in counts.most_common() if count >= enough]
    n_frequent = len(frequent)
    embedded = embeds and n_frequent > MAX_CATEGORIES
    if embedded:
        limit = MAX_EMBEDDED
    if limit is not None and n_frequent > limit:
        frequent = [value for value in frequent[:limit] if counts[value] > counts[frequent[limit]]]
        if not frequent:
            raise UnusedColumn(
                f"it has {n_frequent} equally frequent categories, and the limit is {limit} with an input each",
                f"--category {shlex.quote(name)} gives each category an input",
            )
    n_rest = len(cells) - sum(counts[value] for value in frequent)
    if not frequent:
        raise UnusedColumn("each value is in a single row" if limit is None else "each value is nearly unique")
    other = embedded or n_rest >= enough
    return CategoryColumn(name, tuple(sorted(frequent)), other, n_frequent - len(frequent), embedded)


def _is_free(cells: np.ndarray) -> bool:
    """Whether most cells hold a text that is in few rows."""
    counts = Counter(cells.tolist())
    n_known = len(cells) - counts.pop(MISSING, 0)
    enough = compute_rare_limit(len(cells))
    return sum(count for count in counts.values() if count >= enough) < n_known / 2


def _make_text_column(name: str, cells: np.ndarray, embeds: bool) -> TextColumn:
    words, length = find_words(cells, compute_rare_limit(len(cells)))
    if not words:
        raise UnusedColumn("text in which each word is in hardly any row, or in all")
    return TextColumn(name, words, length, embeds)
