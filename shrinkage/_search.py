"""The loop that decides what is trained: a grid that grows at its ends, in chunks of strengths, and then all rows."""

import math
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from shrinkage._choice import best_epochs, summarise
from shrinkage._cohort._cohort import Cohort, make_engine
from shrinkage._cohort._tensorflow import Engine, threads
from shrinkage._cohort._train import Scores, join, refit, score
from shrinkage._prepare import Problem
from shrinkage._strengths import extension, fold_lams

Tick = Callable[[], None]
Expect = Callable[[int], None]


class Search:
    """Trains what the choice needs: a grid that grows at its ends, in chunks of strengths, then all rows."""

    def __init__(self, problem: Problem, *, epochs: int, patience: int | None, keep: Literal["best", "last"] | int):
        self._problem, self._epochs, self._patience = problem, epochs, patience
        self._keep: Literal["best", "last"] | int = keep
        folds, weight = problem.folds, problem.task.data.weight
        self.fold_weight = np.array([weight[rows].sum() for rows in folds.held_out], dtype=np.float64)
        self.notes: list[str] = []
        count = len(problem.lams)
        self._plan = problem.plan(count)
        self._engines: dict[int, Engine] = {}
        self.expected = 2 * epochs * math.ceil(count / self._plan.chunk)

    @property
    def plan(self) -> dict[str, Any]:
        """What decides the last bit, beside the seed."""
        versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
        return {
            **asdict(self._plan),
            "threads": threads(),
            "versions": versions,
        }

    def grid(self, tick: Tick, expect: Expect) -> tuple[Scores, np.ndarray]:
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
            lams, scores = np.concatenate([lams, more]), join([scores, self._score(more, tick)])
            order = np.argsort(-lams, kind="stable")
            lams, scores = lams[order], scores.take(order)
        if up == 3 or down == 3:
            self._warn_at_limit(lams, self._mean(scores), up, down)
        return scores, lams

    def _warn_at_limit(self, lams: np.ndarray, mean: np.ndarray, up: int, down: int) -> None:
        if np.isnan(mean).all():
            return
        best = int(np.nanargmin(mean))
        if (up == 3 and best == 0) or (down == 3 and best == len(lams) - 2):
            self.notes.append(
                f"The grid was extended by three decades and its minimum is still at the end, lambda = "
                f"{lams[best]:.3g}: give `lams` to go further."
            )

    def _mean(self, scores: Scores) -> np.ndarray:
        kept = best_epochs(scores.cv_loss, self.fold_weight, self._keep)
        fold_loss = np.take_along_axis(scores.cv_loss, (kept - 1)[None, :, None], axis=2)[..., 0]
        return self._average(fold_loss)

    def _average(self, fold_loss: np.ndarray) -> np.ndarray:
        return summarise(fold_loss, self.fold_weight)[0]

    def _score(self, lams: np.ndarray, tick: Tick) -> Scores:
        problem = self._problem
        task, folds = problem.task, problem.folds
        engine, parts = self._engine(lams)
        units = None if problem.target is None else problem.target.take(slice(-1))
        cohort = Cohort(task, self._plan, engine, folds.train, folds.held_out, range(len(folds.train)), units)
        n_rows, n_train = len(problem.all_rows), np.array([len(rows) for rows in problem.folds.train])
        found = []
        for part in parts:
            lam = fold_lams(_padded(part, parts), n_rows, n_train)
            one = score(
                cohort, lam, epochs=self._epochs, patience=self._patience, keep=self._keep,
                average=self._average, tick=tick,
            )  # fmt: skip
            found.append(one.take(slice(len(part))))
        return join(found)

    def all_rows(
        self, lams: np.ndarray, kept: np.ndarray, tick: Tick, expect: Expect
    ) -> tuple[list[list[np.ndarray]], np.ndarray]:
        """Train every strength on all rows to its kept epoch; return its values and which diverged."""
        problem = self._problem
        engine, parts = self._engine(lams)
        units = None if problem.target is None else problem.target.take(slice(-1, None))
        number = len(problem.folds.train)  # no fold's own: other weights, other batches
        cohort = Cohort(problem.task, self._plan, engine, [problem.all_rows], [np.arange(0)], [number], units)
        values, diverged, start = [], [], 0
        for part in parts:
            epochs = _padded(kept[start : start + len(part)], parts)
            expect(int(epochs.max()) - self._epochs)
            some, bad = refit(cohort, _padded(part, parts)[None], epochs, tick)
            values += some[: len(part)]
            diverged.append(bad[: len(part)])
            start += len(part)
        return values, np.concatenate(diverged)

    def _engine(self, lams: np.ndarray) -> tuple[Engine, list[np.ndarray]]:
        """Return compiled steps, and the strengths in parts of equal size that they take (the last may be smaller)."""
        size = math.ceil(len(lams) / math.ceil(len(lams) / self._plan.chunk))
        if size not in self._engines:
            self._engines[size] = make_engine(self._problem.task, self._plan, size)
        return self._engines[size], [lams[i : i + size] for i in range(0, len(lams), size)]


def _padded(part: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    """Repeat the last value up to the size of the first part, so that all parts have one compiled shape."""
    return np.concatenate([part, np.repeat(part[-1:], len(parts[0]) - len(part))])
