"""Split the lines of a CSV into rows of cells, and find the rows that cannot be read."""

import csv
import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from ._bounds import MOST_CHARACTERS
from ._console import format_item_count
from ._errors import BadInput
from ._layout import UTF_8, Layout, replace_tabs

_WINDOWS = "cp1252"  # the default of Excel in western Europe and America
_BLOCK = 2**20  # characters that are decoded together
UNDECODABLE = re.compile("[\0\ud800-\udfff]")
"""Characters of which no text consists: zero bytes, and bytes that cannot be decoded."""
_MOST_SHOWN = 60
_FEW_SEPARATORS = 4  # so few separators in the lines of a cell may be those of a text


@dataclass(frozen=True)
class BadRow:
    """A row that cannot be used."""

    file: Path
    line: int
    reason: str
    text: str
    """The line, or the cell if a single cell is the reason."""
    column: str | None = None
    unit: str = "line"
    """The thing that `line` counts: lines of a CSV, rows of a Parquet file."""

    def __str__(self) -> str:
        text = self.text.strip()
        excerpt = text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]}..."
        column = f", column {self.column}" if self.column is not None else ""
        return f"{self.file}, {self.unit} {self.line}{column}: {self.reason}: {excerpt!r}"


OnBadRow = Callable[[BadRow], None]


def refuse(row: BadRow) -> None:
    """Raise `BadInput` for a bad row."""
    raise BadInput(
        f"DATA must have only rows that can be used. Received: {row}. Correct the {row.unit}, or leave it out. "
        "`shrinkage fit` leaves such rows out with --on-bad-row skip."
    )


def ignore(row: BadRow) -> None:
    """Leave a bad row out."""


class Decoder:
    """Decodes the lines of a file. A byte that cannot be decoded becomes a lone surrogate.

    Text without a mark is UTF-8, unless most of the first lines that are not ASCII are not UTF-8: then it is cp1252.
    """

    def __init__(self, stream: TextIO, encoding: str):
        self._stream = stream
        self._encoding = encoding if encoding != UTF_8 else None

    @property
    def note(self) -> str | None:
        """A message if the encoding is a guess."""
        if self._encoding != _WINDOWS:
            return None
        return "not UTF-8: read as cp1252 (Windows, western European); if letters look wrong, save it as UTF-8"

    def __iter__(self) -> Iterator[str]:
        while lines := self._stream.readlines(_BLOCK):
            if self._encoding is None:
                self._encoding = _guess(lines)
            yield from map(_as_windows, lines) if self._encoding == _WINDOWS else lines


def _guess(lines: list[str]) -> str | None:
    """Return the encoding of lines that were decoded as UTF-8; None if they are ASCII."""
    foreign = [line for line in lines if not line.isascii()]
    n_wrong = sum(UNDECODABLE.search(line) is not None for line in foreign)
    return (_WINDOWS if n_wrong > len(foreign) / 2 else UTF_8) if foreign else None


def _as_windows(line: str) -> str:
    if line.isascii():
        return line
    return line.encode("utf-8", "surrogateescape").decode(_WINDOWS, "surrogateescape")


class Splitter:
    """Splits lines into rows of cells, as many in each row as the header has.

    Args:
        file: The file, for messages.
        lines: The lines, from the header on.
        layout: The layout of the table.
        names: The names of the columns.
        on_bad_row: Called for each row with another number of cells, with undecodable bytes, or with a quote that does
            not close. Such rows are left out.
    """

    def __init__(self, file: Path, lines: Iterator[str], layout: Layout, names: list[str], on_bad_row: OnBadRow):
        self._file, self._names, self._separator = file, names, layout.separator
        self._lines = map(replace_tabs, lines) if layout.separator == " " else lines
        self._number, self._on_bad_row = layout.n_above + 1, on_bad_row
        self._pending_lines = deque[str]()
        self.n_comments = 0
        """The number of comments below the header, so far."""
        self.n_blank = 0
        """The number of blank lines above a row, so far."""
        self._n_blank_now = 0  # since the last row: blank lines at the end of the file are common

    def __iter__(self) -> Iterator[tuple[list[str], int, int]]:
        """Yield (cells, line, number of characters) of each row."""
        width, rows = len(self._names), self._split()
        next(rows, None)  # the header
        for cells, line, text in rows:
            if len(cells) != width:
                self._examine(cells, line, text)
            elif (not text.isascii() or "\0" in text) and UNDECODABLE.search(text):
                column = next(self._names[i] for i, cell in enumerate(cells) if UNDECODABLE.search(cell))
                self._report(line, "the bytes are not text in the encoding of the file", text, column)
            elif width > 1 or text.strip():
                self.n_blank, self._n_blank_now = self.n_blank + self._n_blank_now, 0
                yield cells, line, len(text)
            else:
                self._n_blank_now += 1

    def _examine(self, cells: list[str], line: int, text: str) -> None:
        """Leave out blank lines and comments; report other rows."""
        if text.startswith("#") and cells:
            self.n_comments += 1
        elif any(cells):
            cells_text, names_text = format_item_count(len(cells), "cell"), format_item_count(len(self._names), "name")
            reason = f"the row has {cells_text}, and the header {names_text}"
            more = " (a cell that holds the separator belongs in quotes, and every column needs a name)"
            more *= len(cells) > len(self._names)
            self._report(line, reason + more, text)
        else:
            self._n_blank_now += 1

    def _report(self, line: int, reason: str, text: str, column: str | None = None) -> None:
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        self._on_bad_row(BadRow(self._file, line, reason, text, column))

    def _is_unclosed(self, lines: list[str]) -> bool:
        """Whether a quote opens in the first of several lines and closes at a quote of another row.

        The quote then closes in the middle of a cell, or the lines between are rows.
        """
        try:
            list(csv.reader(lines, delimiter=self._separator, skipinitialspace=True, strict=True))
        except csv.Error:
            return True
        width, between = len(self._names), lines[1:-1]
        if (width - 1) * len(between) < _FEW_SEPARATORS:
            return False
        return all(len(cells) == width for cells in csv.reader(between, delimiter=self._separator))

    def _split(self) -> Iterator[tuple[list[str], int, str]]:
        """Yield (cells, first line, text) of each row. After a quote that does not close, the next line is a row."""
        while True:
            row: list[str] = []  # the lines of the current row
            is_at_end = False

            def take(row: list[str] = row) -> Iterator[str]:
                nonlocal is_at_end
                n_characters = 0
                for line in self._read_lines():
                    n_characters = (n_characters if row else 0) + len(line)
                    row.append(line)
                    if n_characters > MOST_CHARACTERS:
                        raise _LongRow
                    yield line
                is_at_end = True

            try:
                for cells in csv.reader(take(), delimiter=self._separator, skipinitialspace=True):
                    # At the end, and yet in a cell; or the cell has swallowed rows.
                    if is_at_end or (len(row) > 1 and self._is_unclosed(row)):
                        break
                    yield cells, self._number, row[0] if len(row) == 1 else "".join(row)
                    self._number += len(row)
                    row.clear()
                else:
                    return
                reason = "a quote opens and does not close"
            except csv.Error:
                reason = f"a cell has more than {csv.field_size_limit():,} characters; a quote may not close"
            except _LongRow:  # its lines are not tried as rows: each may be as long again
                self._report(self._number, f"the row has more than {MOST_CHARACTERS:,} characters", row[0])
                self._number += len(row)
                continue
            self._report(self._number, reason, row[0])
            self._number += 1
            self._pending_lines.extendleft(reversed(row[1:]))

    def _read_lines(self) -> Iterator[str]:
        """Yield the lines that are read again, and then further lines."""
        while True:
            line = self._pending_lines.popleft() if self._pending_lines else next(self._lines, None)
            if line is None:
                return
            yield line


class _LongRow(Exception):
    """A row of more lines than fit into memory."""
