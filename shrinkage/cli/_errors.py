"""What a command ends with: an exit code that is documented and a sentence that says what to do."""

import sys
import tempfile
import traceback
from typing import Any

import click

EXIT_CODES = """\b
Exit codes:
  0    done
  1    doctor found an error in a model
  2    wrong usage or bad input; the message says what to change
  3    training failed, for example every strength diverged
  70   an unexpected error; the message names a log file
  130  interrupted with Ctrl-C
"""


class BadInput(click.ClickException):
    """The user's files or options cannot be used; the message says what to change."""

    exit_code = 2


class TrainingFailed(click.ClickException):
    """The input was fine and training still gave nothing to choose from."""

    exit_code = 3


class Unexpected(click.ClickException):
    """A fault of ours: the traceback is in a log file."""

    exit_code = 70


class Commands(click.Group):
    """A group whose commands end with a documented exit code, whatever happens in them."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            click.echo("\nInterrupted: nothing was written.", err=True)
            ctx.exit(130)
        except Exception as error:
            raise _unexpected(error, debug=ctx.meta.get("shrinkage.debug", False)) from error


def _unexpected(error: Exception, debug: bool) -> Unexpected:
    details = "".join(traceback.format_exception(error))
    with tempfile.NamedTemporaryFile("w", prefix="shrinkage-", suffix=".log", delete=False, encoding="utf-8") as log:
        log.write(f"command: {sys.argv}\npython: {sys.version}\n\n{details}")
    if debug:
        click.echo(details, err=True)
    summary = str(error).strip().partition("\n")[0].rstrip(".")
    return Unexpected(f"unexpected {type(error).__name__}: {summary}. The traceback is in {log.name}.")
