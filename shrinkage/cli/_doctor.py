"""`shrinkage doctor`: faults of the regularization of saved models."""

import warnings
import zipfile
from dataclasses import asdict
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

import click

from shrinkage._host._errors import find_unknown_code, is_lambda_refused
from shrinkage._host._private import UnsupportedVersion

from ._console import Console, common_options, import_keras
from ._errors import EXIT_CODES, BadInput
from ._folder import is_run
from ._types import Integer

if TYPE_CHECKING:
    import keras

    from shrinkage._doctor._report import Report


@click.command(short_help="Find faults of a saved model's regularization.", epilog=EXIT_CODES)
@click.argument("models", type=click.Path(path_type=File), nargs=-1, required=True)
@click.option("--steps", type=Integer(1), help="The number of optimizer steps in the training.")
@common_options
@click.pass_context
def doctor(context: click.Context, models: tuple[File, ...], steps: int | None, console: Console) -> None:
    """Report faults of the regularization of MODELS, which are .keras files, each with a fix.

    An error means that a requested penalty does not act. A warning means that something is probably unintended. A note
    states a fact. Code inside a file is not run. A file contains neither callbacks nor the training step:
    shrinkage.doctor(model, callbacks=...) in Python checks these too.
    """
    reports: list[tuple[File, Report]] = []
    refused: list[BadInput] = []
    for file in models:
        try:
            reports.append((file, _make_report(file, steps, console)))
        except BadInput as error:
            refused.append(error)
    if reports:
        console.say("\n\n".join(f"{file}\n{report}" if len(models) > 1 else str(report) for file, report in reports))
    errors = {"error": " ".join(error.message for error in refused), "exit_code": 2} if refused else {}
    console.print_result({"models": [_make_document(file, report) for file, report in reports], **errors})
    for error in refused:
        error.show()
    context.exit(2 if refused else 1 if any(report.errors for _, report in reports) else 0)


def _make_report(file: File, steps: int | None, console: Console) -> "Report":
    _check_file(file)
    import_keras()
    import shrinkage as sh

    return sh.doctor(_load(file, console), steps=steps)


def _make_document(file: File, report: "Report") -> dict[str, Any]:
    counts = {"errors": len(report.errors), "warnings": len(report.warnings), "notes": len(report.notes)}
    return {"file": str(file), "model": report.model, **counts, "findings": [asdict(each) for each in report.findings]}


def _check_file(file: File) -> None:
    from shrinkage._data._untrusted import check_model_file

    if file.is_dir():
        inside = file / "model.keras"
        advice = f"Give {inside}" if inside.is_file() else "Give a file"
        raise BadInput(
            f"MODELS must be files that Keras saved as .keras. Received: {file}, which is a folder. {advice}."
        )
    if not file.is_file():
        reason = "is not a regular file" if file.exists() else "does not exist"
        advice = _advise_new_file(file) if file.name == "model.keras" and is_run(file.parent) else "Correct the name."
        raise BadInput(f"MODELS must be .keras files that exist. Received: {file}, which {reason}. {advice}")
    if file.suffix != ".keras":
        raise BadInput(
            f"MODELS must be .keras files. Received: {file}. Load the model, and save it with "
            "model.save('model.keras')."
        )
    if not zipfile.is_zipfile(file):
        raise BadInput(
            f"MODELS must be .keras files, which are zip archives. Received: {file}, which is damaged or was not saved "
            f"by Keras. {_advise_new_file(file)}"
        )
    try:
        check_model_file(file)
    except ValueError as error:
        raise BadInput(
            f"MODELS must be files that Keras can load. Received: {file}, which cannot be loaded: {error}. "
            f"{_advise_new_file(file)}"
        ) from error


def _advise_new_file(file: File) -> str:
    """Return how to get a file of a model again that is lost or damaged."""
    if is_run(file.parent):
        return "Fit again with --overwrite."
    return "Save the model again with model.save('model.keras')."


def _load(file: File, console: Console) -> "keras.Model":
    import keras

    from shrinkage._model import _table_normalization  # noqa: F401  Keras then knows the layer in the template of a run

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an optimizer whose state does not fit: its options are read, not its state
        try:
            model = keras.models.load_model(file, safe_mode=True)
        except UnsupportedVersion:
            raise
        except Exception as whole:
            try:
                model = keras.models.load_model(file, safe_mode=True, compile=False)
            except UnsupportedVersion:
                raise
            except Exception as error:
                raise BadInput(
                    f"MODELS must be files that Keras can load. Received: {file}, which "
                    f"{_describe_load_problem(file, error)}"
                ) from error
            console.note(f"the optimizer is not looked at. {file} {_describe_load_problem(file, whole)}")
    if not isinstance(model, keras.Model):
        raise BadInput(
            f"MODELS must be files of a keras.Model. Received: {file}, which holds a {type(model).__name__}. Give the "
            "file of a model."
        )
    if not model.built:
        raise BadInput(
            f"MODELS must hold models that have weights. Received: {file}, whose model was saved before it was built. "
            "Call the model on some rows, and save it again."
        )
    return model


def _describe_load_problem(file: File, error: Exception) -> str:
    """Say why a file cannot be loaded, in words that follow its name, and what to do."""
    if is_lambda_refused(error):
        return (
            "holds a Lambda layer, whose code is not run. If you trust it, load it in Python with "
            f"keras.models.load_model({str(file)!r}, safe_mode=False), and call shrinkage.doctor(model)."
        )
    if unknown := find_unknown_code(error):
        kind, name = unknown
        return (
            f"has code of yours, the {kind} {name!r}. Load it in Python, where you have that code, with "
            f"keras.models.load_model({str(file)!r}, custom_objects={{{name!r}: {name}}}), and call "
            f"shrinkage.doctor(model)."
        )
    return (
        f"raises an error in Keras: {_describe_error(error)}. Load it in Python where it was saved, and call "
        "shrinkage.doctor(model) there."
    )


def _describe_error(error: Exception) -> str:
    """Return the first line of an error."""
    text = str(error.args[0] if error.args else "").strip()
    return (text.splitlines() or [type(error).__name__])[0].rstrip(".")
