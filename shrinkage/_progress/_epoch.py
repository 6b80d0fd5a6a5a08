"""The argument of `on_epoch` of `sh.fit`: the losses of the strengths in training, after an epoch."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


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
