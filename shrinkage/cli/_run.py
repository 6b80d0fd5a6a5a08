"""The folder of a run: the path, the status of the training, the command, and the terms of messages."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from shrinkage._messages._note import PYTHON, Vocabulary

from ._console import import_keras
from ._errors import BadInput
from ._folder import COMMAND_LINE, is_run
from ._recorded import MARK, RECORD, advise_resume, is_unfinished
from ._terms import SHELL_TERMS, make_shell_terms

if TYPE_CHECKING:
    import shrinkage as sh
    from shrinkage._search._record._status import RunStatus

_LONGEST_COMMAND = 100_000  # bytes


def _check_is_folder(_context: click.Context, _argument: click.Parameter, run: Path) -> Path:
    if run.is_dir():
        return run
    found, advice = "which does not exist", "Correct the name."
    if run.exists():
        found = "which is a file"
        advice = f"Give {run.parent}." if is_run(run.parent) else "Give the folder of a run."
    raise BadInput(f"RUN must be the folder of a run. Received: {run}, {found}. {advice}")


run_argument = click.argument("run", type=click.Path(path_type=Path), callback=_check_is_folder)
"""The argument RUN of a command."""


def load_run(run: Path) -> "sh.Path":
    """Return the path of a finished run.

    Raises:
        BadInput: If the run is not finished or damaged, or if the folder has no run.
    """
    if not (run / MARK).exists():
        check_is_finished(run)
        if not is_run(run):
            raise BadInput(
                f"RUN must be the folder of a run. Received: {run}, which has no {MARK}. Give another folder."
            )
    import_keras()
    import shrinkage as sh

    try:
        return sh.Path.load(run)
    except ValueError as error:
        raise BadInput(SHELL_TERMS.say(error.args[0])) from error


def check_is_finished(run: Path) -> None:
    """Raise `BadInput` for a folder with a run, of the shell or of Python, that is not finished."""
    status = read_run_status(run)
    if is_unfinished(run) or (status is not None and not status.is_finished):
        raise BadInput(f"RUN must be a finished run. Received: {run}, which is not finished. {advise_resume(run)}")


def read_run_status(run: Path) -> "RunStatus | None":
    """Return the state of the training in a folder, or None if it has no record; raise `BadInput` for a damaged one."""
    from shrinkage._search._record._status import read_status

    for folder, terms in ((run / RECORD, SHELL_TERMS), (run, PYTHON)):
        try:
            status = read_status(folder)
        except ValueError as error:
            raise BadInput(terms.say(error.args[0])) from error
        if status is not None:
            return status
    return None


def read_command(run: Path) -> str:
    """Return the command of a finished run of the shell; "" if it has none."""
    file = run / COMMAND_LINE
    if not file.is_file() or file.stat().st_size > _LONGEST_COMMAND:
        return ""
    return file.read_text("utf-8", errors="replace").strip()


def _read_model_option(run: Path) -> str:
    """Return the `--model` of the command of a run; "mlp" if none is given, or the file is damaged."""
    try:
        words = shlex.split(read_command(run).replace("--model=", "--model "))
    except ValueError:  # a quote without an end
        return "mlp"
    return words[words.index("--model") + 1] if "--model" in words[:-1] else "mlp"


def get_run_terms(run: Path) -> Vocabulary:
    """Return the terms of the program that made a run: Python's, or the shell's with the labels of the classes.

    The shell writes the columns of a table, the labels of images, or the command, beside a path.
    """
    from ._columns import Columns
    from ._images import RECORD, Images

    if (run / "columns.json").exists():
        return make_shell_terms(Columns.load(run / "columns.json").labels, _read_model_option(run))
    if (run / RECORD).exists():
        return make_shell_terms(Images.load(run / RECORD).labels)
    return SHELL_TERMS if (run / COMMAND_LINE).exists() else PYTHON
