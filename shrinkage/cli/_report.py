"""The result of a path as text, as JSON and as files."""

import math
from collections.abc import Sequence
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from ._folder import RUN_FILES
from ._terms import with_labels

if TYPE_CHECKING:
    from shrinkage._path._path import Path


def path_text(path: "Path", labels: Sequence[object] = ()) -> str:
    """Return the table and the verdict of a path, in the terms of the shell."""
    from shrinkage._path._path import path_text as text_of

    return text_of(path, with_labels(labels))


def write_path(path: "Path", folder: File) -> None:
    """Save the path and its picture in `folder`."""
    path.save(folder, overwrite=True)
    path.plot(folder / "path.png")


def files(folder: File) -> dict[str, str]:
    """Return the files of a run in a folder, name -> path."""
    return {name: str(folder / name) for name in sorted(RUN_FILES) if (folder / name).is_file()}


def path_document(path: "Path", choose: str, labels: Sequence[object] = ()) -> dict[str, Any]:
    """Return a path as data for JSON: the choice, a row for each strength, and the verdict."""
    index, terms = chosen(path, choose), with_labels(labels)
    choice = None
    if index is not None:
        choice = {"rule": choose, "lam": path.lams[index], "index": index + 1, "epoch": path.epochs[index]}
    return {
        "choice": choice,
        "lam_min": None if choice is None else path.lam_min,
        "lam_1se": None if choice is None else path.lam_1se,
        "loss": path.template.loss_name,
        "null": {"loss": path.null_loss, "se": path.null_se, **path.null_metrics},
        "path": path.table().to_dict("records"),
        "verdict": terms.say(path.verdict()),
        "notes": [terms.say(note) for note in path.notes],
        "seconds": path.seconds,
    }


def chosen(path: "Path", choose: str) -> int | None:
    """Return the index of the chosen strength; None if every strength diverged."""
    if path.failed.all():
        return None
    return path.index_min if choose == "min" else path.index_1se


def root_mean_squares(path: "Path", target_sd: float) -> dict[str, float]:
    """Return root mean squared errors in units of the target, for a path with a standardised target."""
    losses = {"null": path.null_loss, "none": path.mean[-1]}
    if not path.failed.all():
        losses |= {"min": path.mean[path.index_min], "1se": path.mean[path.index_1se]}
    return {label: target_sd * math.sqrt(loss) for label, loss in losses.items()}
