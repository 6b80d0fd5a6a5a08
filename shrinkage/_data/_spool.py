"""Rows on local disk, for data that do not fit into memory: written once in a random order, then read in blocks.

A *section* is a file with the held-out rows of a fold, in a random order. A block contains an equal share of every
section, so each fold trains on rows of every block. The position of a row in the block determines the fold of the row.
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
"""Number of files per section. Rows are distributed to the files at random, and each file is then shuffled."""
_SHUFFLED_BYTES = 64 * 2**20
"""Maximum number of bytes shuffled in memory. A larger bucket is split into buckets again."""


@dataclass(frozen=True)
class Spool:
    """Rows on disk, as records of raw bytes."""

    folder: Path
    """Folder of the files, which is removed with this object."""
    dtype: np.dtype
    """Data type of a record, with a field per array. The field names are "0", "1", ..."""
    sizes: tuple[int, ...]
    """Number of rows in each section."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return sum(self.sizes)

    def n_blocks(self, rows: int) -> int:
        """Return the number of blocks if a block has about `rows` rows at most."""
        return max(1, -(-self.n_rows // rows))

    def shares(self, n_blocks: int) -> np.ndarray:
        """Return the boundaries of the blocks in each section, (sections, n_blocks + 1)."""
        return np.array([[b * size // n_blocks for b in range(n_blocks + 1)] for size in self.sizes])

    def read(self, section: int, start: int, stop: int) -> np.ndarray:
        """Read the records from `start` to `stop` of a section, (stop - start,)."""
        file, size = self.folder / f"{section}", self.dtype.itemsize
        # The file is read, not memory-mapped: mapped pages count as memory of the process.
        return np.fromfile(file, self.dtype, stop - start, offset=start * size)

    def blocks(self, order: Sequence[int], n_blocks: int) -> Iterator[tuple[int, list[np.ndarray]]]:
        """Yield (number, records of each section) per block, in this order. The next block is read in advance."""
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
    """Writes rows to the sections of a spool, and shuffles each section.

    Args:
        arrays: Example arrays, each (n, ...), that define the dtype and shape of all rows.
        sections: Number of sections.
        seed: Seed of the random order of the rows.
    """

    def __init__(self, arrays: Sequence[np.ndarray], sections: int, seed: int):
        self._dtype = np.dtype([(str(i), array.dtype, array.shape[1:]) for i, array in enumerate(arrays)])
        self._folder = Path(tempfile.mkdtemp(prefix="shrinkage-"))
        self._random = np.random.default_rng((seed, 7))
        self._sizes = np.zeros(sections, np.int64)
        self._buckets = [_bucket_files(self._folder / f"{section}") for section in range(sections)]

    def write(self, arrays: Sequence[np.ndarray], section: np.ndarray) -> None:
        """Write rows to the sections with the numbers `section`, (n,).

        Raises:
            ValueError: If the rows differ in shape or type from the example arrays.
            OSError: If the disk is full. The message names the folder.
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
        """Shuffle every section, and return the spool."""
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
        """Remove the folder after an error or Ctrl-C."""
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
    """Append each record to a random file."""
    place = random.integers(len(files), size=len(records))
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(len(files) + 1))
    for file, start, stop in zip(files, bounds, bounds[1:], strict=False):
        with file.open("ab") as opened:  # not all at once: a process may open about a thousand files
            opened.write(records[order[start:stop]].tobytes())


def _shuffle(file: Path, out: Any, dtype: np.dtype, random: np.random.Generator) -> None:
    """Append the records of `file` to `out` in a random order, and remove `file`."""
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
    """Assigns a stream of rows to F sections at random. The number of rows need not be known in advance.

    Each F consecutive rows of a class go to the F sections in a random order. The number of rows of a class differs by
    at most 1 between sections.

    Args:
        sections: Number of sections, F.
        seed: Seed of the random orders.

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
        """Classes seen so far, in ascending order."""
        return sorted(self._pending)

    def deal(self, classes: np.ndarray) -> np.ndarray:
        """Return the section of each row, (n,), given the class of each row, (n,)."""
        sections = np.empty(len(classes), np.int64)
        for label in np.unique(classes).tolist():
            rows = np.flatnonzero(classes == label)
            pending = self._pending.get(label, np.empty(0, np.int64))
            rounds = -(-max(0, len(rows) - len(pending)) // len(self._round))
            drawn = self._random.permuted(np.tile(self._round, (rounds, 1)), axis=1).ravel()
            pending = np.concatenate([pending, drawn])
            sections[rows], self._pending[label] = pending[: len(rows)], pending[len(rows) :]
        return sections
