"""Folders for temporary files. A folder that a killed process left is removed by the next process."""

import os
import shutil
import stat
import tempfile
import time
from pathlib import Path

from filelock import FileLock, Timeout

_PREFIX = "shrinkage-"
_MINUTE = 60
"""Minimum age of a lock, in seconds, before a folder is removed: a folder is created just before it is locked."""


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
            if not _is_own(folder) or time.time() - file.lstat().st_mtime < _MINUTE:
                continue
            with FileLock(file).acquire(blocking=False):
                pass
        except (Timeout, OSError):  # in use, or removed by another process
            continue
        shutil.rmtree(folder, ignore_errors=True)


def _is_own(folder: Path) -> bool:
    """Whether a folder is of this user and closed to others, who could put a link to any file in place of the lock."""
    found = folder.lstat()
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077
