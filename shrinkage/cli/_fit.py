"""`shrinkage fit`: from a table to a cross-validated strength, a trained model and a picture."""

import contextlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

import click

from ._console import Console, Number, common, import_keras, separator_option, whole_number
from ._errors import EXIT_CODES, BadInput, TrainingFailed, is_refusal
from ._penalty import check_penalty, penalty_arguments, penalty_options

if TYPE_CHECKING:
    import numpy as np

    from shrinkage._path._path import Path
    from shrinkage._plan._runner import Runner

    from ._columns import Columns, Task
    from ._network import Settings
    from ._prepare import Prepared


MOST_UNITS = 100_000


def _units(_context: click.Context, _option: click.Parameter, text: str | None) -> tuple[int, ...] | None:
    if text is None:
        return None
    parts = text.split(",")
    if not all(part.strip().isdecimal() and 0 < int(part[:12]) <= MOST_UNITS for part in parts):
        raise click.BadParameter(f"expected whole numbers such as 64,64, at most {MOST_UNITS:,}; received {text!r}.")
    return tuple(int(part) for part in parts)


@click.command(
    short_help="Train on a table and choose the penalty's strength.",
    epilog=EXIT_CODES,
    context_settings={"show_default": True},
)
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=File))
@click.option("--target", required=True, help="The column to predict.")
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
    type=click.Choice(["binary", "multi-class", "regression"]),
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
@click.option("--hidden", callback=_units, show_default="64,64", help="Units of each hidden layer of an mlp.")
@click.option(
    "--epochs", type=whole_number(1), show_default="200; of a linear model 1000", help="The largest number of epochs."
)
@click.option("--batch-size", type=whole_number(1), show_default="32; of a linear model all rows")
@click.option(
    "--learning-rate",
    type=Number(min=0, min_open=True),
    show_default="0.001; of a linear model 0.3, falling to 0",
    help="The learning rate of Adam.",
)
@click.option("--folds", type=whole_number(2), default=5, help="Folds of the cross-validation.")
@click.option("--repeats", type=whole_number(1), default=1, help="Number of times the folds are drawn.")
@click.option("--group", metavar="NAME", help="A column of groups: a fold holds out whole groups. It is no input.")
@click.option("--time", metavar="NAME", help="A column of times: folds train on earlier rows. It is no input.")
@click.option("--fold", metavar="NAME", help="A column of fold numbers, -1 to only train. It is no input.")
@click.option("--seed", type=whole_number(0, 2**32 - 1), default=0, help="The seed of all random numbers.")
@click.option(
    "--choose",
    type=click.Choice(["min", "1se"]),
    default="min",
    help="The strength with the lowest loss, or the largest strength within one standard error of it.",
)
@click.option(
    "--dry-run", is_flag=True, show_default=False, help="Print columns, models and memory; train and write nothing."
)
@common
def fit(
    data: tuple[File, ...],
    target: str,
    output: File | None,
    overwrite: bool,
    task: "Task | None",
    drop: tuple[str, ...],
    category: tuple[str, ...],
    number: tuple[str, ...],
    clip: bool,
    separator: str | None,
    dry_run: bool,
    console: Console,
    **options: Any,
) -> None:
    """Train a network on DATA, CSV or Parquet, at every strength of a penalty, and keep the best.

    DATA is a file, several files, a pattern such as 'part-*.csv', or a folder of files, whose folders may be named
    like year=2024, which makes a column year. Files need the same columns, matched by name.

    Cross-validation picks the strength; the model that is kept was trained on all rows with it. The folder gets
    model.keras (takes the raw columns; plain Keras loads it), columns.json, the path and its picture.
    """
    from ._folder import check_folder, check_outside, keeping_the_table
    from ._network import Settings
    from ._own_model import check_model_option, is_own
    from ._prepare import Wishes, prepare
    from ._report import files
    from ._split import OPTIONS, check_split

    check_model_option(options["model"])
    settings = Settings.with_defaults(**options)
    check_penalty(settings)
    folder = output or File(f"{_name(data[0])}-shrinkage")
    columns = {name: options[name] for name in OPTIONS}
    check_split(**columns, repeats=settings.repeats)
    wishes = Wishes(drop, category, number, clip, separator, **columns)
    prepared = prepare(data, target, task, settings.folds, wishes)
    settings = replace(settings, folds=prepared.split.n_folds)
    check_outside(folder, data)
    check_folder(folder, overwrite)
    console.say(prepared.describe())
    if is_own(settings.model):
        console.say(
            f"caution: {settings.model} trains from fresh weights; frozen weights and state such as moving means are "
            "kept, and must not come from these rows"
        )
    console.say(f"training: {settings}\n")
    import_keras()
    if dry_run:
        return _stop_before_training(console, prepared, settings)
    path = train(prepared, settings)
    document = _report(console, prepared, path, settings)
    with keeping_the_table(folder):
        _write(prepared.columns, path, settings, folder)
    model = "" if path.failed.all() else f"model at lambda {settings.choose}, the "
    console.say(f"\nThe {model}path and its picture are in {folder}{os.sep}")
    console.result({**document, "folder": str(folder), "files": files(folder)})
    if path.failed.all():
        click.echo(
            f"Error: at every strength a model diverged, so {folder} has no model.keras. Lower --learning-rate.",
            err=True,
        )
        click.get_current_context().exit(TrainingFailed.exit_code)


def _name(place: File) -> str:
    """Return a name for the results: of a folder, or of the first file without its suffix."""
    from ._tables import find_sources

    return place.resolve().name if place.is_dir() else find_sources([place])[0].file.stem


def train(prepared: "Prepared", settings: "Settings") -> "Path":
    """Train the path on the encoded matrix."""
    import shrinkage as sh

    targets, centre, scale = _targets(prepared)
    with _in_shell(prepared):
        path = sh.fit(**_fit_arguments(prepared, settings, targets))
    return path if prepared.columns.task != "regression" else _in_target_units(path, centre, scale)


def make_runner(prepared: "Prepared", settings: "Settings") -> "Runner":
    """Return the plan of the training, which `train` would follow."""
    from shrinkage._plan._runner import Runner
    from shrinkage._problem._prepare import prepare
    from shrinkage._problem._request import Request

    with _in_shell(prepared):
        return Runner(prepare(Request(**_fit_arguments(prepared, settings, _targets(prepared)[0]))))


@contextlib.contextmanager
def _in_shell(prepared: "Prepared") -> Iterator[None]:
    """Raise refusals of `shrinkage.fit` as `BadInput`, and leave out its warnings, which are notes of the path too."""
    from ._terms import with_labels

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"shrinkage\.")
        try:
            yield
        except (TypeError, ValueError) as error:
            if not is_refusal(error):
                raise
            raise BadInput(with_labels(prepared.columns.labels).say(error.args[0])) from error


def _fit_arguments(prepared: "Prepared", settings: "Settings", targets: "np.ndarray") -> dict[str, Any]:
    from ._network import network, training_arguments

    matrix = prepared.matrix()
    return {
        "model": network(prepared.columns, matrix, settings),
        "x": matrix,
        "y": targets,
        **penalty_arguments(settings),
        **training_arguments(settings, len(matrix)),
        "cv": prepared.split.cv,
        "groups": prepared.split.groups,
        "repeats": settings.repeats,
        "seed": settings.seed,
        "standardize_target": prepared.columns.task == "regression",
    }


def _stop_before_training(console: Console, prepared: "Prepared", settings: "Settings") -> None:
    from ._dry_run import column_table, forecast, forecast_words

    runner, table = make_runner(prepared, settings), column_table(prepared)
    console.say(table.to_string(index=False))
    console.say(f"\n{forecast_words(runner, prepared)}")
    columns = table.to_dict("records")
    console.result({"data": prepared.document(), "columns": columns, "forecast": forecast(runner), "dry_run": True})


def _targets(prepared: "Prepared") -> "tuple[np.ndarray, float, float]":
    """Return targets for the network, (n,) classes or (n, 1) numbers, with the centre and scale of the numbers.

    Numbers are centred in float64, because `shrinkage.fit` takes float32, which cannot hold 1,000,000.001.
    """
    import numpy as np

    values = prepared.target.values
    if prepared.columns.task == "multi-class":
        return values, 0.0, 1.0
    if prepared.columns.task == "binary":
        return values[:, None].astype("float32"), 0.0, 1.0
    centre = float(np.median(values))
    scale = float(np.abs(values - centre).max())
    return ((values - centre) / scale)[:, None].astype("float32"), centre, scale


def _in_target_units(path: "Path", centre: float, scale: float) -> "Path":
    """Return a path of centred and scaled targets in the units of the target."""
    return replace(
        path,
        target_mean=centre + scale * path.target_mean,
        target_sd=scale * path.target_sd,
        predictions=centre + scale * path.predictions,
    )


def _write(columns: "Columns", path: "Path", settings: "Settings", folder: File) -> None:
    from ._encoder import assemble
    from ._folder import new_run
    from ._report import write_path

    with new_run(folder) as fresh:
        if not path.failed.all():
            network = path.model(settings.choose)
            assemble(columns, network, path.target_mean, path.target_sd).save(fresh / "model.keras")
        columns.save(fresh / "columns.json")
        write_path(path, fresh)


def _report(console: Console, prepared: "Prepared", path: "Path", settings: "Settings") -> dict[str, Any]:
    """Print the table, before files are written, which may fail; return the document for programs."""
    from ._report import path_document, path_text, root_mean_squares

    labels = prepared.columns.labels
    options = {**settings.__dict__, "hidden": settings.layers}
    document = {"data": prepared.document(), "settings": options, **path_document(path, settings.choose, labels)}
    console.say(path_text(path, labels))
    if prepared.columns.task == "regression" and path.template.loss_name == "mean_squared_error":
        errors = root_mean_squares(path, path.target_sd)
        document["root_mean_squared_error"] = errors
        listed = ", ".join(f"{label} {error:.4g}" for label, error in errors.items())
        console.say(f"Root mean squared error in units of {prepared.columns.target}: {listed}.")
    return document
