"""Errors of commands: a documented exit code, and a message that says what to do."""

import errno
import os
import re
import sys
import tempfile
import traceback

import click

from shrinkage._host._private import UnsupportedVersion

EXIT_CODES = """\b
Exit codes:
  0    done
  1    doctor found an error in a model
  2    wrong usage or bad input, a full disk, or a version of Keras that is not supported;
       the message says what to change
  3    training failed, for example every strength diverged, or memory ran out
  70   an unexpected error; the message names a log file
  130  interrupted with Ctrl-C or SIGTERM
"""


# Control characters of terminals, characters that change the direction of text, and bytes that are not text.
_CONTROL_CHARACTERS = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def escape_controls(text: str) -> str:
    r"""Return a text with names or cells of an untrusted file, where characters that control a terminal are escaped.

    >>> escape_controls("column \x1b[31mred")
    'column \\x1b[31mred'
    """
    return _CONTROL_CHARACTERS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class _Failure(click.ClickException):
    """An error of a command, with a message for the user."""

    def format_message(self) -> str:
        return escape_controls(self.message)


class BadInput(_Failure):
    """The user's files or options cannot be used; the message says what to change."""

    exit_code = 2


class TrainingFailed(_Failure):
    """Training failed at every strength, on valid input."""

    exit_code = 3


class UnexpectedError(_Failure):
    """A fault of this package. The traceback is in a log file."""

    exit_code = 70


def describe_full_disk(error: BaseException | None) -> str | None:
    """Return a phrase if an error, or an error that caused it, says that a disk is full; else None."""
    while error is not None:
        number = getattr(error, "errno", None)
        text = str(error).lower()
        if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            return str(os.strerror(number)).lower()
        if any(os.strerror(code).lower() in text for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)):
            return "the disk is full, or a file is larger than allowed"
        error = error.__cause__ or error.__context__
    return None


def get_error_text(error: BaseException) -> str:
    """Return the text of an error of another package, without the full stop that some have at the end."""
    text = str(error).strip().rstrip(".") or type(error).__name__
    return f"there is no {text}" if isinstance(error, KeyError) else text


def to_click_error(error: Exception, debug: bool) -> click.ClickException:
    """Return an error as one of a command, with its exit code."""
    if isinstance(error, click.ClickException):
        return error
    if isinstance(error, UnsupportedVersion):
        return BadInput(str(error))
    # Errors of TensorFlow and PyArrow are compared by name, to avoid an import of either.
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return TrainingFailed(
            "Memory ran out. All rows are read into memory: give fewer rows or columns, a smaller network, or fewer "
            "--folds."
        )
    if reason := describe_full_disk(error):
        return BadInput(f"A file could not be written: {reason}. Free space, or give another place.")
    return _make_unexpected_error(error, debug)


def is_refusal(error: Exception) -> bool:
    """Whether this package raised the error, with a message for the user, and not Python, NumPy or Keras."""
    frames = traceback.extract_tb(error.__traceback__)
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    if not frames or not frames[-1].filename.startswith(package + os.sep):
        return False
    # A call of None in this package, for example, raises a TypeError in a line without `raise`.
    return not frames[-1].line or frames[-1].line.startswith("raise")


def _make_unexpected_error(error: Exception, debug: bool) -> UnexpectedError:
    details = "".join(traceback.format_exception(error))
    if debug:
        click.echo(details, err=True)
    summary = str(error).strip().partition("\n")[0].rstrip(".")
    message = f"Unexpected {type(error).__name__}: {summary}."
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="shrinkage-", suffix=".log", delete=False, encoding="utf-8", errors="backslashreplace"
        ) as log:
            log.write(f"command: {sys.argv}\npython: {sys.version}\n\n{details}")
    except OSError:
        return UnexpectedError(f"{message} Add --debug to see the traceback.")
    return UnexpectedError(f"{message} The traceback is in {log.name}.")
