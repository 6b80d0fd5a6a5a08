"""Who in Keras asks an attached model for its configuration, and warnings that point to the caller of Keras.

Keras asks in the same way in order to write a model and to make another of it: only the calling module tells.
"""

import sys
import warnings
from typing import Any

WRITE = ("keras.src.saving.serialization_lib", "keras.src.legacy.saving.serialization")
"""Keras' modules that write a model to a `.keras` file, and one inside another to an `.h5` file."""
WRITES_OLD_FORMAT = "keras.src.legacy.saving.saving_utils"
CLONES = "keras.src.models.cloning"


def caller() -> str:
    """Return the name of the module that called the function that calls this one."""
    return sys._getframe(2).f_globals.get("__name__", "")


def say_cloned(model: Any) -> None:
    """Warn that a clone is without the penalty."""
    say(
        f"The clone of model {model.name!r} is without its penalty, which is attached to this model alone. Attach to "
        f"the clone too. The wrappers for scikit-learn clone a model: give them a function of X and y that builds, "
        f"compiles, attaches and returns it."
    )


def say(sentence: str) -> None:
    """Warn where Keras was called."""
    depth, frame = 2, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(
        ("keras.", "tensorflow.", "contextlib", "shrinkage._attach", "shrinkage._host")
    ):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(sentence, stacklevel=depth)
