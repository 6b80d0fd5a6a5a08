"""A random sample of rows that fits into memory."""

from dataclasses import dataclass, replace

import numpy as np

from ._table import TableChunk

_MIN_ROWS = 64  # rows that are kept, however long they are: fewer show nothing
_MOST_VALUES = 1000  # more, or a row or two of each, are no classes


@dataclass(frozen=True)
class _Part:
    """Rows of a chunk that are in the sample."""

    file: int
    """The number of the file."""
    chunk: TableChunk
    positions: np.ndarray
    """The position of each row among all rows, (n,)."""
    keys: np.ndarray
    """A random number between 0 and 1 for each row, (n,)."""
    is_first: np.ndarray
    """Whether no row above has the same value in the column, (n,)."""

    def take(self, rows: np.ndarray) -> "_Part":
        chunk = replace(self.chunk, table=self.chunk.table.filter(rows), lines=self.chunk.lines[rows])
        return _Part(self.file, chunk, self.positions[rows], self.keys[rows], self.is_first[rows])


class Sample:
    """A random sample of rows, in their order. It has all rows as long as they take no more than `limit` bytes.

    Each row has a random key between 0 and 1. The sample keeps the rows with a key below a bound, which is halved when
    the rows take too much memory.

    Args:
        limit: The largest number of bytes.
        column: A column with the classes of the rows. If there are few classes, the sample has rows of each.
    """

    def __init__(self, limit: int, column: str | None = None):
        self._limit, self._bound, self._generator = limit, 1.0, np.random.default_rng(0)
        self._column, self._values, self._are_classes = column, set[object](), True
        self._n_rows = self._n_bytes = 0
        self._parts: list[_Part] = []

    def add(self, file: int, chunk: TableChunk) -> None:
        """Add the next rows, which are in the file of this number."""
        positions = np.arange(self._n_rows, self._n_rows + chunk.n_rows)
        self._n_rows += chunk.n_rows
        self._parts.append(_Part(file, chunk, positions, self._generator.random(chunk.n_rows), self._find_first(chunk)))
        self._n_bytes += chunk.table.nbytes
        if self._bound < 1:
            self._reduce()
        while self._n_bytes > self._limit:
            first, n_rows = (
                sum(sizes) for sizes in zip(*((p.is_first.sum(), len(p.is_first)) for p in self._parts), strict=True)
            )
            if n_rows <= _MIN_ROWS:
                break
            if self._are_classes and first > n_rows / 2:
                self._are_classes = False
            else:
                self._bound /= 2
            self._reduce()

    @property
    def parts(self) -> list[tuple[int, TableChunk]]:
        """The rows in the sample, as chunks with the numbers of their files."""
        return [(part.file, part.chunk) for part in self._parts if part.chunk.n_rows]

    @property
    def positions(self) -> np.ndarray:
        """The position of each row of the sample among all rows, (n,)."""
        return np.concatenate([part.positions for part in self._parts])

    def _find_first(self, chunk: TableChunk) -> np.ndarray:
        first = np.zeros(chunk.n_rows, bool)
        if self._column in chunk.table.column_names and self._are_classes:
            values = chunk.table[self._column].to_pandas(date_as_object=False).astype(object).dropna()
            try:
                values = values.drop_duplicates()
                new = [row for row, value in values.items() if value not in self._values]
            except TypeError:  # lists, for example, are no classes
                self._are_classes = False
                return first
            self._values.update(values)
            self._are_classes = len(self._values) <= _MOST_VALUES
            first[new if self._are_classes else []] = True
        return first

    def _reduce(self) -> None:
        """Leave out the rows with a key above the bound."""
        keeps = [(part.keys < self._bound) | (part.is_first & self._are_classes) for part in self._parts]
        self._parts = [part if keep.all() else part.take(keep) for part, keep in zip(self._parts, keeps, strict=True)]
        self._n_bytes = sum(part.chunk.table.nbytes for part in self._parts)
