"""`shrinkage resume` and `shrinkage show`: go on with a run, and print a run."""

import shlex
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

import click

from shrinkage._messages._note import format_duration

from ._cluster import cluster_option
from ._console import Console, common_options, format_item_count, import_keras
from ._errors import EXIT_CODES, BadInput
from ._fit import fit
from ._folder import MARK
from ._progress import progress_options
from ._recorded import COMMAND, RECORD, is_unfinished, resume_command
from ._run import get_run_terms
from ._types import Folder

if TYPE_CHECKING:
    from shrinkage._search._record._status import RunStatus

_RUN = click.argument("run", type=Folder(exists=True, file_okay=False, path_type=File))


@click.command(short_help="Go on with a run after a kill, a crash or Ctrl-C.", epilog=EXIT_CODES)
@_RUN
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
    if (run / MARK).exists():
        console.note(f"{run} is finished.")
        return _show_finished(run, console)
    if _read_status(run) is not None:
        raise BadInput(
            f"RUN must be a run of `shrinkage fit`. Received: {run}, a run of shrinkage.fit in Python. Call "
            f"shrinkage.fit(..., run={str(run)!r}) again with the same arguments."
        )
    raise BadInput(
        f"RUN must be the folder of a run. Received: {run}, which has neither {COMMAND} nor {MARK}. Give another "
        "folder."
    )


@click.command(short_help="Print a run, finished or not.", epilog=EXIT_CODES)
@_RUN
@common_options
def show(run: File, console: Console) -> None:
    """Print the run in the folder RUN: its result, or the losses so far.

    RUN is a folder of `shrinkage fit`, of `run=` of shrinkage.fit, or of Path.save. A run in training is not disturbed.
    """
    status = _read_status(run)
    if status is not None and not status.is_finished:
        console.say(f"{format_run_status(status)}\n{_describe_end(status, run)}")
        return console.print_result(_make_document(status))
    if is_unfinished(run) and status is None:
        raise BadInput(
            f"RUN must hold a record of the training. Received: {run}, a run without a record. Train it from the "
            f"beginning with `shrinkage resume {shlex.quote(str(run))}`."
        )
    if not (run / MARK).exists():
        raise BadInput(
            f"RUN must be the folder of a run. Received: {run}, which has neither a record nor {MARK}. Give another "
            "folder."
        )
    _show_finished(run, console)


def _show_finished(run: File, console: Console) -> None:
    import_keras()
    from shrinkage._path._path import Path

    from ._columns import Columns
    from ._results import (
        compute_root_mean_squares,
        describe_path_in_shell,
        describe_root_mean_squares,
        make_path_document,
    )

    try:
        path = Path.load(run)
    except ValueError as error:
        raise BadInput(str(error)) from error
    terms = get_run_terms(run)
    document = make_path_document(path, "min", terms)
    console.say(describe_path_in_shell(path, terms))
    if (run / "columns.json").is_file():
        columns = Columns.load(run / "columns.json")
        if errors := compute_root_mean_squares(path, columns):
            document["root_mean_squared_error"] = errors
            console.say(describe_root_mean_squares(errors, columns))
    console.print_result(document)


def _read_status(run: File) -> "RunStatus | None":
    from shrinkage._search._record._status import read_status

    for folder in (run / RECORD, run):
        try:
            status = read_status(folder)
        except ValueError as error:
            raise BadInput(str(error)) from error
        if status is not None:
            return status
    return None


def say_progress(folder: File) -> None:
    """Print the losses of an unfinished run so far, on standard error, and the command to go on."""
    status = _read_status(folder)
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
    advice = "Call shrinkage.fit again to go on."
    if is_unfinished(run):
        advice = f"`shrinkage resume {shlex.quote(str(run))}` goes on."
    return f"Not finished, and no process trains it; saved {format_duration(status.age)} ago. {advice}{damage}"


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
