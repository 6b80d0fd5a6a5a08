"""A cohort: the members (fold, strength) of one path, trained and scored together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from shrinkage._cohort._first import first_values, seed_variables, stored_shapes
from shrinkage._cohort._forward import forward
from shrinkage._cohort._plan import Plan
from shrinkage._cohort._tensorflow import Engine, put
from shrinkage._cohort._unroll import unroll
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
    whole: bool
    """Whether the model is unrolled as a whole: the fast way is not right for it."""


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
    """F x S members of one task.

    Args:
        task: What to train.
        plan: How.
        train: Each fold's training rows.
        held_out: Each fold's held-out rows.
        numbers: The folds' numbers, which weights, batches and random layers depend on.
        strengths: S.
        target: The units that each fold's targets are trained in, or None for their own.
    """

    def __init__(
        self,
        task: Task,
        plan: Plan,
        train: Sequence[np.ndarray],
        held_out: Sequence[np.ndarray],
        numbers: Sequence[int],
        strengths: int,
        target: TargetUnits | None = None,
    ):
        self._task, self._plan, self._train, self._numbers = task, plan, train, numbers
        network = task.template.network
        self._seed_variables = seed_variables(network)
        self._engine = Engine(
            network,
            (lambda state, x, training: unroll(network, state, (x,), {}, training))
            if task.whole
            else (lambda state, x, training: forward(network, state, x, training)),
            loss=task.loss,
            optimizer=task.template.optimizer,
            penalty=task.penalty,
            how=task.how,
            penalised=task.penalised,
            seeds=self._seed_variables,
            shapes=stored_shapes(network, len(train), strengths),
            members=(len(train), strengths),
            target=target,
            xla=plan.xla,
        )
        self._tensors = put(task.data)
        self._first = first_values(task.template, task.data.x, train, numbers, seed=task.seed, init=task.init)
        self._lam = np.zeros((len(train), strengths))
        self._rows = _EvaluatedRows(train, held_out, task.data.weight)
        self._batch_size = min(task.batch_size, *map(len, train))
        self.steps = max(1, round(sum(map(len, train)) / len(train) / self._batch_size))
        """Steps in an epoch."""

    def compile(self, *, evaluate: bool) -> None:
        """Compile the steps without taking one."""
        self._step(0, steps=0)
        if evaluate:
            rows = np.zeros(self._plan.evaluated_rows, np.int32)
            self._engine.evaluate(*self._tensors[:2], rows, rows)

    def start(self, lam: np.ndarray) -> None:
        """Begin anew at strengths (f, s)."""
        self._lam = lam
        self._engine.start(self._first)

    def train_epoch(self, epoch: int) -> np.ndarray:
        """Train one epoch, counted from 0; return which members' losses stopped being finite, (f, s)."""
        return keras.ops.convert_to_numpy(self._step(epoch, self.steps))

    def _step(self, epoch: int, steps: int) -> Any:
        seed, size = self._task.seed, self._batch_size
        rows, seeds = [], []
        for train, number in zip(self._train, self._numbers, strict=True):
            rows.append(batch_rows(train, seed=seed, fold=number, epoch=epoch, steps=self.steps, batch_size=size))
            seeds.append(random_seeds(seed=seed, fold=number, epoch=epoch, count=len(self._seed_variables)))
        stacked = np.stack(rows, axis=1).astype(np.int32)
        return self._engine.train(*self._tensors, stacked, np.stack(seeds), self._lam, np.int32(steps))

    def evaluate(self) -> Evaluation:
        """Score all members on all rows: one forward pass serves held-out and training loss."""
        sums, row_loss, predictions = 0, [], []
        size = self._plan.evaluated_rows
        for rows, owner, held, weights in self._rows.batches(size):
            count = len(rows)
            padded = np.resize(rows, size), np.resize(owner, size)  # equal shapes, one trace
            losses, predicted = (
                keras.ops.convert_to_numpy(v) for v in self._engine.evaluate(*self._tensors[:2], *padded)
            )
            losses = losses[..., :count]
            with np.errstate(invalid="ignore", over="ignore"):
                sums = sums + losses @ weights
            row_loss.append(losses[owner[held], :, np.flatnonzero(held)])
            predictions.append(predicted[:count][held])
        means = sums / self._rows.totals[:, None]
        return Evaluation(means[..., 0], means[..., 1], np.concatenate(row_loss), np.concatenate(predictions))

    def values(self, s: int) -> list[np.ndarray]:
        """Return the values of strength `s` in the first fold, one array for each of the network's variables."""
        return [value[0] for value in self._engine.values(s)]


class _EvaluatedRows:
    """All rows, with the fold that holds each out and what each weighs in the members' two mean losses."""

    def __init__(self, train: Sequence[np.ndarray], held_out: Sequence[np.ndarray], weight: np.ndarray):
        self._owner = np.zeros(len(weight), np.int32)
        self._held = np.zeros(len(weight), bool)
        self._weights = np.zeros((len(train), len(weight), 2))
        for fold, (inside, outside) in enumerate(zip(train, held_out, strict=True)):
            self._owner[outside], self._held[outside] = fold, True
            self._weights[fold, outside, 0], self._weights[fold, inside, 1] = weight[outside], weight[inside]
        self.totals = self._weights.sum(axis=1)
        """Each fold's total weights, held out and in training, (f, 2)."""

    def batches(self, size: int):
        """Yield (rows, owner, held, weights) of successive batches of at most `size` rows."""
        for start in range(0, len(self._owner), size):
            part = slice(start, start + size)
            rows = np.arange(start, min(start + size, len(self._owner)), dtype=np.int32)
            yield rows, self._owner[part], self._held[part], self._weights[:, part]
