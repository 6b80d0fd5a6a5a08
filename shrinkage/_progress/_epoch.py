"""The argument of `on_epoch` of `sh.fit`: the losses of the strengths in training, after an epoch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from shrinkage._messages._user_values import describe_function, takes_arguments


@dataclass(frozen=True, eq=False)
class Epoch:
    """The losses of F folds and the S strengths that train together, after an epoch in the folds."""

    number: int
    """The epoch, counted from 1."""
    lams: np.ndarray
    """The strengths, (S,)."""
    cv_loss: np.ndarray
    """Held-out losses, (F, S); NaN for a member that diverged or stopped early, or was not scored."""
    train_loss: np.ndarray
    """Training losses, (F, S)."""
    mean: np.ndarray
    """Mean held-out loss of each strength over the folds, (S,), by the number of their rows; NaN where a fold is."""


OnEpoch = Callable[[Epoch], object]


def check_on_epoch(on_epoch: Any) -> None:
    """Refuse an `on_epoch` that cannot be called with an epoch; None is no function.

    Raises:
        TypeError: If it is no function, or one of another number of arguments.
    """
    if on_epoch is None:
        return
    if not callable(on_epoch):
        raise TypeError(f"`on_epoch` must be a function of an epoch. Received: {type(on_epoch).__name__}.")
    if not takes_arguments(on_epoch, 1):
        raise TypeError(
            f"`on_epoch` must be a function of one argument, the epoch, such as lambda epoch: print(epoch.number). "
            f"Received: {describe_function(on_epoch)}."
        )
