"""Rows that do not fit into memory, read from a spool in blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import tree

from shrinkage._data._data import Data
from shrinkage._data._spool import Spool

BLOCK_ROWS, BLOCK_BYTES = 65_536, 16 * 2**20
"""Maximum number of rows and bytes in a block."""


@dataclass(frozen=True)
class FoldSections:
    """The sections of a fold."""

    train: list[int]
    """Sections that the fold trains on."""
    held_out: list[int]
    """Sections that the fold holds out."""
    train_scored: int | None
    """Section for the training loss; None without a training loss."""


@dataclass(frozen=True)
class StoredRows:
    """Checked rows on disk. Fold f holds out section f, and trains on the other sections."""

    spool: Spool
    structure: Any
    """A pair (x, y) of trees. A record contains the leaves in this order, and then the weight of the row."""
    mean_weight: float
    """Mean of the weights before scaling."""
    weight: np.ndarray
    """Sum of the scaled weights in each section, (sections,)."""
    n_counting: int
    """Number of rows with a weight above 0."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return self.spool.n_rows

    @property
    def n_train(self) -> np.ndarray:
        """Number of training rows of each fold, (F,)."""
        return self.n_rows - np.array(self.spool.sizes)

    @property
    def fold_sections(self) -> list[FoldSections]:
        """The sections of each fold. The training loss uses the held-out section of the next fold."""
        n = len(self.spool.sizes)
        return [FoldSections([g for g in range(n) if g != f], [f], (f + 1) % n) for f in range(n)]

    @property
    def all_sections(self) -> FoldSections:
        """The sections of the models that train on all rows."""
        return FoldSections(list(range(len(self.spool.sizes))), [], None)

    @property
    def n_blocks(self) -> int:
        """Number of blocks, at least two."""
        return max(2, self.spool.n_blocks(min(BLOCK_ROWS, max(1, BLOCK_BYTES // self.spool.dtype.itemsize))))

    @property
    def block_rows(self) -> int:
        """Number of rows in the largest block."""
        return int(np.diff(self.spool.shares(self.n_blocks), axis=1).max(axis=1).sum())

    def blocks(self, order: Sequence[int]) -> Iterator[tuple[int, Data, np.ndarray]]:
        """Yield (number, rows, section of each row (n,)) per block, in this order."""
        for number, records in self.spool.blocks(order, self.n_blocks):
            sections = np.repeat(np.arange(len(records)), [len(part) for part in records])
            yield number, self._data(np.concatenate(records)), sections

    def sample(self, n_rows: int) -> tuple[Data, np.ndarray]:
        """Return a random sample of `n_rows` rows, and the section of each row, (n_rows,).

        The first k rows contain an equal share of every section, for any k. Rows repeat if fewer are stored.
        """
        sizes = [min(size, -(-size * n_rows // self.n_rows)) for size in self.spool.sizes]
        records = np.concatenate([self.spool.read(g, 0, size) for g, size in enumerate(sizes)])
        places = [(np.arange(size) + 0.5) / whole for size, whole in zip(sizes, self.spool.sizes, strict=True)]
        order = np.resize(np.argsort(np.concatenate(places), kind="stable"), n_rows)
        return self._data(records[order]), np.repeat(np.arange(len(sizes)), sizes)[order]

    def _data(self, records: np.ndarray) -> Data:
        arrays = [np.ascontiguousarray(records[name]) for name in records.dtype.names or ()]
        x, y = tree.pack_sequence_as(self.structure, arrays[:-1])
        return Data(x, y, (arrays[-1] / self.mean_weight).astype(arrays[-1].dtype))
