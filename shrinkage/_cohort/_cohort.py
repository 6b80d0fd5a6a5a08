"""A cohort: the members of a path, for all folds and strengths, trained and scored together."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np

from shrinkage._cohort._initial import Moments, list_origins, make_initial_values
from shrinkage._cohort._tensorflow import Engine, count_threads, to_tensors
from shrinkage._data._data import Data, TargetUnits, make_random_seeds, select_batch_rows, size_batches
from shrinkage._problem._problem import Training


@dataclass(frozen=True)
class Evaluation:
    """The scores of all members after an epoch."""

    cv_loss: np.ndarray
    """(f, s) mean loss of each member on its held-out rows."""
    train_loss: np.ndarray
    """(f, s) mean loss of each member on its scored training rows, in inference mode."""
    row_loss: np.ndarray
    """(m, s) loss per held-out row, averaged over the folds that hold it out; NaN if loss or model mix rows."""
    predictions: Any
    """Prediction for each held-out row, averaged in the same way, a tree of (m, s, ...)."""
    metrics: dict[str, np.ndarray] = field(default_factory=dict)
    """Metrics of all held-out rows by name, (1, s) each, if `predictions` are of a part of the rows; else empty."""


class FoldScores(NamedTuple):
    """The scores of the members of a fold after an epoch."""

    cv_loss: np.ndarray
    """Mean loss of each member on the held-out rows, (s,)."""
    train_loss: np.ndarray
    """Mean loss of each member on the scored training rows, in inference mode, (s,)."""
    row_loss: np.ndarray
    """Loss of each held-out row of the fold, (s, m_f)."""
    predictions: Any
    """Prediction for each held-out row of the fold, a tree of (s, m_f, ...)."""


class Gathering:
    """A function that averages values of the folds by rows.

    Args:
        places: For each fold the places of its rows among all rows, (m_f,).
        n_rows: Number of all rows, m.
    """

    def __init__(self, places: Sequence[np.ndarray], n_rows: int):
        self._places, self._times = places, np.bincount(np.concatenate(places), minlength=n_rows)

    def __call__(self, *parts: np.ndarray) -> np.ndarray:
        """Return the means (m, s, ...) of values of each fold, (s, m_f, ...)."""
        whole = np.zeros((len(self._times), parts[0].shape[0], *parts[0].shape[2:]), parts[0].dtype)
        with np.errstate(invalid="ignore", over="ignore"):  # of a member that diverges
            for part, place in zip(parts, self._places, strict=True):
                if self._times.max(initial=0) <= 1:  # the sum below would be the same, and slower
                    whole[place] = part.swapaxes(0, 1)
                else:
                    shares = self._times[place].astype(whole.dtype).reshape(-1, *[1] * (whole.ndim - 1))
                    whole[place] += part.swapaxes(0, 1) / shares
        return whole


class Cohort:
    """F x S members: the strengths of a fold step together, and the folds step in parallel on the cores.

    After the folds there may be members that train on all rows. They have no held-out rows, and are not scored.

    Args:
        training: The template, the data and the training options.
        engine: The compiled steps of S members.
        evaluated_rows: Number of rows that are evaluated together.
        train: The training rows of each fold, and then of the members on all rows, if there are any.
        held_out: The held-out rows of each fold; several folds may hold out the same row.
        train_scored: The rows of each fold on which the training loss is computed.
        numbers: The numbers of the folds, which seed their weights, batches and random layers; `ALL_ROWS` for members
            on all rows.
        target: The mean and scale by which each fold standardises the targets, or None to train on unchanged targets.
        moments: Means and variances for `Normalization` layers, for each fold; None computes them from the training
            rows.
    """

    def __init__(
        self,
        training: Training,
        engine: Engine,
        evaluated_rows: int,
        train: Sequence[np.ndarray],
        held_out: Sequence[np.ndarray],
        train_scored: Sequence[np.ndarray],
        numbers: Sequence[int],
        target: TargetUnits | None = None,
        moments: Sequence[Moments] | None = None,
    ):
        self.training, self.engine, self._evaluated_rows = training, engine, evaluated_rows
        self._train, self._held_out, self.numbers, self._target = train, held_out, numbers, target
        self._train_scored, data = train_scored, training.data
        self._data = self.make_fold_tensors(data)
        self._initial_values = make_initial_values(
            training.template, data, train, numbers, seed=training.seed, init=training.init, moments=moments
        )
        self._origins = list_origins(training.penalty.toward, training.template, self._initial_values)
        self._members: list[Any] = []
        self._lam = np.zeros((len(train), 0))
        self._batches = [size_batches(len(rows), training.batch_size) for rows in train]

    @property
    def strengths(self) -> int:
        """The number of strengths, S."""
        return self._lam.shape[1]

    @property
    def steps(self) -> int:
        """Number of steps in an epoch, the largest over the folds."""
        return max(steps for steps, _ in self._batches)

    def start(self, lam: np.ndarray) -> None:
        """Start training from the initial values, at strengths (f, s)."""
        self._lam = lam
        pairs = zip(self._initial_values, self._origins, strict=True)
        self._members = [self.engine.make_initial_members(values, origin) for values, origin in pairs]
        self._compile()

    def get_state(self) -> list[list[np.ndarray]]:
        """Return the values of all members between two epochs, with the slots of the optimizer: a list per fold."""
        return [[keras.ops.convert_to_numpy(value) for value in members] for members in self._members]

    def restore(self, state: list[list[np.ndarray]]) -> None:
        """Go on from a `state`, after `start` at the same strengths."""
        self._members = [[to_tensors(value) for value in members] for members in state]

    def _compile(self) -> None:
        """Compile training and evaluation in parallel, without taking a step: XLA's compiler does not fill two cores.

        A step is compiled for each batch size. The batch size differs between folds only if a fold has fewer rows than
        a batch: then a batch is all rows of the fold.
        """
        shapes: dict[tuple[int, ...], int] = {}
        for f, (_, size) in enumerate(self._batches):
            shapes.setdefault((self.training.data.n_rows, size, self._compute_max_steps(f), self._evaluated_rows), f)
        new_folds = [f for shape, f in shapes.items() if shape not in self.engine.compiled]
        if not new_folds:
            return
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(self._score_rows, 0, rows) for rows in self._split_rows(self._held_out[0])[:1]]
            for f in new_folds:
                self._step(f, epoch=0, steps=0)
            for job in jobs:
                job.result()
        self.engine.compiled.update(shapes)

    def _compute_max_steps(self, f: int) -> int:
        """Return the number of steps in the compiled shape, which does not depend on the number of training rows."""
        return math.ceil(self.training.data.n_rows / self._batches[f][1])

    def train_epoch(self, epoch: int) -> np.ndarray:
        """Train one epoch, counted from 0; return whether each member diverged, (f, s)."""
        return self.advance(lambda f: self._step(f, epoch, self._batches[f][0]))

    def advance(self, step: Callable[[int], tuple[list[Any], Any]]) -> np.ndarray:
        """Call `step` with the index of each fold, keep the members, and return whether each diverged, (f, s)."""

        def advance(f: int) -> Any:
            self._members[f], diverged = step(f)  # frees the fold's members before the step, while other folds train
            return diverged

        results = map_folds(advance, len(self._train), self.engine.training.xla)
        return np.stack([keras.ops.convert_to_numpy(diverged) for diverged in results])

    def time_steps(self, steps: int) -> float:
        """Return the seconds for a number of steps of all folds, at most an epoch; the members do not change."""
        began = time.perf_counter()
        xla = self.engine.training.xla
        for _, diverged in map_folds(
            lambda f: self._step(f, 0, min(steps, self._batches[f][0])), len(self._train), xla
        ):
            keras.ops.convert_to_numpy(diverged)
        return time.perf_counter() - began

    def time_scores(self) -> float:
        """Return the seconds in which all folds score as many rows as are scored together."""
        parts = [self._split_rows(rows)[0] for rows in self._held_out]
        began = time.perf_counter()
        map_folds(lambda f: self._score_rows(f, parts[f]), len(parts), self.engine.evaluation.xla)
        return time.perf_counter() - began

    def _step(self, f: int, epoch: int, steps: int) -> tuple[list[Any], Any]:
        key = {"seed": self.training.seed, "fold": self.numbers[f], "epoch": epoch}
        of_epoch, size = self._batches[f]
        batches = select_batch_rows(self._train[f], **key, steps=of_epoch, batch_size=size)
        seeds = make_random_seeds(**key, count=len(self.engine.seeds))
        return self.step_on(f, self._data[f], batches[:steps], seeds)

    def step_on(self, f: int, data: tuple[Any, Any, Any], batches: np.ndarray, seeds: np.ndarray) -> Any:
        """Take steps of a fold; return the members and whether each diverged, (s,).

        Args:
            f: The index of the fold.
            data: Inputs, targets and weights from `fold_tensors`.
            batches: Rows of `data`, (steps, batch).
            seeds: Seeds of the random layers.
        """
        rows = np.zeros((self._compute_max_steps(f), self._batches[f][1]), np.int32)
        rows[: len(batches)] = batches
        return self.engine.train(self._members[f], *data, rows, seeds, self._lam[f], np.int32(len(batches)))

    def make_fold_tensors(self, data: Data) -> list[tuple[Any, Any, Any]]:
        """Return inputs, targets in the units of each fold, and weights as tensors, for each fold."""
        x, weight = to_tensors(data.x), to_tensors(data.weight)
        if self._target is None:
            return [(x, to_tensors(data.y), weight)] * len(self._train)
        return [(x, to_tensors(self._target.standardize(data.y, f)), weight) for f in range(len(self._train))]

    def evaluate(self) -> Evaluation:
        """Score all members: one forward pass serves held-out and training loss."""
        return gather(self.score_folds(), self._held_out, by_rows=self.training.by_rows)

    def score_folds(self) -> list[FoldScores]:
        """Return the scores of each fold, which `gather` joins."""
        return map_folds(self._score_fold, len(self._held_out), self.engine.evaluation.xla)

    def _score_fold(self, f: int) -> FoldScores:
        weight = self.training.data.weight.astype(np.float64)
        held_loss, train_loss, predictions = self._score(f)
        cv_loss = _compute_means(held_loss, weight[self._held_out[f]])
        return FoldScores(cv_loss, _compute_means(train_loss, weight[self._train_scored[f]]), held_loss, predictions)

    def _score(self, f: int) -> tuple[np.ndarray, np.ndarray, Any]:
        """Score the members of a fold.

        Returns:
            Losses on the held-out rows, (s, m_f), losses on the scored training rows, and predictions for the held-out
            rows.
        """
        held_rows, train = self._held_out[f], self._train_scored[f]
        # If the loss or the model mixes rows, the two sets are not put into one batch, as in `model.evaluate`.
        sets = [np.concatenate([held_rows, train])] if self.training.by_rows else [held_rows, train]
        losses, predictions = self._score_sets(f, sets, len(held_rows))
        return losses[:, : len(held_rows)], losses[:, len(held_rows) :], predictions

    def _score_sets(
        self, f: int, sets: Sequence[np.ndarray], n_predicted: int, data: Any = None
    ) -> tuple[np.ndarray, Any]:
        """Return the losses (s, b) of a fold's members on sets of rows, and predictions for the first `n_predicted`.

        The parts that are scored together are written to their places: a list of them would take the memory again.
        """
        first, *parts = [part for rows in sets for part in self._split_rows(rows)]
        found = self._score_rows(f, first, data)
        losses = _allocate(found[0], sum(map(len, sets)))
        whole = losses, keras.tree.map_structure(lambda value: _allocate(value, n_predicted), found[1])
        keras.tree.map_structure(partial(_write, 0), whole, found)
        start = len(first)
        for part in parts:
            keras.tree.map_structure(partial(_write, start), whole, self._score_rows(f, part, data))
            start += len(part)
        return whole if self._target is None else self._target.restore(*whole, f)

    def _split_rows(self, rows: np.ndarray) -> list[np.ndarray]:
        """Split rows into the parts that are scored together."""
        size = self._evaluated_rows if self.training.by_rows else self.training.batch_size
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def _score_rows(self, f: int, rows: np.ndarray, data: Any = None) -> tuple[np.ndarray, Any]:
        """Return the losses (s, b) and predictions (s, b, ...) of a fold's members on rows (b,)."""
        # The last part is padded to the compiled shape, unless the padding would change the loss of the other rows.
        padded = np.resize(rows, self._evaluated_rows) if self.training.by_rows else rows
        scores = self.engine.evaluate(self._members[f], *(data or self._data[f]), padded.astype(np.int32))
        return keras.tree.map_structure(lambda value: _to_numpy(value)[:, : len(rows)], scores)

    def score_on(self, f: int, data: tuple[Any, Any, Any], rows: np.ndarray) -> tuple[np.ndarray, Any]:
        """Return the losses (s, b) and predictions (s, b, ...) of a fold's members on some rows (b,), at least one.

        Args:
            f: The fold's index.
            data: Inputs, targets and weights, as `fold_tensors` gives them for the fold.
            rows: Rows of `data`.
        """
        return self._score_sets(f, [rows], len(rows), data)

    def predict(self, f: int, rows: np.ndarray) -> Any:
        """Return the predictions of a fold's members for a few rows, a tree of (s, b, ...), in the units of training.

        For a model that mixes rows, a new number of rows is compiled again.
        """
        return self._score_rows(f, rows)[1]

    def get_values(self, f: int, s: int) -> list[np.ndarray]:
        """Return the values of a member, one array for each of the network's variables."""
        return self.engine.get_values(self._members[f], s, [value[0] for value in self._initial_values[f]])


def map_folds(call: Callable[[int], Any], folds: int, xla: bool) -> list[Any]:
    """Call with the index of each fold, in parallel if XLA compiled the steps: small steps keep one core busy.

    The last index is called first: the members on all rows take the longest. Without XLA the folds run one after
    another. TensorFlow then uses all cores for an operation, and it may fail if a function runs twice at the same time:
    rewritten sums (`AccumulateNV2`) have the same name in both runs.
    """
    pool, waits = ThreadPoolExecutor(count_parallel_folds(folds, xla)), True
    try:
        return list(pool.map(call, reversed(range(folds))))[::-1]
    except KeyboardInterrupt:  # the caller does not wait for the epochs of the folds in training
        waits = False
        raise
    finally:
        pool.shutdown(waits, cancel_futures=True)


def gather(folds: list[FoldScores], held_out: Sequence[np.ndarray], *, by_rows: bool) -> Evaluation:
    """Return the scores of all folds. The list is emptied, so that losses are freed before predictions are gathered.

    Args:
        folds: The scores of each fold.
        held_out: The held-out rows of each fold, (m_f,).
        by_rows: Whether the loss of each row is independent of the other rows in the batch.
    """
    cv_loss, train_loss, losses, predictions = map(list, zip(*folds, strict=True))
    folds.clear()
    held_rows = np.unique(np.concatenate(held_out))
    average = Gathering([np.searchsorted(held_rows, rows) for rows in held_out], len(held_rows))
    row_loss = average(*losses).astype(np.float64)
    losses.clear()
    if not by_rows:
        row_loss = np.full_like(row_loss, np.nan)
    return Evaluation(
        np.stack(cv_loss), np.stack(train_loss), row_loss, keras.tree.map_structure(average, *predictions)
    )


def count_parallel_folds(folds: int, xla: bool) -> int:
    """Return the number of folds that run in parallel: no more than the threads that TensorFlow may use."""
    return min(folds, count_threads()) if xla else 1


def has_idle_thread(folds: int, xla: bool) -> bool:
    """Return whether a thread has no fold to train while the last folds of an epoch train."""
    return xla and folds % count_threads() != 0


def _compute_means(losses: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the weighted mean of each strength's losses (s, n), (s,); one at a time, as the products are float64."""
    counts = weight > 0
    with np.errstate(invalid="ignore", over="ignore"):  # from members that diverge
        return np.array([np.average(loss[counts], weights=weight[counts]) for loss in losses])


def _allocate(values: np.ndarray, n_rows: int) -> np.ndarray:
    """Return an array (s, n_rows, ...) for values of some rows, (s, b, ...)."""
    return np.empty((values.shape[0], n_rows, *values.shape[2:]), values.dtype)


def _write(start: int, whole: np.ndarray, part: np.ndarray) -> None:
    """Write the values of some rows to their place; rows behind the last are left out."""
    room = max(0, whole.shape[1] - start)
    whole[:, start : start + part.shape[1]] = part[:, :room]


def _to_numpy(value: Any) -> np.ndarray:
    """Convert a tensor to an array, in float32 if NumPy does not support the dtype."""
    array = keras.ops.convert_to_numpy(value)
    return array if array.dtype.kind == "f" else array.astype(np.float32)
