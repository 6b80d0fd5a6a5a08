"""The file or folder that an argument names: checked when it is given, and named by the errors of the system."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from shrinkage._messages._note import Note


def check_file_name(argument: str, value: Any, requirement: str) -> Path:
    """Return the file or folder of an argument; `~` is the home folder.

    Args:
        argument: The argument as a message names it, such as "`run`", or a word of a `Note`.
        value: The value of the argument.
        requirement: What the value must be, with an example.

    Raises:
        TypeError: If the value is neither a string nor a path.
        ValueError: If no file can have the name.

    Example:
        >>> check_file_name("`run`", "runs/first", "a folder").as_posix()
        'runs/first'
        >>> check_file_name("`run`", 3, 'a folder, such as "runs/first"')
        Traceback (most recent call last):
        ...
        TypeError: `run` must be a folder, such as "runs/first". Received: int.
    """
    name = os.fspath(value) if isinstance(value, (str, os.PathLike)) else None
    if not isinstance(name, str):
        raise TypeError(Note(f"{argument} must be {requirement}. Received: {type(value).__name__}."))
    if not name or "\0" in name:
        raise ValueError(Note(f"{argument} must be {requirement}. Received: {name!r}."))
    return Path(os.path.expanduser(name))


@contextlib.contextmanager
def explain_write_errors(argument: str, place: Path, kind: str = "file") -> Iterator[None]:
    """Raise an error of the system again, of the same class, with the argument and the next step.

    Args:
        argument: The argument as a message names it.
        place: The file or folder that is written.
        kind: "file" or "folder".
    """
    try:
        yield
    except OSError as error:
        folder = place.parent
        if place.is_dir() and kind == "file":
            advice = "Give the name of a file in this folder."
        elif not folder.exists():
            advice = f"Make the folder '{folder}' first, or give another {kind}."
        else:
            advice = f"Give another {kind}."
        reason = error.strerror or str(error)
        named = type(error)(
            f"{argument} must be a {kind} that can be written. Received: '{place}' ({reason}). {advice}"
        )
        named.errno = error.errno
        raise named from error
