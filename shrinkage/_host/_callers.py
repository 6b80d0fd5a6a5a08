"""The calling module of Keras, and warnings that point to the caller of Keras.

Keras calls `get_config` both to save a model and to clone it. Only the calling module tells the two apart.
"""

import sys
import warnings
from typing import Any

WRITING_MODULES = ("keras.src.saving.serialization_lib", "keras.src.legacy.saving.serialization")
"""Modules of Keras that write a model to a `.keras` file, and a nested model to an `.h5` file."""
OLD_FORMAT_MODULE = "keras.src.legacy.saving.saving_utils"
CLONING_MODULE = "keras.src.models.cloning"


def get_caller() -> str:
    """Return the name of the module that called the function that calls this one."""
    return sys._getframe(2).f_globals.get("__name__", "")


def warn_about_clone(model: Any) -> None:
    """Warn that a clone of a model does not have the attached penalty."""
    warn_keras_caller(
        f"The clone of model {model.name!r} is without its penalty, which is attached to the original model only. "
        f"Attach the penalty to the clone too. The wrappers for scikit-learn clone a model: give them a function of X "
        f"and y that builds and compiles a model, attaches the penalty and returns the model."
    )


def warn_keras_caller(sentence: str) -> None:
    """Issue a warning with the stack level of the code that called Keras."""
    depth, frame = 2, sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").startswith(
        ("keras.", "tensorflow.", "contextlib", "shrinkage._attach", "shrinkage._host")
    ):
        depth, frame = depth + 1, frame.f_back
    warnings.warn(sentence, stacklevel=depth)
