"""A cohort: the members (fold, strength) of one path, trained and scored together."""

import math
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from shrinkage._cohort._first import first_values
from shrinkage._cohort._tensorflow import Engine, tensor
from shrinkage._data import Data, TargetUnits, batch_rows, random_seeds
from shrinkage._template import Template


@dataclass(frozen=True)
class Task:
    """What all cohorts of one `fit` have in common."""

    template: Template
    data: Data
    loss: keras.losses.Loss
    penalty: Any
    how: Any
    penalised: tuple[bool, ...]
    batch_size: int
    init: str
    seed: int


@dataclass(frozen=True)
class Evaluation:
    """One epoch's scores of all members."""

    cv_loss: np.ndarray
    """Mean loss on each member's held-out rows, (f, s)."""
    train_loss: np.ndarray
    """Mean loss on each member's training rows, in inference mode, (f, s)."""
    row_loss: np.ndarray
    """Loss of each held-out row under its own fold, (m, s)."""
    predictions: np.ndarray
    """Prediction for each held-out row by its own fold, (m, s, ...)."""


class Cohort:
    """F x S members of one task: the strengths of a fold step together, and the folds side by side, one a core.

    Args:
        task: What to train.
        engine: The steps of S members.
        evaluated_rows: How many rows are evaluated together.
        train: Each fold's training rows.
        held_out: Each fold's held-out rows.
        numbers: The folds' numbers, which weights, batches and random layers depend on.
        target: The units that each fold's targets are trained in, or None for their own.
    """

    def __init__(
        self,
        task: Task,
        engine: Engine,
        evaluated_rows: int,
        train: Sequence[np.ndarray],
        held_out: Sequence[np.ndarray],
        numbers: Sequence[int],
        target: TargetUnits | None = None,
    ):
        self._task, self._engine, self._evaluated_rows = task, engine, evaluated_rows
        self._train, self._held_out, self._numbers, self._target = train, held_out, numbers, target
        data = task.data
        self._x, self._weight = tensor(data.x), tensor(data.weight)
        if target is None:
            self._y = [tensor(data.y)] * len(train)
        else:
            self._y = [tensor(target.standardize(data.y, f)) for f in range(len(train))]
        self._first = first_values(task.template, data.x, train, numbers, seed=task.seed, init=task.init)
        self._members: list[Any] = []
        self._lam = np.zeros((len(train), 0))
        self._batch_size = min(task.batch_size, *map(len, train))
        self.steps = max(1, round(sum(map(len, train)) / len(train) / self._batch_size))
        """Steps in an epoch."""
        # Cohorts of other numbers of rows take as many steps of one compiled shape as they need.
        self._most_steps = max(self.steps, math.ceil(data.n_rows / self._batch_size))

    def start(self, lam: np.ndarray) -> None:
        """Begin anew at strengths (f, s)."""
        self._lam = lam
        self._members = [self._engine.first(values) for values in self._first]
        shape = self._task.data.n_rows, self._batch_size, self._most_steps, self._evaluated_rows
        if shape not in self._engine.compiled:
            self._compile()
            self._engine.compiled.add(shape)

    def _compile(self) -> None:
        """Compile the steps without taking one, side by side: XLA's compiler leaves a core partly idle."""
        rows = np.zeros(self._evaluated_rows, np.int32)
        with ThreadPoolExecutor(2) as pool:
            evaluated = pool.submit(self._engine.evaluate, self._members[0], self._x, self._y[0], rows)
            self._step(0, epoch=0, steps=0)
            evaluated.result()

    def train_epoch(self, epoch: int) -> np.ndarray:
        """Train one epoch, counted from 0; return which members' losses stopped being finite, (f, s)."""
        stepped = self._each_fold(lambda f: self._step(f, epoch, self.steps))
        self._members = [members for members, _ in stepped]
        return np.stack([keras.ops.convert_to_numpy(diverged) for _, diverged in stepped])

    def time_steps(self, steps: int) -> float:
        """Return the seconds that so many steps of all folds take, at most an epoch's; the members stay as they are."""
        began = time.perf_counter()
        for _, diverged in self._each_fold(lambda f: self._step(f, 0, steps)):
            keras.ops.convert_to_numpy(diverged)
        return time.perf_counter() - began

    def _step(self, f: int, epoch: int, steps: int) -> tuple[list[Any], Any]:
        key = {"seed": self._task.seed, "fold": self._numbers[f], "epoch": epoch}
        rows = np.zeros((self._most_steps, self._batch_size), np.int32)
        rows[: self.steps] = batch_rows(self._train[f], **key, steps=self.steps, batch_size=self._batch_size)
        seeds = random_seeds(**key, count=len(self._engine.seeds))
        data = self._x, self._y[f], self._weight
        return self._engine.train(self._members[f], *data, rows, seeds, self._lam[f], np.int32(steps))

    def evaluate(self) -> Evaluation:
        """Score all members on all rows: one forward pass serves held-out and training loss."""
        weight, held = self._task.data.weight, np.sort(np.concatenate(self._held_out))
        scored = self._each_fold(self._score)
        with np.errstate(invalid="ignore", over="ignore"):  # of a member that diverges

            def means(parts: Sequence[np.ndarray]) -> np.ndarray:
                pairs = zip(scored, parts, strict=True)
                return np.stack([np.average(loss[:, rows], axis=1, weights=weight[rows]) for (loss, _), rows in pairs])

            cv_loss, train_loss = means(self._held_out), means(self._train)
        places = [np.searchsorted(held, rows) for rows in self._held_out]
        row_loss = np.empty((len(held), cv_loss.shape[1]))
        predictions = np.empty((len(held), cv_loss.shape[1], *scored[0][1].shape[2:]), scored[0][1].dtype)
        for (loss, predicted), rows, place in zip(scored, self._held_out, places, strict=True):
            row_loss[place], predictions[place] = loss[:, rows].T, predicted.swapaxes(0, 1)
        return Evaluation(cv_loss, train_loss, row_loss, predictions)

    def _score(self, f: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the losses of a fold's members on all rows, (s, n), and their predictions for its held-out rows."""
        size, n_rows = self._evaluated_rows, self._task.data.n_rows
        held = np.zeros(n_rows, bool)
        held[self._held_out[f]] = True
        losses, predictions = [], []
        for start in range(0, n_rows, size):
            rows = np.arange(start, min(start + size, n_rows), dtype=np.int32)
            found = self._engine.evaluate(self._members[f], self._x, self._y[f], np.resize(rows, size))  # one shape
            loss, predicted = (_numpy(value)[:, : len(rows)] for value in found)
            losses.append(loss)
            predictions.append(predicted[:, held[rows]])
        loss, predicted = np.concatenate(losses, axis=1), np.concatenate(predictions, axis=1)
        return (loss, predicted) if self._target is None else self._target.restore(loss, predicted, f)

    def _each_fold(self, call: Callable[[int], Any]) -> list[Any]:
        """Call with each fold's index; small steps use one core well, and two badly."""
        with ThreadPoolExecutor(min(len(self._train), os.cpu_count() or 1)) as pool:
            return list(pool.map(call, range(len(self._train))))

    def values(self, f: int, s: int) -> list[np.ndarray]:
        """Return the values of a member, one array for each of the network's variables."""
        return self._engine.values(self._members[f], s, [value[0] for value in self._first[f]])


def _numpy(value: Any) -> np.ndarray:
    """Return a tensor as an array, in float32 where NumPy does not know its precision."""
    array = keras.ops.convert_to_numpy(value)
    return array if array.dtype.kind == "f" else array.astype(np.float32)
