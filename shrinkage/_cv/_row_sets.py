"""Sets of row numbers, such as the training rows of each fold, in one bit per row and set."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

_PART = 2**17
"""Number of rows in a part, a multiple of 8. An array for all rows takes too much memory for rows on disk."""


@dataclass(frozen=True, eq=False)
class RowSets(Sequence[np.ndarray]):
    """A sequence of sets of row numbers. An item is a sorted, read-only int64 array.

    Example:
        >>> sets = RowSets.from_rows([[0, 2], [1]], n_rows=3)
        >>> sets[0], sets.sizes, sets.contain(np.array([2, 1]))
        (array([0, 2]), array([2, 1]), array([[ True, False],
               [False,  True]]))
    """

    bits: np.ndarray
    """Packed bits of each set, (sets, ceil(n / 8))."""
    n_rows: int
    """The number of rows that a set may contain, n."""

    @classmethod
    def from_rows(cls, sets: Iterable[Any], n_rows: int) -> "RowSets":
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
        return _to_numbers(self.bits[place], self.n_rows)

    def __add__(self, other: "RowSets") -> "RowSets":
        return RowSets(np.concatenate([self.bits, other.bits]), self.n_rows)

    @property
    def sizes(self) -> np.ndarray:
        """Number of rows in each set, (sets,)."""
        return np.bitwise_count(self.bits).sum(axis=1, dtype=np.int64)

    def iterate_parts(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Yield slices of consecutive rows, and whether each set contains each of these rows, (sets, rows)."""
        for start in range(0, self.n_rows, _PART):
            stop = min(start + _PART, self.n_rows)
            bits = self.bits[:, start // 8 : -(-stop // 8)]
            yield slice(start, stop), np.unpackbits(bits, axis=1, count=stop - start).view(bool)

    def mask(self, place: int) -> np.ndarray:
        """Return whether a set contains each row, (n,)."""
        return np.unpackbits(self.bits[place], count=self.n_rows).view(bool)

    def have_any_of(self, mask: np.ndarray) -> np.ndarray:
        """Return whether each set contains any of the rows in a mask (n,), (sets,)."""
        mask_bits = np.packbits(mask)
        return np.array([(bits & mask_bits).any() for bits in self.bits], bool)

    def select_from_union(self, places: np.ndarray) -> np.ndarray:
        """Return the rows at these places, in ascending order, of the union of all sets."""
        found, before = [], 0
        for part, inside in self.iterate_parts():
            rows = np.flatnonzero(inside.any(axis=0))
            here = places[(places >= before) & (places < before + len(rows))]
            found.append(part.start + rows[here - before])
            before += len(rows)
        return np.concatenate(found)

    @property
    def union(self) -> np.ndarray:
        """Rows in any of the sets."""
        return _to_numbers(np.bitwise_or.reduce(self.bits, axis=0), self.n_rows)

    @property
    def union_size(self) -> int:
        """Number of rows in any of the sets."""
        return int(np.bitwise_count(np.bitwise_or.reduce(self.bits, axis=0)).sum(dtype=np.int64))

    def contain(self, rows: np.ndarray) -> np.ndarray:
        """Return whether each set contains each of the rows, (sets, len(rows))."""
        return (self.bits[:, rows >> 3] & (128 >> (rows & 7)).astype(np.uint8)) > 0


def _to_numbers(bits: np.ndarray, n_rows: int) -> np.ndarray:
    rows = np.flatnonzero(np.unpackbits(bits, count=n_rows)).astype(np.int64, copy=False)
    rows.flags.writeable = False
    return rows
