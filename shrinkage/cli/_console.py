"""Output of commands: results on standard output, messages on standard error."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
from click.core import ParameterSource

from ._errors import BadInput, escape_controls
from ._types import Choice


@dataclass(frozen=True)
class Console:
    """Text for people, or one JSON document for programs."""

    json: bool

    def say(self, text: str = "") -> None:
        """Print text of the result; on standard error if the result is JSON."""
        click.echo(escape_controls(text), err=self.json)

    def note(self, text: str) -> None:
        """Print a message that is not part of the result."""
        click.echo(f"Note: {escape_controls(text)}", err=True)

    def print_result(self, document: dict[str, Any]) -> None:
        """Print the result as JSON, with `--format json`."""
        if self.json:
            click.echo(json.dumps(to_json(document), indent=2, allow_nan=False))


def to_json(value: Any) -> Any:
    """Convert a value to JSON types: NumPy scalars to numbers, NaN and infinity to null.

    >>> to_json({"loss": [0.5, float("nan")]})
    {'loss': [0.5, None]}
    """
    if isinstance(value, dict):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return to_json(value.item() if hasattr(value, "item") else str(value))


def format_item_count(count: int, item: str) -> str:
    """`count` of a thing, in words.

    >>> format_item_count(1, "row"), format_item_count(1234, "row")
    ('1 row', '1,234 rows')
    """
    return f"{count:,} {item}" if count == 1 else f"{count:,} {item}s"


MOST_UNITS = 100_000


def read_units(_context: click.Context, option: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    """Read the units of layers, such as 64,64."""
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.strip().isdecimal() and 0 < int(part[:12]) <= MOST_UNITS for part in parts):
        raise click.UsageError(
            f"{option.opts[0]} must be whole numbers from 1 to {MOST_UNITS:,}, such as 64,64. Received: {text!r}."
        )
    return tuple(int(part) for part in parts)


def read_memory_size(_context: click.Context, option: click.Parameter, text: str | None) -> int | None:
    """Read a number of bytes, such as 2GB."""
    if text is None:
        return None
    from shrinkage._data._memory_limit import parse_bytes

    size = parse_bytes(text) or 0
    if size < 1:
        raise click.UsageError(f"{option.opts[0]} must be a number of bytes, such as 500MB or 2GB. Received: {text!r}.")
    return int(min(size, 2**62))  # a float may be infinite


_SEPARATORS = {"space": " ", "tab": "\t", "\\t": "\t"}


def _read_separator(_context: click.Context, _option: click.Parameter, text: str | None) -> str | None:
    if text is None:
        return None
    found = _SEPARATORS.get(text, text)
    if len(found) != 1 or found in '"\r\n\0' or found.isalnum():
        raise click.UsageError(
            "--sep must be `tab`, `space` or one character other than a letter, a digit, a double quote or a line end. "
            f"Received: {text!r}."
        )
    return found


def separator_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option --sep of a command that reads a table."""
    return click.option(
        "--sep",
        "separator",
        callback=_read_separator,
        metavar="CHARACTER",
        show_default="comma, semicolon or tab, detected",
        help="The separator of a CSV: one character, `tab` or `space`.",
    )(command)


def common_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of every command, and the argument `console`."""
    form = click.option(
        "--format",
        "console",
        type=Choice("text", "json"),
        default="text",
        show_default=True,
        callback=lambda _ctx, _option, value: Console(json=value == "json"),
        help="json: one document on standard output, messages on standard error.",
    )
    debug = click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        callback=lambda ctx, _option, value: ctx.meta.update({"shrinkage.debug": value}),
        help="Show the traceback of an unexpected error.",
    )
    return form(debug(command))


def is_given(name: str) -> bool:
    """Whether a parameter of the command has a value of the user, also if that is the default."""
    return click.get_current_context().get_parameter_source(name) is not ParameterSource.DEFAULT


def import_keras() -> None:
    """Import Keras on TensorFlow; raise `BadInput` for another backend or a missing package."""
    from shrinkage._host._quiet import require_tensorflow

    try:
        require_tensorflow()
    except (RuntimeError, ImportError) as error:
        raise BadInput(str(error)) from error
