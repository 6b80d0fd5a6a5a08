"""`sh.fit`: from a model and rows to the whole path. The loop that decides what is trained."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from shrinkage._choice import best_epochs, summarise
from shrinkage._cohort._cohort import Cohort
from shrinkage._cohort._tensorflow import threads
from shrinkage._cohort._train import Scores, refit, score
from shrinkage._losses import row_losses
from shrinkage._null import null_predictions
from shrinkage._path import Path, Status
from shrinkage._penalties import L1, L2, Coupled, Proximal
from shrinkage._prepare import Problem, prepare
from shrinkage._progress import progress as progress_bar
from shrinkage._strengths import extension, fold_lams


def fit(
    model: keras.Model | Callable[[], keras.Model],
    x: Any,
    y: Any,
    *,
    penalty: L2 | L1,
    lams: Any = "auto",
    cv: int | float = 5,
    validation_data: tuple[Any, ...] | None = None,
    epochs: int,
    batch_size: int = 32,
    patience: int | None = None,
    sample_weight: Any = None,
    on: str | Callable[[Any, Any], bool] = "kernels",
    how: Coupled | Proximal | None = None,
    init: Literal["fresh", "keep"] | None = None,
    epoch: Literal["best", "last"] | int = "best",
    standardize_target: bool = False,
    seed: int = 0,
    progress: bool | None = None,
) -> Path:
    """Train a Keras model at every strength of a penalty, in every fold and on all rows, and choose the strength.

    For each lambda and fold, J(w) = mean data loss + lambda * P(w) is minimised by the model's own optimizer; the loss on the
    held-out rows, which never contains the penalty, chooses lambda and the number of epochs.

    Args:
        model: A built and compiled model with one input, one output and one loss, or a function that returns one. It is
            left as it was.
        x: Inputs, an array (n, ...).
        y: Targets, an array (n, ...) that the model's output and loss fit.
        penalty: `L2()` or `L1()`.
        lams: "auto", or strengths >= 0 on the mean loss of all rows; 0 is always trained beside them. The automatic grid has
            20 strengths with n * lambda from 10**1.75 down to 10**-3 (times the target's variance for a squared error), and
            grows by up to three decades at an end where the minimum lies.
        cv: A number of folds (stratified for a classification loss), or the fraction of rows to hold out once.
        validation_data: (x, y) or (x, y, sample_weight) to hold out in place of rows of `x`.
        epochs: Epochs, at most.
        batch_size: Rows in a batch.
        patience: Stop when no strength's mean curve has improved for so many epochs; None trains all epochs.
        sample_weight: Weights of the rows' losses, (n,); they are divided by their mean.
        on: Which weights are penalised: "kernels", "all", or a function (layer, variable) -> bool.
        how: `Coupled()` or `Proximal()`; None takes the penalty's default.
        init: "fresh" (the default) draws the trainable weights anew, the same for every lambda and different in every fold;
            "keep" starts from the model's weights. A trained or loaded model must say which.
        epoch: Which epoch's weights each strength keeps: "best" on its mean held-out curve, "last", or a number from 1.
        standardize_target: Divide the targets by their standard deviation after taking off their mean, in each fold's
            training rows. Losses are then in units of all rows' variance, and models predict standardised targets:
            `path.target_mean + path.target_sd * prediction` undoes it.
        seed: Of the folds, weights, batches and random layers. The same call gives the same result to the bit on a machine.
        progress: Whether to show a progress bar; None shows it on a terminal.

    Returns:
        The path: losses, choices and models at every strength.

    Raises:
        TypeError, ValueError: Before any training, if an argument is not right or not supported; the message says what to do.

    Source: Friedman, Hastie & Tibshirani (2010), "Regularization paths for generalized linear models via coordinate
    descent", whose choice of lambda this is; trained by gradient steps in place of coordinate descent.

    Example:
        >>> import keras, shrinkage as sh
        >>> from sklearn.datasets import load_wine
        >>> from sklearn.preprocessing import scale
        >>> x, y = load_wine(return_X_y=True)
        >>> model = keras.Sequential([keras.Input((13,)), keras.layers.Dense(3, "softmax")])
        >>> model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
        >>> path = sh.fit(model, scale(x), y, penalty=sh.L2(), epochs=5)
        >>> path.cv_loss.shape
        (5, 21, 5)
        >>> path.model().count_params()
        42
    """
    started = time.perf_counter()
    problem = prepare(
        model, x, y, penalty=penalty, lams=lams, cv=cv, validation_data=validation_data, epochs=epochs,
        batch_size=batch_size, patience=patience, sample_weight=sample_weight, on=on, how=how, init=init, epoch=epoch,
        standardize_target=standardize_target, seed=seed,
    )  # fmt: skip
    search = _Search(problem, epochs=epochs, patience=patience, keep=epoch)
    with progress_bar(search.expected, progress) as (tick, expect):
        scores, lams_ = search.grid(tick, expect)
        kept = best_epochs(scores.cv_loss, search.fold_weight, epoch)
        values, diverged = search.all_rows(lams_, kept, tick, expect)
    return _path(problem, search, scores, lams_, kept, values, diverged, started)


class _Search:
    """Trains what the choice needs: a grid that grows at its ends, in chunks of strengths, then all rows."""

    def __init__(self, problem: Problem, *, epochs: int, patience: int | None, keep: Literal["best", "last"] | int):
        self._problem, self._epochs, self._patience, self._keep = problem, epochs, patience, keep
        folds, weight = problem.folds, problem.task.data.weight
        self.fold_weight = np.array([weight[rows].sum() for rows in folds.held_out], dtype=np.float64)
        self.notes: list[str] = []
        self._target, self._target_all = _split_target(problem.target)
        count = len(problem.lams)
        self._plan = problem.plan(len(folds.train), count)
        self._plan_all = problem.plan(1, count)
        self._cohorts: dict[tuple[str, int], Cohort] = {}
        self.expected = epochs * (math.ceil(count / self._plan.chunk) + math.ceil(count / self._plan_all.chunk))
        self._compile()

    @property
    def plan(self) -> dict[str, Any]:
        """What decides the last bit, beside the seed."""
        versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
        return {**asdict(self._plan), "chunk_all_rows": self._plan_all.chunk, "threads": threads(), "versions": versions}

    def grid(self, tick: Callable[[], None], expect: Callable[[int], None]) -> tuple[Scores, np.ndarray]:
        """Score the strengths, and more at an end where the minimum lies; return scores and strengths, descending."""
        lams = self._problem.lams
        scores = self._score(lams, tick)
        up = down = 0
        while self._problem.extendable:
            mean = self._mean(scores)
            more = extension(lams, mean, decades_up=up, decades_down=down)
            if more is None:
                break
            upwards = more[0] > lams[0]
            up, down = up + upwards, down + (not upwards)
            expect(self._epochs * math.ceil(len(more) / min(self._plan.chunk, len(more))))
            lams, scores = _merge(lams, scores, more, self._score(more, tick))
        if up == 3 or down == 3:
            self._warn_at_limit(lams, self._mean(scores), up, down)
        return scores, lams

    def _warn_at_limit(self, lams: np.ndarray, mean: np.ndarray, up: int, down: int) -> None:
        if np.isnan(mean).all():
            return
        best = int(np.nanargmin(mean))
        if (up == 3 and best == 0) or (down == 3 and best == len(lams) - 2):
            self.notes.append(
                f"The grid was extended by three decades and its minimum is still at the end, lambda = {lams[best]:.3g}: "
                f"give `lams` to go further."
            )

    def _mean(self, scores: Scores) -> np.ndarray:
        kept = best_epochs(scores.cv_loss, self.fold_weight, self._keep)
        fold_loss = np.take_along_axis(scores.cv_loss, (kept - 1)[None, :, None], axis=2)[..., 0]
        return summarise(fold_loss, self.fold_weight)[0]

    def _score(self, lams: np.ndarray, tick: Callable[[], None]) -> Scores:
        problem = self._problem
        cohort, parts = self._cohort("folds", lams, self._plan.chunk)
        n_rows, n_train = len(problem.all_rows), [len(rows) for rows in problem.folds.train]
        found = []
        for part in parts:
            lam = fold_lams(_padded(part, parts), n_rows, n_train)
            one = score(
                cohort, lam, epochs=self._epochs, patience=self._patience, keep=self._keep,
                fold_weight=self.fold_weight, tick=tick,
            )  # fmt: skip
            found.append(_first(one, len(part)))
        return _joined(found)

    def all_rows(
        self, lams: np.ndarray, kept: np.ndarray, tick: Callable[[], None], expect: Callable[[int], None]
    ) -> tuple[list[list[np.ndarray]], np.ndarray]:
        """Train every strength on all rows to its kept epoch; return its values and which diverged."""
        cohort, parts = self._cohort("all", lams, self._plan_all.chunk)
        values, diverged, start = [], [], 0
        for part in parts:
            epochs = _padded(kept[start : start + len(part)], parts)
            expect(int(epochs.max()) - self._epochs)
            some, bad = refit(cohort, _padded(part, parts)[None], epochs, tick)
            values += some[: len(part)]
            diverged.append(bad[: len(part)])
            start += len(part)
        return values, np.concatenate(diverged)

    def _cohort(self, kind: str, lams: np.ndarray, chunk: int) -> tuple[Cohort, list[np.ndarray]]:
        """Return a cohort and the strengths in parts of equal size that it can take (the last may be smaller)."""
        size = math.ceil(len(lams) / math.ceil(len(lams) / chunk))
        if (kind, size) not in self._cohorts:
            self._cohorts[kind, size] = self._folds_cohort(size) if kind == "folds" else self._all_rows_cohort(size)
        return self._cohorts[kind, size], [lams[i : i + size] for i in range(0, len(lams), size)]

    def _folds_cohort(self, size: int) -> Cohort:
        folds = self._problem.folds
        task = replace(self._problem.task, plan=self._plan)
        return Cohort(task, folds.train, folds.held_out, range(len(folds.train)), size, self._target)

    def _all_rows_cohort(self, size: int) -> Cohort:
        task = replace(self._problem.task, plan=self._plan_all)
        number = len(self._problem.folds.train)  # no fold's own: other weights, other batches
        return Cohort(task, [self._problem.all_rows], [np.arange(0)], [number], size, self._target_all)

    def _compile(self) -> None:
        """Compile both cohorts' steps side by side: XLA's compiler uses one core and holds no lock."""
        if not self._plan.xla:
            return
        lams = self._problem.lams
        first, second = self._cohort("folds", lams, self._plan.chunk)[0], self._cohort("all", lams, self._plan_all.chunk)[0]
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(first.compile, evaluate=True), pool.submit(second.compile, evaluate=False)]
            for job in jobs:
                job.result()


def _split_target(target: Any) -> tuple[Any, Any]:
    """Return the (offset, scale) of the folds and of all rows."""
    if target is None:
        return None, None
    return tuple(v[:-1] for v in target), tuple(v[-1:] for v in target)


def _padded(part: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    """Repeat the last value up to the size of the first part, so that all parts have one compiled shape."""
    return np.concatenate([part, np.repeat(part[-1:], len(parts[0]) - len(part))])


def _first(scores: Scores, count: int) -> Scores:
    """Return the first `count` strengths' scores."""
    return Scores(
        scores.cv_loss[:, :count], scores.train_loss[:, :count], scores.row_loss[:, :count],
        scores.predictions[:, :count], scores.diverged[:, :count],
    )  # fmt: skip


def _joined(parts: list[Scores]) -> Scores:
    """Join strengths; curves that stopped earlier end in NaN."""
    longest = max(part.cv_loss.shape[2] for part in parts)

    def curves(name: str) -> np.ndarray:
        widened = []
        for part in parts:
            curve = getattr(part, name)
            widened.append(np.pad(curve, [(0, 0), (0, 0), (0, longest - curve.shape[2])], constant_values=np.nan))
        return np.concatenate(widened, axis=1)

    rows = [np.concatenate([getattr(p, name) for p in parts], axis=1) for name in ("row_loss", "predictions", "diverged")]
    return Scores(curves("cv_loss"), curves("train_loss"), *rows)


def _merge(lams: np.ndarray, scores: Scores, more: np.ndarray, found: Scores) -> tuple[np.ndarray, Scores]:
    """Return all strengths and scores in descending order."""
    order = np.argsort(-np.concatenate([lams, more]), kind="stable")
    joined = _joined([scores, found])
    return np.concatenate([lams, more])[order], Scores(
        joined.cv_loss[:, order], joined.train_loss[:, order], joined.row_loss[:, order],
        joined.predictions[:, order], joined.diverged[:, order],
    )  # fmt: skip


def _path(
    problem: Problem,
    search: _Search,
    scores: Scores,
    lams: np.ndarray,
    kept: np.ndarray,
    values: list[list[np.ndarray]],
    diverged: np.ndarray,
    started: float,
) -> Path:
    task, folds = problem.task, problem.folds
    held = np.sort(np.concatenate(folds.held_out))
    unit, row_unit = _units(problem, held)
    null = _null(problem, held)
    penalised = _penalised_values(problem, values)
    return Path(
        lams=lams,
        cv_loss=scores.cv_loss * unit,
        train_loss=scores.train_loss * unit,
        fold_weight=search.fold_weight,
        epochs=kept,
        held_out_rows=held,
        predictions=scores.predictions,
        row_loss=scores.row_loss * row_unit,
        metrics=_metrics(problem, held, scores.predictions),
        norm=np.array([math.sqrt(sum(float((w.astype(np.float64) ** 2).sum()) for w in member)) for member in penalised]),
        nonzero=np.array([sum(int(np.count_nonzero(w)) for w in member) for member in penalised]),
        status=np.where(scores.diverged, Status.DIVERGED, Status.OK),
        full_status=np.where(diverged, Status.DIVERGED, Status.OK),
        weights=tuple(np.stack(value) for value in zip(*values, strict=True)),
        template=task.template,
        penalty=task.penalty,
        how=task.how,
        selection=problem.selection,
        folds=folds,
        n_rows=len(problem.all_rows),
        seed=task.seed,
        plan=search.plan | {"batch_size": task.batch_size, "init": task.init},
        notes=problem.notes + tuple(search.notes),
        seconds=time.perf_counter() - started,
        target_mean=0.0 if problem.target is None else float(problem.target[0][-1]),
        target_sd=1.0 if problem.target is None else float(problem.target[1][-1]),
        **null,
    )


def _units(problem: Problem, held: np.ndarray) -> tuple[Any, Any]:
    """Return what brings losses, (F, 1, 1), and held-out rows' losses, (m, 1), to the units of all rows."""
    if problem.target is None:
        return 1.0, 1.0
    ratio = (problem.target[1][:-1] / problem.target[1][-1]) ** 2
    by_row = np.empty(problem.folds.n_rows)
    for fold, rows in enumerate(problem.folds.held_out):
        by_row[rows] = ratio[fold]
    return ratio[:, None, None], by_row[held, None]


def _penalised_values(problem: Problem, values: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    network = problem.task.template.network
    ids = {id(v) for v, on in zip(network.trainable_variables, problem.selection.mask, strict=True) if on}
    places = [i for i, variable in enumerate(network.variables) if id(variable) in ids]
    return [[member[i] for i in places] for member in values]


def _metrics(problem: Problem, held: np.ndarray, predictions: np.ndarray) -> dict[str, np.ndarray]:
    """Return the compiled metrics of each strength's held-out predictions, (S,)."""
    data, found = problem.task.data, {}
    for metric in problem.task.template.metrics():
        results = []
        for s in range(predictions.shape[1]):
            metric.reset_state()
            metric.update_state(data.y[held], predictions[:, s])
            results.append(float(np.asarray(metric.result()).mean()))
        found[metric.name] = np.array(results)
    return found


def _null(problem: Problem, held: np.ndarray) -> dict[str, Any]:
    """Return the loss, standard error and metrics of the best constant of each fold on its held-out rows."""
    task, folds = problem.task, problem.folds
    data, shape = task.data, (None, *task.template.network.compute_output_shape((1, *task.data.x.shape[1:]))[1:])
    constants = [null_predictions(task.loss, data.y, data.weight, rows, shape) for rows in folds.train]
    if any(constant is None for constant in constants):
        return {"null_loss": math.nan, "null_se": math.nan, "null_metrics": {}}
    predictions = np.zeros((folds.n_rows, *shape[1:]), data.x.dtype if data.x.dtype.kind == "f" else np.float32)
    for constant, rows in zip(constants, folds.held_out, strict=True):
        predictions[rows] = constant
    losses = np.asarray(row_losses(task.loss, data.y[held][None], predictions[held][None, None])).reshape(-1)
    everything = np.zeros(folds.n_rows)
    everything[held] = losses / (1.0 if problem.target is None else problem.target[1][-1] ** 2)
    weights = [data.weight[rows] for rows in folds.held_out]
    fold_loss = [np.average(everything[rows], weights=w) for rows, w in zip(folds.held_out, weights, strict=True)]
    mean, se = summarise(np.array(fold_loss)[:, None], [w.sum() for w in weights])
    if len(fold_loss) == 1:
        se = [everything[held].std(ddof=1) / math.sqrt(len(held))]
    metrics = _metrics(problem, held, predictions[held][:, None])
    return {"null_loss": float(mean[0]), "null_se": float(se[0]), "null_metrics": {k: float(v[0]) for k, v in metrics.items()}}
