"""The data of the picture "rows": the learning curve, losses against the number of training rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shrinkage._path._curve import Curve
from shrinkage._path._pictures._no_picture import NoPicture
from shrinkage._path._words import format_loss_name, format_strength

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RowsData:
    """Losses at each number of training rows.

    Attributes:
        loss: name of the loss.
        rows: (P,) training rows of a fold, ascending.
        names: name of each strength: the choice, and no penalty if it is not the choice.
        held_out, se: (S, P) held-out loss, and its standard error.
        training: (P,) training loss of the choice.
        null: loss of the best constant, or NaN.
    """

    loss: str
    rows: Floats
    names: tuple[str, ...]
    held_out: Floats
    se: Floats
    training: Floats
    null: float


def compute_rows_data(curve: Curve) -> RowsData:
    """Collect the losses by number of training rows.

    Raises:
        NoPicture: if the path has no learning curve.
    """
    learned = curve.learning_curve
    if curve.failed.all():
        raise NoPicture("The path has no learning curve, as at every strength a model diverged.")
    if learned is None:
        raise NoPicture("The path has no learning curve. Say learning_curve=True in the call of fit.")
    indices = [curve.index_of(lam) for lam in learned.lams.tolist()]
    return RowsData(
        loss=format_loss_name(curve.loss_name),
        rows=learned.rows,
        names=tuple(format_strength(curve, index) for index in indices),
        held_out=learned.mean.T,
        se=learned.se.T,
        training=learned.train_mean[:, 0],
        null=curve.null_loss,
    )
