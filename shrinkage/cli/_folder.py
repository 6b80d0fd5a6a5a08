"""Output folders and files: complete or absent, without loss of other files."""

import contextlib
import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from shrinkage._data._scratch import (
    make_synced_folder,
    open_temporary_folder,
    open_temporary_folder_for,
    remove_leftovers,
    sync_files,
    sync_folder,
)

from ._errors import BadInput, describe_full_disk
from ._recorded import MARK, is_unfinished

PAGE, COMMAND_LINE = "report.html", "command.txt"
# All files of a run: `--overwrite` removes no other files.
RUN_FILES = (
    MARK, "arrays.npz", "template.keras", "model.keras", "columns.json", "images.json", "path.png", "skipped-rows.csv",
    "comparison.csv", "comparison.png", "weights.png", PAGE, COMMAND_LINE,
)  # fmt: skip


def check_folder(folder: Path, overwrite: bool) -> None:
    """Raise `BadInput` unless `folder` is absent, empty, or an earlier run with `overwrite`."""
    if folder.exists():
        _check_existing(folder, overwrite)
    _check_writable(folder)


def _check_existing(folder: Path, overwrite: bool) -> None:
    option, other_place = _describe_output()
    if not folder.is_dir():
        raise BadInput(f"{option} must be a folder. Received: {folder}, which is a file. {other_place.capitalize()}.")
    if not any(folder.iterdir()):
        return
    if is_unfinished(folder):
        if overwrite:
            return
        raise BadInput(
            f"{option} must be a folder without an unfinished run. Received: {folder}, which has one. Go on with "
            f"`shrinkage resume {shlex.quote(str(folder))}`, add --overwrite to begin anew, or {other_place}."
        )
    if not is_run(folder):
        raise BadInput(
            f"{option} must be a folder that does not exist, is empty or holds an earlier run. Received: {folder}, "
            f"which has no {MARK} of a run. {other_place.capitalize()}."
        )
    if not overwrite:
        raise BadInput(
            f"{option} must be a folder that does not exist or is empty. Received: {folder}, which holds a run. Add "
            f"--overwrite to replace the run, or {other_place}."
        )


def _describe_output() -> tuple[str, str]:
    """Return the name of the place for the results in messages, and advice. `shrinkage demo` has no option -o."""
    context = click.get_current_context(silent=True)
    if context is None or any("-o" in parameter.opts for parameter in context.command.params):
        return "-o", "give another place"
    return "the place for the results", "run the command in another folder"


def is_run(folder: Path) -> bool:
    """Return whether a folder has a result, be it damaged: without its mark, the other files of a path show it."""
    others = (folder / name for name in ("arrays.npz", "template.keras"))
    return _read_record(folder).get("format") == "shrinkage path" or all(file.is_file() for file in others)


def advise_new_fit(folder: Path) -> str:
    """Return the advice for a folder with a damaged run, or without a run."""
    return "Fit again with --overwrite, or give another folder." if is_run(folder) else "Give another folder."


def chose_nothing(folder: Path) -> bool:
    """Whether `folder` has a run in which every strength diverged."""
    return is_run(folder) and _read_record(folder).get("lam_min", 0) is None


def _read_record(folder: Path) -> dict[str, Any]:
    """Return the content of `path.json`; {} if there is none."""
    from shrinkage._data._untrusted import read_json  # imported here because it imports NumPy

    try:
        record = read_json(folder / MARK)
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def check_outside(target: Path, data: Sequence[Path]) -> None:
    """Raise `BadInput` if results would be written into a folder of data, where they would be read as data."""
    for place in data:
        if place.is_dir() and target.resolve().is_relative_to(place.resolve()):
            raise BadInput(
                f"-o must be outside the folders of DATA. Received: {target}, which is in {place}. Give another place."
            )


def check_file(file: Path, overwrite: bool, sources: Sequence[Path]) -> None:
    """Raise `BadInput` unless `file` may be written. It must not be one of `sources`."""
    if file.is_dir():
        raise BadInput(f"-o must be a file. Received: {file}, which is a folder. Give a file name.")
    if file.exists() and any(source.exists() and file.samefile(source) for source in sources):
        raise BadInput(f"-o must not be a file of DATA. Received: {file}. Give another file.")
    if file.exists() and not overwrite:
        raise BadInput(
            f"-o must be a file that does not exist. Received: {file}. Add --overwrite to replace it, or give another "
            "file."
        )
    _check_writable(file)


def _check_writable(target: Path) -> None:
    place = target if target.is_dir() else next(folder for folder in target.absolute().parents if folder.exists())
    try:
        # Trying is the only reliable test: permissions, read-only mounts and full disks all show here.
        with open_temporary_folder(place):
            pass
    except OSError as error:
        option, other_place = _describe_output()
        raise BadInput(
            f"{option} must be a place that can be written. Received: {target} ({error.strerror}). "
            f"{other_place.capitalize()}."
        ) from error


@contextlib.contextmanager
def catch_full_disk(place: Path) -> Iterator[None]:
    """Raise `BadInput` with the reason if a result cannot be written, for example on a full disk."""
    try:
        yield
    except Exception as error:
        if (reason := describe_full_disk(error)) is None:
            raise
        raise BadInput(
            f"{place}{os.sep} was not written: {reason}. What is printed above is complete. Free space, or "
            f"{_describe_output()[1]}."
        ) from error


@contextlib.contextmanager
def create_run(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder. Its files become the run in `folder` if the block succeeds; else they are deleted."""
    folder = folder.absolute()
    make_synced_folder(folder.parent)
    remove_leftovers(folder)
    with open_temporary_folder_for(folder) as scratch:
        fresh = scratch / "new"
        fresh.mkdir()
        yield fresh
        sync_files(fresh)
        if folder.exists():
            _replace_run(fresh, folder)
        else:
            fresh.rename(folder)
        sync_folder(folder)  # before the record of the run is removed
        sync_folder(folder.parent)


def _replace_run(new_folder: Path, folder: Path) -> None:
    # The mark is deleted first and moved last, so that a mixture of two runs is never taken for a run.
    for name in RUN_FILES:
        (folder / name).unlink(missing_ok=True)
    for file in sorted(new_folder.iterdir(), key=lambda file: file.name == MARK):
        file.replace(folder / file.name)


@contextlib.contextmanager
def create_file(file: Path) -> Iterator[Path]:
    """Yield a temporary file with the same suffix, which becomes `file` if the block succeeds."""
    file = file.absolute()
    file.parent.mkdir(parents=True, exist_ok=True)
    with open_temporary_folder(file.parent) as scratch:
        fresh = scratch / file.name
        yield fresh
        fresh.replace(file)
