"""The words of the shell in the messages of the library."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import click

from shrinkage._messages._note import Note, Vocabulary
from shrinkage._plan._cluster._connection import ClusterError

from ._errors import BadInput, TrainingFailed, escape_controls, is_refusal
from ._user_model import is_user_model

SHELL_TERMS = Vocabulary(
    {
        "epochs": "--epochs",
        "learning_rate": "--learning-rate",
        "batch_size": "--batch-size",
        "max_memory": "--max-memory",
        "batch_size_": "--batch-size ",
        "folds": "--folds",
        "cv": "--folds",
        "cv_": "--folds ",
        "validation_data": "DATA/val",
        "training_data": "DATA/train",
        "more_repeats": "--repeats 4",
        "budget": "--budget",
        "learning_curve": "--learning-curve",
        "nested": "--nested",
        "penalties": "--penalties",
        "tensorboard": "--tensorboard",
        "cluster": "--cluster",
        "model": "--model",
        "loss": "The loss of --model",
        "metrics": "The metrics of --model",
        "x": "DATA",
        "proximal": "--how proximal",
        "give_penalty": "choose the penalty by --penalty",
        "on_its_weights": "",
        "give_function": "Let `get_config` of its layers return the arguments of `__init__`.",
        "or_give_function": "",
        "train_one_strength": "Give another --model.",
        "standardize_target": "A --target of numbers, which are standardised,",
        "run": "-o",
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
        "another_fit": ("RUN must be resumed with the DATA, --model and packages that it began with. Received:"),
        "other_rows": "DATA with {:,} rows, and {:,} before",
        "other_columns": "DATA with other columns or classes, or another --model",
        "other_values": "DATA with other values",
        "other_packages": "other packages, DATA or --model",
        "same_fit": "Bring them back to go on, or begin anew with shrinkage fit and --overwrite.",
        "saved_folder": "RUN",
        "saved_path": "the intact folder of a finished run",
        "save_again": "Fit again with --overwrite, or give another folder.",
        "record_folder": "RUN",
        "new_record": "Begin anew with `shrinkage fit` and --overwrite.",
        "target_units": "model.keras and `shrinkage predict` give the target in its own units",
        "constant_target": (
            "--target must vary within every fold's training rows. Received: a column with a single value in the "
            "training rows of a fold. Give more rows of other values, or another --folds."
        ),
    },
    is_shell=True,
    options={"source": "--from", "target": "--to", "lam": "LAM"},
)


def make_shell_terms(labels: Sequence[object], model: str = "mlp") -> Vocabulary:
    """Return the shell's terms, with labels of classes, and with the name of a `--model` that is a file of the user.

    Example:
        >>> make_shell_terms([], "nets.py:small").words["learning_rate"]
        'the learning rate of --model nets.py:small'
    """
    option = f"--model {model}"
    words = {
        "model": option,
        "loss": f"The loss of {option}",
        "metrics": f"The metrics of {option}",
        "learning_rate": f"the learning rate of {option}",
    }
    return replace(SHELL_TERMS, words={**SHELL_TERMS.words, **(words if is_user_model(model) else {})}, labels=labels)


@contextlib.contextmanager
def translate_refusals(terms: Vocabulary, *, trains: bool = True) -> Iterator[None]:
    """Raise refusals of `shrinkage.fit` as `BadInput`, and leave out its warnings, which are notes of the path too.

    That a budget is not used is said before a training, which then takes far longer than expected.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module=r"(shrinkage|click)\.")
        if trains:
            warnings.filterwarnings("always", r"`budget` is not used", UserWarning)
        warnings.showwarning = _make_warning_hook(terms, warnings.showwarning)
        try:
            yield
        except ClusterError as error:
            raise TrainingFailed(terms.say(error.args[0])) from error
        except (TypeError, ValueError) as error:
            if isinstance(error.__cause__, BadInput):  # of a part of a table that was read in between
                raise error.__cause__ from None
            if not is_refusal(error):
                raise
            raise BadInput(terms.say(error.args[0])) from error


def _make_warning_hook(terms: Vocabulary, show: Callable[..., None]) -> Callable[..., None]:
    """Return a function that shows the warnings of this package as notes on standard error, and others as `show`."""

    def show_note(message: Warning, *arguments: Any, **options: Any) -> None:
        text = message.args[0] if message.args else ""
        if isinstance(text, Note):
            click.echo(f"Note: {escape_controls(terms.say(text))}", err=True)
        else:
            show(message, *arguments, **options)

    return show_note
