"""The target column: task, labels and values."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import get_args

import numpy as np
import pandas as pd

from ._columns import Label, Task
from ._errors import BadInput
from ._layout import is_number_cell
from ._values import (
    FEW_VALUES,
    Kind,
    are_equal_in_float64,
    as_booleans,
    as_numbers,
    convert_values,
    describe_cells,
    find_unreadable,
    infer_kind,
)

TASKS: tuple[str, ...] = get_args(Task)
# Few distinct whole numbers, each standing for many rows, are more often grades or codes than quantities.
FEW_SHARE = 0.05
# More whole numbers than this are quantities beyond doubt.
MANY_VALUES = 100
# Limits of the spread and the size of a target's numbers.
SIZES = (1e-30, 1e30)


@dataclass(frozen=True)
class TargetColumn:
    """The target of a model."""

    task: Task
    reason: str
    """The reason for the task, as text."""
    labels: tuple[Label, ...]
    """The classes; empty for regression."""
    values: np.ndarray
    """(n,) int32 places in `labels`, or float64 quantities."""
    kind: Kind = "number"
    """The type of the cells."""
    distinct_values: tuple[str | float, ...] = ()
    """The classes, as `values_as` returns them."""

    def read(self, column: pd.Series) -> tuple[np.ndarray, np.ndarray, str]:
        """Return the values of further cells, (n,), which cells are bad, (n,), and the reason.

        Args:
            column: (n,) cells without missing cells.
        """
        if self.task == "regression":
            numbers = as_booleans(column) if self.kind == "boolean" else as_numbers(column)
            return numbers, ~np.isfinite(numbers), "the target is not a finite number"
        places = pd.Index(self.distinct_values).get_indexer(pd.Index(convert_values(self.kind, column)))
        return places.astype(np.int32), places < 0, f"the target is none of the {len(self.labels)} classes"


def drop_unlabelled(frame: pd.DataFrame, target: str) -> pd.DataFrame:
    """Return the rows with a target; raise `BadInput` if there is no such column or no such row."""
    check_column_name(frame.columns, target)
    rows = frame.dropna(subset=[target])  # the index still says where in the file a row was
    if rows.empty:
        raise BadInput(
            f"--target must be a column with a value in some row. Received: {target}, which is missing in every row. "
            "Fill its cells, or name another column."
        )
    return rows


def check_column_name(names: Iterable[str], target: str, option: str = "--target") -> None:
    """Raise `BadInput` with the nearest name if the column of an option is not among the names of a table."""
    names = list(names)
    if target in names:
        return
    raise BadInput(
        f"{option} must be a column of DATA. Received: {target or repr(target)}. {_suggest_column(names, target)}"
    )


def find_bad_targets(column: pd.Series, task: Task | None) -> tuple[np.ndarray, str]:
    """Return which cells of a target are not numbers, (n,), where the others are, and the reason.

    Args:
        column: (n,) cells without missing cells.
        task: The task, or None to infer it.
    """
    kind = infer_kind(column)
    if kind is None or kind == "category":
        return np.zeros(len(column), bool), ""
    odd = _find_odd_cells(column, kind)
    if odd.any() and task in ("binary", "multi-class"):  # `read_target` takes such cells as a class
        return np.zeros(len(column), bool), ""
    if kind == "boolean":
        return odd, "the target is neither true nor false"
    return odd | np.isinf(as_numbers(column)), "the target is not a finite number"


def _suggest_column(names: list[str], target: str) -> str:
    """Return advice for a missing column: the nearest name, or the columns of the file."""
    if len(names) == 1 and (separator := _find_separator(names[0], target)):
        return f"DATA was read as the single column {names[0]!r}. Give --sep {separator}."
    lowered = {name.lower(): name for name in names}
    if near := difflib.get_close_matches(target.lower(), lowered, n=1):
        return f"Did you mean {lowered[near[0]]}?"
    return describe_column_names(names)


def _find_separator(header: str, target: str) -> str | None:
    """Return the value of --sep by which the target is a column of a header that was read as one column."""
    for value, separator in {"','": ",", "';'": ";", "tab": "\t", "'|'": "|", "':'": ":"}.items():
        if target in [part.strip(' "') for part in header.split(separator)]:
            return value
    return None


def describe_column_names(names: list[str]) -> str:
    """Return sentences about the columns of a file: a wrong separator, a missing header, or the list of names."""
    names_text = f"{', '.join(names[:20])}{', ...' * (len(names) > 20)}"
    if len(names) == 1 and (between := re.search(r"[|;:,\s]", names[0].strip())):
        way = "give --sep space, which cuts at spaces"
        if not between[0].isspace():
            way = f"name another character with --sep '{between[0]}' or a first line sep={between[0]}"
        return (
            f"DATA was read as the single column {names[0]!r}. Separate columns by commas, semicolons or tabs, or "
            f"{way}. Close every quote that opens."
        )
    if sum(map(is_number_cell, names)) > len(names) / 2:
        return (
            f"DATA has a first line that was read as the names: {names_text}. If it is a row, write a line with names "
            "above it."
        )
    return f"DATA has the columns {names_text}."


def read_target(column: pd.Series, task: Task | None) -> TargetColumn:
    """Return the target's task, labels and values.

    Args:
        column: (n,) cells without missing cells.
        task: The task, or None to infer it.

    Raises:
        BadInput: If the target has a single value or infinite numbers, or the task does not fit the cells.
    """
    kind = infer_kind(column) or _get_user_kind(column, task)
    if kind is None:
        raise BadInput(
            f"--target must be a column of numbers, truth values or categories. Received: {column.name} "
            f"({describe_cells(column)}). Correct the cells, or name another column."
        )
    if task in ("binary", "multi-class") and kind != "category" and _find_odd_cells(column, kind).any():
        kind = "category"
    _check_odd_cells(column, kind)
    cells = convert_values(kind, column)
    distinct = sorted(set(cells.tolist()))
    if kind == "number" and are_equal_in_float64(column):
        raise BadInput(
            f"--target must be a column of numbers that differ in the first 16 digits, as more are not read. Received: "
            f"{column.name}, whose numbers have the same first 16 digits. Subtract {distinct[0]:.0f} from them."
        )
    _check_cells(str(column.name), kind, cells, distinct)
    numeric = kind != "category" or not np.isnan(as_numbers(column)).any()
    inferred, reason, other = _infer_task(kind, distinct, len(cells), numeric)
    chosen = task or inferred
    reason = f"{reason}, as told by --task" if task else f"{reason}{other}"
    if chosen == "regression":
        return _make_quantity_target(column, kind, cells, reason)
    _check_classes(str(column.name), chosen, distinct, len(cells), numeric)
    labels = tuple(_to_label(kind, value) for value in distinct)
    place = {value: index for index, value in enumerate(distinct)}
    values = np.array([place[cell] for cell in cells.tolist()], dtype=np.int32)
    return TargetColumn(chosen, reason, labels, values, kind, tuple(distinct))


def _get_user_kind(column: pd.Series, task: Task | None) -> Kind | None:
    """Return "category" for text that is not used by default, if the user chose a classification task."""
    texts = column.map(lambda cell: isinstance(cell, str)).all()
    return "category" if texts and task in ("binary", "multi-class") else None


def _find_odd_cells(column: pd.Series, kind: Kind) -> np.ndarray:
    return find_unreadable(column, convert_values(kind, column))


def _check_odd_cells(column: pd.Series, kind: Kind) -> None:
    odd = np.zeros(len(column), bool) if kind == "category" else _find_odd_cells(column, kind)
    if odd.any():
        raise BadInput(
            f"--target must be a column of one type. Received: {column.name}, which holds "
            f"{'truth values' if kind == 'boolean' else 'numbers'} but for {odd.sum()} of {len(column)} cells, for "
            f"example {column.loc[odd].iloc[0]!r}. Correct these cells, or leave them empty."
        )


def _check_cells(name: str, kind: str, cells: np.ndarray, distinct_values: list) -> None:
    infinite = int(np.isinf(cells).sum()) if kind == "number" else 0
    if infinite:
        raise BadInput(
            f"--target must be a column of finite numbers. Received: {name}, which is infinite in {infinite} of "
            f"{len(cells)} rows. Correct or remove these rows."
        )
    if len(distinct_values) == 1:
        raise BadInput(
            f"--target must be a column with two values or more. Received: {name}, which has the single value "
            f"{distinct_values[0]}. Name another column."
        )


def _infer_task(kind: str, distinct_values: list, n_rows: int, is_numeric: bool) -> tuple[Task, str, str]:
    """Return the task, the reason, and a hint about the option for another task, if there is one."""
    words = {"number": "numbers", "boolean": "values, true and false", "category": "categories"}[kind]
    quantities = "; if they are quantities, say --task regression"
    if len(distinct_values) == 2:
        return "binary", f"2 distinct {words}", quantities if is_numeric and kind != "boolean" else ""
    if kind == "category":
        return "multi-class", f"{len(distinct_values)} distinct {words}", quantities if is_numeric else ""
    whole = all(float(value).is_integer() for value in distinct_values)
    words = "whole numbers" if whole else words
    if whole and len(distinct_values) <= min(FEW_VALUES, FEW_SHARE * n_rows):
        return "multi-class", f"{len(distinct_values)} distinct {words}", quantities
    possible = len(distinct_values) <= min(MANY_VALUES if whole else FEW_VALUES, n_rows / 2)
    return (
        "regression",
        f"{len(distinct_values)} distinct {words}",
        "; if they are classes, say --task multi-class" * possible,
    )


def _make_quantity_target(column: pd.Series, kind: Kind, cells: np.ndarray, reason: str) -> TargetColumn:
    if kind == "category":
        numbers = as_numbers(column)
        odd = column.loc[np.isnan(numbers)]
        if odd.empty:  # a Parquet column of categories that are numbers
            _check_size(str(column.name), numbers)
            return TargetColumn("regression", reason, (), numbers, "category")
        raise BadInput(
            f"--target must be a column of numbers for --task regression. Received: {column.name}, of which {len(odd)} "
            f"of {len(column)} cells hold text such as {odd.iloc[0]!r}. Correct the cells, or give another --task."
        )
    _check_size(str(column.name), cells)
    return TargetColumn("regression", reason, (), cells.astype(np.float64), kind)


def _check_size(name: str, values: np.ndarray) -> None:
    """Refuse numbers outside the range of predictions: Keras' layers store constants as float32."""
    largest = float(np.abs(values).max())
    spread = float(np.abs(values - np.median(values)).max()) if largest < SIZES[1] else np.inf
    if not (SIZES[0] < spread < SIZES[1]):
        what = f"numbers as large as {largest:.0e}" if largest >= SIZES[1] else f"numbers only {spread:.0e} apart"
        raise BadInput(
            f"--target must be a column of numbers that float32 can hold. Received: {name}, which has {what}. Give it "
            "in another unit, so that its numbers lie between 1e-30 and 1e30."
        )


def _check_classes(name: str, task: Task, distinct_values: list, n_rows: int, is_numeric: bool) -> None:
    if task == "binary" and len(distinct_values) > 2:
        raise BadInput(
            f"--target must be a column of two classes for --task binary. Received: {name}, which has "
            f"{len(distinct_values)}. Give another --task, or name another column."
        )
    if len(distinct_values) > n_rows / 2:
        hint = ", or give --task regression for quantities" if is_numeric else ""
        raise BadInput(
            f"--target must be a column with at most half as many classes as rows. Received: {name}, which has "
            f"{len(distinct_values)} distinct values in {n_rows} rows. Name another column{hint}."
        )


def _to_label(kind: str, value: float | str) -> Label:
    if kind == "boolean":
        return bool(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value
