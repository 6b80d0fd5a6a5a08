"""What `sh.fit` returns: losses, choices and models along the whole path of strengths, as one immutable record."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import Enum
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from shrinkage._choice import Difference, choose, gain, optimism, row_gain, row_se, summarise

if TYPE_CHECKING:
    import keras
    import pandas as pd
    from matplotlib.figure import Figure

    from shrinkage._folds import Folds
    from shrinkage._penalties import How, Penalty
    from shrinkage._selection import Selection
    from shrinkage._template import Template

Array = NDArray[Any]


class Status(Enum):
    """How the training of one member of the path ended; the values are messages.

    Example:
        >>> Status.DIVERGED.value
        'diverged (the loss became NaN or infinite)'
    """

    OK = "finished"
    DIVERGED = "diverged (the loss became NaN or infinite)"
    SKIPPED = "was not trained, as a fold's model diverged at every strength"


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class Path:
    """The regularization path of a Keras model: J(w) = mean data loss + lam * P(w) for every strength lam of a grid.

    With F folds, S strengths, E epochs and m held-out rows; all losses are mean *data* losses, without the penalty.
    Arrays are read-only. Strengths descend, and the last is 0, no penalty. `print(path)` shows the table and what it
    means, `path.plot()` the curve, `path.model()` is the chosen model.

    Where every strength has a model that diverged, there are curves and statuses but nothing to choose: `index_min`,
    `index_1se`, `lam_min`, `lam_1se`, `gain`, `null_gain`, `optimism` and `model()` then raise `NothingToChoose`, a
    ValueError, and all else works. If the folds alone leave nothing to choose, no model is trained on all rows:
    `full_status` says so, `weights` is empty, and `norm`, `nonzero` and `zero_groups` are NaN.

    Attributes:
        lams: (S,) strengths for all `n_rows` rows.
        cv_loss: (F, S, E) mean loss of the held-out rows after each epoch; NaN from where a member diverged, or
            `patience` stopped the strength.
        train_loss: (F, S, E) the same of as many rows that were trained on: in cross-validation of those that the
            next fold holds out.
        fold_weight: (F,) number of held-out rows, or the sum of their sample weights.
        epochs: (S,) the epoch chosen for each strength, counted from 1.
        held_out_rows: (m,) which rows were held out, in the order of the next two.
        predictions: (m, S, ...) out-of-fold predictions at the chosen epoch; for a model with several outputs, a
            dictionary or tuple of these in the structure that the model returns.
        row_loss: (m, S) their losses; NaN for a loss or a model that mixes the rows of a batch.
        row_weight: (m,) their sample weights; None where all are equal.
        metrics: the compiled metrics on them, each (S,).
        null_loss, null_se, null_metrics: the same for the best constant; NaN where there is none.
        null_fold_loss, null_row_loss: (F,) and (m,) its losses in each fold and of each held-out row; None in a path
            that was saved before they were kept.
        norm: (S,) Euclidean norm of the penalised weights of the models trained on all rows; for `L2(toward=...)` their
            distance from the weights that they are drawn towards.
        nonzero: (S,) how many of those weights are not zero.
        zero_groups: (S,) how many groups of a group lasso are all zero in these models: units, or inputs, that can be
            taken out; None for another penalty.
        status: (F, S) how each fold's member ended.
        full_status: (S,) how each model trained on all rows ended.
        weights: the values of all variables of the models trained on all rows, each (S, ...), in the order of
            `path.model().variables`: beside weights these are moving statistics and the states of random layers.
        template: makes a model from weights.
        penalty, how: what was added to the loss, and where it entered.
        selection: which weights were penalised.
        folds: the split.
        n_rows: number of rows of the data.
        seed: of everything random.
        plan: what else a run needs to be repeated to the bit.
        notes: what the user should know.
        seconds: wall-clock time of the fit.
        lam_model: with `penalty="model"`, the strength that the model's own regularizers had, which is in `lams`.
        target_mean, target_sd: what turns predictions of standardised targets back: `target_mean + target_sd * p`.

    Example:
        >>> import keras, numpy as np, shrinkage as sh
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="line")
        >>> model.compile("sgd", "mean_squared_error")
        >>> x = np.random.default_rng(0).normal(size=(60, 2))
        >>> path = sh.fit(model, x, x @ [1.0, 2.0], penalty=sh.L2(), lams=[0.1, 0.01], cv=3, epochs=5)
        >>> path.cv_loss.shape
        (3, 3, 5)
        >>> path.lam_min in path.lams
        True
        >>> print(path)
        L2 path of line: 3 weights, 2 penalised; 3 strengths x 3 folds, then all rows: 12 models in ... s
                lambda     index    squared error...
    """

    lams: Array
    cv_loss: Array
    train_loss: Array
    fold_weight: Array
    epochs: Array
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
    weights: tuple[Array, ...]
    template: Template
    penalty: Penalty
    how: How
    selection: Selection
    folds: Folds
    n_rows: int
    seed: int
    plan: dict[str, Any]
    notes: tuple[str, ...]
    seconds: float
    target_mean: float = 0.0
    target_sd: float = 1.0
    zero_groups: Array | None = None
    row_weight: Array | None = None
    lam_model: float | None = None
    null_fold_loss: Array | None = None
    null_row_loss: Array | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            object.__setattr__(self, field.name, _read_only(getattr(self, field.name)))

    @property
    def fold_loss(self) -> Array:
        """(F, S) mean held-out loss of each fold at the chosen epochs."""
        return _at_epochs(self.cv_loss, self.epochs)

    @property
    def mean(self) -> Array:
        """(S,) held-out loss at the chosen epochs, averaged over folds with `fold_weight`."""
        return summarise(self.fold_loss, self.fold_weight)[0]

    @property
    def se(self) -> Array:
        """(S,) standard error of `mean`: over folds by glmnet's formula; for a single split, over its weighted rows."""
        if self.single_split:
            return row_se(self.row_loss, self.row_weight)
        return summarise(self.fold_loss, self.fold_weight)[1]

    @property
    def train_mean(self) -> Array:
        """(S,) training loss at the chosen epochs, averaged over folds as `mean` is."""
        return summarise(_at_epochs(self.train_loss, self.epochs), self.train_weight)[0]

    @property
    def train_weight(self) -> Array:
        """(F,) number of rows that `train_loss` is of, or the sum of their sample weights: those of the next fold."""
        return np.roll(self.fold_weight, -1)

    @property
    def single_split(self) -> bool:
        """Whether one part of the rows was held out, once, instead of folds in turn."""
        return len(self.fold_weight) == 1

    @property
    def failed(self) -> Array:
        """(S,) whether a model of this strength, a fold's or the one on all rows, diverged: then it is not chosen."""
        bad = (self.status != Status.OK).any(axis=0) | (self.full_status != Status.OK)
        return bad | ~np.isfinite(self.mean)

    @property
    def index_min(self) -> int:
        """Index in `lams` of the largest strength with the least mean loss.

        It counts from 0, where print and table count from 1.
        """
        return choose(self._candidates, self.se)[0]

    @property
    def index_1se(self) -> int:
        """Index in `lams` of the largest strength within one standard error of the least mean loss.

        It counts from 0, where print and table count from 1.
        """
        return choose(self._candidates, self.se)[1]

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
        """Index in `lams` of the strength that the model's own regularizers had, or None."""
        return None if self.lam_model is None else int(np.argmin(np.abs(self.lams - self.lam_model)))

    @property
    def gain(self) -> Difference:
        """How much lower the mean loss is at `lam_min` than without a penalty, with its 95 % interval.

        Over folds by the corrected resampled t-test (Nadeau & Bengio 2003); for a single split by the paired t-test of
        its rows. That `lam_min` was chosen on the same rows is not in the interval: see `optimism`.
        """
        return self.gain_over(-1)

    def gain_over(self, index: int) -> Difference:
        """Return how much lower the mean loss is at `lam_min` than at `lams[index]`; see `gain`."""
        best = self.index_min
        if self.single_split:
            return row_gain(self.row_loss[:, index], self.row_loss[:, best], self.row_weight)
        n_train, n_test = (np.mean([len(rows) for rows in part]) for part in (self.folds.train, self.folds.held_out))
        other, least = self.fold_loss[:, index], self.fold_loss[:, best]
        return gain(other, least, self.fold_weight, n_train=float(n_train), n_test=float(n_test))

    @property
    def null_gain(self) -> Difference:
        """How much lower the mean loss is at `lam_min` than that of the best constant, as `gain` has it for lambda = 0.

        NaN where there is no best constant.
        """
        best = self.index_min
        if self.null_fold_loss is None or self.null_row_loss is None:
            return Difference(self.null_loss - float(self.mean[best]), np.nan, np.nan)
        if self.single_split:
            return row_gain(self.null_row_loss, self.row_loss[:, best], self.row_weight)
        n_train, n_test = (np.mean([len(rows) for rows in part]) for part in (self.folds.train, self.folds.held_out))
        least = self.fold_loss[:, best]
        return gain(self.null_fold_loss, least, self.fold_weight, n_train=float(n_train), n_test=float(n_test))

    @property
    def optimism(self) -> float:
        """By how much the mean loss at `lam_min` flatters itself (Tibshirani & Tibshirani 2009); NaN for one split."""
        return optimism(np.where(self.failed, np.nan, self.fold_loss), self.fold_weight, self.index_min)

    def model(self, lam: Literal["min", "1se", "none", "model"] | float = "min") -> keras.Model:
        """Make the model that was trained on all rows with strength `lam`.

        Args:
            lam: "min" for `lam_min`, "1se" for `lam_1se`, "none" for no penalty, "model" for `lam_model`, or one of
                `lams`.

        Returns:
            A new compiled Keras model with no penalty attached and an optimizer that has taken no step.

        Raises:
            TypeError: if `lam` is neither a string nor a number.
            NothingToChoose: if every strength has a model that diverged. It is a ValueError.
            ValueError: if `lam` is none of these, or if that model diverged.
        """
        index = self._index(lam)
        if self.full_status[index] is Status.SKIPPED:
            choose(self._candidates, self.se)  # which raises
        if self.full_status[index] is not Status.OK:
            message = self.full_status[index].value
            raise ValueError(
                f"The model trained on all rows at lam = {self.lams[index]:.6g} {message}: choose another."
            )
        return self.template.model([weight[index] for weight in self.weights])

    def table(self) -> pd.DataFrame:
        """Return a data frame with a row for each strength, in the order of `lams`.

        Its columns are lam; index, as printed, which counts from 1 (the frame's own index and `lams` count from 0);
        loss, the held-out one at the chosen epoch (`mean`), and its se; train_loss (`train_mean`); the compiled metrics
        by their names; epoch, from 1; norm; nonzero; zero_groups, for a group lasso; and failed.
        """
        import pandas as pd

        columns = {"lam": self.lams, "index": np.arange(1, len(self.lams) + 1), "loss": self.mean, "se": self.se}
        columns |= {"train_loss": self.train_mean} | self.metrics
        columns |= {"epoch": self.epochs, "norm": self.norm, "nonzero": self.nonzero}
        columns |= {} if self.zero_groups is None else {"zero_groups": self.zero_groups}
        return pd.DataFrame(columns | {"failed": self.failed})

    def verdict(self) -> str:
        """Say in words what the curve shows: what the penalty gains over none, or that no gain is clear, and why.

        It says so where that cannot be told: where training has hardly begun, where nothing clearly beats the best
        constant, and where strengths diverged.
        """
        from shrinkage._model_words import model_words
        from shrinkage._path_verdict import verdict

        return " ".join(filter(None, [verdict(self), model_words(self)]))

    def plot(self, file: Any = None) -> Figure:
        """Draw the held-out loss against log10(lam), with one-standard-error bars and the choices marked.

        Args:
            file: a name or file object to save the picture to; the ending of a name says the format.

        Returns:
            The matplotlib figure.
        """
        from shrinkage._plot import curve_data, draw

        return draw(curve_data(self), file)

    def save(self, folder: Any, *, overwrite: bool = False) -> None:
        """Write the path to a folder: `path.json`, `arrays.npz` and `template.keras`; nothing in them is pickled.

        It warns if `load` could not read the model back, which is so for classes that are not registered with Keras.
        The files take their places when all are complete: a failure leaves an earlier path as it was.

        Args:
            folder: is made, with its parents.
            overwrite: whether an existing folder may be used; other files in it are left alone.

        Raises:
            FileExistsError: if the folder exists and `overwrite` is False.
        """
        from shrinkage._path_io import save

        save(self, folder, overwrite=overwrite)

    @classmethod
    def load(cls, folder: Any) -> Path:
        """Read what `save` wrote.

        Raises:
            FileNotFoundError: if there is no such folder.
            ValueError: if the folder is not one that `save` wrote, is damaged, or comes from a newer version; or if the
                model has classes or functions of your own that Keras does not find.
        """
        from shrinkage._path_io import load

        return load(folder)

    if not TYPE_CHECKING:  # a type checker would take any name

        def __getattr__(self, name: str) -> Any:
            from shrinkage._path_hints import missing_words

            raise AttributeError(missing_words(name), name=name, obj=self)

    def __repr__(self) -> str:
        from shrinkage._path_text import summary

        return summary(self)

    @property
    def _candidates(self) -> Array:
        return np.where(self.failed, np.nan, self.mean)

    def _index(self, lam: str | float) -> int:
        if isinstance(lam, str) and lam == "model" and self.index_model is not None:
            return self.index_model
        if isinstance(lam, str):
            if lam not in ("min", "1se", "none"):
                raise ValueError(f'`lam` must be "min", "1se", "none" or one of `lams`. Received: {lam!r}.')
            return {"min": self.index_min, "1se": self.index_1se, "none": len(self.lams) - 1}[lam]
        if not isinstance(lam, Real) or isinstance(lam, bool | np.bool_):
            raise TypeError(f'`lam` must be "min", "1se", "none" or a number of `lams`. Received: {lam!r}.')
        found = np.flatnonzero(np.isclose(self.lams, float(lam), rtol=1e-6, atol=0))
        if len(found) == 0:
            nearest = self.lams[np.argsort(np.abs(self.lams - lam), kind="stable")[:3]]
            listed = ", ".join(f"{value:.6g}" for value in nearest)
            raise ValueError(
                f"`lam` must be one of `lams`, the strengths that were trained. Received: {lam!r}. "
                f"The nearest are {listed}."
            )
        return int(found[0])


def _at_epochs(loss: Array, epochs: Array) -> Array:
    return np.take_along_axis(loss, np.asarray(epochs)[None, :, None] - 1, axis=2)[:, :, 0]


def _read_only(value: Any) -> Any:
    """Make arrays, also those in tuples and dictionaries, read-only views: the caller's own stay as they are."""
    if isinstance(value, np.ndarray):
        value = value.view()
        value.setflags(write=False)
    elif type(value) is tuple:
        value = tuple(_read_only(item) for item in value)
    elif type(value) is dict:
        value = {key: _read_only(item) for key, item in value.items()}
    return value
