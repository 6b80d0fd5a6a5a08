"""Sets of row numbers, such as the training rows of each fold, in one bit per row and set."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class RowSets(Sequence[np.ndarray]):
    """A sequence of sets of row numbers. An item is a sorted, read-only int64 array.

    Example:
        >>> sets = RowSets.of([[0, 2], [1]], n_rows=3)
        >>> sets[0], sets.sizes, sets.contain(np.array([2, 1]))
        (array([0, 2]), array([2, 1]), array([[ True, False],
               [False,  True]]))
    """

    bits: np.ndarray
    """Packed bits of each set, (sets, ceil(n / 8))."""
    n_rows: int
    """The number of rows that a set may contain, n."""

    @classmethod
    def of(cls, sets: Iterable[Any], n_rows: int) -> "RowSets":
        """Return the sets of some row numbers. Only one item of `sets` is in memory at a time."""
        packed = []
        for rows in sets:
            contained = np.zeros(n_rows, bool)
            contained[rows] = True
            packed.append(np.packbits(contained))
        return cls(np.array(packed, np.uint8).reshape(len(packed), -1), n_rows)

    def __len__(self) -> int:
        return len(self.bits)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice | list):
            return RowSets(self.bits[place], self.n_rows)
        return _numbers(self.bits[place], self.n_rows)

    def __add__(self, other: "RowSets") -> "RowSets":
        return RowSets(np.concatenate([self.bits, other.bits]), self.n_rows)

    @property
    def sizes(self) -> np.ndarray:
        """Number of rows in each set, (sets,)."""
        return np.bitwise_count(self.bits).sum(axis=1, dtype=np.int64)

    @property
    def union(self) -> np.ndarray:
        """Rows in any of the sets."""
        return _numbers(np.bitwise_or.reduce(self.bits, axis=0), self.n_rows)

    @property
    def union_size(self) -> int:
        """Number of rows in any of the sets."""
        return int(np.bitwise_count(np.bitwise_or.reduce(self.bits, axis=0)).sum(dtype=np.int64))

    def contain(self, rows: np.ndarray) -> np.ndarray:
        """Return whether each set contains each of the rows, (sets, len(rows))."""
        return (self.bits[:, rows >> 3] & (128 >> (rows & 7)).astype(np.uint8)) > 0


def _numbers(bits: np.ndarray, n_rows: int) -> np.ndarray:
    rows = np.flatnonzero(np.unpackbits(bits, count=n_rows)).astype(np.int64, copy=False)
    rows.flags.writeable = False
    return rows
