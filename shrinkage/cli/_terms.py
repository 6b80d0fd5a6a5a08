"""The words of the shell in the messages of the library."""

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from shrinkage._cluster._connection import ClusterError
from shrinkage._note import PYTHON, Vocabulary

from ._errors import BadInput, TrainingFailed, is_refusal

IN_SHELL = Vocabulary(
    {
        "epochs": "--epochs",
        "learning_rate": "--learning-rate",
        "batch_size": "--batch-size",
        "max_memory": "--max-memory",
        "batch_size_": "--batch-size ",
        "folds": "--folds",
        "more_repeats": "--repeats 4",
        "budget": "--budget",
        "learning_curve": "--learning-curve",
        "nested": "--nested",
        "tensorboard": "--tensorboard",
        "cluster": "--cluster",
        "no_cluster": '"none"',
        "or_scale_inputs": "",  # the shell scales inputs
        "or_smaller_lams": "",
        "extend_lams": "shrinkage.fit in Python takes `lams`, to extend",
        "give_lams": "shrinkage.fit in Python takes `lams`",
        "held_out": "shrinkage.Path.load(FOLDER).folds.held_out",
        "trained_on": "shrinkage.Path.load(FOLDER).folds.train",
        "kept_rows": "The predictions and the losses of rows that the path keeps are",
        "numbers_of_rows": "",
        "in_python": " in Python, which counts rows with a target from 0",
        "row_numbers": "Row numbers count the rows with a target from 0",
        "another_fit": "The data or the packages changed since the run began",
        "same_fit": "Bring them back to go on, or begin anew with shrinkage fit and --overwrite.",
        "target_units": "model.keras and `shrinkage predict` give the target in its own units",
        "constant_target": (
            "The target has a single value in the training rows of a fold. Give more rows of other values, or say "
            "--folds with another number."
        ),
    },
    is_shell=True,
    options={"source": "--from", "target": "--to", "lam": "LAM"},
)


def with_labels(labels: Sequence[object]) -> Vocabulary:
    """Return the shell's terms, with labels of classes."""
    return replace(IN_SHELL, labels=labels)


def terms_of(run: Path) -> Vocabulary:
    """Return the terms of the program that made a run: Python's, or the shell's with the labels of the classes.

    The shell writes the columns of a table, the labels of images, or the command, beside a path.
    """
    from ._columns import Columns
    from ._folder import COMMAND_LINE
    from ._images import RECORD, Images

    if (run / "columns.json").exists():
        return with_labels(Columns.load(run / "columns.json").labels)
    if (run / RECORD).exists():
        return with_labels(Images.load(run / RECORD).labels)
    return IN_SHELL if (run / COMMAND_LINE).exists() else PYTHON


@contextlib.contextmanager
def in_shell(labels: Sequence[object]) -> Iterator[None]:
    """Raise refusals of `shrinkage.fit` as `BadInput`, and leave out its warnings, which are notes of the path too."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"(shrinkage|click)\.")
        try:
            yield
        except ClusterError as error:
            raise TrainingFailed(with_labels(labels).say(error.args[0])) from error
        except (TypeError, ValueError) as error:
            if isinstance(error.__cause__, BadInput):  # of a part of a table that was read in between
                raise error.__cause__ from None
            if not is_refusal(error):
                raise
            raise BadInput(with_labels(labels).say(error.args[0])) from error
