"""`shrinkage fit`: from a table to a cross-validated strength, a trained model and a picture."""

import os
from dataclasses import replace
from pathlib import Path as File
from typing import TYPE_CHECKING, Any, Literal

import click

from ._cluster import check_cluster_settings, cluster_option, get_cluster_arguments
from ._console import (
    Console,
    common_options,
    import_keras,
    is_given,
    read_memory_size,
    read_units,
    separator_option,
)
from ._errors import EXIT_CODES, BadInput, TrainingFailed
from ._penalty import check_penalty_options, penalty_options
from ._progress import get_progress_arguments, progress_options, tensorboard_option
from ._recorded import RecordedCommand, get_resumed_folder, record_run
from ._settings import Settings
from ._types import Choice, Integer, Number

if TYPE_CHECKING:
    from shrinkage._path._path import Path

    from ._columns import Task
    from ._prepare import TableData, TableOptions
    from ._stream import Stream


MOST_REPEATS = 1000
_BUDGETS = 1.2, 1000.0

repeats_option = click.option(
    "--repeats",
    type=Integer(1, MOST_REPEATS),
    default=1,
    show_default=True,
    help="Number of times the folds are drawn.",
)
"""The option of every command that trains, because verdicts advise it."""


@click.command(
    cls=RecordedCommand,
    short_help="Train on a table and choose the penalty's strength.",
    epilog=EXIT_CODES,
    context_settings={"show_default": True},
)
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=File))
@click.option("--target", help="The column to predict; required for tables.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=File),
    show_default="./<name of the first DATA>-shrinkage",
    help="The folder for the results.",
)
@click.option("--overwrite", is_flag=True, show_default=False, help="Replace an earlier run; other files stay.")
@separator_option
@click.option(
    "--task",
    type=Choice("binary", "multi-class", "regression"),
    show_default="inferred from the target, and printed",
)
@click.option(
    "--model",
    default="mlp",
    metavar="MODEL",
    help="mlp, linear, MODEL.keras, or FILE.py:function, which is run and returns a compiled model.",
)
@penalty_options
@click.option("--drop", multiple=True, metavar="NAME", help="A column not to use; may be repeated, as the next two.")
@click.option("--category", multiple=True, metavar="NAME", help="A column to take as categories, however many.")
@click.option("--number", multiple=True, metavar="NAME", help="A column to take as numbers; other cells are missing.")
@click.option("--clip/--no-clip", default=True, help="Clip numbers that lie far outside the others.")
@click.option(
    "--on-bad-row",
    type=Choice("error", "skip"),
    default="error",
    help="A row with too many or too few cells, undecodable text or a bad target: stop, or leave it out.",
)
@click.option(
    "--max-memory",
    callback=read_memory_size,
    metavar="SIZE",
    show_default="half of the free memory",
    help="About the most memory to use, such as 2GB. Rows that take more are kept on disk.",
)
@click.option("--hidden", callback=read_units, show_default="64,64", help="Units of each hidden layer of an mlp.")
@click.option(
    "--epochs",
    type=Integer(1),
    show_default="200; of a linear model 1000, or none with --penalty l2, where the models are computed",
    help="The largest number of epochs.",
)
@click.option("--batch-size", type=Integer(1), show_default="32; of a linear model all rows")
@click.option(
    "--learning-rate",
    type=Number(0),
    show_default="0.001; of a linear model 0.3, falling to 0",
    help="The learning rate of Adam.",
)
@click.option("--folds", type=Integer(2), default=5, help="Folds of the cross-validation.")
@repeats_option
@click.option("--group", metavar="NAME", help="A column of groups: a fold holds out whole groups. It is no input.")
@click.option("--time", metavar="NAME", help="A column of times: folds train on earlier rows. It is no input.")
@click.option("--fold", metavar="NAME", help="A column of fold numbers, -1 to only train. It is no input.")
@click.option("--seed", type=Integer(0, 2**32 - 1), default=0, help="The seed of all random numbers.")
@click.option(
    "--choose",
    type=Choice("min", "1se"),
    default="min",
    help="The strength with the lowest loss, or the largest strength within one standard error of it.",
)
@click.option(
    "--budget",
    type=Number(*_BUDGETS),
    show_default="the whole grid",
    help="Search on a part of the rows, for this many trainings, such as 1.5; for a slow training.",
)
@click.option(
    "--learning-curve",
    is_flag=True,
    show_default=False,
    help="Train the choice on parts of the rows too, to say whether more rows would help.",
)
@click.option(
    "--dry-run", is_flag=True, show_default=False, help="Print columns, models and memory; train and write nothing."
)
@cluster_option
@tensorboard_option
@progress_options
@common_options
def fit(
    data: tuple[File, ...],
    target: str | None,
    output: File | None,
    overwrite: bool,
    task: "Task | None",
    drop: tuple[str, ...],
    category: tuple[str, ...],
    number: tuple[str, ...],
    clip: bool,
    separator: str | None,
    on_bad_row: Literal["error", "skip"],
    max_memory: int | None,
    dry_run: bool,
    console: Console,
    **options: Any,
) -> None:
    """Train a network on DATA, a table or images, at every strength of a penalty, and keep the best.

    DATA is a CSV or Parquet file, several files, a pattern such as 'part-*.csv', or a folder of files, whose folders
    may be named like year=2024, which makes a column year. Files need the same columns, matched by name.

    A folder of images has a folder for each class, such as images/cat/1.jpg, or such folders in images/train and
    images/val, which is held out. Images are resized, and a small convolutional network is trained.

    Cross-validation picks the strength; the model that is kept was trained on all rows with it. The folder gets
    model.keras (takes the raw columns; plain Keras loads it), columns.json, the path, its picture, and report.html, a
    page to look at.
    """
    from ._folder import catch_full_disk, check_folder, check_outside
    from ._images import holds_images, refuse_images
    from ._prepare import TableOptions
    from ._split import OPTIONS
    from ._tables import find_sources
    from ._train import train_path
    from ._user_model import check_model_option

    folder = get_resumed_folder() or output or File(f"{get_result_name(data[0])}-shrinkage")
    if holds_images(data):
        tables = {"drop": drop, "category": category, "number": number, "no_clip": not clip, "sep": separator,
                  "target": target, "task": task}  # fmt: skip
        return _fit_images(console, data[0], folder, overwrite, dry_run, max_memory, tables, options)
    if target is None:
        refuse_images(source.file for source in find_sources(data))
        raise click.UsageError("--target must be given for a table. Received: none. Name the column to predict.")
    check_model_option(options["model"])
    settings = Settings.from_options(**options, clip=clip)
    columns = {name: options[name] for name in OPTIONS}
    table_options = TableOptions(
        drop, category, number, clip, settings.model, separator, **columns, on_bad_row=on_bad_row, max_memory=max_memory
    )
    table_data = check_and_prepare(data, target, task, settings, table_options)
    if table_data.stream is not None:
        _begin_stream(console, table_data, table_data.stream, settings)
    settings = replace(settings, folds=table_data.split.n_folds)
    check_outside(folder, data)
    if not dry_run and get_resumed_folder() is None:
        check_folder(folder, overwrite)
    say_prepared(console, table_data, settings, settings.describe())
    import_keras()
    if dry_run:
        return _stop_before_training(console, table_data, settings, max_memory)
    with record_run(folder, max_memory) as record:
        display = {**get_progress_arguments(), **get_cluster_arguments()}
        path = train_path(table_data, settings, max_memory, run=record, **display)
        document = _report(console, table_data, path, settings)
        with catch_full_disk(folder):
            _write(table_data, path, settings, folder)
    _finish(console, path, settings, folder, document)


def _begin_stream(console: Console, table_data: "TableData", stream: "Stream", settings: Settings) -> None:
    """Let a table larger than memory say what was read when all rows are, and refuse a training that needs them all."""
    if settings.batch_size is None and settings.solver != "exact":
        raise BadInput(
            "DATA must fit within an eighth of the memory limit, because --model linear takes all rows together. "
            f"Received: {table_data.file}, which is larger. Give --batch-size 256, or a larger --max-memory."
        )
    stream.at_end = lambda: console.say(table_data.describe_counts())


def _fit_images(
    console: Console,
    data: File,
    folder: File,
    overwrite: bool,
    dry_run: bool,
    max_memory: int | None,
    table_options: dict[str, Any],
    options: dict[str, Any],
) -> None:
    """Train on a folder of images. `table_options` are options that go with tables."""
    import shrinkage as sh

    from ._dry_run import say_estimate
    from ._folder import catch_full_disk, check_folder, check_outside
    from ._image_options import check_image_options, read_image_split
    from ._images import make_image_fit_arguments, prepare_images, write_image_run
    from ._results import describe_path_in_shell, make_path_document
    from ._split import OPTIONS, check_budget_options
    from ._terms import make_shell_terms, translate_refusals

    other_model = options["model"] if is_given("model") else None
    check_image_options(
        {**table_options, **{name: options[name] for name in (*OPTIONS, "hidden")}, "model": other_model}
    )
    settings = Settings.from_options(**options)
    check_penalty_options(settings)
    check_budget_options(settings)
    check_outside(folder, [data])
    if not dry_run and get_resumed_folder() is None:
        check_folder(folder, overwrite)
    image_data = prepare_images(data)
    settings = read_image_split(image_data, settings)
    terms = make_shell_terms(image_data.images.labels)
    console.say(image_data.describe())
    console.say(f"training: {settings.describe('small convolutional network')}\n")
    import_keras()
    with translate_refusals(terms):
        arguments = make_image_fit_arguments(image_data, settings, max_memory)
    if dry_run:
        return say_estimate(console, arguments, terms, {"data": image_data.to_document()})
    with record_run(folder, max_memory) as record:
        with translate_refusals(terms):
            path = sh.fit(**arguments, run=record, **get_progress_arguments(), **get_cluster_arguments())
        console.say(describe_path_in_shell(path, terms))
        with catch_full_disk(folder):
            write_image_run(image_data, path, settings, folder)
    document = {"data": image_data.to_document(), "settings": settings.__dict__}
    _finish(
        console,
        path,
        settings,
        folder,
        {**document, **make_path_document(path, settings.rule, terms)},
    )


def _finish(console: Console, path: "Path", settings: Settings, folder: File, document: dict[str, Any]) -> None:
    """Say where the results are; end with an error if every model diverged."""
    from ._results import list_run_files

    chosen = "the chosen lambda" if settings.budget else f"lambda {settings.choose}"
    model = "" if path.failed.all() else f"model at {chosen}, the "
    console.say(f"\nThe {model}path, its picture and report.html are in {folder}{os.sep}")
    console.print_result({**document, "folder": str(folder), "files": list_run_files(folder)})
    if path.failed.all():
        click.echo(
            f"Error: At every strength a model diverged, so {folder} has no model.keras. {advise_rate(settings)}",
            err=True,
        )
        click.get_current_context().exit(TrainingFailed.exit_code)


def advise_rate(settings: Settings) -> str:
    """Return the advice after a training in which every model diverged."""
    from ._user_model import is_user_model

    if is_user_model(settings.model):
        return f"Lower the learning rate of the optimizer in --model {settings.model}."
    rate = settings.learning_rate
    return f"Lower --learning-rate{f', which is {rate:g}' if rate else ''}."


def check_and_prepare(
    data: tuple[File, ...], target: str, task: "Task | None", settings: Settings, table_options: "TableOptions"
) -> "TableData":
    """Refuse options that contradict each other, and read the table."""
    from ._prepare import prepare_table
    from ._split import OPTIONS, check_budget_options, check_split_options

    check_penalty_options(settings)
    check_split_options(**{name: getattr(settings, name) for name in OPTIONS}, repeats=settings.repeats)
    check_budget_options(settings)
    check_cluster_settings(settings)
    return prepare_table(data, target, task, settings.folds, table_options)


def say_prepared(console: Console, table_data: "TableData", settings: Settings, training: str) -> None:
    """Describe the table, and the training to come."""
    from ._user_model import is_user_model

    console.say(table_data.describe())
    if is_user_model(settings.model):
        console.say(
            f"caution: {settings.model} trains from fresh weights; frozen weights and state such as moving means are "
            "kept, and must not come from these rows"
        )
    console.say(f"training: {training}\n")


def get_result_name(place: File) -> str:
    """Return a name for the results: of a folder, or of the first file without its suffix."""
    from ._tables import find_sources

    return place.resolve().name if place.is_dir() else find_sources([place])[0].file.stem


def _stop_before_training(
    console: Console, table_data: "TableData", settings: Settings, max_memory: int | None
) -> None:
    from ._dry_run import say_estimate
    from ._network import TargetScale
    from ._terms import make_shell_terms, translate_refusals
    from ._train import make_fit_arguments

    terms = make_shell_terms(table_data.columns.labels, settings.model)
    scale = TargetScale.from_values(table_data.columns.task, table_data.target.values)
    with translate_refusals(terms):
        arguments = make_fit_arguments(table_data, settings, scale, max_memory)
    say_estimate(console, arguments, terms, {"data": table_data.to_document(), "columns": table_data.list_columns()})


def _write(table_data: "TableData", path: "Path", settings: Settings, folder: File) -> None:
    from ._encoder import assemble_model
    from ._folder import create_run
    from ._results import write_path
    from ._terms import make_shell_terms

    columns = table_data.columns
    with create_run(folder) as fresh:
        if not path.failed.all():
            network = path.model(settings.rule)
            assemble_model(columns, network, path.target_mean, path.target_sd).save(fresh / "model.keras")
        columns.save(fresh / "columns.json")
        table_data.skipped_rows.save(fresh)
        write_path(path, fresh, make_shell_terms(columns.labels, settings.model))


def _report(console: Console, table_data: "TableData", path: "Path", settings: Settings) -> dict[str, Any]:
    """Print the table, before files are written, which may fail; return the document for programs."""
    from ._results import (
        compute_root_mean_squares,
        describe_path_in_shell,
        describe_root_mean_squares,
        make_path_document,
    )
    from ._terms import make_shell_terms

    terms = make_shell_terms(table_data.columns.labels, settings.model)
    options = {**settings.__dict__, "hidden": settings.layers}
    document = {
        "data": table_data.to_document(),
        "columns": table_data.list_columns(),
        "settings": options,
        **make_path_document(path, settings.rule, terms),
    }
    console.say(describe_path_in_shell(path, terms))
    if errors := compute_root_mean_squares(path, table_data.columns):
        document["root_mean_squared_error"] = errors
        console.say(describe_root_mean_squares(errors, table_data.columns))
    return document
