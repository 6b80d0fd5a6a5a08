"""Rows that do not fit into memory, read from a spool in blocks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import tree

from shrinkage._cv._folds import Folds
from shrinkage._cv._row_sets import RowSets
from shrinkage._data._data import Data, take
from shrinkage._data._spool import Place, Spool

BLOCK_ROWS, BLOCK_BYTES = 65_536, 16 * 2**20
"""Maximum number of rows and bytes in a block."""


@dataclass(frozen=True)
class Sides:
    """Whether rows are in the sets of rows of F folds and, last, of the models that train on all rows."""

    train: np.ndarray
    """Whether each row is a training row, (F + 1, n)."""
    held_out: np.ndarray
    """Whether each row is a held-out row, (F + 1, n), False for the last."""
    scored_rows: np.ndarray
    """Whether each row is a row for the training loss, (F + 1, n), False for the last."""


@dataclass(frozen=True)
class Block:
    """Rows that are read together."""

    data: Data
    rows: np.ndarray
    """Number of each row in the source, (n,)."""
    sides: Sides


def make_placement(folds: Folds, scored_rows: RowSets, weight: np.ndarray, n_train: int) -> tuple[int, Place]:
    """Return the number of sections, and the function that places rows into sections.

    A section contains the rows with the same first fold that holds them out; the last section contains the rows that no
    fold holds out. The weight and the sets of each row are stored beside the row.

    Args:
        folds: The split.
        scored_rows: Rows for the training loss of each fold.
        weight: Weights of all rows, (n,).
        n_train: The number of rows, the first ones, on which the final models are trained.
    """
    last = len(folds.train)

    def place(rows: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        held_out, none = folds.held_out.contain(rows), np.zeros((1, len(rows)), bool)
        sets = [folds.train.contain(rows), rows[None] < n_train, held_out, none, scored_rows.contain(rows), none]
        sections = np.where(held_out.any(axis=0), held_out.argmax(axis=0), last)
        return sections, [weight[rows], np.packbits(np.concatenate(sets), axis=0).T]

    return last + 1, place


@dataclass(frozen=True)
class StoredRows:
    """Checked rows on disk, in F folds."""

    spool: Spool
    structure: Any
    """A pair (x, y) of trees without values. A record contains the leaves in this order."""
    n_train: np.ndarray
    """Number of training rows of each fold and, last, of the models that train on all rows, (F + 1,)."""
    weight: np.ndarray
    """Sum of the weights of the held-out rows of each fold, (F,)."""
    train_weight: np.ndarray
    """Sum of the weights of the rows for the training loss of each fold, (F,)."""
    n_counting: int
    """Number of training rows with a weight above 0."""
    sample_rows: np.ndarray
    """Numbers of the held-out rows with stored predictions and losses, in ascending order."""
    sample_weight: np.ndarray
    """Weight of each of these rows."""
    checksum: int
    """Checksum of the rows in the order in which they were written, and of their weights if they differ."""

    @property
    def n_folds(self) -> int:
        """Number of folds, F."""
        return len(self.weight)

    @property
    def n_blocks(self) -> int:
        """Number of blocks, at least two."""
        return max(2, self.spool.count_blocks(min(BLOCK_ROWS, max(1, BLOCK_BYTES // self.spool.dtype.itemsize))))

    @property
    def block_rows(self) -> int:
        """Number of rows in the largest block."""
        return int(np.diff(self.spool.compute_bounds(self.n_blocks), axis=1).max(axis=1).sum())

    def read_blocks(self, order: Sequence[int] | None = None) -> Iterator[Block]:
        """Return the blocks in this order. None is the order on disk."""
        return self.spool.read_blocks(range(self.n_blocks) if order is None else order, self.n_blocks, self._make_block)

    def is_sampled(self, rows: np.ndarray) -> np.ndarray:
        """Return whether each of the rows, given by their numbers, is one of `sample_rows`."""
        place = np.minimum(np.searchsorted(self.sample_rows, rows), len(self.sample_rows) - 1)
        return self.sample_rows[place] == rows

    def find_sample_places(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the places in `sample_rows` of the rows that are in it, and the places of these in `rows`."""
        found = np.flatnonzero(self.is_sampled(rows))
        return np.searchsorted(self.sample_rows, rows[found]), found

    def read_sample_targets(self) -> Any:
        """Return the targets of `sample_rows`, (m, ...), by a pass over the rows."""
        targets = None
        for block in self.read_blocks():
            place, found = self.find_sample_places(block.rows)
            values = take(block.data.targets, found)
            if targets is None:
                n_rows = len(self.sample_rows)
                targets = tree.map_structure(lambda a: np.zeros((n_rows, *a.shape[1:]), a.dtype), values)  # noqa: B023
            for whole, part in zip(tree.flatten(targets), tree.flatten(values), strict=True):
                whole[place] = part
        return targets

    def sample(self, n_rows: int) -> Data:
        """Return a random sample of `n_rows` training rows of the final models. Rows repeat if fewer are stored.

        The first k rows contain an equal share of every section, for any k.
        """
        sizes = [min(size, -(-size * n_rows // self.spool.n_rows)) for size in self.spool.sizes]
        records = [self.spool.read(g, 0, size) for g, size in enumerate(sizes)]
        places = [(np.arange(size) + 0.5) / max(1, whole) for size, whole in zip(sizes, self.spool.sizes, strict=True)]
        order = np.argsort(np.concatenate(places), kind="stable")
        block = self._make_block(records)
        rows = np.resize(order[block.sides.train[-1][order]], n_rows)
        return Data(take(block.data.x, rows), take(block.data.y, rows), block.data.weight[rows])

    def _make_block(self, records: list[np.ndarray]) -> Block:
        """Return the records of all sections as arrays. The list is emptied to avoid a second copy in memory."""
        names = [str(i) for i in range(len(tree.flatten(self.structure)))]
        *leaves, weight, bits, rows = (
            np.concatenate([part[name] for part in records]) for name in (*names, "added0", "added1", "row")
        )
        records.clear()
        x, y = tree.pack_sequence_as(self.structure, leaves)
        bits = np.unpackbits(bits, axis=1, count=3 * (self.n_folds + 1)).T
        sides = Sides(*np.ascontiguousarray(bits).view(bool).reshape(3, self.n_folds + 1, len(rows)))
        return Block(Data(x, y, weight), rows, sides)


WeightedMoments = tuple[float, np.ndarray, np.ndarray]
"""Weight, mean and variance of some rows."""


def merge_moments(moments: WeightedMoments, other: WeightedMoments) -> WeightedMoments:
    """Return the moments of two sets of rows together.

    Source: T. F. Chan, G. H. Golub and R. J. LeVeque, Updating formulae and a pairwise algorithm for computing sample
    variances (1979).
    """
    total = moments[0] + other[0]
    share, apart = other[0] / total, other[1] - moments[1]
    return (
        total,
        moments[1] + share * apart,
        (1 - share) * moments[2] + share * other[2] + share * (1 - share) * apart**2,
    )
