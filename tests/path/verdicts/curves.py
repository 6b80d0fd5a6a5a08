"""Curves of one strength, (E,), paths made of them, and sentences that many situations look for."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from shrinkage._path._curve import Status
from shrinkage._path._path import Path
from tests.synthetic_path import StubTemplate, make_path, path_of_curves


def decay(start: float, end: float, tau: float, n_epochs: int = 100) -> np.ndarray:
    """A loss on its way from `start` to `end`, and a third of the rest left after every `tau` epochs."""
    return end + (start - end) * np.exp(-np.arange(1, n_epochs + 1) / tau)


def rise(best: float, at: int, end: float, n_epochs: int = 100) -> np.ndarray:
    """A held-out loss that falls from 1 to `best` at epoch `at`, and rises to `end`."""
    epochs = np.arange(1, n_epochs + 1)
    return np.interp(epochs, [0, at, n_epochs], [1.0, best, end])


def line(start: float, end: float, n_epochs: int = 20) -> np.ndarray:
    return np.linspace(start, end, n_epochs)


def stopped(curve: np.ndarray, epoch: int) -> np.ndarray:
    """The same where patience ended it after `epoch`."""
    return np.where(np.arange(len(curve)) < epoch, curve, np.nan)


LAMS = [0.1, 0.01, 0.001, 0.0]
LEVEL = decay(1.5, 0.2, 5)  # a training that has levelled off


def flat(levels: Any, training: Any, lams: Any = LAMS, **changes: Any) -> Path:
    """All trainings levelled off, each strength at a level of its own."""
    shape = decay(1.0, 0.0, 5)
    levels, training = (np.asarray(values, float)[:, None] for values in (levels, training))
    return path_of_curves(levels + shape, training + shape, lams, **changes)


def noise(levels: Any, training: Any, **changes: Any) -> Path:
    """Losses about that of the constant, whose differences to it vary over folds."""
    return flat(levels, training, **{"wiggle": 0.02} | changes)


def rung(levels: Any, **changes: Any) -> Path:
    """A search within a budget whose members levelled off, each at a level of its own, with a constant at 1."""
    path = flat(levels, [0.1] * len(levels), n_folds=1, **changes)
    return replace(path, budget=1.5, folds=replace(path.folds, kind="rung"))


def with_status(make: Callable[[], Path], hit: list[int], where: str = "status") -> Path:
    """The same with diverged members at some strengths."""
    path = make()
    status, cv_loss = getattr(path, where).copy(), path.cv_loss.copy()
    status[..., hit] = Status.DIVERGED
    if where == "status":
        cv_loss[:, hit] = np.nan
    fields = ("train_loss", "epochs", "row_loss", "null_loss", "null_se", "null_fold_loss", "null_row_loss", "lams")
    kept = {name: getattr(path, name) for name in fields}
    n_folds = len(path.fold_weight)
    return make_path(
        **kept, curves=lambda lams: (0 * lams, 0 * lams), n_folds=n_folds, cv_loss=cv_loss, **{where: status}
    )


MSE = StubTemplate(loss_name="mean_squared_error")
SCHEDULED = StubTemplate(has_schedule=True)
FLAT = "clearly need this penalty: "
ADVICE = ["may gain more"]
LARGER = ["more rows may", "larger model"]
