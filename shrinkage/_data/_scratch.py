"""Folders for temporary files. A folder that a killed process left is removed by the next process."""

import shutil
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
    for file in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*/lock"):
        try:
            if time.time() - file.stat().st_mtime < _MINUTE:
                continue
            with FileLock(file).acquire(blocking=False):
                pass
        except (Timeout, OSError):  # in use, of another user, or removed by another process
            continue
        shutil.rmtree(file.parent, ignore_errors=True)
