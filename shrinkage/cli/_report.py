"""What a finished path says: for people, for programs, and as files."""

import math
import re
from collections.abc import Sequence
from pathlib import Path as File
from typing import TYPE_CHECKING, Any

from ._folder import RUN_FILES

if TYPE_CHECKING:
    from shrinkage._path._path import Path


# What the library says of its arguments, and what that is in the shell.
_WORDS = {
    "raise `epochs`": "raise --epochs",
    "raise the learning rate": "raise --learning-rate",
    "Lower the learning rate": "Lower --learning-rate",
    "lower the learning rate": "lower --learning-rate",
    ", or scale the inputs": "",  # which the shell has done
    ", or give smaller `lams`": "",
    "a smaller batch_size, or fewer folds": "a smaller --batch-size, or fewer --folds",
    "batch_size=": "--batch-size ",
    "extend `lams`": "shrinkage.fit in Python takes `lams`, to extend",
    "(give `lams`)": "(shrinkage.fit in Python takes `lams`)",
    "`y` must vary within every fold's training rows to be standardised. Received: a constant.": (
        "The target has a single value in the training rows of a fold. Give more rows of other values, or say --folds "
        "with another number."
    ),
    "give `lams` to go further": "shrinkage.fit in Python takes `lams`, to go further",
    "path.folds.held_out": "shrinkage.Path.load(FOLDER).folds.held_out",
    "path.folds.train": "shrinkage.Path.load(FOLDER).folds.train",
    "path.model() predicts standardised targets: path.target_mean + path.target_sd * prediction gives those of y": (
        "model.keras and `shrinkage predict` give the target in its own units"
    ),
}


# What the library says of classes, by their number: "class 0 (2 rows), 3 (1 row)".
_CLASS = re.compile(r"\bclass(?:es)?\s+\d+(?:\s\(\d+\srows?\))?(?:(?:,|,?\sand)\s\d+(?:\s\(\d+\srows?\))?)*")


_FOLD = re.compile(r"(folds\.(?:held_out|train)\[\d+\])(?!,)")


def path_text(path: "Path", labels: Sequence[object] = ()) -> str:
    """The path's table, and below it what it says in the words of the shell."""
    return path._text(lambda text: in_shell(text, labels))


def in_shell(text: str, labels: Sequence[object] = ()) -> str:
    """Say what the library says in the words of the shell, of classes by their labels; lines may be broken anywhere.

    >>> in_shell("The held-out loss still fell at the last epoch (200): raise\\n`epochs`.")
    'The held-out loss still fell at the last epoch (200): raise --epochs.'
    >>> in_shell("Fewer rows than the 5 folds in class 0 (2 rows), 1 (1 row): some folds", ["fig", "plum"])
    'Fewer rows than the 5 folds in class fig (2 rows), plum (1 row): some folds'
    """
    for python, shell in _WORDS.items():
        text = re.sub(r"\s+".join(map(re.escape, python.split())), shell, text)
    text = _FOLD.sub(r"\1 in Python, which counts rows with a target from 0", text)
    if not labels:
        return text

    def label(number: re.Match[str]) -> str:
        place = int(number[0])
        return str(labels[place]) if place < len(labels) else number[0]

    return _CLASS.sub(lambda found: re.sub(r"(?<!\()\b\d+\b(?!\srows?\))", label, found[0]), text)


def write_path(path: "Path", folder: File) -> None:
    """Save the path and its picture in `folder`."""
    path.save(folder, overwrite=True)
    path.plot(folder / "path.png")


def files(folder: File) -> dict[str, str]:
    """What a run wrote in its folder, by name."""
    return {name: str(folder / name) for name in sorted(RUN_FILES) if (folder / name).is_file()}


def path_document(path: "Path", choose: str, labels: Sequence[object] = ()) -> dict[str, Any]:
    """The path for programs: the choice, a row for each strength, and the verdict."""
    index = chosen(path, choose)
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
        "verdict": in_shell(path.verdict(), labels),
        "notes": [in_shell(note, labels) for note in path.notes],
        "seconds": path.seconds,
    }


def chosen(path: "Path", choose: str) -> int | None:
    """The place in the path's strengths of the chosen one; None where every strength diverged."""
    if path.failed.all():
        return None
    return path.index_min if choose == "min" else path.index_1se


def root_mean_squares(path: "Path", target_sd: float) -> dict[str, float]:
    """Root mean squared errors in the target's own units, from a path whose target is standardised."""
    losses = {"null": path.null_loss, "none": path.mean[-1]}
    if not path.failed.all():
        losses |= {"min": path.mean[path.index_min], "1se": path.mean[path.index_1se]}
    return {label: target_sd * math.sqrt(loss) for label, loss in losses.items()}
