"""The shell's terms in the messages of the library."""

from collections.abc import Sequence
from dataclasses import replace

from shrinkage._note import Vocabulary

IN_SHELL = Vocabulary(
    {
        "epochs": "--epochs",
        "learning_rate": "--learning-rate",
        "batch_size": "--batch-size",
        "batch_size_": "--batch-size ",
        "folds": "--folds",
        "more_repeats": "--repeats 4",
        "or_scale_inputs": "",  # the shell scales inputs
        "or_smaller_lams": "",
        "extend_lams": "shrinkage.fit in Python takes `lams`, to extend",
        "give_lams": "shrinkage.fit in Python takes `lams`",
        "held_out": "shrinkage.Path.load(FOLDER).folds.held_out",
        "trained_on": "shrinkage.Path.load(FOLDER).folds.train",
        "in_python": " in Python, which counts rows with a target from 0",
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
