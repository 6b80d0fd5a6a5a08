"""The curve of a path: losses by fold, strength and epoch, statuses of the members, and statistics.

Table, verdict and figure need only a curve. A curve contains no model.
"""

from dataclasses import dataclass, field, fields
from enum import Enum
from numbers import Real
from typing import Any, Literal

import numpy as np

from shrinkage._cv._choice import choose_paired_strength, choose_strengths, get_losses_at_epochs
from shrinkage._cv._folds import Folds
from shrinkage._cv._statistics import (
    Difference,
    estimate_gain,
    estimate_optimism,
    estimate_row_gain,
    summarise,
    summarise_split,
)
from shrinkage._messages._note import quote
from shrinkage._path._arrays import Array, make_read_only
from shrinkage._path._learning_curve import LearningCurve
from shrinkage._penalties import How, Penalty


class Status(Enum):
    """The result of training a member. The values are messages for the user.

    Example:
        >>> Status.DIVERGED.value
        'diverged (the loss became NaN or infinite)'
    """

    OK = "finished"
    DIVERGED = "diverged (the loss became NaN or infinite)"
    NO_MINIMUM = "has no minimum, as the inputs separate classes"
    SKIPPED = "was not trained, as a fold's model diverged at every strength"
    NOT_TRAINED = "was not trained, as the strength was not chosen"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Curve:
    """The numbers of a path; `Path` documents the attributes."""

    lams: Array
    cv_loss: Array
    train_loss: Array
    fold_weight: Array
    epochs: Array
    folds: Folds
    held_out_rows: Array
    predictions: Any
    row_loss: Array
    metrics: dict[str, Array]
    null_loss: float
    null_se: float
    null_metrics: dict[str, float]
    norm: Array
    nonzero: Array
    status: Array
    full_status: Array
    penalty: Penalty
    how: How
    loss_name: str
    n_rows: int
    target_mean: float = 0.0
    target_sd: float = 1.0
    zero_groups: Array | None = None
    row_weight: Array | None = None
    lam_model: float | None = None
    solver: Literal["gradient", "exact"] = "gradient"
    budget: float | None = None
    null_fold_loss: Array | None = None
    null_row_loss: Array | None = None
    targets: Any = None
    train_weight: Array = field(default_factory=lambda: np.zeros(0))
    learning_curve: LearningCurve | None = None
    groups: Array | None = None

    def __post_init__(self) -> None:
        if not len(self.train_weight):  # of a path that an earlier version saved, which had one repeat
            object.__setattr__(self, "train_weight", np.roll(self.fold_weight, -1))
        for one in fields(self):
            object.__setattr__(self, one.name, make_read_only(getattr(self, one.name)))

    @property
    def fold_loss(self) -> Array:
        """(F, S) mean held-out loss of each fold at the chosen epochs."""
        return get_losses_at_epochs(self.cv_loss, self.epochs)

    @property
    def mean(self) -> Array:
        """(S,) held-out loss at the chosen epochs, averaged over folds with `fold_weight`."""
        return self.summarise(self.fold_loss)[0]

    @property
    def se(self) -> Array:
        """(S,) standard error of `mean`: over folds by glmnet's formula; for a single split, over its rows or groups.

        With repeats, it is the root of the mean of the squared standard errors of the repeats. For a single split it
        does not contain the noise of training, and is too small.
        """
        return summarise_split(self.fold_loss, self.fold_weight, self.folds, *self._row_losses)[1]

    @property
    def _row_losses(self) -> tuple[Array, Array | None, Array | None]:
        """Losses, weights and groups of the held-out rows."""
        return self.row_loss, self.row_weight, self.groups

    def summarise(self, fold_loss: Array) -> tuple[Array, Array]:
        """Return the mean of losses (F, S) over folds, and its standard error, (S,) each."""
        return summarise(fold_loss, self.fold_weight, repeats=self.folds.repeats, overlap=self.folds.overlap)

    @property
    def train_mean(self) -> Array:
        """(S,) training loss at the chosen epochs, averaged over folds with `train_weight`."""
        return summarise(get_losses_at_epochs(self.train_loss, self.epochs), self.train_weight)[0]

    @property
    def single_split(self) -> bool:
        """Whether a single part of the rows was held out, instead of each fold in turn."""
        return len(self.fold_weight) == 1

    @property
    def error_units(self) -> str:
        """The units that the standard error of a single split is over."""
        return "rows" if self.groups is None else "groups"

    @property
    def failed(self) -> Array:
        """(S,) whether a model diverged, or has no minimum, in a fold or on all rows. Such a strength is not chosen."""
        lost = (self.full_status == Status.DIVERGED) | (self.full_status == Status.NO_MINIMUM)
        return (self.status != Status.OK).any(axis=0) | lost | ~np.isfinite(self.mean)

    @property
    def has_model(self) -> Array:
        """(S,) whether a model was trained on all rows, even if it diverged."""
        return (self.full_status != Status.SKIPPED) & (self.full_status != Status.NOT_TRAINED)

    @property
    def index_min(self) -> int:
        """Index in `lams` of the largest strength with the smallest mean loss, counted from 0.

        `print(path)` and `table()` count from 1.
        """
        self._check_grid("index_min")
        return choose_strengths(self.candidates, self.se)[0]

    @property
    def index_1se(self) -> int:
        """Index in `lams` of the largest strength within one standard error of the smallest mean loss, counted from 0.

        `print(path)` and `table()` count from 1.
        """
        self._check_grid("index_1se")
        return choose_strengths(self.candidates, self.se)[1]

    def _check_grid(self, name: str) -> None:
        """Refuse the choice of a grid for a search within a budget."""
        if self.budget is not None:
            other = name.replace("index", "lam")
            raise ValueError(
                f"`{name}` and `{other}` need a path of a grid in cross-validation. Received: a path of a search "
                f"within a budget. Use `index` and `lam`, and `path.model()`."
            )

    @property
    def index(self) -> int:
        """Index in `lams` of the choice, counted from 0: `index_min`.

        For a search within a budget, it is the largest strength within one paired standard error of the smallest loss.
        """
        if self.budget is None:
            return self.index_min
        return choose_paired_strength(self.candidates, *self._row_losses)

    @property
    def lam(self) -> float:
        """The strength at `index`, the choice."""
        return float(self.lams[self.index])

    @property
    def lam_min(self) -> float:
        """The strength at `index_min`, the default choice."""
        return float(self.lams[self.index_min])

    @property
    def lam_1se(self) -> float:
        """The strength at `index_1se`, for parsimony."""
        return float(self.lams[self.index_1se])

    @property
    def index_model(self) -> int | None:
        """Index in `lams` of the strength of the model's regularizers, or None without `penalty="model"`."""
        return None if self.lam_model is None else int(np.argmin(np.abs(self.lams - self.lam_model)))

    def index_of(self, lam: str | float | None) -> int:
        """Return the index in `lams` of a strength, as in `Path.model`."""
        if lam is None:
            return self.index
        if isinstance(lam, str) and lam == "model" and self.index_model is not None:
            return self.index_model
        if isinstance(lam, str):
            if lam not in ("min", "1se", "none"):
                raise ValueError(f'`lam` must be "min", "1se", "none" or one of `lams`. Received: {quote(lam)}.')
            if lam == "none":
                return len(self.lams) - 1
            return self.index_min if lam == "min" else self.index_1se
        if not isinstance(lam, Real) or isinstance(lam, bool | np.bool_):
            raise TypeError(f'`lam` must be "min", "1se", "none" or a number of `lams`. Received: {quote(lam)}.')
        found = np.flatnonzero(np.isclose(self.lams, float(lam), rtol=1e-6, atol=0))
        if len(found) == 0:
            nearest = self.lams[np.argsort(np.abs(self.lams - lam), kind="stable")[:3]]
            lams_text = ", ".join(f"{value:.6g}" for value in nearest)
            raise ValueError(
                f"`lam` must be one of `lams`, the strengths that were trained. Received: {quote(lam)}. "
                f"The nearest are {lams_text}. Take one of `path.lams`, as printed strengths are rounded."
            )
        return int(found[0])

    @property
    def gain(self) -> Difference:
        """The mean loss without a penalty minus the mean loss at `lam`, with a 95 % interval.

        The interval is from the corrected resampled t-test (Nadeau & Bengio 2003) over the folds of all repeats. For a
        single split it is from the paired t-test over the held-out rows or groups, and is too short, because it does
        not contain the noise of training. The interval ignores that `lam` was chosen on the same rows; see `optimism`.
        """
        return self.gain_over(-1)

    def gain_over(self, index: int) -> Difference:
        """Return the mean loss at `lams[index]` minus the mean loss at `lam`; see `gain`."""
        best = self.index
        if self.single_split:
            return self.row_gain(self.row_loss[:, index], self.row_loss[:, best], self.mean[index] - self.mean[best])
        return self.fold_gain(self.fold_loss[:, index], self.fold_loss[:, best])

    @property
    def null_gain(self) -> Difference:
        """The loss of the best constant minus the mean loss at `lam`, with a 95 % interval as in `gain`.

        The values are NaN if there is no best constant.
        """
        best = self.index
        if self.null_fold_loss is None or self.null_row_loss is None:
            return Difference(self.null_loss - float(self.mean[best]), np.nan, np.nan)
        if self.single_split:
            return self.row_gain(self.null_row_loss, self.row_loss[:, best], self.null_loss - self.mean[best])
        return self.fold_gain(self.null_fold_loss, self.fold_loss[:, best])

    def fold_gain(self, other: Array, least: Array) -> Difference:
        """Return the mean of `other` - `least`, losses of the folds, (F,) each, with an interval; see `gain`."""
        n_train, n_test = (part.sizes.mean() for part in (self.folds.train, self.folds.held_out))
        return estimate_gain(other, least, self.fold_weight, n_train=float(n_train), n_test=float(n_test))

    def row_gain(self, other: Array, least: Array, mean: float) -> Difference:
        """Return the mean of `other` - `least`, losses of the rows, (m,) each, with an interval over rows or groups.

        If `row_loss` is of a sample of the held-out rows, the difference over all of them is `mean`, and the interval
        is that of all of them.
        """
        share = len(self.row_loss) / self.folds.held_out.union_size
        found = estimate_row_gain(other, least, self.row_weight, self.groups, share)
        if share == 1:
            return found
        margin = found.high - found.mean
        return Difference(float(mean), float(mean - margin), float(mean + margin))

    @property
    def optimism(self) -> float:
        """The bias of the mean loss at `lam` (Tibshirani & Tibshirani 2009); NaN for a single split."""
        return estimate_optimism(np.where(self.failed, np.nan, self.fold_loss), self.fold_weight, self.index)

    @property
    def candidates(self) -> Array:
        """(S,) `mean`, or NaN where a strength failed and cannot be chosen."""
        return np.where(self.failed, np.nan, self.mean)
