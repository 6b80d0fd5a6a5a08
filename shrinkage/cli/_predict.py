"""`shrinkage predict`: a finished run's model on a new table."""

from pathlib import Path as File
from typing import TYPE_CHECKING

import click

from ._console import Console, common, import_keras, plural, separator_option
from ._errors import EXIT_CODES, BadInput
from ._folder import chose_nothing

if TYPE_CHECKING:
    import keras
    import numpy as np
    import pandas as pd

    from ._columns import Columns

SUFFIXES = (".csv", ".parquet")


@click.command(short_help="Predict a table with a finished run.", epilog=EXIT_CODES)
@click.argument("run", type=click.Path(path_type=File))
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=File))
@click.option(
    "-o", "--output", type=click.Path(path_type=File), required=True, help="The file to write: .csv or .parquet."
)
@click.option("--overwrite", is_flag=True, help="Replace the output file.")
@separator_option
@common
def predict(
    run: File, data: tuple[File, ...], output: File, overwrite: bool, separator: str | None, console: Console
) -> None:
    """Predict DATA, tables or images, with the model in RUN, a folder that `shrinkage fit` wrote.

    DATA is a file, several files, a pattern such as 'part-*.csv', or a folder of files, as in `shrinkage fit`. The
    output has a row for each row, in the order of the files as given; of a pattern or a folder, in the order of their
    names. Its columns are prediction and, for classes, probability_<label> for each label. Further columns of DATA are
    ignored. Unseen categories are treated as rare categories. A missing number is replaced by the mean of the training
    rows; a missing category is a category. Numbers far outside the training rows are clipped. Of images, the first
    column is the file; an image that cannot be read has no prediction.
    """
    if (run / "images.json").is_file():
        return _predict_images(run, data, output, overwrite, console)
    from ._columns import Columns
    from ._encoder import check_model, count_clipped, count_unseen, missing, odd_cells, read_cells
    from ._encoder import predict as predict_cells
    from ._folder import check_file, check_outside
    from ._prepare import odd_words
    from ._tables import find_sources, name_sources, read_sources

    _check_run(run)
    _check_suffix(output)
    check_outside(output, data)
    sources = find_sources(data)
    check_file(output, overwrite, [source.file for source in sources])
    columns = Columns.load(run / "columns.json")
    table = read_sources(sources, columns.known(separator), uses=lambda name: name in columns.names)
    cells = read_cells(columns, table.frame)
    odd = odd_cells(columns, table.frame)
    counts = {
        "missing": missing(columns, cells),
        "clipped": count_clipped(columns, cells),
        "unseen": count_unseen(columns, cells),
    }
    for note in table.notes:
        console.note(f"{note}." if len(sources) > 1 else f"{name_sources(data, sources)}: {note}.")
    _say_counts(console, counts)
    if odd:
        console.note(f"cells that are no numbers, missing ones too: {', '.join(odd_words(odd))}.")
    import_keras()
    model = _load(run / "model.keras")
    check_model(model, columns)
    result = _as_frame(columns, predict_cells(model, columns, cells))
    _write(result, output)
    console.say(f"{plural(len(result), 'prediction')} of {columns.target} written to {output}.")
    console.result({"output": str(output), "rows": len(result), "columns": list(result.columns), **counts, "odd": odd})


def _predict_images(run: File, data: tuple[File, ...], output: File, overwrite: bool, console: Console) -> None:
    import pandas as pd

    from ._folder import check_file, check_outside
    from ._images import Images, check_model, image_files
    from ._images import predict as predict_files

    _check_run(run, "images.json")
    _check_suffix(output)
    check_outside(output, data)
    files, images = image_files(data), Images.load(run / "images.json")
    check_file(output, overwrite, files)
    import_keras()
    model = _load(run / "model.keras")
    check_model(model, images)
    columns, bad = predict_files(model, images, files)
    for file, reason in bad.items():
        console.note(f"{file} has no prediction: {reason}.")
    _write(pd.DataFrame(columns), output)
    console.say(f"{plural(len(files) - len(bad), 'prediction')} written to {output}.")
    unreadable = {str(file): reason for file, reason in bad.items()}
    console.result({"output": str(output), "rows": len(files), "columns": list(columns), "unreadable": unreadable})


def _check_run(run: File, record: str = "columns.json") -> None:
    absent = [name for name in ("model.keras", record) if not (run / name).is_file()]
    if absent == ["model.keras"] and chose_nothing(run):
        raise BadInput(
            f"{run} has no model.keras, as at every strength a model diverged when `shrinkage fit` made it. Fit again "
            f"with a lower --learning-rate."
        )
    if absent:
        raise BadInput(f"{run} is not a folder that `shrinkage fit` wrote: it has no {' and no '.join(absent)}.")


def _check_suffix(output: File) -> None:
    if output.suffix.lower() not in SUFFIXES:
        raise BadInput(f"the output must end in {' or '.join(SUFFIXES)}; received {output}.")


def _say_counts(console: Console, counts: dict[str, dict[str, int]]) -> None:
    words = {
        "missing": "missing cells",
        "clipped": "numbers far outside those of training, clipped",
        "unseen": "cells with a category that training did not see or saw rarely",
    }
    for kind, found in counts.items():
        if found:
            listed = ", ".join(f"{name} {count:,}" for name, count in found.items())
            console.note(f"{words[kind]}: {listed}.")


def _load(file: File) -> "keras.Model":
    import keras

    try:
        model = keras.models.load_model(file, compile=False, safe_mode=True)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"{file} cannot be loaded as a Keras model: {error}") from error
    if not isinstance(model, keras.Model):
        raise BadInput(f"{file} holds a {type(model).__name__}; expected a Keras model.")
    return model


def _as_frame(columns: "Columns", outputs: "np.ndarray") -> "pd.DataFrame":
    """Return predictions as a frame, from (n, 1) numbers, (n, 1) probabilities of class 2, or (n, K) probabilities."""
    import numpy as np
    import pandas as pd

    if columns.task == "regression":
        return pd.DataFrame({"prediction": outputs[:, 0]})
    shares = np.hstack([1 - outputs, outputs]) if columns.task == "binary" else outputs
    labels = pd.Series(columns.labels).iloc[shares.argmax(axis=1)].reset_index(drop=True)
    shares = {f"probability_{label}": shares[:, place] for place, label in enumerate(columns.labels)}
    return pd.DataFrame({"prediction": labels, **shares})


def _write(frame: "pd.DataFrame", output: File) -> None:
    from ._folder import new_file

    with new_file(output) as fresh:
        if output.suffix.lower() == ".csv":
            frame.to_csv(fresh, index=False)
        else:
            frame.to_parquet(fresh, index=False)
