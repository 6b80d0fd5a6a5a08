"""The command and the terms of a run, from the files beside its path."""

from pathlib import Path

from shrinkage._messages._note import PYTHON, Vocabulary

from ._folder import COMMAND_LINE
from ._terms import SHELL_TERMS, make_shell_terms

_LONGEST_COMMAND = 100_000  # bytes


def read_command(run: Path) -> str:
    """Return the command of a finished run of the shell; "" if it has none."""
    file = run / COMMAND_LINE
    if not file.is_file() or file.stat().st_size > _LONGEST_COMMAND:
        return ""
    return file.read_text("utf-8", errors="replace").strip()


def get_run_terms(run: Path) -> Vocabulary:
    """Return the terms of the program that made a run: Python's, or the shell's with the labels of the classes.

    The shell writes the columns of a table, the labels of images, or the command, beside a path.
    """
    from ._columns import Columns
    from ._images import RECORD, Images

    if (run / "columns.json").exists():
        return make_shell_terms(Columns.load(run / "columns.json").labels)
    if (run / RECORD).exists():
        return make_shell_terms(Images.load(run / RECORD).labels)
    return SHELL_TERMS if (run / COMMAND_LINE).exists() else PYTHON
