"""A random sample of rows that fits into memory."""

from dataclasses import replace

import numpy as np

from ._table import Chunk


class Sample:
    """A random sample of rows, in their order. It has all rows as long as they take no more than `limit` bytes.

    Each row has a random key between 0 and 1. The sample keeps the rows with a key below a bound, which is halved when
    the rows take too much memory.
    """

    def __init__(self, limit: int):
        self._limit, self._bound, self._random = limit, 1.0, np.random.default_rng(0)
        self._n_rows = self._n_bytes = 0
        self._parts: list[tuple[int, Chunk, np.ndarray, np.ndarray]] = []  # with keys and positions

    def add(self, file: int, chunk: Chunk) -> None:
        """Add the next rows, which are in the file of this number."""
        positions = np.arange(self._n_rows, self._n_rows + chunk.n_rows)
        self._n_rows += chunk.n_rows
        self._parts.append((file, chunk, self._random.random(chunk.n_rows), positions))
        if self._bound < 1:
            self._parts[-1] = self._below_bound(*self._parts[-1])
        self._n_bytes += self._parts[-1][1].table.nbytes
        while self._n_bytes > self._limit:
            self._bound /= 2
            self._parts = [self._below_bound(*part) for part in self._parts]
            self._n_bytes = sum(chunk.table.nbytes for _, chunk, _, _ in self._parts)

    @property
    def parts(self) -> list[tuple[int, Chunk]]:
        """The rows in the sample, as chunks with the numbers of their files."""
        return [(file, chunk) for file, chunk, _, _ in self._parts if chunk.n_rows]

    @property
    def positions(self) -> np.ndarray:
        """The position of each row of the sample among all rows, (n,)."""
        return np.concatenate([positions for _, _, _, positions in self._parts])

    def _below_bound(
        self, file: int, chunk: Chunk, keys: np.ndarray, positions: np.ndarray
    ) -> tuple[int, Chunk, np.ndarray, np.ndarray]:
        keep = keys < self._bound
        kept = replace(chunk, table=chunk.table.filter(keep), lines=chunk.lines[keep])
        return file, kept, keys[keep], positions[keep]
