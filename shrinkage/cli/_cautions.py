"""Warnings about suspicious columns of a table, printed before the training. The table is not changed."""

import re
import shlex
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd
from pandas.util import hash_pandas_object

from ._columns import Columns
from ._console import format_item_count
from ._formats import DATES, are_dates_as_numbers, describe_quantity
from ._table import get_column
from ._target import TargetColumn
from ._values import FEW_VALUES, as_categories, as_numbers, is_text_column

# Codes for a missing number: a repeated digit such as 999, or -9.
_SENTINEL = re.compile(r"-?(?:9{2,}|8{2,}|7{2,})|-9")
SENTINEL_SHARE = 0.05
_DATES = "seems to hold dates"
_MOST_SHOWN = 5
_SAMPLE = 1000  # rows, which rule out most columns
_ENOUGH_ROWS = 5  # rows beside the largest class: fewer may agree by chance


def find_cautions(frame: pd.DataFrame, columns: Columns, target: TargetColumn) -> tuple[str, ...]:
    """Return warnings about columns.

    Args:
        frame: The rows that have a target, with all columns.
        columns: The columns of the model.
        target: The target of the model.
    """
    categories = [c.name for c in columns.categories] + [columns.target] * bool(target.labels)
    numbers = [c.name for c in columns.numbers if c.kind == "number"] + [columns.target] * (target.task == "regression")
    return tuple(
        f"caution: {text}"
        for text in (
            *_check_each(_find_alike, frame, categories),
            *_check_each(_find_quantities, frame, categories),
            *_check_each(_find_sentinel, frame, numbers),
            *_check_each(_find_dates, frame, numbers),
            *_find_copies(frame, columns, target),
            *_find_repeated(frame, [each.name for each in columns.all]),
        )
    )


def suggest_time_split(columns: Columns, caution_texts: tuple[str, ...], *, has_groups: bool) -> list[str]:
    """Return a note about random folds if a column of dates suggests that the rows are in time order."""
    dates = any(reason.startswith(DATES) for reason in columns.dropped.values())
    if not dates and _DATES not in " ".join(caution_texts) and all(column.kind != "date" for column in columns.numbers):
        return []
    instead = ", in place of --group," if has_groups else ""
    return [
        f"the folds are drawn at random: to predict later from earlier rows, say --time NAME{instead} with that column"
    ]


def _check_each(find: Callable[[str, pd.Series], str | None], frame: pd.DataFrame, names: Iterable[str]) -> list[str]:
    return [text for name in names if (text := find(name, get_column(frame, name)))]


def _find_alike(name: str, cells: pd.Series) -> str | None:
    """Categories that differ in case or in spaces."""
    groups: dict[str, list[str]] = {}
    for text in np.unique(as_categories(cells).astype(str)).tolist():
        groups.setdefault(" ".join(text.casefold().split()), []).append(text)
    same = [group for group in groups.values() if len(group) > 1]
    if not same:
        return None
    words = "; ".join(", ".join(group[:_MOST_SHOWN]) for group in same[:_MOST_SHOWN])
    more = f" and {len(same) - _MOST_SHOWN} more such groups" if len(same) > _MOST_SHOWN else ""
    return (
        f"{name} has categories that differ in case or spaces alone ({words}){more}; if they are the same, write them "
        "alike"
    )


def _find_quantities(name: str, cells: pd.Series) -> str | None:
    """A few distinct quantities, read as categories."""
    strings = cells.dropna()
    are_texts = is_text_column(strings) or strings.map(lambda cell: isinstance(cell, str)).all()
    if not are_texts or not (reason := describe_quantity(strings)):
        return None
    return f"{name} is taken as categories, and {reason} to have a column of numbers"


def _find_sentinel(name: str, cells: pd.Series) -> str | None:
    """A number such as -999 in many rows, far outside the range of the others."""
    values = as_numbers(cells)
    distinct, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    if len(distinct) < 3:
        return None
    for place, rest in ((0, distinct[1:]), (-1, distinct[:-1])):
        value, count = distinct[place], int(counts[place])
        far = abs(value - rest[place]) > rest[-1] - rest[0]
        if far and count >= SENTINEL_SHARE * len(values) and _SENTINEL.fullmatch(f"{value:g}"):
            return (
                f"{name} is {value:g} in {format_item_count(count, 'row')}, and otherwise between {rest[0]:g} and "
                f"{rest[-1]:g}; if {value:g} stands for a missing number, leave those cells empty"
            )
    return None


def _find_dates(name: str, cells: pd.Series) -> str | None:
    """Numbers such as 20240131: the last day of a month and the first of the next are 70 apart."""
    values = as_numbers(cells)
    if not are_dates_as_numbers(values):
        return None
    first = values[np.isfinite(values)][0]
    return (
        f"{name} {_DATES}, such as {first:.0f}, and is taken as numbers, which jump at a new month or year; days since "
        "a first date, or year and month in separate columns, are better"
    )


def _find_copies(frame: pd.DataFrame, columns: Columns, target: TargetColumn) -> list[str]:
    """Columns that are the target in another form: in another unit or order, or with other names of the classes."""
    y = np.asarray(target.values)
    some = np.unique(np.linspace(0, len(y) - 1, _SAMPLE).astype(int))
    found = []
    for each in columns.all:
        cells = get_column(frame, each.name)
        if _correspond(y[some], cells.iloc[some]) and _has_the_classes_of(y, cells):
            found.append(each.name)
        elif target.task == "regression" and each.kind == "number":
            if _rises_or_falls(y[some], as_numbers(cells.iloc[some])) and _orders_as(y, as_numbers(cells)):
                found.append(each.name)
    return [
        f"{name} is the target {columns.target} in another form: each of its values tells the target's; if it is not "
        f"known before the target, say --drop {shlex.quote(name)}"
        for name in found
    ]


def _find_repeated(frame: pd.DataFrame, names: Iterable[str]) -> list[str]:
    """Columns with the cells of an earlier column."""
    rows = np.unique(np.linspace(0, len(frame) - 1, _SAMPLE).astype(int))
    alike: dict[int, list[pd.Series]] = {}
    found = []
    for name in names:
        cells = get_column(frame, name)
        hashes = hash_pandas_object(cells.iloc[rows], index=False)  # pyright: ignore[reportCallIssue]: lazy in the stubs
        others = alike.setdefault(hash(tuple(hashes)), [])
        same = next((other.name for other in others if other.equals(cells)), None)
        if same is None:
            others.append(cells)
        else:
            found.append(f"{name} has the cells of {same} in all rows; --drop {shlex.quote(name)} leaves it out")
    return found


def _has_the_classes_of(y: np.ndarray, cells: pd.Series) -> bool:
    """Whether few values of a column, each in several rows, are those of the target under other names."""
    _, counts = np.unique(y, return_counts=True)
    is_chance = len(y) - counts.max() < _ENOUGH_ROWS or len(counts) * _ENOUGH_ROWS > len(y)
    return not is_chance and _correspond(y, cells)


def _correspond(y: np.ndarray, cells: pd.Series) -> bool:
    """Whether the values of a column, a missing cell being one, and those of the target correspond one to one."""
    codes, values = pd.factorize(cells, use_na_sentinel=False)
    of_target, labels = pd.factorize(y)
    n_pairs = len(np.unique(codes.astype(np.int64) * len(labels) + of_target))
    return len(values) == len(labels) == n_pairs


def _orders_as(y: np.ndarray, x: np.ndarray) -> bool:
    """Whether numbers order the rows as the target does: half of the rows at least, with many different values."""
    is_finite = np.isfinite(x)
    is_chance = min(len(np.unique(x[is_finite])), len(np.unique(y[is_finite]))) < FEW_VALUES
    return 2 * is_finite.sum() >= len(x) and not is_chance and _rises_or_falls(y, x)


def _rises_or_falls(y: np.ndarray, x: np.ndarray) -> bool:
    is_finite = np.isfinite(x)
    x, y = x[is_finite], y[is_finite]
    return any(bool((np.diff(part[np.lexsort((part, y))]) >= 0).all()) for part in (x, -x))
