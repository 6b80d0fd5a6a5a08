"""`shrinkage report`: the page of a finished run."""

import os
import webbrowser
from pathlib import Path as File

import click

from ._console import Console, common_options
from ._errors import EXIT_CODES, BadInput
from ._folder import PAGE, create_file
from ._run import get_run_terms, load_run, read_command, run_argument


@click.command(short_help="Write the page of a run, and open it.", epilog=EXIT_CODES)
@run_argument
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@common_options
def report(run: File, opens: bool, console: Console) -> None:
    """Write the page of the finished run in the folder RUN to RUN/report.html.

    RUN is a folder of `shrinkage fit`, which writes the page too, or of Path.save. The page is one file: verdict,
    curves, predictions, weights, and how the run was trained. It requests nothing from a network.
    """
    path = load_run(run)
    from ._results import write_run_page

    try:
        with create_file(run / PAGE) as fresh:
            write_run_page(path, fresh, get_run_terms(run), read_command(run))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error
        raise BadInput(
            f"RUN must be a folder that can be written. Received: {run}, in which {PAGE} cannot be written ({reason}). "
            "Copy the run to another folder."
        ) from error
    console.say(f"The page is {run / PAGE}.")
    console.print_result({"folder": str(run), "file": str(run / PAGE)})
    if opens and not webbrowser.open((run / PAGE).absolute().as_uri()):
        console.note(f"no browser was found: open {run / PAGE} in one.")
