"""From a file to what a network trains on, and what was understood on the way."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ._columns import Columns, Task, input_name
from ._encoder import matrix, missing, read_cells, unseen
from ._errors import BadInput
from ._infer import infer_columns
from ._table import column, read_table
from ._target import Target, check_named, drop_unlabelled, read_target


@dataclass(frozen=True)
class Prepared:
    """A table, understood."""

    file: Path
    columns: Columns
    target: Target
    cells: dict[str, np.ndarray]
    """The model's inputs by input name, (n, 1)."""
    n_unlabelled: int
    """Rows left out because their target is missing."""

    def matrix(self) -> np.ndarray:
        """The encoded matrix, (n, d) float32."""
        return matrix(self.columns, self.cells)

    def describe(self) -> str:
        """What was understood, for people."""
        columns, target = self.columns, self.target
        lines = [
            f"{self.file}: {len(target.values):,} rows, {self._kinds()}, encoded as {len(columns.features)} inputs",
            f"target {columns.target}: {target.task} ({target.reason}){self._classes()}",
        ]
        if self.n_unlabelled:
            lines.append(f"left out: {self.n_unlabelled:,} rows without a target")
        lines += [f"not used: {name} ({reason})" for name, reason in columns.dropped.items()]
        lines += _counted("missing cells", missing(columns, self.cells))
        return "\n".join([*lines, *_counted("cells with rare categories", unseen(columns, self.cells))])

    def document(self) -> dict[str, Any]:
        """The same for programs."""
        columns = self.columns
        return {
            "file": self.file,
            "rows": len(self.target.values),
            "rows_without_target": self.n_unlabelled,
            "target": columns.target,
            "task": columns.task,
            "reason": self.target.reason,
            "labels": columns.labels,
            "numbers": [column.name for column in columns.numbers if not column.boolean],
            "booleans": [column.name for column in columns.numbers if column.boolean],
            "categories": [column.name for column in columns.categories],
            "not_used": columns.dropped,
            "missing_cells": missing(columns, self.cells),
            "inputs": len(columns.features),
        }

    def _kinds(self) -> str:
        n_booleans = sum(column.boolean for column in self.columns.numbers)
        counts = {
            "numbers": len(self.columns.numbers) - n_booleans,
            "booleans": n_booleans,
            "categories": len(self.columns.categories),
        }
        kinds = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
        return f"{len(self.columns.names)} columns used ({kinds})"

    def _classes(self) -> str:
        if not self.columns.labels:
            return ""
        counts = np.bincount(self.target.values)
        listed = [f"{label}: {count:,}" for label, count in zip(self.columns.labels, counts, strict=True)]
        return "; rows: " + ", ".join(listed[:10]) + (", ..." if len(listed) > 10 else "")


def _counted(what: str, counts: dict[str, int]) -> list[str]:
    listed = [f"{name} {count:,}" for name, count in counts.items()]
    return [f"{what}: {', '.join(listed)}"] if listed else []


def prepare(file: Path, target_name: str, task: Task | None, n_folds: int) -> Prepared:
    """Read and understand a table.

    Args:
        file: CSV or Parquet.
        target_name: The column to predict.
        task: What the user said, or None to infer it.
        n_folds: There must be as many rows.

    Raises:
        BadInput: For everything about the table that cannot be used.
    """
    table = read_table(file)
    check_named(table, target_name)
    frame = drop_unlabelled(table, target_name)
    if len(frame) < n_folds:
        raise BadInput(f"{len(frame)} rows cannot be split into {n_folds} folds; give more rows or fewer --folds.")
    target = read_target(column(frame, target_name), task)
    features = frame.drop(columns=target_name)
    columns = Columns(target_name, target.task, target.labels, *infer_columns(features))
    _check_input_names(columns)
    return Prepared(file, columns, target, read_cells(columns, features), len(table) - len(frame))


def _check_input_names(columns: Columns) -> None:
    counts = Counter(input_name(name) for name in columns.names)
    same = [name for name in columns.names if counts[input_name(name)] > 1]
    if same:
        raise BadInput(f"the model needs names that differ by more than a slash: {', '.join(same)}; rename one.")
