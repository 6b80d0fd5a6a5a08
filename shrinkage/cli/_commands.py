"""The group of the commands, which always end with a documented exit code."""

import difflib
import json
import shlex
from typing import Any

import click

from ._errors import to_click_error
from ._recorded import UNFINISHED_FOLDER
from ._resume import say_progress
from ._types import get_parameter_name


class Commands(click.Group):
    """A group of commands that always end with a documented exit code.

    With `--format json` an error is one JSON document on standard output, too.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["shrinkage.json"] = "--format=json" in args or ("--format", "json") in zip(
            args, args[1:], strict=False
        )
        return super().parse_args(ctx, args)

    def make_context(self, *arguments: Any, **options: Any) -> click.Context:
        try:
            return super().make_context(*arguments, **options)
        except click.UsageError as error:  # of an option before the command
            raise _reword(error, self) from None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands:
            near = difflib.get_close_matches(args[0], self.commands, n=1)
            raise click.UsageError(
                f"COMMAND must be one of {', '.join(self.commands)}. Received: {args[0]}."
                + (f" Did you mean {near[0]}?" if near else ""),
                ctx,
            )
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            message = _say_unfinished(ctx, "Interrupted") or "Interrupted: nothing was written."
            click.echo(f"\n{message}", err=True)
            _echo_json(ctx, message, 130)
            ctx.exit(130)
        except Exception as error:
            debug = ctx.meta.get("shrinkage.debug", False)
            failure = _reword(error, self) if isinstance(error, click.UsageError) else to_click_error(error, debug)
            if message := _say_unfinished(ctx, "Stopped"):
                click.echo(message, err=True)
            _echo_json(ctx, failure.format_message(), failure.exit_code)
            if failure is error:
                raise
            raise failure from error


def _reword(error: click.UsageError, group: click.Group) -> click.UsageError:
    """Return an error of Click's parser in the grammar of refusals. The types refuse values so."""
    if isinstance(error, click.MissingParameter) and error.param is not None:
        message = f"{get_parameter_name(error.param)} must be given. Received: none."
    elif isinstance(error, click.BadOptionUsage):
        options = [each for command in group.commands.values() for each in _find_options(command, error.option_name)]
        takes_value = any(not option.is_flag for option in options)
        told, received = ("with a value", "none") if takes_value else ("without a value", "a value")
        message = f"{error.option_name} must be given {told}. Received: {received}."
    elif isinstance(error, click.NoSuchOption) and error.ctx is not None:
        message = _describe_unknown_option(error.option_name, error.ctx.command, group)
    else:
        return error
    return click.UsageError(message, error.ctx)


def _describe_unknown_option(name: str, command: click.Command, group: click.Group) -> str:
    """Return a refusal with the option that was probably meant, or the other commands that have it."""
    of = "shrinkage" if command is group else f"shrinkage {command.name}"
    known = [text for parameter in command.params for text in (*parameter.opts, *parameter.secondary_opts)]
    others = [f"`shrinkage {other.name}`" for other in group.commands.values() if _find_options(other, name)]
    received, advice = "an unknown option", f"`{of} --help` lists the options."
    if near := difflib.get_close_matches(name, known, n=1, cutoff=0.8):
        advice = f"Did you mean {near[0]}?"
    elif others:
        received = f"an option of {' and '.join(others)}"
        advice = "Give it after the command." if command is group else "Leave it out."
    return f"{name} must be an option of `{of}`. Received: {received}. {advice}"


def _find_options(command: click.Command, name: str) -> list[click.Option]:
    options = [each for each in command.params if isinstance(each, click.Option)]
    return [each for each in options if name in (*each.opts, *each.secondary_opts)]


def _say_unfinished(ctx: click.Context, event: str) -> str:
    """Print the losses so far if the command has recorded a run, and return a sentence with the command to go on."""
    folder = ctx.meta.get(UNFINISHED_FOLDER)
    if folder is None:
        return ""
    say_progress(folder)
    return f"{event}: the run is saved. `shrinkage resume {shlex.quote(str(folder))}` goes on from the last checkpoint."


def _echo_json(ctx: click.Context, message: str, exit_code: int) -> None:
    if ctx.meta["shrinkage.json"]:
        click.echo(json.dumps({"error": message, "exit_code": exit_code}, indent=2))
