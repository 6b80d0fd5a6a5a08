"""An append-only file of records: a line for each, with a checksum."""

import json
import os
import zlib
from pathlib import Path
from typing import Any, NamedTuple

from shrinkage._messages._note import Note

_MAX_BYTES = 2**28
"""Maximum size of a journal that is read. A record has about a kilobyte."""


class Reading(NamedTuple):
    """The content of a journal."""

    records: list[dict[str, Any]]
    """The records up to the first damaged line."""
    n_bytes: int
    """The size of these lines."""
    damage: str
    """The damaged line in words, or ""."""


def read_journal(file: Path) -> Reading:
    """Read a journal. An absent file is empty.

    Raises:
        ValueError: If it is no file, such as a pipe, or is larger than any journal.
        OSError: If the file cannot be read.
    """
    if not file.exists():
        return Reading([], 0, "")
    if not file.is_file():
        kind = "a folder" if file.is_dir() else "a pipe or a device"
        raise ValueError(
            Note(f"$record_folder must have a file as its journal. Received: '{file}', {kind}. $new_record")
        )
    with file.open("rb") as opened:
        content = opened.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise ValueError(
            Note(
                f"$record_folder must have a journal of at most {_MAX_BYTES // 2**20} MiB. Received: '{file}', a "
                f"larger file. $new_record"
            )
        )
    records, n_bytes = list[dict[str, Any]](), 0
    *lines, _torn = content.split(b"\n")  # a kill tears the last line, which is then no record
    for line in lines:
        record = _parse(line)
        if record is None or record["n"] != len(records):
            return Reading(records, n_bytes, f"line {len(records) + 1} of '{file.name}' is damaged")
        records.append(record)
        n_bytes += len(line) + 1
    return Reading(records, n_bytes, "")


def _parse(line: bytes) -> dict[str, Any] | None:
    checksum, _, text = line.partition(b" ")
    if checksum != _compute_checksum(text):
        return None
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):  # the checksum is no protection from a file made by hand
        return None
    return record if isinstance(record, dict) and "n" in record else None


def _compute_checksum(text: bytes) -> bytes:
    return f"{zlib.crc32(text):08x}".encode()


class Journal:
    """A journal that is open for writing. What follows the last intact line is removed first.

    Args:
        file: The file, which may be absent.
        reading: The content of the file.
    """

    def __init__(self, file: Path, reading: Reading):
        self._file, self._n_bytes, self._n_records = file, reading.n_bytes, len(reading.records)

    def append(self, record: dict[str, Any]) -> None:
        """Write a record, and wait until it is on the disk.

        Raises:
            OSError: If the record cannot be written. The next record takes its place.
        """
        text = json.dumps({"n": self._n_records, **record}).encode()
        line = _compute_checksum(text) + b" " + text + b"\n"
        with self._file.open("r+b" if self._file.exists() else "xb") as opened:
            opened.truncate(self._n_bytes)
            opened.seek(self._n_bytes)
            opened.write(line)
            opened.flush()
            os.fsync(opened.fileno())
        self._n_bytes += len(line)
        self._n_records += 1
