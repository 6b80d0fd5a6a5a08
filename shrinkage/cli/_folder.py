"""An output that appears complete or not at all."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ._errors import BadInput


def check_folder(folder: Path, overwrite: bool) -> None:
    """Raise `BadInput` unless `folder` may be written: absent, empty, or an earlier run and `overwrite`."""
    if folder.exists():
        _check_existing(folder, overwrite)
    _check_writable(folder)


def _check_existing(folder: Path, overwrite: bool) -> None:
    if not folder.is_dir():
        raise BadInput(f"{folder} is a file; give another folder with -o.")
    if not any(folder.iterdir()):
        return
    # Only what this program wrote is ever removed: `-o ~ --overwrite` must not cost a home folder.
    if not (folder / "path.json").is_file():
        raise BadInput(f"{folder} exists and is not an earlier run (it has no path.json); give another folder.")
    if not overwrite:
        raise BadInput(f"{folder} exists; add --overwrite to replace it, or give another folder with -o.")


def check_file(file: Path, overwrite: bool) -> None:
    """Raise `BadInput` unless `file` may be written."""
    if file.is_dir():
        raise BadInput(f"{file} is a folder; give a file name.")
    if file.exists() and not overwrite:
        raise BadInput(f"{file} exists; add --overwrite to replace it, or give another file with -o.")
    _check_writable(file)


def _check_writable(target: Path) -> None:
    parent = next(folder for folder in target.absolute().parents if folder.exists())
    try:
        # Trying is the only reliable test: permissions, read-only mounts and full disks all show here.
        with tempfile.TemporaryDirectory(dir=parent, prefix=".shrinkage-"):
            pass
    except OSError as error:
        raise BadInput(f"{target} cannot be written ({error.strerror}); give another place with -o.") from error


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A temporary folder that takes the place of `folder` when the block succeeds, and vanishes when it fails."""
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        fresh = Path(scratch, "new")
        fresh.mkdir()
        yield fresh
        old = Path(scratch, "old")
        if folder.exists():
            folder.rename(old)
        try:
            fresh.rename(folder)
        except OSError:
            if old.exists():
                old.rename(folder)
            raise


@contextlib.contextmanager
def new_file(file: Path) -> Iterator[Path]:
    """The same for one file: the temporary file keeps the suffix."""
    file = file.absolute()
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent, prefix=f".{file.stem}-") as scratch:
        fresh = Path(scratch, file.name)
        yield fresh
        fresh.replace(file)
