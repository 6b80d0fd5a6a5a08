"""Rows on local disk, for data that do not fit into memory: written once in a random order, then read in blocks.

The rows that a fold holds out lie together in a file, a *section*, in a random order. A block takes its share of every
section, so that each fold trains on rows of every block, and the fold of a row follows from its place in the block.
"""

import errno
import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

_BUCKETS = 32
"""Files that the rows of a section are dealt to at random before each is shuffled."""
_SHUFFLED_BYTES = 64 * 2**20
"""Bytes that are shuffled in memory at a time; a larger bucket is dealt to buckets again."""


@dataclass(frozen=True)
class Spool:
    """Rows on disk, as records of raw bytes."""

    folder: Path
    """The folder, which is removed with this object."""
    dtype: np.dtype
    """Of a record: a field for each array of a row, named by its place."""
    sizes: tuple[int, ...]
    """Rows in each section."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return sum(self.sizes)

    def n_blocks(self, rows: int) -> int:
        """Return the number of blocks of at most about so many rows."""
        return max(1, -(-self.n_rows // rows))

    def shares(self, n_blocks: int) -> np.ndarray:
        """Return the bounds of the blocks in each section, (sections, n_blocks + 1)."""
        return np.array([[b * size // n_blocks for b in range(n_blocks + 1)] for size in self.sizes])

    def read(self, section: int, start: int, stop: int) -> np.ndarray:
        """Return some records of a section, (stop - start,)."""
        file, size = self.folder / f"{section}", self.dtype.itemsize
        # Read and not mapped: pages that are mapped count as the memory of the process.
        return np.fromfile(file, self.dtype, stop - start, offset=start * size)

    def blocks(self, order: Sequence[int], n_blocks: int) -> Iterator[tuple[int, list[np.ndarray]]]:
        """Return blocks in this order, each with its number: the records of each section. The next is read ahead."""
        bounds = self.shares(n_blocks)

        def read(block: int) -> list[np.ndarray]:
            return [self.read(g, *bounds[g, block : block + 2].tolist()) for g in range(len(self.sizes))]

        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(read, order[0])
            for i, block in enumerate(order):
                records = ahead.result()
                if i + 1 < len(order):
                    ahead = reader.submit(read, order[i + 1])
                yield block, records


class Writer:
    """Deals rows to the sections of a spool, and shuffles each.

    Args:
        arrays: An example of a row's arrays, each (n, ...): their dtypes and shapes are those of all rows.
        sections: Number of sections.
        seed: Of the order of the rows.
    """

    def __init__(self, arrays: Sequence[np.ndarray], sections: int, seed: int):
        self._dtype = np.dtype([(str(i), array.dtype, array.shape[1:]) for i, array in enumerate(arrays)])
        self._folder = Path(tempfile.mkdtemp(prefix="shrinkage-"))
        self._random = np.random.default_rng((seed, 7))
        self._sizes = np.zeros(sections, np.int64)
        self._buckets = [_bucket_files(self._folder / f"{section}") for section in range(sections)]

    def write(self, arrays: Sequence[np.ndarray], section: np.ndarray) -> None:
        """Write rows, each to the section of this number, (n,).

        Raises:
            ValueError: If the rows have another shape or type than those before.
            OSError: If the disk is full, naming the folder.
        """
        records = np.empty(len(section), self._dtype)
        for i, array in enumerate(arrays):
            kind, shape = self._dtype[i].base, self._dtype[i].shape
            if array.shape[1:] != shape or not np.can_cast(array.dtype, kind, "same_kind"):
                raise ValueError(
                    f"`x` must give rows of one shape and type. Received: rows of shape {shape} and type {kind} first, "
                    f"and of shape {array.shape[1:]} and type {array.dtype} later. Pad or convert them in the dataset."
                )
            records[str(i)] = array
        for number, buckets in enumerate(self._buckets):
            mine = records[section == number]
            self._sizes[number] += len(mine)
            _deal(mine, buckets, self._random)

    def finish(self) -> Spool:
        """Shuffle every section, and return the rows."""
        for number, buckets in enumerate(self._buckets):
            with (self._folder / f"{number}").open("wb") as section:
                for bucket in buckets:
                    _shuffle(bucket, section, self._dtype, self._random)
        spool = Spool(self._folder, self._dtype, tuple(self._sizes.tolist()))
        weakref.finalize(spool, shutil.rmtree, self._folder, ignore_errors=True)
        return spool

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Remove all that was written if an error, or Ctrl-C, comes before the end."""
        if kind is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(
                error.errno,
                f"The rows do not fit into memory, and there is no room for them on disk in {self._folder.parent}: "
                f"{os.strerror(error.errno)}. Free space, or name another folder by the environment variable TMPDIR",
            ) from error


def _bucket_files(file: Path) -> list[Path]:
    return [file.with_name(f"{file.name}.{bucket}") for bucket in range(_BUCKETS)]


def _deal(records: np.ndarray, files: Sequence[Path], random: np.random.Generator) -> None:
    """Append each record to one of the files at random."""
    place = random.integers(len(files), size=len(records))
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(len(files) + 1))
    for file, start, stop in zip(files, bounds, bounds[1:], strict=False):
        with file.open("ab") as opened:  # at a time one is open: a process may open about a thousand
            opened.write(records[order[start:stop]].tobytes())


def _shuffle(file: Path, out: Any, dtype: np.dtype, random: np.random.Generator) -> None:
    """Append the records of a file to another in a random order, and remove the file."""
    n_rows, at_once = _n_records(file, dtype), max(1, _SHUFFLED_BYTES // dtype.itemsize)
    if n_rows <= at_once:
        if n_rows:
            out.write(np.fromfile(file, dtype)[random.permutation(n_rows)].tobytes())
        file.unlink(missing_ok=True)
        return
    parts = _bucket_files(file)
    for start in range(0, n_rows, at_once):
        _deal(np.fromfile(file, dtype, min(at_once, n_rows - start), offset=start * dtype.itemsize), parts, random)
    file.unlink()
    for part in parts:
        _shuffle(part, out, dtype, random)


def _n_records(file: Path, dtype: np.dtype) -> int:
    return file.stat().st_size // dtype.itemsize if file.exists() else 0


class Dealer:
    """Deals rows to F sections at random, whose number need not be known: each class in equal shares, but for one row.

    Every F rows of a class, in the order in which they come, go to the F sections in a random order.

    Args:
        sections: F.
        seed: Of the orders.

    Example:
        >>> dealer = Dealer(3, seed=0)
        >>> np.bincount(np.concatenate([dealer.deal(np.zeros(5, int)), dealer.deal(np.zeros(4, int))])).tolist()
        [3, 3, 3]
    """

    def __init__(self, sections: int, seed: int):
        self._round, self._random = np.arange(sections), np.random.default_rng((seed, 8))
        self._pending: dict[int, np.ndarray] = {}

    @property
    def classes(self) -> list[int]:
        """The classes met so far, in ascending order."""
        return sorted(self._pending)

    def deal(self, classes: np.ndarray) -> np.ndarray:
        """Return the section of each row, (n,), of these classes, (n,)."""
        sections = np.empty(len(classes), np.int64)
        for label in np.unique(classes).tolist():
            rows = np.flatnonzero(classes == label)
            pending = self._pending.get(label, np.empty(0, np.int64))
            rounds = -(-max(0, len(rows) - len(pending)) // len(self._round))
            drawn = self._random.permuted(np.tile(self._round, (rounds, 1)), axis=1).ravel()
            pending = np.concatenate([pending, drawn])
            sections[rows], self._pending[label] = pending[: len(rows)], pending[len(rows) :]
        return sections
