"""Folders for temporary files. A folder that a killed process left is removed by the next process."""

import contextlib
import errno
import os
import re
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "shrinkage-"
_BESIDE = re.compile(r"\.shrinkage-\w{8}")
_MINUTE = 60
"""Minimum age of a lock, in seconds, before a folder is removed: a folder is created just before it is locked."""
_NOT_POSSIBLE = (errno.EINVAL, errno.ENOTSUP, errno.EACCES, errno.EPERM)
"""Errors of folders that cannot be opened, and of file systems that flush no folders."""
_HOUR = 3600
"""Seconds without a change after which nobody writes to a folder any more."""


class ScratchFolder:
    """A locked folder for temporary files. The system releases the lock when the process ends, however it ends."""

    def __init__(self) -> None:
        remove_abandoned_folders()
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._lock = FileLock(self.path / "lock", thread_local=False)  # removed by any thread
        self._lock.acquire()

    def remove(self) -> None:
        """Remove the folder and all files in it."""
        self._lock.release()
        shutil.rmtree(self.path, ignore_errors=True)


def remove_abandoned_folders() -> None:
    """Remove the scratch folders of this user whose processes have ended."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        file = folder / "lock"
        try:
            if not _is_private(folder) or time.time() - file.lstat().st_mtime < _MINUTE:
                continue
            with FileLock(file).acquire(blocking=False):
                pass
        except (Timeout, OSError):  # in use, or removed by another process
            continue
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def open_temporary_folder(place: Path) -> Iterator[Path]:
    """Yield a temporary folder in the folder `place`, for files that are moved to `place`.

    Files that appear by a move are complete. The system moves a file at once only within a disk.
    """
    remove_leftovers(place, _HOUR)
    with tempfile.TemporaryDirectory(dir=place, prefix=".shrinkage-") as folder:
        yield Path(folder)


def open_temporary_folder_for(target: Path) -> contextlib.AbstractContextManager[Path]:
    """Open a temporary folder in the folder `target`, or in its parent if `target` does not exist yet."""
    return open_temporary_folder(target if target.is_dir() else target.absolute().parent)


def make_synced_folder(folder: Path) -> None:
    """Create a folder and its parents if they are absent, and wait until their names are on the disk."""
    absent = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for each in absent:
        sync_folder(each.parent)


def sync_files(folder: Path) -> None:
    """Wait until the files in a folder are on the disk. Without that, power loss may leave them empty."""
    for file in filter(Path.is_file, folder.iterdir()):
        with file.open("rb+") as opened:
            os.fsync(opened.fileno())


def sync_folder(folder: Path) -> None:
    """Wait until the names of the files in a folder are on the disk."""
    if os.name == "nt":  # Windows cannot open a folder
        return
    try:
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
    except OSError as error:
        if error.errno not in _NOT_POSSIBLE:
            raise


def remove_leftovers(place: Path, age: float = 0) -> None:
    """Remove the folders of `open_temporary_folder` that killed processes left in a folder.

    Args:
        place: The folder.
        age: Seconds for which nothing in them has changed. It is 0 where no other process writes.
    """
    for folder in place.glob(".shrinkage-*"):
        with contextlib.suppress(OSError):  # removed by another process
            if _BESIDE.fullmatch(folder.name) and _is_private(folder) and time.time() - _get_last_change(folder) >= age:
                shutil.rmtree(folder, ignore_errors=True)


def _get_last_change(folder: Path) -> float:
    return max(each.lstat().st_mtime for each in (folder, *folder.rglob("*")))


def _is_private(folder: Path) -> bool:
    """Whether a folder is of this user and closed to others, who could put a link to any file in place of the lock."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077
