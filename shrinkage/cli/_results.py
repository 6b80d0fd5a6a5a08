"""The result of a path as text, as JSON and as files."""

import math
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from shrinkage._messages._note import Vocabulary

from ._folder import COMMAND_LINE, PAGE, RUN_FILES
from ._recorded import get_command_line
from ._terms import SHELL_TERMS

if TYPE_CHECKING:
    from shrinkage._path._learning_curve import LearningCurve
    from shrinkage._path._path import Path

    from ._columns import Columns


def describe_path_in_shell(path: "Path", terms: Vocabulary = SHELL_TERMS) -> str:
    """Return the table and the verdict of a path."""
    from shrinkage._path._outputs import format_path_text

    return format_path_text(path, terms)


def write_path(path: "Path", folder: File, terms: Vocabulary = SHELL_TERMS) -> None:
    """Save the path, its picture, its page and the command in `folder`."""
    command = get_command_line()
    path.save(folder, overwrite=True)
    path.plot(folder / "path.png")
    write_run_page(path, folder / PAGE, terms, command)
    (folder / COMMAND_LINE).write_text(f"{command}\n", encoding="utf-8")


def write_run_page(path: "Path", file: File, terms: Vocabulary, command: str) -> None:
    """Write the page of a path."""
    from shrinkage._path._outputs import write_path_page

    write_path_page(path, file, terms, command=command)


def list_run_files(folder: File) -> dict[str, str]:
    """Return the files of a run in a folder, name -> path."""
    return {name: str(folder / name) for name in sorted(RUN_FILES) if (folder / name).is_file()}


def make_path_document(path: "Path", rule: str | None, terms: Vocabulary = SHELL_TERMS) -> dict[str, Any]:
    """Return a path as data for JSON: the choice, a row for each strength, and the verdict.

    `models` are the strengths that have a model of all rows.
    """
    index = get_chosen_index(path, rule)
    of_grid = index is not None and path.budget is None
    choice = None
    if index is not None:
        choice = {"rule": rule or "budget", "lam": path.lams[index], "index": index + 1, "epoch": path.epochs[index]}
    return {
        "choice": choice,
        "lam_min": path.lam_min if of_grid else None,
        "lam_1se": path.lam_1se if of_grid else None,
        "loss": path.template.loss_name,
        "null": {"loss": path.null_loss, "se": path.null_se, **path.null_metrics},
        "path": path.table().to_dict("records"),
        "models": path.lams[path.has_model].tolist(),
        "learning_curve": None if path.learning_curve is None else _make_curve_document(path.learning_curve),
        "verdict": terms.say(path.verdict()),
        "notes": [terms.say(note) for note in path.notes],
        "seconds": path.seconds,
    }


def _make_curve_document(curve: "LearningCurve") -> dict[str, Any]:
    """Return the losses at each number of rows, and the fall from half of the rows to all with its interval."""
    names = ("rows", "lams", "mean", "se", "train_mean")
    return {**{name: getattr(curve, name).tolist() for name in names}, "fall": curve.falls[-1, 0].tolist()}


def get_chosen_index(path: "Path", rule: str | None) -> int | None:
    """Return the index of the chosen strength; None if every strength diverged."""
    if path.failed.all():
        return None
    if rule is None or path.budget is not None:
        return path.index
    return path.index_min if rule == "min" else path.index_1se


def compute_root_mean_squares(path: "Path", columns: "Columns") -> dict[str, float]:
    """Return root mean squared errors in units of the target, by row of the table; none for another loss."""
    if columns.task != "regression" or path.template.loss_name != "mean_squared_error":
        return {}
    losses = {"null": path.null_loss, "none": path.mean[-1]}
    if path.failed.all():
        pass
    elif path.budget is not None:
        losses["choice"] = path.mean[path.index]
    else:
        losses |= {"min": path.mean[path.index_min], "1se": path.mean[path.index_1se]}
    return {label: path.target_sd * math.sqrt(loss) for label, loss in losses.items()}


def describe_root_mean_squares(errors: dict[str, float], columns: "Columns") -> str:
    """Return a line of the errors."""
    errors_text = ", ".join(f"{label} {error:.4g}" for label, error in errors.items())
    return f"Root mean squared error in units of {columns.target}: {errors_text}."
