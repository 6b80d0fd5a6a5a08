"""The options for the progress that a command shows while it trains."""

from collections.abc import Callable
from typing import Any

import click

from ._types import Folder

_TENSORBOARD = "shrinkage.tensorboard"
_VERBOSITY = "shrinkage.shown"
"""Name in the meta of a click context: whether the command is quiet or verbose, or neither."""


def progress_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --quiet and --verbose to a command that trains; `progress_arguments` returns what they say."""
    quiet = _make_flag_option("--quiet", "quiet", "Show no progress.")
    verbose = _make_flag_option("--verbose", "verbose", "Print the plan of the training, and the reason for it.")
    return quiet(verbose(command))


def _make_flag_option(name: str, value: str, text: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    def keep(context: click.Context, _option: click.Parameter, is_set: bool) -> None:
        # The options of `shrinkage resume` come before those of the command that it repeats.
        if is_set and context.meta.setdefault(_VERBOSITY, (context.command, value)) == (context.command, _flip(value)):
            raise click.UsageError(
                "--quiet and --verbose must not be given together. Received: both. Give one of them."
            )

    return click.option(name, is_flag=True, expose_value=False, callback=keep, show_default=False, help=text)


def _flip(value: str) -> str:
    return "verbose" if value == "quiet" else "quiet"


def tensorboard_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --tensorboard to a command that trains; `progress_arguments` returns what it says."""
    return click.option(
        "--tensorboard",
        type=Folder(file_okay=False),
        metavar="DIR",
        expose_value=False,
        callback=lambda context, _option, folder: context.meta.update({_TENSORBOARD: folder}),
        help="A folder for TensorBoard: the losses by epoch, and the curve over the strengths.",
    )(command)


def get_progress_arguments() -> dict[str, Any]:
    """Return the arguments of `shrinkage.fit` for what is shown, on standard error, and for TensorBoard.

    A command shows progress without a terminal, too: a run of some minutes must not be silent.
    """
    meta = click.get_current_context().meta
    _, shown = meta.get(_VERBOSITY, (None, ""))
    return {"progress": shown != "quiet", "verbose": shown == "verbose", "tensorboard": meta.get(_TENSORBOARD)}
