"""The record of a run of `shrinkage fit`, from its beginning to its result, and the command to go on with it."""

import contextlib
import json
import os
import shlex
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import click

from shrinkage import __version__

from ._console import Console
from ._errors import BadInput

COMMAND, RECORD = "command.json", "record"
MARK = "path.json"
"""The file that marks a folder as a run with a result."""
_SCHEMA = 1
_RESUMED_FOLDER, _ARGUMENTS, UNFINISHED_FOLDER = "shrinkage.resumed", "shrinkage.arguments", "shrinkage.unfinished"
"""Names in the meta of a click context: the folder that goes on, the arguments, and the folder with a record."""


class RecordedCommand(click.Command):
    """A command that keeps the text of its arguments."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)


def get_command_line() -> str:
    """Return the current command, a `RecordedCommand`, as it is typed; of a run that goes on, that which began it."""
    context = click.get_current_context()
    return shlex.join(["shrinkage", context.command.name or "", *context.meta[_ARGUMENTS]])


def get_typed_options(without: Collection[str] = ()) -> list[str]:
    """Return the options of the current command, a `RecordedCommand`, and their values, as they are typed."""
    context = click.get_current_context()
    values, _, order = context.command.make_parser(context).parse_args(list(context.meta[_ARGUMENTS]))
    words = list[str]()
    for each in dict.fromkeys(order):
        if isinstance(each, click.Option) and each.name not in without:
            value = values[each.name or ""]
            words += [each.opts[0]] if each.is_flag else [each.opts[0], str(value)]
    return words


def is_unfinished(folder: Path) -> bool:
    """Return whether a folder has a run that can go on."""
    # A kill between the removals of the record and of the command leaves a result and the command.
    return (folder / COMMAND).exists() and ((folder / RECORD).exists() or not (folder / MARK).exists())


def advise_resume(run: Path) -> str:
    """Return what to do with a run that is not finished, of the shell or of Python."""
    if not (run / COMMAND).exists():
        if (run / RECORD).exists():
            return f"Fit again into another folder, as {COMMAND} is lost."
        return f"Call shrinkage.fit(..., run={str(run)!r}) again in Python, with the same arguments."
    try:
        _read(run)
    except BadInput:
        return f"Begin anew with `shrinkage fit` and --overwrite, as {COMMAND} is damaged."
    return f"Go on with `shrinkage resume {shlex.quote(str(run))}`."


def get_resumed_folder() -> Path | None:
    """Return the folder if the current command goes on with a run, or None."""
    return click.get_current_context().meta.get(_RESUMED_FOLDER)


@contextlib.contextmanager
def record_run(folder: Path, max_memory: int | None) -> Iterator[Path]:
    """Yield the folder for the record of the training. It is removed when the block succeeds.

    Args:
        folder: The folder of the results.
        max_memory: The memory limit in bytes. It decides which rows are on disk, so the record keeps it.
    """
    from shrinkage._data._memory_limit import read_memory_limit

    context, record = click.get_current_context(), folder / RECORD
    check_unused(folder)
    if get_resumed_folder() is None:
        remove_record(folder)
    before = _get_journal_size(record)
    try:
        if get_resumed_folder() is None:
            limit = [] if max_memory is not None else ["--max-memory", str(read_memory_limit(None))]
            _write(folder, [*context.meta[_ARGUMENTS], *limit])
        yield record
        _remove_folder(record)
    finally:
        if _get_journal_size(record) > before:
            context.meta[UNFINISHED_FOLDER] = folder
        elif not record.exists():  # finished, or nothing was trained
            remove_record(folder)
            with contextlib.suppress(OSError):  # the folder has the results, or other files
                folder.rmdir()


def _get_journal_size(record: Path) -> int:
    from shrinkage._search._record._folder import JOURNAL

    file = record / JOURNAL
    return file.stat().st_size if file.exists() else 0


def is_in_training(folder: Path) -> bool:
    """Return whether a process trains the run in a folder."""
    from shrinkage._search._record._folder import is_in_use

    return is_in_use(folder / RECORD)


def check_unused(folder: Path) -> None:
    """Raise `BadInput` if another process trains in a folder."""
    if is_in_training(folder):
        option, other = ("-o", ", or give another folder") if get_resumed_folder() is None else ("RUN", "")
        raise BadInput(
            f"{option} must be a folder in which no other process trains. Received: {folder}, in which one does. Wait "
            f"for it{other}. `shrinkage show {shlex.quote(str(folder))}` prints its progress."
        )


def remove_record(folder: Path) -> None:
    """Remove the record of a run. The results stay, and so does a folder `record` that is not of a run."""
    if (folder / COMMAND).exists():
        _remove_folder(folder / RECORD)
        (folder / COMMAND).unlink(missing_ok=True)


def _remove_folder(record: Path) -> None:
    """Remove the folder of a record. A kill leaves all of the record or nothing: the folder is moved first."""
    from shrinkage._data._scratch import open_temporary_folder

    with contextlib.suppress(OSError), open_temporary_folder(record.parent) as scratch:
        record.rename(scratch / RECORD)


def resume_command(run: Path, fit: click.Command, console: Console) -> None:
    """Repeat the recorded command, which goes on with the record.

    Args:
        run: The folder.
        fit: The command `shrinkage fit`.
        console: Where the command is printed.

    Raises:
        BadInput: If the folder has no command, or if its command cannot be read.
    """
    context, document = click.get_current_context(), _read(run)
    context.meta[_RESUMED_FOLDER] = run.absolute()
    check_unused(run)
    console.note(f"going on with the command: shrinkage fit {shlex.join(document['arguments'])}")
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(contextlib.chdir(document["folder"]))
        except OSError as error:
            raise BadInput(
                f"RUN must have begun in a folder that can be entered. Received: {run}, which began in "
                f"{document['folder']} ({error.strerror}). Restore that folder, or begin anew with `shrinkage fit` "
                "and --overwrite."
            ) from error
        fit.invoke(stack.enter_context(fit.make_context("fit", document["arguments"], parent=context)))


def _write(folder: Path, arguments: Sequence[str]) -> None:
    from shrinkage._data._scratch import make_synced_folder, open_temporary_folder, sync_files, sync_folder

    document = {"schema": _SCHEMA, "shrinkage": __version__, "folder": os.getcwd(), "arguments": list(arguments)}
    make_synced_folder(folder)
    with open_temporary_folder(folder) as scratch:
        (scratch / COMMAND).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        sync_files(scratch)
        (scratch / COMMAND).replace(folder / COMMAND)
    sync_folder(folder)


def _read(run: Path) -> dict[str, Any]:
    from shrinkage._data._untrusted import read_json  # imported here because it imports NumPy

    try:
        document = read_json(run / COMMAND)
        is_known = document["schema"] == _SCHEMA and isinstance(document["folder"], str)
        if not is_known or not all(isinstance(argument, str) for argument in document["arguments"]):
            raise ValueError(f"{COMMAND} is of another version")
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = error if isinstance(error, (OSError, ValueError)) else f"{COMMAND} has other entries"
        raise BadInput(
            f"RUN must hold a {COMMAND} that can be read. Received: {run}, which is damaged ({reason}). Begin anew "
            "with `shrinkage fit` and --overwrite."
        ) from error
    return document
