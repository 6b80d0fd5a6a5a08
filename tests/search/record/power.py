"""A disk after power loss: what was not flushed is not there."""

import os
import shutil
from pathlib import Path
from typing import Any


class Disk:
    """The files below a folder as a disk has them: it follows each `os.fsync` of this process.

    A file has the content of its last flush, and a folder has the names of its last flush.
    """

    def __init__(self, root: Path, monkeypatch: Any):
        self._root, self._number = root, root.stat().st_ino
        self._contents: dict[int, bytes] = {}
        self._names: dict[int, dict[str, tuple[int, bool]]] = {}
        fsync = os.fsync

        def flush(number: int) -> None:
            fsync(number)
            self._flush(Path(os.readlink(f"/proc/self/fd/{number}")))

        monkeypatch.setattr(os, "fsync", flush)

    def _flush(self, path: Path) -> None:
        if path.is_dir():
            self._names[path.stat().st_ino] = {
                each.name: (each.stat().st_ino, each.is_dir()) for each in path.iterdir()
            }
        else:
            self._contents[path.stat().st_ino] = path.read_bytes()

    def lose_power(self) -> None:
        """Leave below the folder what the disk has."""
        for each in self._root.iterdir():
            shutil.rmtree(each) if each.is_dir() else each.unlink()
        self._restore(self._root, self._number)

    def _restore(self, folder: Path, number: int) -> None:
        for name, (inner, is_folder) in self._names.get(number, {}).items():
            if is_folder:
                (folder / name).mkdir(mode=0o700)
                self._restore(folder / name, inner)
            else:
                (folder / name).write_bytes(self._contents.get(inner, b""))
