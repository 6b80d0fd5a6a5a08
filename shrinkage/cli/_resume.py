"""`shrinkage resume` and `shrinkage show`: go on with a run, and print a run."""

import shlex
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

import click

from shrinkage._messages._note import Vocabulary, format_duration

from ._cluster import cluster_option
from ._console import Console, common_options, format_item_count
from ._errors import EXIT_CODES, BadInput
from ._fit import fit
from ._folder import MARK
from ._progress import progress_options
from ._recorded import COMMAND, advise_resume, is_in_training, is_unfinished, resume_command
from ._run import get_run_terms, load_run, read_run_status, run_argument

if TYPE_CHECKING:
    import shrinkage as sh
    from shrinkage._search._record._status import RunStatus


@click.command(short_help="Go on with a run after a kill, a crash or Ctrl-C.", epilog=EXIT_CODES)
@run_argument
@cluster_option
@progress_options
@common_options
def resume(run: File, console: Console) -> None:
    """Go on with the run of `shrinkage fit` in the folder RUN.

    The command of the run is repeated, and training goes on from the last checkpoint. The result is the same as
    without a stop.
    """
    if is_unfinished(run):
        return resume_command(run, fit, console)
    if not (run / MARK).exists() and read_run_status(run) is not None:
        raise BadInput(
            f"RUN must be a run of `shrinkage fit`, which keeps its command. Received: {run}, which has no {COMMAND}. "
            f"{advise_resume(run)}"
        )
    path, terms = load_run(run), get_run_terms(run)
    console.note(f"{run} is finished.")
    _show_path(path, terms, run, console)


@click.command(short_help="Print a run, finished or not.", epilog=EXIT_CODES)
@run_argument
@common_options
def show(run: File, console: Console) -> None:
    """Print the run in the folder RUN: its result, or the losses so far.

    RUN is a folder of `shrinkage fit`, of `run=` of shrinkage.fit, or of Path.save. A run in training is not disturbed.
    """
    status = read_run_status(run)
    if status is not None and not status.is_finished:
        console.say(f"{format_run_status(status)}\n{_describe_end(status, run)}")
        return console.print_result(_make_document(status))
    if is_unfinished(run) and status is None:
        if is_in_training(run):
            console.say("A process trains it; nothing is saved yet.")
            return console.print_result({"finished": False, "running": True})
        raise BadInput(
            f"RUN must hold a record of the training. Received: {run}, a run without a record: it has not begun to "
            "train, or the record is lost. Unless a process prepares it now, train it from the beginning with "
            f"`shrinkage resume {shlex.quote(str(run))}`."
        )
    _show_path(load_run(run), get_run_terms(run), run, console)


def _show_path(path: "sh.Path", terms: Vocabulary, run: File, console: Console) -> None:
    from ._columns import Columns
    from ._results import (
        compute_root_mean_squares,
        describe_path_in_shell,
        describe_root_mean_squares,
        make_path_document,
    )

    document = make_path_document(path, "min", terms)
    console.say(describe_path_in_shell(path, terms))
    if (run / "columns.json").is_file():
        columns = Columns.load(run / "columns.json")
        if errors := compute_root_mean_squares(path, columns):
            document["root_mean_squared_error"] = errors
            console.say(describe_root_mean_squares(errors, columns))
    console.print_result(document)


def say_progress(folder: File) -> None:
    """Print the losses of an unfinished run so far, on standard error, and the command to go on."""
    status = read_run_status(folder)
    if status is not None:
        click.echo(format_run_status(status), err=True)


def format_run_status(status: "RunStatus") -> str:
    """Return the losses of a run so far as a table."""
    from shrinkage._path._words import format_loss_name  # imported here because it imports NumPy

    strengths = status.strengths
    epochs = f"{status.epochs} epochs at most" if status.epochs > 1 else "1 epoch"
    lines = [
        f"{status.model}: {format_item_count(status.n_rows, 'row')}, {format_item_count(status.n_folds, 'fold')}, "
        f"{format_item_count(status.n_lams, 'strength')}, {epochs}, then on all rows at "
        f"{'every strength' if status.models == 'all' else 'the choices'}; {format_duration(status.seconds)} so far",
    ]
    if strengths:
        title = f"{format_loss_name(status.loss)}, lowest so far"
        lines.append(f"{'lambda':>10}  {title}  at epoch  trained")
        for each in strengths:
            loss = "diverged" if each.loss is None else f"{each.loss:.4g}"
            lines.append(f"{each.lam:>10.3g}  {loss:>{len(title)}}  {each.epoch:>8}  {each.epochs:>7}")
    if status.all_rows:
        lines.append(f"Trained on all rows: {format_item_count(status.all_rows, 'strength')}.")
    return "\n".join(lines)


def _describe_end(status: "RunStatus", run: File) -> str:
    """Return what happens to an unfinished run, and what to do."""
    damage = f" Damage: {status.damage}." if status.damage else ""
    if status.storage_error:
        return f"Trained, but the result cannot be stored: {status.storage_error}{damage}"
    if status.is_running:
        return f"A process trains it; saved {format_duration(status.age)} ago.{damage}"
    ago = format_duration(status.age)
    return f"Not finished, and no process trains it; saved {ago} ago. {advise_resume(run)}{damage}"


def _make_document(status: "RunStatus") -> dict[str, Any]:
    return {
        "finished": False,
        "running": status.is_running,
        "epochs": status.epochs,
        "seconds": status.seconds,
        "seconds_since_last_entry": status.age,
        "strengths": [vars(each) for each in status.strengths],
        "models": status.models,
        "strengths_on_all_rows": status.all_rows,
        "damage": status.damage,
    }
