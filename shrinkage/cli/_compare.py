"""`shrinkage compare`: several penalties on a table, each at its choice, on the same folds."""

import os
import shlex
from dataclasses import fields, replace
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

import click

from shrinkage._problem._defaults import FULL_BATCHES

from ._cluster import get_cluster_arguments
from ._console import Console, import_keras
from ._errors import EXIT_CODES, BadInput, TrainingFailed
from ._fit import advise_rate, fit, get_result_name
from ._progress import get_progress_arguments
from ._recorded import RecordedCommand, check_unused, get_typed_options, remove_record
from ._settings import Settings

if TYPE_CHECKING:
    import shrinkage as sh

    from ._network import TargetScale
    from ._prepare import TableData

PENALTIES = ("l2", "l1", "elastic-net", "group-lasso", "decoupled")
_OMITTED_OPTIONS = ("penalty", "rho", "groups", "how", "choose", "budget", "learning_curve", "output")
"""Options of `shrinkage fit` that are of one penalty, and the folder, whose default differs."""


def _read_penalties(_context: click.Context, _option: click.Parameter, text: str) -> tuple[str, ...]:
    """Read the names of penalties, such as l2,l1; case does not matter."""
    names = tuple(name.strip().lower().replace("_", "-") for name in text.split(","))
    odd = [name for name in names if name not in PENALTIES]
    if odd:
        raise click.UsageError(
            f"--penalties must be names of {', '.join(PENALTIES)}, such as l2,l1. Received: {odd[0] or text!r}."
        )
    if len(set(names)) < len(names):
        raise click.UsageError(f"--penalties must be different names. Received: {text!r}.")
    return names


def _list_fit_options() -> list[click.Parameter]:
    return [parameter for parameter in fit.params if parameter.name not in _OMITTED_OPTIONS]


@click.command(
    cls=RecordedCommand,
    short_help="Compare penalties on a table, on the same folds.",
    epilog=EXIT_CODES,
    context_settings={"show_default": True},
    params=_list_fit_options(),
)
@click.option(
    "--penalties",
    callback=_read_penalties,
    default=",".join(PENALTIES),
    metavar="NAMES",
    help="The penalties to compare; no penalty and early stopping always are.",
)
@click.option(
    "--nested",
    is_flag=True,
    show_default=False,
    help="Estimate the loss of the winner by nested cross-validation, which takes about as long again for each fold.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=File),
    show_default="./<name of the first DATA>-comparison",
    help="The folder for the results.",
)
def compare(
    data: tuple[File, ...],
    target: str | None,
    output: File | None,
    overwrite: bool,
    penalties: tuple[str, ...],
    nested: bool,
    dry_run: bool,
    console: Console,
    **options: Any,
) -> None:
    """Train on DATA with each of several penalties, and compare them at their chosen strengths.

    No penalty, early stopping and each penalty have the same folds, batches and first weights. The table shows the
    paired differences of their held-out losses, with 95 % intervals and p-values adjusted by Holm's method.

    The folder gets comparison.csv, comparison.png and weights.png, and the model with the least loss, as a run of
    `shrinkage fit`, which `shrinkage predict` takes.
    """
    from ._fit import check_and_prepare, say_prepared
    from ._folder import catch_full_disk, check_folder, check_outside
    from ._images import holds_images
    from ._prepare import TableOptions
    from ._user_model import check_model_option

    if holds_images(data):
        raise BadInput(_describe_image_runs(data[0], penalties))
    if target is None:
        raise click.UsageError("--target must be given for a table. Received: none. Name the column to predict.")
    folder = output or File(f"{get_result_name(data[0])}-comparison")
    check_model_option(options["model"])
    settings = _make_settings(options)
    table_options = TableOptions(**{each.name: options[each.name] for each in fields(TableOptions)})
    if nested and options["time"]:
        raise BadInput(
            "--nested must be given without --time, because it splits the rows of a fold again, at random. Received: "
            f"--nested with --time {options['time']}. Leave one out."
        )
    table_data = check_and_prepare(data, target, options["task"], settings, table_options)
    if table_data.stream is not None:
        raise BadInput(
            "DATA must fit within an eighth of the memory limit, because compare keeps all rows in memory. Received: "
            f"{table_data.file}, which is larger. Give a larger --max-memory, or fewer rows."
        )
    settings = replace(settings, folds=table_data.split.n_folds)
    check_outside(folder, data)
    if not dry_run:
        check_unused(folder)
        check_folder(folder, overwrite)
    say_prepared(console, table_data, settings, settings.describe(penalty=f"penalties {', '.join(penalties)}"))
    import_keras()
    if dry_run:
        return _say_estimate(console, table_data, settings, options["max_memory"], len(penalties))
    comparison = _train(table_data, settings, options["max_memory"], penalties, nested)
    document = _report(console, table_data, settings, comparison)
    with catch_full_disk(folder):
        _write(table_data, comparison, settings, folder)
    _finish(console, comparison, settings, folder, document)


def _describe_image_runs(folder: File, penalties: tuple[str, ...]) -> str:
    """Say how penalties are compared on images: runs of `shrinkage fit` have the same folds too."""
    from ._prepare import TableOptions

    of_tables = {*(each.name for each in fields(TableOptions)), "target", "penalties", "nested", "output"} - {
        "max_memory"
    }
    given = get_typed_options(without=of_tables)
    runs = []
    for name in penalties:
        penalty = ["l2", "--how", "decoupled"] if name == "decoupled" else [name]
        output = ["-o", f"{get_result_name(folder)}-{name}"]
        runs.append(f"    {shlex.join(['shrinkage', 'fit', str(folder), '--penalty', *penalty, *given, *output])}\n")
    return (
        f"DATA must be a table. Received: {folder}, a folder of images. Compare the verdicts of these runs, which have "
        f"the same folds:\n{''.join(runs)}Or call shrinkage.compare in Python, which takes images."
    )


def _make_settings(options: dict[str, Any]) -> Settings:
    """Return the settings of one penalty. A linear model is trained, as with penalties that have no exact solution."""
    of_one = {"penalty": "l2", "rho": None, "groups": None, "how": None, "choose": "min", "budget": None}
    of_one |= {"learning_curve": False}
    values = {**options, **of_one}
    if options["model"] == "linear" and options["epochs"] is None:
        values["epochs"] = FULL_BATCHES["epochs"]
    return Settings.from_options(**{each.name: values[each.name] for each in fields(Settings)})


def _make_arguments(
    table_data: "TableData", settings: Settings, max_memory: int | None
) -> tuple[dict[str, Any], "TargetScale"]:
    from ._network import TargetScale
    from ._train import make_fit_arguments

    scale = TargetScale.from_values(table_data.columns.task, table_data.target.values)
    return make_fit_arguments(table_data, settings, scale, max_memory), scale


def _say_estimate(
    console: Console, table_data: "TableData", settings: Settings, max_memory: int | None, n_penalties: int
) -> None:
    from ._dry_run import say_estimate
    from ._terms import make_shell_terms, translate_refusals

    terms = make_shell_terms(table_data.columns.labels, settings.model)
    with translate_refusals(terms):
        arguments = _make_arguments(table_data, settings, max_memory)[0]
    if n_penalties > 1:
        console.say(f"one of {n_penalties} penalties, which take about as long each:")
    say_estimate(console, arguments, terms, {"data": table_data.to_document(), "columns": table_data.list_columns()})


def _train(
    table_data: "TableData", settings: Settings, max_memory: int | None, penalties: tuple[str, ...], nested: bool
) -> "sh.Comparison":
    import shrinkage as sh

    from ._terms import make_shell_terms, translate_refusals

    arguments, scale = _make_arguments(table_data, settings, max_memory)
    of_one = ("penalty", "how", "budget", "learning_curve")
    with translate_refusals(make_shell_terms(table_data.columns.labels, settings.model)):
        comparison = sh.compare(
            **{name: value for name, value in arguments.items() if name not in of_one},
            penalties=penalties, nested=nested, **get_progress_arguments(), **get_cluster_arguments(),
        )  # fmt: skip
    return comparison if table_data.columns.task != "regression" else _in_target_units(comparison, scale)


def _in_target_units(comparison: "sh.Comparison", scale: "TargetScale") -> "sh.Comparison":
    """Return a comparison of centred and scaled targets in the units of the target."""
    entries = tuple(replace(entry, path=scale.in_target_units(entry.path)) for entry in comparison.entries)
    paths = {name: scale.in_target_units(path) for name, path in comparison.paths.items()}
    return replace(comparison, entries=entries, paths=paths)


def _report(
    console: Console, table_data: "TableData", settings: Settings, comparison: "sh.Comparison"
) -> dict[str, Any]:
    """Print the table, before files are written, which may fail; return the document for programs."""
    from shrinkage._compare._comparison import format_comparison

    from ._results import make_path_document
    from ._terms import make_shell_terms

    nested, terms = comparison.nested, make_shell_terms(table_data.columns.labels, settings.model)
    console.say(format_comparison(comparison, terms))
    return {
        "data": table_data.to_document(),
        "columns": table_data.list_columns(),
        "settings": {**settings.__dict__, "hidden": settings.layers},
        "least": None if comparison.least is None else comparison.least.name,
        "comparison": comparison.table().to_dict("records"),
        "nested": None if nested is None else vars(nested),
        "verdict": terms.say(comparison.verdict()),
        "notes": [terms.say(note) for note in comparison.notes],
        "seconds": comparison.seconds,
        "paths": {name: make_path_document(path, "min", terms) for name, path in comparison.paths.items()},
    }


def _write(table_data: "TableData", comparison: "sh.Comparison", settings: Settings, folder: File) -> None:
    """Write the table, the pictures, and the run of the least."""
    from shrinkage._compare._weights_plot import compute_weight_data

    from ._encoder import assemble_model
    from ._folder import create_run
    from ._results import write_path
    from ._terms import make_shell_terms

    columns, least = table_data.columns, comparison.least
    with create_run(folder) as fresh:
        path = next(iter(comparison.paths.values())) if least is None else least.path
        if least is not None:
            network = comparison.model()
            assemble_model(columns, network, path.target_mean, path.target_sd).save(fresh / "model.keras")
        columns.save(fresh / "columns.json")
        table_data.skipped_rows.save(fresh)
        write_path(path, fresh, make_shell_terms(columns.labels, settings.model))
        comparison.table().to_csv(fresh / "comparison.csv", index=False)
        comparison.plot(fresh / "comparison.png")
        if any(compute_weight_data(path) is not None for path in comparison.paths.values()):
            comparison.plot(fresh / "weights.png", kind="weights")
    remove_record(folder)  # of an unfinished run that --overwrite replaces


def _finish(
    console: Console, comparison: "sh.Comparison", settings: Settings, folder: File, document: dict[str, Any]
) -> None:
    """Say where the results are; end with an error if every model diverged."""
    from ._results import list_run_files

    least = comparison.least
    model = "" if least is None else f"model of {least.name}, the "
    console.say(f"\nThe {model}table and the pictures are in {folder}{os.sep}")
    console.print_result({**document, "folder": str(folder), "files": list_run_files(folder)})
    if least is None:
        click.echo(
            f"Error: With every penalty a model diverged, so {folder} has no model.keras. {advise_rate(settings)}",
            err=True,
        )
        click.get_current_context().exit(TrainingFailed.exit_code)
