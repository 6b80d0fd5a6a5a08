"""A checked call of `fit`: the training of the members, the split and the strengths."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import numpy as np

from shrinkage._cv._folds import Folds, select_scored_rows
from shrinkage._cv._rung import Rung
from shrinkage._data._data import Data, TargetUnits, size_batches
from shrinkage._data._stored import StoredRows
from shrinkage._model._behaviour import Behaviour
from shrinkage._model._objective import Objective
from shrinkage._model._optimizers import summarise_learning_rates
from shrinkage._model._template import Template
from shrinkage._penalties import Decoupled, How, Penalty, Term
from shrinkage._problem._grid import Grid
from shrinkage._problem._learning_curve import Subset
from shrinkage._weights._selection import Selection


@dataclass(frozen=True)
class Training:
    """Settings of the training that all members share."""

    template: Template
    data: Data
    objective: Objective
    penalty: Penalty
    """The penalty on the whole model."""
    terms: tuple[Term | None, ...]
    """The penalty on each trainable weight; None for a weight without a penalty."""
    how: How
    batch_size: int
    init: str
    seed: int
    behaviour: Behaviour = Behaviour()

    @property
    def by_rows(self) -> bool:
        """Whether the loss of each row is independent of the other rows in the batch."""
        return self.objective.by_rows and not self.behaviour.mixes_rows


@dataclass(frozen=True)
class Problem:
    """A checked call of `fit`."""

    training: Training
    """The settings that all members share."""
    folds: Folds
    """The split of all rows."""
    grid: Grid
    """The strengths, and the limits of extensions."""
    selection: Selection
    """The penalised weights."""
    epochs: int
    """Maximum number of epochs."""
    patience: int | None
    """Number of epochs without improvement before a strength stops; None disables early stopping."""
    epoch: Literal["best", "last"] | int
    """The epoch to keep for each strength."""
    target: TargetUnits | None
    """Units of standardised targets in each fold and, last, in all rows, (F + 1,); None without standardisation."""
    models: Literal["all", "chosen"]
    """Which strengths are trained on all rows."""
    notes: tuple[str, ...]
    """Sentences for the user about changes and cautions."""
    lam_model: float | None = None
    """The strength in the regularizers of the model if `penalty="model"`; else None."""
    rung: Rung | None = None
    """The cost of a search within a budget, whose only fold trains on a part of the rows; None for a grid."""
    stored_rows: StoredRows | None = None
    """All rows if the rows do not fit into memory; `training.data` is then a sample of the training rows."""
    solver: Literal["gradient", "exact"] = "gradient"
    """The solver: "gradient" for training, "exact" for minima of the objective."""
    groups: np.ndarray | None = None
    """The group of each row, (n,), as text if it is neither text nor a number; None without groups."""
    subsets: tuple[Subset, ...] = ()
    """Parts of the training rows for a learning curve, the smallest first."""
    share: float = 1.0
    """Share of the training rows of the folds that a point of a learning curve trains on."""
    unshown_arguments: Mapping[str, str] = field(default_factory=dict)
    """`Request.unshown_arguments`."""

    def restrict_to_subset(self, place: int, lams: np.ndarray) -> "Problem":
        """Return the problem of a point of the learning curve: on a part of the training rows, at a few strengths.

        All else is the same. The number of a fold seeds weights and batches, and `lams` are for all rows. The larger
        parts are left as `subsets`.
        """
        subset = self.subsets[place]
        return replace(
            self, folds=subset.folds, target=subset.target, grid=Grid(lams), subsets=self.subsets[place + 1 :],
            share=subset.share, notes=(),
        )  # fmt: skip

    @property
    def lams(self) -> np.ndarray:
        """Strengths in descending order, with 0 last, (S,)."""
        return self.grid.lams

    @property
    def trained_strengths(self) -> tuple[int, int]:
        """Number of strengths that are trained in the folds, at most, and on all rows, if the grid is not extended."""
        if self.rung is not None:
            return self.rung.members, 1
        if self.share < 1:
            return len(self.lams), 0
        return len(self.lams), len(self.lams) if self.models == "all" else min(2, len(self.lams))

    @property
    def rate_sum(self) -> float | None:
        """Sum of the learning rates of a training on all rows with `Decoupled`, which lambda multiplies; else None."""
        if not isinstance(self.training.how, Decoupled):
            return None
        steps = self.epochs * size_batches(self.n_rows, self.training.batch_size)[0]
        return summarise_learning_rates(self.training.template.optimizer, steps)[0]

    @property
    def train(self) -> Sequence[np.ndarray]:
        """Rows of `training.data` that each fold trains on. If these are a sample, all rows of the sample."""
        return self.folds.train if self.stored_rows is None else [self.rows_of_x] * len(self.folds.train)

    @property
    def held_out(self) -> Sequence[np.ndarray]:
        """Rows of `training.data` that each fold holds out. If these are a sample, all rows of the sample."""
        return self.folds.held_out if self.stored_rows is None else self.train

    @property
    def rows_of_x(self) -> np.ndarray:
        """Rows of `training.data` on which the final models are trained."""
        return self.folds.rows_of_x if self.stored_rows is None else np.arange(self.training.data.n_rows)

    @property
    def n_rows(self) -> int:
        """Number of training rows of the final models."""
        return len(self.rows_of_x) if self.stored_rows is None else int(self.stored_rows.n_train[-1])

    @property
    def n_train(self) -> np.ndarray:
        """Number of training rows of each fold, (F,)."""
        return self.folds.train.sizes

    @cached_property
    def fold_weight(self) -> np.ndarray:
        """Sum of the weights of the held-out rows of each fold, (F,)."""
        return self._sum_weights(self.folds.held_out) if self.stored_rows is None else self.stored_rows.weight

    @cached_property
    def scored_training_rows(self) -> Sequence[np.ndarray]:
        """Rows of `training.data` for the training loss of each fold. If these are a sample, all rows of the sample."""
        if self.stored_rows is not None:
            return self.train
        return select_scored_rows(self.folds, self.training.data.weight, self.training.seed)

    @property
    def held_out_rows(self) -> np.ndarray:
        """Held-out rows of all folds, each once, or a sample of them if the rows are on disk, (m,)."""
        return self.folds.held_out_rows if self.stored_rows is None else self.stored_rows.sample_rows

    @property
    def row_weight(self) -> np.ndarray | None:
        """Weights of `held_out_rows`, (m,); None if all are equal."""
        stored = self.stored_rows
        weight = self.training.data.weight[self.held_out_rows] if stored is None else stored.sample_weight
        return weight if np.ptp(weight) else None

    @property
    def row_groups(self) -> np.ndarray | None:
        """Groups of `held_out_rows`, (m,); None without groups."""
        return None if self.groups is None else self.groups[self.held_out_rows]

    @cached_property
    def train_weight(self) -> np.ndarray:
        """Sum of the weights of the rows for the training loss of each fold, (F,)."""
        return (
            self._sum_weights(self.scored_training_rows) if self.stored_rows is None else self.stored_rows.train_weight
        )

    def _sum_weights(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        return np.array([self.training.data.weight[rows].sum() for rows in parts], dtype=np.float64)
