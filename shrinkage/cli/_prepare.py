"""Read a file into the inputs and the target of a network, with a description of the result."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from shrinkage._data._memory import memory_limit

from ._cautions import about_time, cautions
from ._column_table import column_table, table_lines
from ._columns import Columns, Task, check_input_names
from ._console import plural
from ._counts import odd_words
from ._encoder import count_clipped, count_missing, count_unseen, encode, odd_cells, read_cells
from ._errors import BadInput
from ._images import refuse_images
from ._infer import MAX_CATEGORIES, MAX_EMBEDDED, infer_columns
from ._numerals import Known
from ._own_model import is_own
from ._rows import BadRow, OnBadRow, ignore
from ._skipped import SkippedRows
from ._split import OPTIONS, Split, random_split, read_split
from ._stream import Stream
from ._table import column
from ._tables import SHARE, Files, Rows, find_sources, name_sources
from ._target import Target, check_named, drop_unlabelled, find_bad, read_target

# With fewer held-out rows in a fold, the losses are mostly chance.
FEW_ROWS = 10


@dataclass(frozen=True)
class Prepared:
    """A table with inferred columns and target."""

    file: str
    """The file, or the first place and the number of files."""
    columns: Columns
    target: Target
    cells: dict[str, np.ndarray]
    """The model's inputs by input name, (n, 1)."""
    split: Split
    n_unlabelled: int
    """The number of rows without a target, which are left out."""
    notes: tuple[str, ...]
    """Messages about the file."""
    cautions: tuple[str, ...]
    """Warnings about columns."""
    odd: dict[str, dict[str, int]]
    """Cells of number columns that are not numbers: column -> text -> count."""
    skipped: SkippedRows
    """Rows that were left out because they cannot be read."""
    n_rows: int
    """The number of rows with a target; of a table larger than memory, about."""
    stream: Stream | None = None
    """The rows of a table larger than memory. Target, cells and counts are then those of a random sample."""

    def encode(self) -> list[np.ndarray]:
        """Return the inputs of the network."""
        return encode(self.columns, self.cells)

    def table(self) -> list[dict[str, str | int]]:
        """Return a row for each column: name, kind, missing cells, number of distinct values, and treatment."""
        return column_table(self.columns, self.cells, self.target, self.n_unlabelled)

    def describe(self) -> str:
        """Return the description, as text."""
        columns, target = self.columns, self.target
        here = "" if self.stream is None else " in the sample"
        lines = [
            f"{self.file}: {plural(self.n_rows, 'row')}; {plural(len(columns.names), 'column')}, encoded as "
            f"{plural(len(columns.features), 'input')}",
            *self._about_sample(),
            *self.notes,
            "",
            *table_lines(self.table()),
            "",
            f"target {columns.target}: {target.task} ({target.reason})",
            *_count_words(f"rows of each class{here}", self._class_sizes()),
        ]
        if self.n_unlabelled:
            rows = f"{plural(self.n_unlabelled, 'row')}{here}"
            lines.append(f"left out: {rows} without a target (empty, NA, null, None or ?)")
        lines += [*self.skipped.describe(), *self.split.notes]
        if self.split.rows_in_fold < FEW_ROWS:
            rows = plural(self.split.rows_in_fold, "row")
            lines.append(f"caution: {rows} in a fold; so few can hardly tell one strength from another")
        lines += _count_words(
            f"classes with fewer rows{here} than the {self.split.n_folds} folds", self._small_classes()
        )
        if self.split.is_random:
            lines += about_time(columns, self.cautions, by_groups=self.split.groups is not None)
        renamed = [f"{name} is {new}" for name, new in columns.renamed.items()]
        if renamed:
            lines.append(
                f"inputs of model.keras with another name, because Keras allows no slash: {_list_items(renamed)}"
            )
        lines += self.cautions
        if self.odd:
            lines.append(f"cells{here} that are no numbers, missing ones too: {_list_items(odd_words(self.odd))}")
        lines += self._describe_clipped(here)
        for most, embedded in ((MAX_CATEGORIES, False), (MAX_EMBEDDED, True)):
            found = [c for c in columns.categories if c.n_beyond and c.embedded == embedded]
            way = "" if embedded else "; --category NAME gives each category an input"
            if found:
                names_text = _list_items([f"{c.name} {c.n_beyond}" for c in found])
                lines.append(f"categories beyond the {most} with an input each, which share one: {names_text}{way}")
        return "\n".join(
            [*lines, *_count_words(f"cells{here} with rare categories", count_unseen(columns, self.cells))]
        )

    def _about_sample(self) -> list[str]:
        if self.stream is None:
            return []
        return [
            "larger than the memory limit: the columns were inferred from a random sample of "
            f"{plural(len(self.target.values), 'row')} with a target, of which the table below has the counts"
        ]

    def describe_read(self) -> str:
        """Return the counts of all rows of a table larger than memory, after they were read."""
        if self.stream is None:
            return ""
        counts = self.stream.counts
        return "\n".join(
            [f"read: {plural(counts.n_rows, 'row')} with a target", *self.skipped.describe(), *counts.describe()]
        )

    def document(self) -> dict[str, Any]:
        """Return the description, as data for JSON."""
        columns = self.columns
        return {
            "file": self.file,
            "rows": self.n_rows,
            "rows_of_sample": None if self.stream is None else len(self.target.values),
            "rows_without_target": self.n_unlabelled,
            "rows_skipped": len(self.skipped),
            "target": columns.target,
            "task": columns.task,
            "reason": self.target.reason,
            "labels": columns.labels,
            "classes": self._class_sizes(),
            **self._kinds(),
            "not_used": columns.dropped,
            "missing_cells": count_missing(columns, self.cells),
            "odd_cells": self.odd,
            "notes": self.notes,
            "cautions": self.cautions,
            "renamed_inputs": columns.renamed,
            "clipped_cells": count_clipped(columns, self.cells),
            "inputs": len(columns.features),
        }

    def _kinds(self) -> dict[str, list[str]]:
        return {
            name: [column.name for column in self.columns.all if column.kind == kind] for name, kind in _KINDS.items()
        }

    def _describe_clipped(self, here: str) -> list[str]:
        counts = count_clipped(self.columns, self.cells)
        found = [column for column in self.columns.numbers if column.name in counts]
        items = [f"{c.name} at {c.low:.4g} and {c.high:.4g} ({plural(counts[c.name], 'cell')})" for c in found]
        return [f"numbers{here} far outside the others, clipped: {_list_items(items)}"] if items else []

    def _class_sizes(self) -> dict[str, int]:
        if not self.columns.labels:
            return {}
        counts = np.bincount(self.target.values).tolist()
        return {str(label): count for label, count in zip(self.columns.labels, counts, strict=True)}

    def _small_classes(self) -> dict[str, int]:
        return {label: count for label, count in self._class_sizes().items() if count < self.split.n_folds}


_KINDS = {"numbers": "number", "booleans": "boolean", "dates": "date", "categories": "category", "texts": "text"}


def _count_words(what: str, counts: dict[str, int]) -> list[str]:
    return [f"{what}: {_list_items([f'{name} {count:,}' for name, count in counts.items()])}"] if counts else []


def _list_items(items: list[str], most: int = 15) -> str:
    rest = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + rest


@dataclass(frozen=True)
class Wishes:
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
        return next(((option, name) for option in OPTIONS if (name := getattr(self, option))), None)


def prepare(
    data: Path | Sequence[Path], target_name: str, task: Task | None, n_folds: int, wishes: Wishes = Wishes()
) -> Prepared:
    """Read a table, and infer columns and target.

    Args:
        data: CSV or Parquet: a file, or several files, patterns or folders.
        target_name: The column to predict.
        task: The task, or None to infer it.
        n_folds: The number of folds, at most the number of rows.
        wishes: The user's choices about columns.

    Raises:
        BadInput: If the table cannot be used. The message says why.
    """
    places = [data] if isinstance(data, Path) else data
    sources = find_sources(places)
    refuse_images(source.file for source in sources)
    facts = Known(wishes.separator, None, wishes.number, dict.fromkeys(wishes.category))
    files = Files(sources, facts)
    check_named(files.names, target_name)
    _check_wishes(files.names, target_name, wishes)
    skipped = SkippedRows(wishes.on_bad_row == "skip")
    limit = memory_limit(wishes.max_memory) // SHARE
    table = files.read(lambda name: name not in wishes.drop, skipped, limit, target_name)
    labelled = drop_unlabelled(table.frame, target_name)
    n_unlabelled = len(table.frame) - len(labelled)
    # Of a sample, the first reading of all rows will tell.
    frame = _drop_bad(labelled, target_name, task, table.rows, skipped if table.is_whole else ignore)
    n_rows = round(table.n_rows * len(frame) / len(table.frame))
    split = read_split(frame, n_folds, *wishes.split) if wishes.split else random_split(n_rows, n_folds)
    target = read_target(column(frame, target_name), task)
    apart = {} if wishes.split is None else {wishes.split[1]: f"it decides the split, --{wishes.split[0]}"}
    features = frame.drop(columns=[target_name, *apart])
    numbers, categories, dropped, texts = infer_columns(
        features, number=wishes.number, category=wishes.category, clip=wishes.clip, embeds=wishes.model == "mlp"
    )
    dropped = {**dropped, **dict.fromkeys(wishes.drop, "--drop"), **apart}
    columns = Columns(
        target_name, target.task, target.labels, numbers, categories, dropped, texts, table.decimal,
        as_matrix=is_own(wishes.model),
    )  # fmt: skip
    check_input_names(columns)
    cells = read_cells(columns, features)
    said = cautions(frame, columns, target)
    odd = odd_cells(columns, features)
    stream = None if table.is_whole else Stream(table, target_name, target, columns, skipped)
    if stream is not None and wishes.split is not None:  # of all rows, no longer of the sample
        split = read_split(stream.column(wishes.split[1]), n_folds, *wishes.split)
    return Prepared(
        name_sources(places, sources), columns, target, cells, split, n_unlabelled, table.notes, said, odd, skipped,
        n_rows, stream,
    )  # fmt: skip


def _drop_bad(frame: pd.DataFrame, target: str, task: Task | None, rows: Rows, on_bad_row: OnBadRow) -> pd.DataFrame:
    """Return the rows without those whose target is not a number, where the others are."""
    bad, reason = find_bad(column(frame, target), task)
    wrong = column(frame.loc[bad], target)
    for i, cell in zip(rows.frame.index.get_indexer(wrong.index), wrong, strict=True):
        file, unit, line = rows.locate(int(i))
        on_bad_row(BadRow(file, line, reason, str(cell), target, unit))
    return frame.loc[~bad]


def _check_one_name(names: Sequence[str], told: str, option: str) -> None:
    """Refuse several names in an option that may be repeated."""
    parts = [part.strip() for part in told.split(",")]
    if told not in names and len(parts) > 1 and all(part in names for part in parts):
        several = " ".join(f"{option} {shlex.quote(part)}" for part in parts)
        raise BadInput(f"{option} {told}: an option has one column; say {several}.")


def _check_wishes(names: Sequence[str], target: str, wishes: Wishes) -> None:
    said: dict[str, str] = {}
    options = [("--drop", wishes.drop), ("--category", wishes.category), ("--number", wishes.number)]
    for option, told in options:
        for name in told:
            _check_one_name(names, name, option)
    for option, told in [*options, *((f"--{option}", (name,)) for option, name in filter(None, [wishes.split]))]:
        for name in told:
            check_named(names, name, what=option)
            if name == target:
                way = "; --task chooses its type" if option in ("--category", "--number") else ""
                raise BadInput(f"{option} {name}: {name} is the target{way}.")
            if said.setdefault(name, option) != option:
                raise BadInput(f"{said[name]} {name} and {option} {name} contradict each other; give one of them.")
