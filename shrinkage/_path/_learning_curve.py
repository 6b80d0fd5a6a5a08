"""The learning curve of a path: losses of the choice, and without a penalty, on parts of the training rows."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from shrinkage._cv._statistics import Difference
from shrinkage._path._arrays import Array, make_read_only


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class LearningCurve:
    """Losses on the same held-out rows after training on parts of the training rows; `path.learning_curve`.

    Shapes: P points, from the fewest rows to all training rows of the folds; F folds, E epochs, and S strengths: the
    choice and 0, or 0 alone if no penalty is the choice. Arrays are read-only. `print` shows a table.

    The rows of a point contain those of the points before; in a time series they are the latest. A point
    equals a call of `fit` on the rows of the point: the strength keeps n * lam, the number of epochs is the same, and
    the best epoch is chosen for each point.

    Attributes:
        rows: (P,) training rows of a fold, the mean over folds.
        lams: (S,) strengths for all rows, as in `path.lams`.
        cv_loss: (P, F, S, E) mean loss of the held-out rows after each epoch; NaN as in `path.cv_loss`.
        train_loss: (P, F, S, E) mean loss of training rows of the point, as many as are held out if there are so many.
        epochs: (P, S) the chosen epoch, counted from 1.
        mean: (P, S) held-out loss at the chosen epoch, averaged as in `path.mean`.
        se: (P, S) standard error of `mean`, as in `path.se`.
        train_mean: (P, S) training loss at the chosen epoch.
        falls: (P - 1, S, 3) by how much `mean` falls from a point to the next, and the ends of the 95 % interval of
            this paired difference, as in `path.gain`.
    """

    rows: Array
    lams: Array
    cv_loss: Array
    train_loss: Array
    epochs: Array
    mean: Array
    se: Array
    train_mean: Array
    falls: Array

    def __post_init__(self) -> None:
        for each in fields(self):
            object.__setattr__(self, each.name, make_read_only(getattr(self, each.name)))

    @property
    def fold_loss(self) -> Array:
        """(P, F, S) mean held-out loss of each fold at the chosen epochs."""
        return np.take_along_axis(self.cv_loss, self.epochs[:, None, :, None] - 1, axis=3)[..., 0]

    @property
    def fall(self) -> Difference:
        """By how much the loss of the choice falls from half of the training rows to all, with a 95 % interval."""
        mean, low, high = self.falls[-1, 0].tolist()
        return Difference(mean, low, high)

    def __repr__(self) -> str:
        names = [f"lambda = {lam:.2e}" if lam else "lambda = 0" for lam in self.lams]
        of_epochs = self.cv_loss.shape[3] > 1  # the exact solver has none
        lines = ["  rows" + "".join(f"{name:>22}{'se':>10}{'training':>10}{'  epoch' * of_epochs}" for name in names)]
        for point, rows in enumerate(self.rows):
            numbers = zip(self.mean[point], self.se[point], self.train_mean[point], self.epochs[point], strict=True)
            cells = (
                f"{mean:22.4g}{se:10.2g}{training:10.4g}{f'{epoch:7d}' * of_epochs}"
                for mean, se, training, epoch in numbers
            )
            lines.append(f"{round(rows):6,d}" + "".join(cells))
        return "\n".join(lines)
