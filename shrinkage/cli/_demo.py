"""`shrinkage demo`: a path on the digits data of scikit-learn."""

import os
from pathlib import Path as File
from typing import TYPE_CHECKING

import click

from ._console import Console, common_options, import_keras
from ._errors import EXIT_CODES, TrainingFailed
from ._fit import repeats_option
from ._progress import get_progress_arguments, progress_options
from ._recorded import RecordedCommand

if TYPE_CHECKING:
    import keras

    from shrinkage._path._path import Path

FOLDER = File("shrinkage-demo")


@click.command(cls=RecordedCommand, short_help="Real data in under a minute: handwritten digits.", epilog=EXIT_CODES)
@click.option(
    "--overwrite/--no-overwrite", default=True, show_default=True, help="Replace an earlier demo in ./shrinkage-demo."
)
@repeats_option
@progress_options
@common_options
def demo(overwrite: bool, repeats: int, console: Console) -> None:
    """Train on scikit-learn's handwritten digits; results in ./shrinkage-demo.

    The 1,797 images are 8 x 8 pixels, the network has two hidden layers of 64 units, and every strength of an L2
    penalty is cross-validated over 5 folds.
    """
    from ._folder import catch_full_disk, check_folder, create_run
    from ._results import describe_path_in_shell, list_run_files, make_path_document, write_path

    check_folder(FOLDER, overwrite)
    import_keras()
    path = _train(repeats)
    console.say(describe_path_in_shell(path))
    with catch_full_disk(FOLDER), create_run(FOLDER) as fresh:
        if not path.failed.all():
            path.model().save(fresh / "model.keras")
        write_path(path, fresh)
    model = "" if path.failed.all() else "model, the "
    console.say(f"\nThe {model}path, its picture and report.html are in {FOLDER}{os.sep}")
    console.print_result({**make_path_document(path, "min"), "folder": str(FOLDER), "files": list_run_files(FOLDER)})
    if path.failed.all():
        click.echo(f"Error: At every strength a model diverged, so {FOLDER} has no model.keras.", err=True)
        click.get_current_context().exit(TrainingFailed.exit_code)


def _train(repeats: int) -> "Path":
    from sklearn.datasets import load_digits

    import shrinkage as sh

    pixels, digits = load_digits(return_X_y=True)
    # 16 grey levels.
    options = {"cv": 5, "repeats": repeats, "epochs": 20, "batch_size": 32, **get_progress_arguments()}
    return sh.fit(_make_network(), pixels / 16, digits, penalty=sh.L2(), **options)


def _make_network() -> "keras.Model":
    import keras

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((64,)),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        name="digits",
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
