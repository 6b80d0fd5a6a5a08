"""A checked call of `fit`: what the members train, on which rows, at which strengths."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from shrinkage._cv._folds import Folds, scored_training_rows
from shrinkage._data._data import Data, TargetUnits
from shrinkage._data._stored import StoredRows
from shrinkage._model._behaviour import Behaviour
from shrinkage._model._objective import Objective
from shrinkage._model._template import Template
from shrinkage._penalties import How, Penalty, Term
from shrinkage._problem._grid import Grid
from shrinkage._weights._selection import Selection


@dataclass(frozen=True)
class Training:
    """What the training of all members has in common."""

    template: Template
    data: Data
    objective: Objective
    penalty: Penalty
    """As the user gave it."""
    terms: tuple[Term | None, ...]
    """The same on each trainable weight; None where it is not penalised."""
    how: How
    batch_size: int
    init: str
    seed: int
    behaviour: Behaviour = Behaviour()

    @property
    def by_rows(self) -> bool:
        """Whether each row has a loss of its own, which the other rows of its batch do not change."""
        return self.objective.by_rows and not self.behaviour.mixes_rows


@dataclass(frozen=True)
class Problem:
    """A checked call of `fit`."""

    training: Training
    """What the members train."""
    folds: Folds
    """The split."""
    grid: Grid
    """The strengths, and how they may be extended."""
    selection: Selection
    """Which weights are penalised."""
    epochs: int
    """Epochs, at most."""
    patience: int | None
    """Epochs without improvement after which a strength stops; None never stops."""
    epoch: Literal["best", "last"] | int
    """Which epoch each strength keeps."""
    target: TargetUnits | None
    """The units that targets are trained in, in each fold and last in all rows, (F + 1,), if they are standardised."""
    notes: tuple[str, ...]
    """What was changed, in words."""
    lam_model: float | None = None
    """The strength that the model's own regularizers have, where these are the penalty."""
    stored: StoredRows | None = None
    """All rows, where these do not fit into memory: `training.data` and `folds` are then of a sample of them."""

    @property
    def lams(self) -> np.ndarray:
        """Strengths, descending, 0 last, (S,)."""
        return self.grid.lams

    @property
    def all_rows(self) -> np.ndarray:
        """The rows that the final models train on: all of `x`."""
        return self.folds.all_rows

    @property
    def n_rows(self) -> int:
        """Number of rows that the final models train on."""
        return len(self.all_rows) if self.stored is None else self.stored.n_rows

    @property
    def n_train(self) -> np.ndarray:
        """Number of rows that each fold trains on, (F,)."""
        if self.stored is not None:
            return self.stored.n_train
        return np.array([len(rows) for rows in self.folds.train])

    @property
    def fold_weight(self) -> np.ndarray:
        """Sum of the weights of each fold's held-out rows, (F,)."""
        if self.stored is not None:
            return self.stored.weight
        return self._weights_of(self.folds.held_out)

    @cached_property
    def scored_training_rows(self) -> list[np.ndarray]:
        """The rows whose loss is each fold's training loss."""
        return scored_training_rows(self.folds, self.training.data.weight, self.training.seed)

    @property
    def train_weight(self) -> np.ndarray:
        """Sum of the weights of the rows that each fold's training loss is of, (F,)."""
        if self.stored is not None:
            return np.roll(self.fold_weight, -1)
        return self._weights_of(self.scored_training_rows)

    def _weights_of(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([self.training.data.weight[rows].sum() for rows in parts], dtype=np.float64)
