"""Errors of the library become messages of a command, and its faults do not."""

import click
import pytest

from shrinkage._data._memory_limit import read_memory_limit
from shrinkage.cli._columns import split_float64
from shrinkage.cli._console import Console
from shrinkage.cli._dates import as_seconds
from shrinkage.cli._errors import BadInput, UnexpectedError, is_refusal


@pytest.mark.parametrize(
    ("call", "refused"),
    [
        (lambda: read_memory_limit(-1), True),
        (lambda: split_float64("x"), False),  # pyright: ignore[reportArgumentType]
        (lambda: as_seconds(None, ""), False),  # pyright: ignore[reportArgumentType]
        (lambda: int("x"), False),
    ],
    ids=["raised by this package", "by NumPy in a line of it", "by Python in a line of it", "elsewhere"],
)
def test_only_what_the_package_raises_is_a_refusal(call, refused):
    with pytest.raises((ValueError, TypeError, AttributeError)) as found:
        call()
    assert is_refusal(found.value) == refused


STEERING = "a\x1b[2J\x1b]0;title\x07b\x9b31m\u202ec\udcffd"
SHOWN = "a\\x1b[2J\\x1b]0;title\\x07b\\x9b31m\\u202ec\\udcffd"


@pytest.mark.parametrize("say", [Console(json=False).say, Console(json=False).note], ids=["result", "note"])
def test_text_of_a_file_does_not_steer_the_terminal(capsys, say):
    say(f"{STEERING}\n\té😀")
    assert f"{SHOWN}\n\té😀" in "".join(capsys.readouterr())


@pytest.mark.parametrize("kind", [BadInput, UnexpectedError])
def test_neither_does_that_of_an_error(capsys, kind):
    error: click.ClickException = kind(f"no column {STEERING}")
    error.show()
    assert f"no column {SHOWN}\n" in capsys.readouterr().err
