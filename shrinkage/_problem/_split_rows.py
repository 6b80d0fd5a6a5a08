"""All rows of a call after they were checked and split, in memory or on disk."""

from dataclasses import dataclass

import numpy as np

from shrinkage._cv._folds import Folds
from shrinkage._data._data import Data, TargetUnits
from shrinkage._data._stored import StoredRows
from shrinkage._model._objective import Objective


@dataclass(frozen=True)
class SplitRows:
    """Checked rows and the folds."""

    stored_rows: StoredRows | None
    """All rows if they are on disk; None if they are in memory."""
    data: Data
    """All rows, or a sample of the training rows, with as many rows as a buffer of the cohort."""
    folds: Folds
    """Folds of all rows."""
    target: TargetUnits | None
    """Units of standardised targets; None without standardisation."""
    objective: Objective
    notes: tuple[str, ...]

    @property
    def trained_rows(self) -> np.ndarray:
        """Rows of `data` that the final models train on."""
        return self.folds.rows_of_x if self.stored_rows is None else np.arange(self.data.n_rows)

    @property
    def n_rows(self) -> int:
        """Number of training rows of the final models."""
        return len(self.trained_rows) if self.stored_rows is None else int(self.stored_rows.n_train[-1])

    @property
    def n_counting(self) -> int:
        """Number of training rows with a weight above 0."""
        return (
            int((self.data.weight[self.trained_rows] > 0).sum())
            if self.stored_rows is None
            else self.stored_rows.n_counting
        )
