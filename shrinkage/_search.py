"""The loop that decides what is trained: a grid that grows at its ends, in chunks of strengths, and then all rows."""

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from shrinkage._choice import best_epochs, summarise
from shrinkage._cohort._cohort import Cohort
from shrinkage._cohort._tensorflow import threads
from shrinkage._cohort._train import Scores, join, refit, score
from shrinkage._data import TargetUnits
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
        self._plan = problem.plan(len(folds.train), count)
        self._plan_all = problem.plan(1, count)
        self._cohorts: dict[tuple[str, int], Cohort] = {}
        self.expected = epochs * (math.ceil(count / self._plan.chunk) + math.ceil(count / self._plan_all.chunk))
        self._compile()

    @property
    def plan(self) -> dict[str, Any]:
        """What decides the last bit, beside the seed."""
        versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
        return {
            **asdict(self._plan),
            "chunk_all_rows": self._plan_all.chunk,
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
        cohort, parts = self._cohort("folds", lams, self._plan.chunk)
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
        task, folds = self._problem.task, self._problem.folds
        numbers = range(len(folds.train))
        return Cohort(task, self._plan, folds.train, folds.held_out, numbers, size, self._units(slice(-1)))

    def _all_rows_cohort(self, size: int) -> Cohort:
        task, train = self._problem.task, [self._problem.all_rows]
        numbers = [len(self._problem.folds.train)]  # no fold's own: other weights, other batches
        return Cohort(task, self._plan_all, train, [np.arange(0)], numbers, size, self._units(slice(-1, None)))

    def _units(self, part: slice) -> TargetUnits | None:
        target = self._problem.target
        return None if target is None else target.take(part)

    def _compile(self) -> None:
        """Compile both cohorts' steps side by side: XLA's compiler uses one core and holds no lock."""
        if not self._plan.xla:
            return
        lams = self._problem.lams
        first, second = (
            self._cohort("folds", lams, self._plan.chunk)[0],
            self._cohort("all", lams, self._plan_all.chunk)[0],
        )
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(first.compile, evaluate=True), pool.submit(second.compile, evaluate=False)]
            for job in jobs:
                job.result()


def _padded(part: np.ndarray, parts: list[np.ndarray]) -> np.ndarray:
    """Repeat the last value up to the size of the first part, so that all parts have one compiled shape."""
    return np.concatenate([part, np.repeat(part[-1:], len(parts[0]) - len(part))])
