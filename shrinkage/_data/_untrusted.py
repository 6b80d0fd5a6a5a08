"""Read files that someone else may have written: sizes and names are checked before anything is unpacked."""

import json
import math
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from stat import S_ISLNK
from typing import Any, BinaryIO

import numpy as np

_MOST_JSON = 2**26  # bytes; lists and numbers take about twenty times as much when they are read
_ALWAYS_UNPACKED = 2**28  # bytes
_MOST_RATIO = 100
"""Keras stores the files in an archive as they are; an archive that was packed again does not shrink that far."""


def read_json(file: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If it is not JSON, or too large or too deep to be read.
    """
    with _open(file) as stream:
        content = stream.read(_MOST_JSON + 1)
    if len(content) > _MOST_JSON:
        raise ValueError(f"{file.name} has more than {_MOST_JSON:,} bytes")
    if not content.strip():
        raise ValueError(f"{file.name} is empty")
    try:
        return json.loads(content.decode("utf-8"))
    except RecursionError as error:
        raise ValueError(f"{file.name} has lists within lists, too many to be read") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{file.name} is not text in UTF-8") from error
    except ValueError as error:
        raise ValueError(f"{file.name} is not JSON: {error}") from error


def read_arrays(file: Path) -> dict[str, np.ndarray]:
    """Return the arrays of a file that `np.savez` wrote. Together they take no more memory than the file.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If it is no such file, or has arrays of Python objects.
    """
    with _open_archive(file) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{member.filename} in it is compressed, and `np.savez` does not compress")
        _check_sizes(archive.infolist(), file.stat().st_size)
        return {info.filename.removesuffix(".npy"): _read_array(archive, info) for info in archive.infolist()}


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    """Return an array. The size in its header, which would be allocated, must be that of its bytes."""
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
        if version not in read_header:
            raise ValueError(f"{member.filename} in it has version {version} of NumPy's format")
        shape, _, dtype = read_header[version](stream)
        if dtype.hasobject:
            raise ValueError(f"{member.filename} in it has Python objects, which are not loaded: allow_pickle is False")
        # NumPy makes room for texts of no characters.
        if not dtype.itemsize or math.prod(shape) * dtype.itemsize != member.file_size - stream.tell():
            raise ValueError(f"{member.filename} in it has another size than its header says")
    with archive.open(member) as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def check_model_file(file: Path) -> None:
    """Check a file that Keras is about to load: the names of its members, and the sizes when they are unpacked.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If it is no archive, names a place outside itself, or unpacks to far more than its size.
    """
    with _open_archive(file) as archive:
        members, size = archive.infolist(), file.stat().st_size
        for member in members:
            _check_name(member)
        _check_sizes(members, max(_ALWAYS_UNPACKED, _MOST_RATIO * size))


def _check_name(member: zipfile.ZipInfo) -> None:
    place = PurePosixPath(member.filename.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or ":" in member.filename or S_ISLNK(member.external_attr >> 16):
        raise ValueError(f"the archive names a place outside itself, {member.filename!r}, or has a link")


def _check_sizes(members: Sequence[zipfile.ZipInfo], max_bytes: int) -> None:
    name, count = Counter(member.filename for member in members).most_common(1)[0] if members else ("", 0)
    if count > 1:
        raise ValueError(f"the archive has {count} files {name!r}")
    if (size := sum(member.file_size for member in members)) > max_bytes:
        raise ValueError(f"the archive unpacks to {size:,} bytes, and at most {max_bytes:,} are expected of its size")


@contextmanager
def _open(file: Path) -> Iterator[BinaryIO]:
    if file.exists() and not file.is_file():  # opening a pipe waits for its other end
        raise ValueError(f"{file.name} is not a regular file")
    with file.open("rb") as stream:
        yield stream


@contextmanager
def _open_archive(file: Path) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive; whatever is wrong with it is a `ValueError`."""
    with _open(file) as stream:
        try:
            with zipfile.ZipFile(stream) as archive:
                yield archive
        # An encrypted member is a RuntimeError, an unknown compression a NotImplementedError.
        except (zipfile.BadZipFile, RuntimeError, EOFError) as error:
            raise ValueError(f"{file.name} is not an archive that can be read: {error}") from error
