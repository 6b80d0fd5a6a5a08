"""What in a table may not be as it looks: said before the training, and nothing is changed for it."""

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

# What people write for a missing number: the same digit again and again, or -9.
_SENTINEL = re.compile(r"-?(?:9{2,}|8{2,}|7{2,})|-9")
SENTINEL_SHARE = 0.05
_DATES = "seems to hold dates"
_MOST_SHOWN = 5
# customer_id, id_customer, PassengerId and CustomerID; not width and acid.
_IDENTIFIER = re.compile(r"(?i:(?:^|[\W_])id(?:$|[\W_]))|[a-z](?:Id|ID)(?:$|[\W_])")


def cautions(frame: pd.DataFrame, columns: Columns, target: Target) -> tuple[str, ...]:
    """Return what to look at.

    Args:
        frame: The rows that have a target, with all columns.
        columns: As they are used.
        target: As it is used.
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
    """Say how rows are split, where a column of dates shows that they may be in an order of time."""
    if not any(reason.startswith(DATES) for reason in columns.dropped.values()) and _DATES not in " ".join(said):
        return []
    return [
        "the folds are drawn at random: if later rows are to be predicted from earlier ones, put the latest rows in a "
        "file of their own and compare what `shrinkage predict` says of them with what came (in Python, give them as "
        "validation_data)"
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
    """Few distinct quantities that are taken as categories."""
    strings = cells.dropna()
    if not strings.map(lambda cell: isinstance(cell, str)).all() or not (reason := quantity(strings)):
        return None
    return f"{name} is taken as categories, and {reason} to have a column of numbers"


def _sentinel(name: str, cells: pd.Series) -> str | None:
    """A number such as -999 in many rows, farther from the others than these are from each other."""
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
        f"{name} {_DATES}, such as {first:.0f}, and is taken as numbers, of which those of a new month or year are far "
        "from the last; days since a first one, or year and month in columns of their own, are better"
    )


def _identifier(name: str, cells: pd.Series) -> str | None:
    """Whole numbers that are all different, under a name that says so."""
    if not _IDENTIFIER.search(name):
        return None
    values = as_numbers(cells)
    if len(np.unique(values)) < len(values) or not (values == np.floor(values)).all():
        return None
    told = f"--drop {shlex.quote(name)}"
    return f"{name} is a different whole number in every row, as identifiers are; if it is one, say {told}"
