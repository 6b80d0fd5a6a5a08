"""`shrinkage predict`: a finished run's model on a new table."""

from pathlib import Path as File
from typing import TYPE_CHECKING

import click

from shrinkage._host._private import UnsupportedVersion

from ._console import Console, common_options, format_item_count, import_keras, separator_option
from ._errors import EXIT_CODES, BadInput, get_error_text
from ._folder import advise_new_fit, chose_nothing
from ._run import check_is_finished, run_argument

if TYPE_CHECKING:
    from collections.abc import Iterator

    import keras
    import numpy as np
    import pandas as pd

    from ._columns import Columns
    from ._counts import Counts
    from ._tables import SourceTable

SUFFIXES = (".csv", ".parquet")


@click.command(short_help="Predict a table with a finished run.", epilog=EXIT_CODES)
@run_argument
@click.argument("data", nargs=-1, required=True, type=click.Path(path_type=File))
@click.option(
    "-o", "--output", type=click.Path(path_type=File), required=True, help="The file to write: .csv or .parquet."
)
@click.option("--overwrite", is_flag=True, help="Replace the output file.")
@separator_option
@common_options
def predict(
    run: File, data: tuple[File, ...], output: File, overwrite: bool, separator: str | None, console: Console
) -> None:
    """Predict DATA, tables or images, with the model in RUN, a folder that `shrinkage fit` wrote.

    DATA is a file, several files, a pattern such as 'part-*.csv', or a folder of files, as in `shrinkage fit`. The
    output has a row for each row, in the order of the files as given; of a pattern or a folder, in the order of their
    names. Its columns are prediction and, for classes, probability_<label> for each label. Further columns of DATA are
    ignored. Files of any size are read in parts. Unseen categories are treated as rare categories. A missing number is
    replaced by the mean of the training rows; a missing category is a category. Numbers far outside the training rows
    are clipped. Of images, the first column is the file; an image that cannot be read has no prediction.
    """
    if (run / "images.json").is_file():
        return _predict_images(run, data, output, overwrite, console)
    from ._columns import Columns
    from ._counts import Counts
    from ._encoder import check_encoder_model, check_names
    from ._folder import check_file, check_outside, create_file
    from ._images import refuse_images
    from ._tables import Files, find_sources, name_sources

    _check_run(run)
    _check_suffix(output)
    check_outside(output, data)
    sources = find_sources(data)
    refuse_images(source.file for source in sources)
    check_file(output, overwrite, [source.file for source in sources])
    columns = Columns.load(run / "columns.json")
    files = Files(sources, columns.to_csv_facts(separator))
    check_names(columns, files.names)
    table = files.read(lambda name: name in columns.names, limit=_SAMPLE)
    for note in table.notes:
        console.note(f"{note}." if len(sources) > 1 else f"{name_sources(data, sources)}: {note}.")
    import_keras()
    model, counts = _load(run / "model.keras"), Counts(columns)
    check_encoder_model(model, columns)
    with create_file(output) as fresh:
        names = _write(fresh, _predict_parts(model, columns, table, counts))
    for words in counts.describe():
        console.note(f"{words}.")
    console.say(f"{format_item_count(counts.n_rows, 'prediction')} of {columns.target} written to {output}.")
    found = {
        "missing": counts.missing_cells,
        "clipped": counts.clipped_cells,
        "unseen": counts.unseen_cells | counts.unread_texts,
        "odd": counts.odd_cells,
    }
    console.print_result({"output": str(output), "rows": counts.n_rows, "columns": names, **found})


# Bytes of the rows that are held in memory; a sample of larger files shows how numbers are written.
_SAMPLE = 2**25


def _predict_parts(
    model: "keras.Model", columns: "Columns", table: "SourceTable", counts: "Counts"
) -> "Iterator[pd.DataFrame]":
    """Yield the predictions of all rows, in parts. Cells are counted."""
    from ._encoder import predict_cells

    for rows in table.read_chunks():
        yield _as_frame(columns, predict_cells(model, columns, counts.read(rows.frame)))
    counts.check()


def _predict_images(run: File, data: tuple[File, ...], output: File, overwrite: bool, console: Console) -> None:
    import pandas as pd

    from ._folder import check_file, check_outside, create_file
    from ._images import Images, check_image_model, find_image_files, predict_files

    _check_run(run, "images.json")
    _check_suffix(output)
    check_outside(output, data)
    files, images = find_image_files(data), Images.load(run / "images.json")
    check_file(output, overwrite, files)
    import_keras()
    model = _load(run / "model.keras")
    check_image_model(model, images)
    columns, bad = predict_files(model, images, files)
    if len(bad) == len(files):
        file, reason = next(iter(bad.items()))
        raise BadInput(
            f"DATA must hold a readable image, as {run} predicts images. Received: {file}, which is not readable "
            f"({reason}). Give files or folders of images."
        )
    for file, reason in bad.items():
        console.note(f"{file} has no prediction: {reason}.")
    with create_file(output) as fresh:
        _write(fresh, iter([pd.DataFrame(columns)]))
    console.say(f"{format_item_count(len(files) - len(bad), 'prediction')} written to {output}.")
    unreadable = {str(file): reason for file, reason in bad.items()}
    console.print_result(
        {"output": str(output), "rows": len(files), "columns": list(columns), "unreadable": unreadable}
    )


def _check_run(run: File, record: str = "columns.json") -> None:
    absent = [name for name in ("model.keras", record) if not (run / name).is_file()]
    if absent == ["model.keras"] and chose_nothing(run):
        raise BadInput(
            f"RUN must hold a model. Received: {run}, which has no model.keras, as at every strength a model diverged "
            f"in its training. Fit again with --overwrite and a lower --learning-rate."
        )
    if absent:
        check_is_finished(run)
        raise BadInput(
            f"RUN must be an intact folder of `shrinkage fit`. Received: {run}, which has no "
            f"{' and no '.join(absent)}. {advise_new_fit(run)}"
        )


def _check_suffix(output: File) -> None:
    if output.suffix.lower() not in SUFFIXES:
        raise BadInput(f"-o must end in {' or '.join(SUFFIXES)}. Received: {output}.")


def _load(file: File) -> "keras.Model":
    import keras

    from shrinkage._data._untrusted import check_model_file

    try:
        check_model_file(file)
        model = keras.models.load_model(file, compile=False, safe_mode=True)
    except UnsupportedVersion:
        raise
    except Exception as error:  # any class: Keras trusts a configuration to have the right types
        raise BadInput(
            f"RUN must hold a model that Keras can load. Received: {file}, which cannot be loaded "
            f"({get_error_text(error)}). Fit again with --overwrite."
        ) from error
    if not isinstance(model, keras.Model):
        raise BadInput(
            f"RUN must hold a keras.Model. Received: {file}, which holds a {type(model).__name__}. Fit again with "
            "--overwrite."
        )
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


def _write(file: File, parts: "Iterator[pd.DataFrame]") -> list[str]:
    """Write the predictions part by part; return the names of their columns."""
    first = next(parts)
    if file.suffix.lower() == ".csv":
        first.to_csv(file, index=False)
        for part in parts:
            part.to_csv(file, index=False, header=False, mode="a")
    else:
        _write_parquet(file, first, parts)
    return list(first.columns)


def _write_parquet(file: File, first_part: "pd.DataFrame", parts: "Iterator[pd.DataFrame]") -> None:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pandas(first_part, preserve_index=False)
    with parquet.ParquetWriter(file, table.schema) as writer:
        writer.write_table(table)
        for part in parts:
            writer.write_table(pyarrow.Table.from_pandas(part, table.schema, preserve_index=False))
