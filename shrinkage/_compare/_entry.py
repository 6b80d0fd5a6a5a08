"""The entries of a comparison: no penalty, early stopping, and each penalty at its choice."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from shrinkage._compare._model_facts import UNKNOWN_FACTS, ModelFacts
from shrinkage._compare._statistics import compute_p_value
from shrinkage._cv._choice import choose_epochs
from shrinkage._cv._statistics import Difference, compute_row_degrees
from shrinkage._path._curve import Status
from shrinkage._path._path import Path

NONE, EARLY_STOPPING = "none", "early stopping"


@dataclass(frozen=True, eq=False)
class Entry:
    """A row of a comparison: a strength of a path, at an epoch.

    Attributes:
        name: name of the row, such as "L2"; "wide: L2" where several models are compared.
        baseline: name of the row without a penalty of the same model.
        path: the path that the numbers are from.
        index: index of the strength in `path.lams`, or None if a model diverged at every strength.
        epoch: the epoch, counted from 1.
        seconds: time of the training; NaN if the row is a part of the path of another row.
        facts: facts about the model trained on all rows.
    """

    name: str
    baseline: str
    path: Path
    index: int | None
    epoch: int
    seconds: float = math.nan
    facts: ModelFacts = UNKNOWN_FACTS

    @property
    def diverged(self) -> bool:
        """Whether there is no model to compare."""
        return self.index is None

    @property
    def lam(self) -> float:
        """The strength, or NaN."""
        return math.nan if self.index is None else float(self.path.lams[self.index])

    @property
    def fold_loss(self) -> Any:
        """(F,) held-out loss of each fold."""
        if self.index is None:
            return np.full(len(self.path.fold_weight), np.nan)
        return self.path.cv_loss[:, self.index, self.epoch - 1]

    @property
    def row_loss(self) -> Any:
        """(m,) loss of each held-out row; NaN if the path has none at the epoch."""
        if self.index is None or self.epoch != self.path.epochs[self.index]:
            return np.full(len(self.path.row_loss), np.nan)
        return self.path.row_loss[:, self.index]

    @property
    def loss(self) -> float:
        """The mean held-out loss."""
        return float(self.path.summarise(self.fold_loss[:, None])[0][0])

    @property
    def se(self) -> float:
        """The standard error of the loss, as in `Path.se`."""
        if self.index is None:
            return math.nan
        if self.epoch == self.path.epochs[self.index]:
            return float(self.path.se[self.index])
        return float(self.path.summarise(self.fold_loss[:, None])[1][0])

    def subtract(self, other: "Entry") -> Difference:
        """Return the loss of this entry minus the loss of another, paired over folds, with the interval of `gain`.

        For a single split the interval is over held-out rows, and not known if the path has no loss of each row.
        """
        curve = other.path
        if not curve.single_split:
            return curve.fold_gain(self.fold_loss, other.fold_loss)
        mean = self.loss - other.loss
        if not np.isfinite(self.row_loss - other.row_loss).all():
            return Difference(mean, math.nan, math.nan)
        return curve.row_gain(self.row_loss, other.row_loss, mean)

    def compute_p_value(self, difference: Difference) -> float:
        """Return the p-value of a difference that `subtract` returned."""
        if not self.path.single_split:
            return compute_p_value(difference, len(self.path.fold_weight) - 1)
        degrees = compute_row_degrees(len(self.path.row_loss), self.path.row_weight, self.path.groups)
        return compute_p_value(difference, degrees)

    def add_facts(self, facts: ModelFacts) -> "Entry":
        return replace(self, facts=facts)


def make_entries(
    paths: Mapping[str, Path], unpenalised_path: Path | None = None, *, stops_early: bool = True, prefix: str = ""
) -> list[Entry]:
    """Return the entries of one model, the simplest first.

    No penalty and early stopping are the strength 0 of the first path: its models at the last epoch and at the best.
    Every path has the same models there.

    Args:
        paths: the path of each penalty, by its name.
        unpenalised_path: a path of strength 0 alone, if no penalty is to be read from it.
        stops_early: whether the paths chose the best epoch of each strength. If not, early stopping is no entry.
        prefix: what the names begin with, such as "wide: ".
    """
    first, baseline = next(iter(paths.values())), prefix + NONE
    entries = [
        _make_unpenalised_entry(
            baseline, baseline, unpenalised_path or first, is_last_epoch=unpenalised_path is None and stops_early
        )
    ]
    if unpenalised_path is not None:
        entries = [replace(entries[0], seconds=unpenalised_path.seconds)]
    if stops_early:
        entries.append(_make_unpenalised_entry(prefix + EARLY_STOPPING, baseline, first, is_last_epoch=False))
    for name, path in paths.items():
        index = None if path.failed.all() else path.index
        epoch = 1 if index is None else int(path.epochs[index])
        entries.append(Entry(prefix + name, baseline, path, index, epoch, path.seconds))
    return entries


def _make_unpenalised_entry(name: str, baseline: str, path: Path, *, is_last_epoch: bool) -> Entry:
    """Return the entry of strength 0, at the last epoch or at the epoch of the path."""
    zero = len(path.lams) - 1
    failed = bool(path.failed[zero]) or bool((path.status[:, zero] == Status.DIVERGED).any())
    epoch = int(
        choose_epochs(path.cv_loss[:, [zero]], path.fold_weight, "last")[0] if is_last_epoch else path.epochs[zero]
    )
    return Entry(name, baseline, path, None if failed else zero, epoch)
