"""The folder of a run: a lock for the process that writes, a journal, and files that appear complete or not at all."""

import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from shrinkage._data._scratch import make_synced_folder, remove_leftovers, sync_folder
from shrinkage._messages._file_names import check_file_name
from shrinkage._messages._note import Note
from shrinkage._search._record._arrays import read_tree, write_tree
from shrinkage._search._record._journal import Journal, Reading, read_journal

SCHEMA = 1
JOURNAL = "journal.jsonl"
_LOCK, _UNFINISHED_SUFFIX = "lock", ".unfinished"
_SUFFIX = ".safetensors"
_PART_NAME = re.compile(r"part-\d{4,}(-epoch-\d{4,})?\.(safetensors|unfinished)")
_TEMPORARY_NAME = re.compile(r"\.tmp\w{6}")
"""Names of the files of parts, and of a file that safetensors has not finished. Of other files, only those of
interrupted saves are ever removed."""
_READER_SECONDS = 0.5
"""Seconds to wait for a lock: `is_in_use` takes it for a moment."""


class RunFolder:
    """A folder that this process writes to. Other processes may read it.

    Args:
        path: The folder, which is created if it is absent.

    Attributes:
        records: the records of the journal.
        damage: damage of the journal in words, or "".

    Raises:
        ValueError: If another process uses the folder, if it has other files, or if its record cannot be used.
        OSError: If the folder cannot be written.
    """

    def __init__(self, path: Path):
        self.path = path
        self._lock = FileLock(path / _LOCK, thread_local=False)
        try:
            if path.exists():
                _check_existing(path)
            make_synced_folder(path)
            self._lock.acquire(timeout=_READER_SECONDS)
        except Timeout as error:
            raise ValueError(
                Note(
                    f"$run must be a folder that no other process uses. Received: '{path}', in use. Wait until the "
                    f"other run has ended, or choose another folder."
                )
            ) from error
        except OSError as error:
            raise ValueError(
                Note(
                    f"$run must be a folder that can be written. Received: '{path}' ({error.strerror}). Choose another "
                    f"folder."
                )
            ) from error
        try:
            reading = read_records(path)
        except ValueError:
            self.release()
            raise
        self.records, self.damage = reading.records, reading.damage
        self._journal = Journal(path / JOURNAL, reading)

    def release(self) -> None:
        """Let other processes write to the folder. A folder without a record is removed."""
        if not (self.path / JOURNAL).exists():
            (self.path / _LOCK).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # it has other files
                self.path.rmdir()
        self._lock.release()

    def append(self, record: dict[str, Any]) -> None:
        """Add a record to the journal, and wait until it is on the disk."""
        self._journal.append(record)

    def write(self, name: str, tree: Any) -> dict[str, Any]:
        """Write a tree of arrays to a file, wait until it is on the disk, and return its name, size and checksum."""
        file = self.path / f"{name}{_SUFFIX}"
        unfinished = file.with_suffix(_UNFINISHED_SUFFIX)
        try:
            write_tree(unfinished, tree)
            with unfinished.open("rb+") as opened:
                os.fsync(opened.fileno())
                digest = hashlib.file_digest(opened, "sha256").hexdigest()
            size = unfinished.stat().st_size
            unfinished.replace(file)
        finally:
            unfinished.unlink(missing_ok=True)
        sync_folder(self.path)
        return {"file": file.name, "size": size, "sha256": digest}

    def compute_checksum(self, name: str) -> dict[str, Any]:
        """Return the name, the size and the checksum of a file in the folder."""
        with (self.path / name).open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        return {"file": name, "size": (self.path / name).stat().st_size, "sha256": digest}

    def is_intact(self, entry: dict[str, Any]) -> bool:
        """Return whether a file is as it was recorded."""
        try:
            # A name from a file is compared as a name: it could lead out of the folder.
            return (
                Path(entry["file"]).name == entry["file"]
                and self.compute_checksum(entry["file"]).items() <= entry.items()
            )
        except (OSError, KeyError, TypeError):
            return False

    def read(self, entry: dict[str, Any]) -> Any:
        """Return the tree in a file that `write` recorded, or None if the file is absent or damaged."""
        try:
            return read_tree(self.path / entry["file"]) if self.is_intact(entry) else None
        except (OSError, ValueError):
            return None

    def remove_files(self, kept_names: set[str]) -> None:
        """Remove the files of parts that are not in `kept_names`, such as a file that a kill left."""
        for file in self.path.iterdir():
            if (
                _PART_NAME.fullmatch(file.name) or _TEMPORARY_NAME.fullmatch(file.name)
            ) and file.name not in kept_names:
                file.unlink(missing_ok=True)
        remove_leftovers(self.path)


def is_in_use(path: Path) -> bool:
    """Return whether a process writes to the folder of a run."""
    if not (path / _LOCK).exists():
        return False
    try:
        with FileLock(path / _LOCK).acquire(blocking=False):
            return False
    except Timeout:
        return True
    except OSError:  # of another user
        return False


def check_run(run: Any) -> Path:
    """Return the folder of the argument `run`, which stays the same if the process enters another folder.

    Raises:
        TypeError, ValueError: If it is no path.
    """
    return check_file_name("`run`", run, 'a folder, such as "runs/first"').absolute()


def read_records(path: Path) -> Reading:
    """Read the journal in a folder.

    Raises:
        ValueError: If no record is intact, or if the schema is of another version.
    """
    reading = read_journal(path / JOURNAL)
    if reading.records:
        first = reading.records[0]
        if first.get("schema") != SCHEMA:
            raise ValueError(
                Note(
                    f"$record_folder must be a folder with a run in schema {SCHEMA}, which this version of shrinkage "
                    f"reads. Received: '{path}', with a run in schema {first.get('schema')}, written by another "
                    f"version. Use the version that wrote it, or choose another folder."
                )
            )
    elif reading.damage:
        raise ValueError(
            Note(
                f"$record_folder must be a folder with a record of a run that can go on. Received: '{path}', with a "
                f"record that is damaged at its beginning ({reading.damage}). $new_record"
            )
        )
    return reading


def describe_damaged_entry(path: Path, error: Exception) -> Note:
    """Return the refusal of a record in which an entry lacks a value, or has a value of another type."""
    reason = f"there is no {error}" if isinstance(error, KeyError) else error
    return Note(
        f"$record_folder must be a folder with an intact record of a run. Received: '{path}', with an entry that "
        f"cannot be read ({reason}). $new_record"
    )


def _check_existing(path: Path) -> None:
    if not path.is_dir():
        raise ValueError(Note(f"$run must be a folder. Received: '{path}', a file. Choose a folder."))
    if (path / JOURNAL).exists():
        return
    # A folder that lost its journal is a new run: its other files are removed with the first that is written.
    others = [file.name for file in path.iterdir() if file.name != _LOCK and not _PART_NAME.fullmatch(file.name)]
    if others:
        raise ValueError(
            Note(
                f"$run must be an absent or empty folder, or the folder of a run. Received: '{path}', which has other "
                f"files ({', '.join(others[:3])}). Choose another folder."
            )
        )
