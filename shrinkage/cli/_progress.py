"""The options for what a command shows while it trains."""

from collections.abc import Callable
from typing import Any

import click

_SHOWN = "shrinkage.shown"
"""Name in the meta of a click context: whether the command is quiet or verbose, or neither."""


def progress_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --quiet and --verbose to a command that trains; `progress_arguments` returns what they say."""
    quiet = _flag("--quiet", "quiet", "Show no progress.")
    verbose = _flag("--verbose", "verbose", "Print the plan of the training, and the reason for it.")
    return quiet(verbose(command))


def _flag(name: str, value: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(context: click.Context, _option: click.Parameter, given: bool) -> None:
        # The options of `shrinkage resume` come before those of the command that it repeats.
        if given and context.meta.setdefault(_SHOWN, (context.command, value)) == (context.command, _other(value)):
            raise click.UsageError("--quiet and --verbose contradict each other; give one of them.")

    return click.option(name, is_flag=True, expose_value=False, callback=keep, show_default=False, help=text)


def _other(value: str) -> str:
    return "verbose" if value == "quiet" else "quiet"


def progress_arguments() -> dict[str, Any]:
    """Return the arguments of `shrinkage.fit` for progress, on standard error.

    A command shows progress without a terminal, too: a run of some minutes must not be silent.
    """
    _, shown = click.get_current_context().meta.get(_SHOWN, (None, ""))
    return {"progress": shown != "quiet", "verbose": shown == "verbose"}
