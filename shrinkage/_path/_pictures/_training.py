"""The data of the pictures "epochs" and "folds": the losses of the members, by epoch and by fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shrinkage._path._curve import Curve
from shrinkage._path._pictures._curve_data import find_choices
from shrinkage._path._pictures._no_picture import NoPicture
from shrinkage._path._pictures._style import compute_positions
from shrinkage._path._words import format_loss_name

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class EpochsData:
    """Losses by epoch at every strength.

    Attributes:
        loss: name of the loss.
        lams: (S,) the strengths.
        epochs: (E,) the epochs, counted from 1.
        held_out, training: (S, E) mean over folds; NaN from where a member diverged or stopped.
        chosen_epochs: (S,) the chosen epoch.
    """

    loss: str
    lams: Floats
    epochs: NDArray[np.int64]
    held_out: Floats
    training: Floats
    chosen_epochs: NDArray[np.int64]

    @property
    def has_gaps(self) -> bool:
        """Whether some losses have no loss in the epochs beside, as in a search within a budget: a line shows none."""
        known = np.pad(np.isfinite(self.held_out), ((0, 0), (1, 1)))
        return bool((known[:, 1:-1] & ~known[:, :-2] & ~known[:, 2:]).any())


def compute_epochs_data(curve: Curve) -> EpochsData:
    """Collect the losses by epoch, averaged over folds.

    Raises:
        NoPicture: if the models were computed, which takes a single epoch, or all diverged at once.
    """
    if curve.solver == "exact":
        raise NoPicture("The models were computed, not trained: there are no epochs.")
    if not np.isfinite(curve.cv_loss).any():
        raise NoPicture("Every model diverged before the end of its first epoch: there are no losses.")
    n_epochs = curve.cv_loss.shape[2]
    return EpochsData(
        loss=format_loss_name(curve.loss_name),
        lams=curve.lams,
        epochs=np.arange(1, n_epochs + 1),
        held_out=_compute_mean(curve.cv_loss, curve.fold_weight),
        training=_compute_mean(curve.train_loss, curve.train_weight),
        chosen_epochs=np.asarray(curve.epochs),
    )


def _compute_mean(losses: Floats, weight: Floats) -> Floats:
    """Return the weighted mean over the first axis."""
    return np.asarray(np.tensordot(weight / weight.sum(), losses, axes=1), np.float64)


@dataclass(frozen=True, eq=False)
class FoldsData:
    """Held-out losses by fold at the chosen epochs.

    Attributes:
        loss: name of the loss.
        position: (S,) log10(lam); lam = 0 is placed to the left of the others.
        lams: (S,) the strengths.
        names: (F,) "fold 1", or with repeats "repeat 1, fold 1".
        folds: (F, S) loss of each fold; NaN where its model diverged.
        mean: (S,) mean over folds; NaN where a model diverged.
        least: (F,) index of the strength with the least loss in the fold, or -1 without one.
        choices: index of each choice by label, such as "min".
    """

    loss: str
    position: Floats
    lams: Floats
    names: tuple[str, ...]
    folds: Floats
    mean: Floats
    least: NDArray[np.int64]
    choices: dict[str, int]


def compute_folds_data(curve: Curve) -> FoldsData:
    """Collect the held-out losses by fold.

    Raises:
        NoPicture: if a single part of the rows was held out, or every model diverged.
    """
    if curve.single_split:
        raise NoPicture("A single part of the rows was held out: there are no folds to compare.")
    losses = np.where(np.isfinite(curve.fold_loss), curve.fold_loss, np.nan)
    if np.isnan(losses).all():
        raise NoPicture("Every model diverged: there are no losses to compare.")
    least = [-1 if np.isnan(fold).all() else int(np.nanargmin(fold)) for fold in losses]
    return FoldsData(
        loss=format_loss_name(curve.loss_name),
        position=compute_positions(curve.lams),
        lams=curve.lams,
        names=_format_fold_names(curve),
        folds=losses,
        mean=curve.candidates,
        least=np.array(least),
        choices=find_choices(curve),
    )


def _format_fold_names(curve: Curve) -> tuple[str, ...]:
    pairs = (divmod(number, curve.folds.per_repeat) for number in range(len(curve.fold_weight)))
    if curve.folds.repeats == 1:
        return tuple(f"fold {fold + 1}" for _, fold in pairs)
    return tuple(f"repeat {repeat + 1}, fold {fold + 1}" for repeat, fold in pairs)
