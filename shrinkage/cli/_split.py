"""The split of the rows of a table: at random, by a column of groups, by a column of fold numbers, or in time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from shrinkage._cv._series import TimeSeriesSplit

from ._console import format_item_count, is_given
from ._dates import FORMS, parse
from ._errors import BadInput
from ._settings import Settings
from ._table import get_column
from ._values import as_categories, as_numbers

OPTIONS = ("group", "time", "fold")
"""Options that name a column for the split, at most one of which is given."""


@dataclass(frozen=True)
class Split:
    """A split of the rows, as arguments of `shrinkage.fit`."""

    cv: Any
    n_folds: int
    rows_in_fold: int
    """The number of held-out rows of a fold: the mean, or the smallest of fold numbers."""
    groups: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    @property
    def is_random(self) -> bool:
        """Whether the folds are drawn at random."""
        return isinstance(self.cv, int)


def check_split_options(group: str | None, time: str | None, fold: str | None, repeats: int) -> None:
    """Refuse options that contradict each other."""
    options = [
        f"--{option} {name}" for option, name in zip(OPTIONS, (group, time, fold), strict=True) if name is not None
    ]
    if len(options) > 1:
        raise BadInput(
            f"--group, --time and --fold must not be given together. Received: {' and '.join(options)}. Give one of "
            "them."
        )
    if repeats > 1 and group is None and options:
        raise BadInput(
            f"--repeats must be 1 with {options[0]}, which is one split. Received: {repeats}. Leave one of the two out."
        )
    if fold is not None and is_given("folds"):
        raise BadInput(
            f"--folds must be left out with {options[0]}, whose numbers are the folds. Received: both. Leave one of "
            "the two out."
        )


def check_budget_options(settings: Settings) -> None:
    """Refuse options that a search within a budget has no use for, or was not measured for."""
    if settings.budget is None:
        return
    reasons = {
        "--model linear": settings.model == "linear" and "a linear model trains at every strength in seconds",
        "--time": settings.time and "the search holds out rows at random, or whole groups",
        "--fold": settings.fold and "the search holds out rows at random, or whole groups",
        "--folds": is_given("folds") and "the search has one split",
        "--repeats": settings.repeats > 1 and "the search has one split, and a larger budget has more rows",
        "--learning-curve": settings.learning_curve and "the search trains on a part of the rows already",
        "--choose": settings.choose != "min" and "the search has a rule for the choice",
    }
    for option, reason in reasons.items():
        if reason:
            raise BadInput(
                f"--budget and {option} must not be given together: {reason}. Received: both. Leave one out."
            )


def read_split(frame: pd.DataFrame, n_folds: int, option: str, name: str) -> Split:
    """Return the split by the column of an option, one of `OPTIONS`; the rows of the frame have a target.

    Raises:
        BadInput: If the column has missing or unsuitable cells, or too few groups or rows.
    """
    cells = get_column(frame, name)
    if cells.isna().any():
        raise BadInput(
            f"--{option} must be a column without missing cells. Received: {name}, which is missing in "
            f"{cells.isna().sum()} of {len(cells)} rows. Fill the cells, or leave the rows out."
        )
    return {"group": _split_by_group, "time": _split_in_time, "fold": _split_by_number}[option](cells, n_folds)


def make_random_split(n_rows: int, n_folds: int) -> Split:
    """Return the split without such a column."""
    if n_rows < n_folds:
        raise BadInput(
            f"--folds must be at most the number of rows. Received: {n_folds} for {format_item_count(n_rows, 'row')} "
            f"with a target. Give more rows{' or fewer --folds' if n_rows > 1 else ''}."
        )
    return Split(n_folds, n_folds, n_rows // n_folds)


def _split_by_group(cells: pd.Series, n_folds: int) -> Split:
    labels = as_categories(cells).astype(str)
    n_groups = len(np.unique(labels))
    if n_groups < n_folds:
        raise BadInput(
            f"--folds must be at most the number of groups. Received: {n_folds} for "
            f"{format_item_count(n_groups, 'group')} of --group {cells.name}. "
            f"Give {'fewer --folds' if n_groups > 1 else 'another column'}."
        )
    note = f"groups: {format_item_count(n_groups, 'value')} of {cells.name}; the rows of a group are held out together"
    return Split(n_folds, n_folds, len(cells) // n_folds, labels, (note,))


def _split_by_number(cells: pd.Series, n_folds: int) -> Split:
    numbers = as_numbers(cells)
    odd = ~(np.isfinite(numbers) & (numbers == np.floor(numbers)) & (numbers >= -1))
    if odd.any():
        raise BadInput(
            "--fold must be a column of whole numbers: the number of a fold, or -1 in rows that only train. Received: "
            f"{cells.name}, of which {odd.sum()} of {len(cells)} cells are not, such as {cells.loc[odd].iloc[0]!r}. "
            "Correct the cells, or name another column."
        )
    names, sizes = np.unique(numbers[numbers >= 0], return_counts=True)
    if not len(names) or len(names) == 1 and sizes[0] == len(cells):
        raise BadInput(
            "--fold must be a column by which a fold holds out some rows and trains on others. Received: "
            f"{cells.name}, in which every cell is {numbers[0]:g}. Give two numbers or more, or -1 to rows that only "
            "train."
        )
    n_others = int((numbers < 0).sum())
    others = f"; {format_item_count(n_others, 'row')} with -1 only train" if n_others else ""
    note = f"folds: {format_item_count(len(names), 'number')} of {cells.name}{others}"
    return Split(numbers.astype(np.int64), len(names), int(sizes.min()), notes=(note,))


def _split_in_time(cells: pd.Series, n_folds: int) -> Split:
    n_rows, times = len(cells), _read_times(cells)
    if n_rows < n_folds + 1:
        raise BadInput(
            "--folds must be less than the number of rows with --time, as the first fold trains on an earlier row. "
            f"Received: {n_folds} for {format_item_count(n_rows, 'row')} with a target. Give more rows or fewer "
            "--folds."
        )
    order = np.argsort(times, kind="stable")
    split = TimeSeriesSplit(n_folds, order)
    notes = [f"folds in the order of {cells.name}: each trains on the rows before those that it holds out"]
    if not (np.diff(order) > 0).all():
        notes.append(f"the rows of the file are not in the order of {cells.name}, and are taken in that order")
    sides = ((times[train].max(), times[held_out].min()) for train, held_out in split.split())
    n_ties = sum(bool(last == first) for last, first in sides)
    if n_ties:
        notes.append(
            f"caution: in {format_item_count(n_ties, 'fold')} the first held-out row has the same {cells.name} as the "
            "last training row; rows of one time are in the order of the file"
        )
    return Split(split, n_folds, n_rows // (n_folds + 1), notes=tuple(notes))


def _read_times(cells: pd.Series) -> np.ndarray:
    """Return numbers, or dates and times, in a form that can be ordered."""
    numbers = as_numbers(cells)
    if np.isfinite(numbers).all():
        return numbers
    texts = cells.astype(str)
    read = {form: parse(texts, form) for form in FORMS}
    fitting = [times for times in read.values() if not times.isna().any()]
    if fitting and all(times.equals(fitting[0]) for times in fitting):
        return fitting[0].to_numpy()
    required = (
        "--time must be a column of numbers, or of dates such as 2024-01-31 or 2024-01-31 18:30. "
        f"Received: {cells.name}"
    )
    if fitting:
        raise BadInput(
            f"{required} with {texts.iloc[0]!r}, in which the day or the month may be the first number. Write the "
            "dates as 2024-01-31."
        )
    nearest = min(read.values(), key=lambda times: int(times.isna().sum()))
    odd = cells.loc[nearest.isna() if not nearest.isna().all() else ~np.isfinite(numbers)]
    raise BadInput(
        f"{required}, of which {len(odd)} of {len(cells)} cells are not, such as {str(odd.iloc[0])!r}. Correct the "
        "cells, or name another column."
    )
