"""Warnings about suspicious columns of a table, printed before the training. The table is not changed."""

import re
import shlex
from collections.abc import Callable, Iterable

import numpy as np
import pandas as pd

from ._columns import Columns
from ._console import plural
from ._formats import DATES, are_dates_as_numbers, quantity
from ._table import column
from ._target import Target
from ._values import as_categories, as_numbers

# Codes for a missing number: a repeated digit such as 999, or -9.
_SENTINEL = re.compile(r"-?(?:9{2,}|8{2,}|7{2,})|-9")
SENTINEL_SHARE = 0.05
_DATES = "seems to hold dates"
_MOST_SHOWN = 5
# customer_id, id_customer, PassengerId and CustomerID; not width and acid.
_IDENTIFIER = re.compile(r"(?i:(?:^|[\W_])id(?:$|[\W_]))|[a-z](?:Id|ID)(?:$|[\W_])")


def cautions(frame: pd.DataFrame, columns: Columns, target: Target) -> tuple[str, ...]:
    """Return warnings about columns.

    Args:
        frame: The rows that have a target, with all columns.
        columns: The columns of the model.
        target: The target of the model.
    """
    categories = [c.name for c in columns.categories] + [columns.target] * bool(target.labels)
    numbers = [c.name for c in columns.numbers if not c.boolean] + [columns.target] * (target.task == "regression")
    return tuple(
        f"caution: {text}"
        for text in (
            *_each(_alike, frame, categories),
            *_each(_quantities, frame, categories),
            *_each(_sentinel, frame, numbers),
            *_each(_dates, frame, numbers),
            *_each(_identifier, frame, [c.name for c in columns.numbers if not c.boolean]),
        )
    )


def about_time(columns: Columns, said: tuple[str, ...]) -> list[str]:
    """Return a note about random folds if a column of dates suggests that the rows are in time order."""
    if not any(reason.startswith(DATES) for reason in columns.dropped.values()) and _DATES not in " ".join(said):
        return []
    return [
        "the folds are drawn at random: to predict later from earlier rows, say --time NAME with that column "
        "(in Python, cv=sklearn.model_selection.TimeSeriesSplit(5))"
    ]


def _each(find: Callable[[str, pd.Series], str | None], frame: pd.DataFrame, names: Iterable[str]) -> list[str]:
    return [text for name in names if (text := find(name, column(frame, name)))]


def _alike(name: str, cells: pd.Series) -> str | None:
    """Categories that differ in case or in spaces."""
    groups: dict[str, list[str]] = {}
    for text in np.unique(as_categories(cells).astype(str)).tolist():
        groups.setdefault(" ".join(text.casefold().split()), []).append(text)
    same = [group for group in groups.values() if len(group) > 1]
    if not same:
        return None
    shown = "; ".join(", ".join(group[:_MOST_SHOWN]) for group in same[:_MOST_SHOWN])
    more = f" and {len(same) - _MOST_SHOWN} more such groups" if len(same) > _MOST_SHOWN else ""
    return (
        f"{name} has categories that differ in case or spaces alone ({shown}){more}; if they are the same, write them "
        "alike"
    )


def _quantities(name: str, cells: pd.Series) -> str | None:
    """A few distinct quantities, read as categories."""
    strings = cells.dropna()
    if not strings.map(lambda cell: isinstance(cell, str)).all() or not (reason := quantity(strings)):
        return None
    return f"{name} is taken as categories, and {reason} to have a column of numbers"


def _sentinel(name: str, cells: pd.Series) -> str | None:
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
                f"{name} is {value:g} in {plural(count, 'row')}, and otherwise between {rest[0]:g} and {rest[-1]:g}; "
                f"if {value:g} stands for a missing number, leave those cells empty"
            )
    return None


def _dates(name: str, cells: pd.Series) -> str | None:
    """Numbers such as 20240131: the last day of a month and the first of the next are 70 apart."""
    values = as_numbers(cells)
    if not are_dates_as_numbers(values):
        return None
    first = values[np.isfinite(values)][0]
    return (
        f"{name} {_DATES}, such as {first:.0f}, and is taken as numbers, which jump at a new month or year; days since "
        "a first date, or year and month in separate columns, are better"
    )


def _identifier(name: str, cells: pd.Series) -> str | None:
    """Distinct whole numbers in a column with a name such as "id"."""
    if not _IDENTIFIER.search(name):
        return None
    values = as_numbers(cells)
    if len(np.unique(values)) < len(values) or not (values == np.floor(values)).all():
        return None
    told = f"--drop {shlex.quote(name)}"
    return f"{name} is a different whole number in every row; if {name} is an identifier, say {told}"
