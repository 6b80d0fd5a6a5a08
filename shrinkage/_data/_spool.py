"""Rows on local disk, for data that do not fit into memory: written once in a random order, then read in blocks.

A *section* is a file with a part of the rows, such as the held-out rows of a fold, in a random order. A block contains
an equal share of every section.
"""

import errno
import os
import weakref
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from shrinkage._data._scratch import ScratchFolder

_BUCKETS = 128
"""Number of files that the rows are first distributed to, at random. Each file is then shuffled."""
_SHUFFLED_BYTES = 32 * 2**20
"""Maximum number of bytes shuffled in memory. A larger bucket is split into buckets again."""

Item = TypeVar("Item")
Place = Callable[[np.ndarray], tuple[np.ndarray, Sequence[np.ndarray]]]
"""A function from row numbers (n,) to the section of each row, (n,), and to arrays (n, ...) to store with the rows."""


@dataclass(frozen=True)
class Spool:
    """Rows on disk, as records of raw bytes."""

    folder: Path
    """Folder of the files, which is removed with this object."""
    dtype: np.dtype
    """Data type of a record, with a field per array, "0", "1", ...; then the number of the row in the source, "row",
    and the arrays that were added at the end, "added0", "added1", ..."""
    sizes: tuple[int, ...]
    """Number of rows in each section."""
    checksum: int = 0
    """Checksum of the rows in the order in which they were written, without the added arrays."""

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return sum(self.sizes)

    @property
    def is_complete(self) -> bool:
        """Whether the files exist on this machine, with the sizes that they were written with."""
        files = [(self.folder / f"{section}", size) for section, size in enumerate(self.sizes) if size]
        return all(file.is_file() and file.stat().st_size == size * self.dtype.itemsize for file, size in files)

    def count_blocks(self, rows: int) -> int:
        """Return the number of blocks if a block has about `rows` rows at most."""
        return max(1, -(-self.n_rows // rows))

    def compute_bounds(self, n_blocks: int) -> np.ndarray:
        """Return the boundaries of the blocks in each section, (sections, n_blocks + 1)."""
        return np.array([[b * size // n_blocks for b in range(n_blocks + 1)] for size in self.sizes])

    def read(self, section: int, start: int, stop: int) -> np.ndarray:
        """Read the records from `start` to `stop` of a section, (stop - start,).

        Raises:
            OSError: If the file cannot be read, or is shorter than it was written.
        """
        return _read(self.folder / f"{section}", self.dtype, start, stop)

    def read_blocks(
        self, order: Sequence[int], n_blocks: int, make: Callable[[list[np.ndarray]], Item]
    ) -> Iterator[Item]:
        """Yield blocks in this order. The next block is read and made in advance.

        Args:
            order: Numbers of the blocks.
            n_blocks: Number of all blocks.
            make: Makes a block from the records of each section.
        """
        bounds = self.compute_bounds(n_blocks)

        def read(block: int) -> Item:
            return make([self.read(g, *bounds[g, block : block + 2].tolist()) for g in range(len(self.sizes))])

        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(read, order[0])
            for following in [*order[1:], None]:
                block = ahead.result()
                if following is not None:
                    ahead = reader.submit(read, following)
                yield block
                del block  # before the next block is there


class Writer:
    """Writes rows to a spool in a random order.

    Args:
        arrays: Example arrays, each (n, ...), that define the dtype and shape of all rows.
        seed: Seed of the random order of the rows.
    """

    def __init__(self, arrays: Sequence[np.ndarray], seed: int):
        fields = [(str(i), array.dtype, array.shape[1:]) for i, array in enumerate(arrays)]
        self._dtype = np.dtype([*fields, ("row", np.int64)])
        self._folder = ScratchFolder()
        self._random = np.random.default_rng((seed, 7))
        self._buckets = _list_bucket_files(self._folder.path / "rows")
        self._checksum = 0
        self.n_rows = 0
        """Number of rows written so far. Rows are numbered from 0 in the order of writing."""

    def write(self, arrays: Sequence[np.ndarray]) -> None:
        """Write rows.

        Raises:
            ValueError: If the rows differ in shape or type from the example arrays.
            OSError: If the disk is full. The message names the folder.
        """
        records = np.empty(len(arrays[0]), self._dtype)
        for i, array in enumerate(arrays):
            kind, shape = self._dtype[i].base, self._dtype[i].shape
            if array.shape[1:] != shape or not np.can_cast(array.dtype, kind, "same_kind"):
                raise ValueError(
                    f"`x` must give rows of one shape and type. Received: rows of shape {shape} and type {kind} first, "
                    f"and of shape {array.shape[1:]} and type {array.dtype} later. Pad or convert them in the dataset."
                )
            records[str(i)] = array
        records["row"] = self.n_rows + np.arange(len(records))
        self.n_rows += len(records)
        self._checksum = zlib.crc32(records.view(np.uint8).data, self._checksum)
        place = self._random.integers(len(self._buckets), size=len(records))
        _deal(records, place, self._buckets)

    def finish(self, n_sections: int, place: Place) -> Spool:
        """Shuffle all rows, write each to its section with the added arrays, and return the spool.

        Args:
            n_sections: Number of sections.
            place: Returns the sections and the added arrays of some rows.
        """
        added = [(f"added{i}", array.dtype, array.shape[1:]) for i, array in enumerate(place(np.arange(1))[1])]
        dtype = np.dtype([*((name, self._dtype[name]) for name in self._dtype.names or ()), *added])
        files, sizes = (
            [self._folder.path / f"{section}" for section in range(n_sections)],
            np.zeros(n_sections, np.int64),
        )
        for file in files:
            file.touch()
        for bucket in self._buckets:
            for records in self._shuffle(bucket):
                sections, arrays = place(records["row"])
                whole = np.empty(len(records), dtype)
                for name in records.dtype.names or ():
                    whole[name] = records[name]
                for i, array in enumerate(arrays):
                    whole[f"added{i}"] = array
                _deal(whole, sections, files)
                sizes += np.bincount(sections, minlength=n_sections)
        spool = Spool(self._folder.path, dtype, tuple(sizes.tolist()), self._checksum)
        weakref.finalize(spool, self._folder.remove)
        return spool

    def _shuffle(self, file: Path) -> Iterator[np.ndarray]:
        """Yield the records of a file in a random order, and remove the file."""
        n_rows, at_once = _count_records(file, self._dtype), max(1, _SHUFFLED_BYTES // self._dtype.itemsize)
        if n_rows <= at_once:
            if n_rows:
                yield _read(file, self._dtype, 0, n_rows)[self._random.permutation(n_rows)]
            file.unlink(missing_ok=True)
            return
        parts = _list_bucket_files(file)
        for start in range(0, n_rows, at_once):
            records = _read(file, self._dtype, start, min(start + at_once, n_rows))
            _deal(records, self._random.integers(len(parts), size=len(records)), parts)
        file.unlink()
        for part in parts:
            yield from self._shuffle(part)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """Remove the folder after an error or Ctrl-C."""
        if kind is not None:
            self._folder.remove()
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise OSError(
                error.errno,
                f"The rows do not fit into memory, and there is no room for them in {self._folder.path.parent}: "
                f"{os.strerror(error.errno)}. Free space, or name another folder by the environment variable TMPDIR",
            ) from error


def _list_bucket_files(file: Path) -> list[Path]:
    return [file.with_name(f"{file.name}.{bucket}") for bucket in range(_BUCKETS)]


def _deal(records: np.ndarray, place: np.ndarray, files: Sequence[Path]) -> None:
    """Append each record to the file with the number `place`, (n,). The order of the records in a file stays."""
    order = np.argsort(place, kind="stable")
    bounds = np.searchsorted(place[order], np.arange(len(files) + 1))
    for file, start, stop in zip(files, bounds, bounds[1:], strict=False):
        if stop > start:
            with file.open("ab") as opened:  # not all at once: a process may open about a thousand files
                opened.write(records[order[start:stop]].tobytes())


def _read(file: Path, dtype: np.dtype, start: int, stop: int) -> np.ndarray:
    # The file is read, not memory-mapped: mapped pages count as memory of the process.
    records = np.fromfile(file, dtype, stop - start, offset=start * dtype.itemsize)
    if len(records) != stop - start:  # NumPy returns fewer records where the disk fails, and raises no error
        raise OSError(errno.EIO, "Rows on disk cannot be read, or are fewer than were written", f"{file}")
    return records


def _count_records(file: Path, dtype: np.dtype) -> int:
    return file.stat().st_size // dtype.itemsize if file.exists() else 0
