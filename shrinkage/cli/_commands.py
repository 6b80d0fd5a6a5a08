"""The group of the commands, which always end with a documented exit code."""

import json
import shlex
from typing import Any

import click

from ._errors import to_click_error
from ._recorded import UNFINISHED_FOLDER
from ._resume import say_progress


class Commands(click.Group):
    """A group of commands that always end with a documented exit code.

    With `--format json` an error is one JSON document on standard output, too.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta["shrinkage.json"] = "--format=json" in args or ("--format", "json") in zip(
            args, args[1:], strict=False
        )
        return super().parse_args(ctx, args)

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
            failure = to_click_error(error, debug=ctx.meta.get("shrinkage.debug", False))
            if message := _say_unfinished(ctx, "Stopped"):
                click.echo(message, err=True)
            _echo_json(ctx, failure.format_message(), failure.exit_code)
            if failure is error:
                raise
            raise failure from error


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
