"""Rows that `shrinkage fit --on-bad-row skip` leaves out."""

import csv
import shutil
import tempfile
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

from ._console import format_item_count
from ._rows import BadRow, refuse

NAME = "skipped-rows.csv"
"""The file in the result folder."""
_HEADER = ("file", "line", "column", "reason", "text")


class SkippedRows:
    """Refuses the first bad row, or leaves bad rows out and keeps them in a temporary file.

    Args:
        skip: Whether to leave bad rows out.
    """

    def __init__(self, skip: bool = False):
        self._skip = skip
        self._file = _make_temporary_file() if skip else None
        if self._file is not None:
            weakref.finalize(self, self._file.close)
        self._reasons: Counter[str] = Counter()
        self._first_row: BadRow | None = None

    def __call__(self, row: BadRow) -> None:
        """Take a bad row."""
        if self._file is None:
            return refuse(row)
        if self._first_row is None:
            self._first_row = row
            csv.writer(self._file).writerow(_HEADER)
        self._reasons[row.reason] += 1
        csv.writer(self._file).writerow([row.file, row.line, row.column, row.reason, row.text.rstrip("\r\n")])

    def __len__(self) -> int:
        return self._reasons.total()

    def describe(self) -> list[str]:
        """Return a message about the number of rows and the first one; none without such rows."""
        if self._first_row is None:
            return []
        return [f"skipped: {format_item_count(len(self), 'row')}, which {NAME} lists; the first is {self._first_row}"]

    def save(self, folder: Path) -> None:
        """Write the rows to a file in the folder, if there are any."""
        if self._file is not None and len(self):
            self._file.seek(0)
            with (folder / NAME).open("w", newline="", encoding="utf-8") as file:
                shutil.copyfileobj(self._file, file)


def _make_temporary_file() -> Any:
    # The name of a file may have bytes that are no text.
    return tempfile.SpooledTemporaryFile(2**24, "w+", newline="", encoding="utf-8", errors="backslashreplace")
