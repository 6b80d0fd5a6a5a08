"""Read a file into the inputs and the target of a network, with a description of the result."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from shrinkage._data._memory_limit import read_memory_limit

from ._cautions import find_cautions, suggest_time_split
from ._column_table import format_column_table, make_column_table
from ._columns import Columns, Task, check_input_names
from ._console import format_item_count
from ._counts import odd_words
from ._encoder import count_clipped, count_missing, count_odd_cells, count_unseen, encode, read_cells
from ._errors import BadInput
from ._images import refuse_images
from ._infer import MAX_CATEGORIES, MAX_EMBEDDED, infer_columns
from ._numerals import CsvFacts
from ._rows import BadRow, OnBadRow, ignore
from ._skipped import SkippedRows
from ._split import OPTIONS, Split, make_random_split, read_split
from ._stream import Stream
from ._table import get_column
from ._tables import SHARE, Files, SourceRows, find_sources, name_sources
from ._target import TargetColumn, check_column_name, drop_unlabelled, find_bad_targets, read_target
from ._user_model import is_user_model

# With fewer held-out rows in a fold, the losses are mostly chance.
FEW_ROWS = 10


@dataclass(frozen=True)
class TableData:
    """A table with inferred columns and target."""

    file: str
    """The file, or the first place and the number of files."""
    columns: Columns
    target: TargetColumn
    cells: dict[str, np.ndarray]
    """The model's inputs by input name, (n, 1)."""
    split: Split
    n_unlabelled: int
    """The number of rows without a target, which are left out."""
    notes: tuple[str, ...]
    """Messages about the file."""
    cautions: tuple[str, ...]
    """Warnings about columns."""
    odd_cells: dict[str, dict[str, int]]
    """Cells of number columns that are not numbers: column -> text -> count."""
    skipped_rows: SkippedRows
    """Rows that were left out because they cannot be read."""
    n_rows: int
    """The number of rows with a target; of a table larger than memory, about."""
    stream: Stream | None = None
    """The rows of a table larger than memory. Target, cells and counts are then those of a random sample."""

    def encode(self) -> list[np.ndarray]:
        """Return the inputs of the network."""
        return encode(self.columns, self.cells)

    def list_columns(self) -> list[dict[str, str | int]]:
        """Return a row for each column: name, kind, missing cells, number of distinct values, and treatment."""
        return make_column_table(self.columns, self.cells, self.target, self.n_unlabelled)

    def describe(self) -> str:
        """Return the description, as text."""
        columns, target = self.columns, self.target
        here = "" if self.stream is None else " in the sample"
        lines = [
            f"{self.file}: {format_item_count(self.n_rows, 'row')}; {format_item_count(len(columns.names), 'column')}, "
            f"encoded as {format_item_count(len(columns.features), 'input')}",
            *self._describe_sample(),
            *self.notes,
            "",
            *format_column_table(self.list_columns()),
            "",
            f"target {columns.target}: {target.task} ({target.reason})",
            *_describe_counts(f"rows of each class{here}", self._count_classes()),
        ]
        if self.n_unlabelled:
            rows = f"{format_item_count(self.n_unlabelled, 'row')}{here}"
            lines.append(f"left out: {rows} without a target (empty, NA, null, None or ?)")
        lines += [*self.skipped_rows.describe(), *self.split.notes]
        if self.split.rows_in_fold < FEW_ROWS:
            rows = format_item_count(self.split.rows_in_fold, "row")
            lines.append(f"caution: {rows} in a fold; so few can hardly tell one strength from another")
        lines += _describe_counts(
            f"classes with fewer rows{here} than the {self.split.n_folds} folds", self._find_small_classes()
        )
        if self.split.is_random:
            lines += suggest_time_split(columns, self.cautions, has_groups=self.split.groups is not None)
        renamed = [f"{name} is {new}" for name, new in columns.renamed_inputs.items()]
        if renamed:
            lines.append(
                f"inputs of model.keras with another name, because Keras allows no slash: {_format_items(renamed)}"
            )
        lines += self.cautions
        if self.odd_cells:
            lines.append(
                f"cells{here} that are no numbers, missing ones too: {_format_items(odd_words(self.odd_cells))}"
            )
        lines += self._describe_clipped(here)
        for most, embedded in ((MAX_CATEGORIES, False), (MAX_EMBEDDED, True)):
            found = [c for c in columns.categories if c.n_beyond and c.embedded == embedded]
            way = "" if embedded else "; --category NAME gives each category an input"
            if found:
                names_text = _format_items([f"{c.name} {c.n_beyond}" for c in found])
                lines.append(f"categories beyond the {most} with an input each, which share one: {names_text}{way}")
        return "\n".join(
            [*lines, *_describe_counts(f"cells{here} with rare categories", count_unseen(columns, self.cells))]
        )

    def _describe_sample(self) -> list[str]:
        if self.stream is None:
            return []
        return [
            "larger than the memory limit: the columns were inferred from a random sample of "
            f"{format_item_count(len(self.target.values), 'row')} with a target, of which the table below has the "
            "counts"
        ]

    def describe_counts(self) -> str:
        """Return the counts of all rows of a table larger than memory, after they were read."""
        if self.stream is None:
            return ""
        counts = self.stream.counts
        return "\n".join(
            [
                f"read: {format_item_count(counts.n_rows, 'row')} with a target",
                *self.skipped_rows.describe(),
                *counts.describe(),
            ]
        )

    def to_document(self) -> dict[str, Any]:
        """Return the description, as data for JSON."""
        columns = self.columns
        return {
            "file": self.file,
            "rows": self.n_rows,
            "rows_of_sample": None if self.stream is None else len(self.target.values),
            "rows_without_target": self.n_unlabelled,
            "rows_skipped": len(self.skipped_rows),
            "target": columns.target,
            "task": columns.task,
            "reason": self.target.reason,
            "labels": columns.labels,
            "classes": self._count_classes(),
            **self._group_columns(),
            "not_used": columns.dropped,
            "missing_cells": count_missing(columns, self.cells),
            "odd_cells": self.odd_cells,
            "notes": self.notes,
            "cautions": self.cautions,
            "renamed_inputs": columns.renamed_inputs,
            "clipped_cells": count_clipped(columns, self.cells),
            "inputs": len(columns.features),
        }

    def _group_columns(self) -> dict[str, list[str]]:
        return {
            name: [column.name for column in self.columns.all if column.kind == kind] for name, kind in _KINDS.items()
        }

    def _describe_clipped(self, place: str) -> list[str]:
        counts = count_clipped(self.columns, self.cells)
        found = [column for column in self.columns.numbers if column.name in counts]
        items = [
            f"{c.name} at {c.low:.4g} and {c.high:.4g} ({format_item_count(counts[c.name], 'cell')})" for c in found
        ]
        return [f"numbers{place} far outside the others, clipped: {_format_items(items)}"] if items else []

    def _count_classes(self) -> dict[str, int]:
        if not self.columns.labels:
            return {}
        counts = np.bincount(self.target.values).tolist()
        return {str(label): count for label, count in zip(self.columns.labels, counts, strict=True)}

    def _find_small_classes(self) -> dict[str, int]:
        return {label: count for label, count in self._count_classes().items() if count < self.split.n_folds}


_KINDS = {"numbers": "number", "booleans": "boolean", "dates": "date", "categories": "category", "texts": "text"}


def _describe_counts(title: str, counts: dict[str, int]) -> list[str]:
    return [f"{title}: {_format_items([f'{name} {count:,}' for name, count in counts.items()])}"] if counts else []


def _format_items(items: list[str], limit: int = 15) -> str:
    rest = f" and {len(items) - limit} more" if len(items) > limit else ""
    return ", ".join(items[:limit]) + rest


@dataclass(frozen=True)
class TableOptions:
    """The user's choices about the table. Every field is an option of `shrinkage fit`."""

    drop: tuple[str, ...] = ()
    category: tuple[str, ...] = ()
    number: tuple[str, ...] = ()
    clip: bool = True
    model: str = "mlp"
    separator: str | None = None
    group: str | None = None
    time: str | None = None
    fold: str | None = None
    on_bad_row: Literal["error", "skip"] = "error"
    max_memory: int | None = None

    @property
    def split(self) -> tuple[str, str] | None:
        """The option for the split that names a column, and the column."""
        return next(((option, name) for option in OPTIONS if (name := getattr(self, option)) is not None), None)


def prepare_table(
    data: Path | Sequence[Path],
    target_name: str,
    task: Task | None,
    n_folds: int,
    table_options: TableOptions = TableOptions(),
) -> TableData:
    """Read a table, and infer columns and target.

    Args:
        data: CSV or Parquet: a file, or several files, patterns or folders.
        target_name: The column to predict.
        task: The task, or None to infer it.
        n_folds: The number of folds, at most the number of rows.
        table_options: The user's choices about columns.

    Raises:
        BadInput: If the table cannot be used. The message says why.
    """
    places = [data] if isinstance(data, Path) else data
    sources = find_sources(places)
    refuse_images(source.file for source in sources)
    facts = CsvFacts(table_options.separator, None, table_options.number, dict.fromkeys(table_options.category))
    files = Files(sources, facts)
    check_column_name(files.names, target_name)
    _check_table_options(files.names, target_name, table_options)
    skipped = SkippedRows(table_options.on_bad_row == "skip")
    limit = read_memory_limit(table_options.max_memory) // SHARE
    table = files.read(lambda name: name not in table_options.drop, skipped, limit, target_name)
    labelled = drop_unlabelled(table.frame, target_name)
    n_unlabelled = len(table.frame) - len(labelled)
    # Of a sample, the first reading of all rows will tell.
    frame = _drop_bad(labelled, target_name, task, table.rows, skipped if table.is_whole else ignore)
    n_rows = round(table.n_rows * len(frame) / len(table.frame))
    split = (
        read_split(frame, n_folds, *table_options.split) if table_options.split else make_random_split(n_rows, n_folds)
    )
    target = read_target(get_column(frame, target_name), task)
    apart = (
        {}
        if table_options.split is None
        else {table_options.split[1]: f"it decides the split, --{table_options.split[0]}"}
    )
    features = frame.drop(columns=[target_name, *apart])
    numbers, categories, dropped, texts = infer_columns(
        features,
        number=table_options.number,
        category=table_options.category,
        clip=table_options.clip,
        embeds=table_options.model == "mlp",
    )
    dropped = {**dropped, **dict.fromkeys(table_options.drop, "--drop"), **apart}
    columns = Columns(
        target_name, target.task, target.labels, numbers, categories, dropped, texts, table.decimal,
        as_matrix=is_user_model(table_options.model),
    )  # fmt: skip
    check_input_names(columns)
    cells = read_cells(columns, features)
    said = find_cautions(frame, columns, target)
    odd = count_odd_cells(columns, features)
    stream = None if table.is_whole else Stream(table, target_name, target, columns, skipped)
    if stream is not None and table_options.split is not None:  # of all rows, no longer of the sample
        split = read_split(stream.read_column(table_options.split[1]), n_folds, *table_options.split)
    return TableData(
        name_sources(places, sources), columns, target, cells, split, n_unlabelled, table.notes, said, odd, skipped,
        n_rows, stream,
    )  # fmt: skip


def _drop_bad(
    frame: pd.DataFrame, target: str, task: Task | None, rows: SourceRows, on_bad_row: OnBadRow
) -> pd.DataFrame:
    """Return the rows without those whose target is not a number, where the others are."""
    bad, reason = find_bad_targets(get_column(frame, target), task)
    wrong = get_column(frame.loc[bad], target)
    for i, cell in zip(rows.frame.index.get_indexer(wrong.index), wrong, strict=True):
        file, unit, line = rows.locate(int(i))
        on_bad_row(BadRow(file, line, reason, str(cell), target, unit))
    return frame.loc[~bad]


def _check_single_name(names: Sequence[str], name: str, option: str) -> None:
    """Refuse several names in an option that may be repeated."""
    parts = [part.strip() for part in name.split(",")]
    if name not in names and len(parts) > 1 and all(part in names for part in parts):
        several = " ".join(f"{option} {shlex.quote(part)}" for part in parts)
        raise BadInput(f"{option} must name one column each time. Received: {name}. Give {several}.")


_WAYS_OF_TARGET = {
    "--drop": "Leave --drop out, as the target is no input.",
    **dict.fromkeys(("--category", "--number"), "Choose its type with --task."),
}


def _check_table_options(names: Sequence[str], target: str, table_options: TableOptions) -> None:
    said: dict[str, str] = {}
    options = [
        ("--drop", table_options.drop),
        ("--category", table_options.category),
        ("--number", table_options.number),
    ]
    for option, told in options:
        for name in told:
            _check_single_name(names, name, option)
    for option, told in [*options, *((f"--{option}", (name,)) for option, name in filter(None, [table_options.split]))]:
        for name in told:
            check_column_name(names, name, option=option)
            if name == target:
                way = _WAYS_OF_TARGET.get(option, "Name another column.")
                raise BadInput(f"{option} must be a column other than the target. Received: {name}, the target. {way}")
            if said.setdefault(name, option) != option:
                raise BadInput(
                    f"{option} must name another column than {said[name]}. Received: {said[name]} {name} and {option} "
                    f"{name}. Give one of them."
                )
