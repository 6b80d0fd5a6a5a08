"""The loop that decides what is trained: a grid that grows at its ends, in chunks of strengths, and then all rows."""

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from shrinkage._behaviour import COMPARED, another_model
from shrinkage._choice import best_epochs, summarise
from shrinkage._cohort._cohort import Cohort
from shrinkage._cohort._engines import Engines
from shrinkage._cohort._memory import measure
from shrinkage._cohort._plan import Plan, Way, make_plan, ways, ways_with_room
from shrinkage._cohort._probe import Timing, choose, time_steps
from shrinkage._cohort._tensorflow import threads
from shrinkage._cohort._train import Last, Scores, join, refit, score
from shrinkage._data import take
from shrinkage._penalties import Decoupled
from shrinkage._prepare import Problem
from shrinkage._strengths import extension, fold_lams

Tick = Callable[[], None]
Expect = Callable[[int], None]


class Search:
    """Trains what the choice needs: a grid that grows at its ends, in chunks of strengths, then all rows.

    Args:
        problem: The checked call of `fit`.
        epochs, patience, keep: As `fit` has them (`keep` is its `epoch`).
        given: What the user fixed of the plan.
        max_memory: Bytes that the run may take.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        epochs: int,
        patience: int | None,
        keep: Literal["best", "last"] | int,
        given: Mapping[str, Any],
        max_memory: int | None,
    ):
        self._problem, self._epochs, self._patience = problem, epochs, patience
        self._keep: Literal["best", "last"] | int = keep
        self._given = given
        folds, weight = problem.folds, problem.task.data.weight
        self.fold_weight = np.array([weight[rows].sum() for rows in folds.held_out], dtype=np.float64)
        self.notes: list[str] = []
        self._engines = Engines(problem.task)
        self._sizes: set[int] = set()  # numbers of strengths that steps were compiled for
        self._memory = measure(
            problem.task.template, problem.task.data, problem.folds.held_out,
            batch_size=problem.task.batch_size, strengths=len(problem.lams), limit=max_memory,
        )  # fmt: skip
        network, batch_size = problem.task.template.network, problem.task.batch_size
        found, note = ways_with_room(ways(network, agrees=problem.agrees, batch_size=batch_size), given)
        self.notes += [note] if note else []
        self._way, self._reason = choose(found, self._timed, self._model_steps())
        self._plan = make_plan(self._way, self._memory, given, strengths=len(problem.lams))
        self._warn_of_memory()
        self.expected = 2 * epochs * math.ceil(len(problem.lams) / self._plan.chunk)

    @property
    def plan(self) -> dict[str, Any]:
        """What decides the last bit, beside the seed; why; and the memory that the run was expected to take."""
        versions = {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
        return {
            **asdict(self._plan),
            "unrolled": self._way.unrolled,
            "reason": self._reason,
            "memory": self._predicted,
            "threads": threads(),
            "versions": versions,
        }

    @property
    def words(self) -> str:
        """The plan in words."""
        plan, memory, limit = self._plan, self._predicted / 2**20, self._memory.limit / 2**20
        return (
            f"Plan: {self._reason}; {plan.chunk} strengths at a time; {plan.evaluated_rows} rows evaluated together; "
            f"{memory:.0f} MiB of memory expected, {limit:.0f} allowed."
        )

    @property
    def _predicted(self) -> int:
        return self._memory.predict(self._plan.chunk, xla=self._plan.xla, evaluated_rows=self._plan.evaluated_rows)

    def _model_steps(self) -> float:
        rows = sum(map(len, self._problem.folds.train)) + len(self._problem.all_rows)
        return len(self._problem.lams) * self._epochs * rows / self._problem.task.batch_size

    def _timed(self, way: Way) -> Timing:
        """Time a way with the strengths that it would train together, of which a few tell where each is traced."""
        plan = make_plan(way, self._memory, self._given, strengths=len(self._problem.lams))
        size = min(plan.chunk, 2 if way.unrolled else plan.chunk)
        cohort = self._cohort(size, plan)
        lam = np.zeros((len(self._problem.folds.train), size))
        timing = time_steps(cohort, lambda cohort: cohort.start(lam), lam.size)
        return replace(timing, compiling=timing.compiling * plan.chunk / size)

    def _warn_of_memory(self) -> None:
        if self._predicted > self._memory.limit:
            self.notes.append(
                f"One strength at a time is expected to take {self._predicted / 2**30:.1f} GiB of memory, more than "
                f"max_memory={self._memory.limit / 2**30:.1f} GiB: give a smaller batch_size, or fewer folds."
            )

    def grid(self, tick: Tick, expect: Expect) -> tuple[Scores, np.ndarray]:
        """Score the strengths, and more at an end where the minimum lies; return scores and strengths, descending."""
        lams = self._problem.lams
        scores = self._score(lams, tick)
        up = down = 0
        most, far = self._problem.grid.most, self._problem.grid.far
        while most is not None:
            mean = self._mean(scores)
            more = extension(lams, mean, decades_up=up, decades_down=down, most=most, far=far)
            if more is None:
                break
            upwards = more[0] > lams[0]
            up, down = up + upwards, down + (not upwards)
            expect(self._epochs * len(self._parts(more)))
            lams, scores = np.concatenate([lams, more]), join([scores, self._score(more, tick)])
            order = np.argsort(-lams, kind="stable")
            lams, scores = lams[order], scores.take(order)
        if up == 3 or down == 3:
            self._warn_at_limit(lams, self._mean(scores), up, down)
        self._warn_of_divergence(np.any(scores.diverged, axis=0))
        return scores, lams

    def _warn_at_limit(self, lams: np.ndarray, mean: np.ndarray, up: int, down: int) -> None:
        if np.isnan(mean).all():
            return
        best = int(np.nanargmin(mean))
        beside = mean[best + 1] if best == 0 else mean[best - 1]
        if np.isclose(beside, mean[best], rtol=1e-3, atol=0):
            return  # where all are alike, the least is at an end by chance, and further ones are no better
        if (up == 3 and best == 0) or (down == 3 and best == len(lams) - 2):
            self.notes.append(
                f"The grid was extended by three decades and its minimum is still at the end, lambda = "
                f"{lams[best]:.3g}: give `lams` to go further."
            )

    def _warn_of_divergence(self, diverged: np.ndarray) -> None:
        """Say it where most strengths above 0 diverged, of (S,): the choice was then made from few."""
        above = diverged[:-1]
        if 2 * above.sum() > len(above) and not diverged.all():  # where all did, there is no choice, and print says so
            self.notes.append(
                f"{above.sum()} of the {len(above)} strengths above 0 diverged, and the choice is among the "
                f"others: lower the learning rate, or give smaller `lams`."
            )

    def _mean(self, scores: Scores) -> np.ndarray:
        kept = best_epochs(scores.cv_loss, self.fold_weight, self._keep)
        fold_loss = np.take_along_axis(scores.cv_loss, (kept - 1)[None, :, None], axis=2)[..., 0]
        # Before it diverged, a member may have had any loss: it is no candidate.
        return np.where(scores.diverged.any(axis=0), np.nan, self._average(fold_loss))

    def _average(self, fold_loss: np.ndarray) -> np.ndarray:
        return summarise(fold_loss, self.fold_weight)[0]

    def _score(self, lams: np.ndarray, tick: Tick) -> Scores:
        n_rows, n_train = len(self._problem.all_rows), np.array([len(rows) for rows in self._problem.folds.train])
        decoupled = isinstance(self._problem.task.how, Decoupled)
        found, cohorts = [], {}
        for size, part in self._parts(lams):
            if size not in cohorts:
                cohorts[size] = self._cohort(size, self._plan)
            lam = fold_lams(_padded(part, size), n_rows, n_train, decoupled=decoupled)
            one = score(
                cohorts[size], lam, epochs=self._epochs,
                patience=self._patience, keep=self._keep, average=self._average, tick=tick,
            )  # fmt: skip
            found.append(one.take(slice(len(part))))
        return join(found)

    def all_rows(
        self, lams: np.ndarray, kept: np.ndarray, tick: Tick, expect: Expect
    ) -> tuple[list[list[np.ndarray]], np.ndarray]:
        """Train every strength on all rows to its kept epoch; return its values and which diverged."""
        problem = self._problem
        units = None if problem.target is None else problem.target.take(slice(-1, None))
        number = len(problem.folds.train)  # no fold's own: other weights, other batches
        values, diverged, start, cohorts = [], [], 0, {}
        last: Last | None = None
        for size, part in self._parts(lams):
            if size not in cohorts:
                cohorts[size] = Cohort(
                    problem.task, self._engines.get(self._plan, size), self._plan.evaluated_rows, [problem.all_rows],
                    [np.arange(0)], [number], units,
                )  # fmt: skip
            epochs = _padded(kept[start : start + len(part)], size)
            expect(int(epochs.max()) - self._epochs)
            some, bad, last = refit(cohorts[size], _padded(part, size)[None], epochs, self._compared, tick)
            values += some[: len(part)]
            diverged.append(bad[: len(part)])
            start += len(part)
        if last is not None:
            self._warn_unless_equal(last)
        return values, np.concatenate(diverged)

    @property
    def _compared(self) -> np.ndarray:
        """A few rows, as many as steps are compiled for where a model mixes them."""
        task = self._problem.task
        return self._problem.folds.held_out[0][: COMPARED if task.by_rows else task.batch_size]

    def _warn_unless_equal(self, last: Last) -> None:
        """Say it where the model that comes back is not what was trained: one of the members stands for all."""
        task, rows = self._problem.task, take(self._problem.task.data.x, self._compared)
        note = another_model(task.template, task.behaviour, last.values, rows, last.predictions)
        if note:
            self.notes.append(note)
            warnings.warn(note, stacklevel=5)

    def _cohort(self, size: int, plan: Plan) -> Cohort:
        """Return all folds at so many strengths."""
        task, folds = self._problem.task, self._problem.folds
        units = None if self._problem.target is None else self._problem.target.take(slice(-1))
        engine, numbers = self._engines.get(plan, size), range(len(folds.train))
        return Cohort(task, engine, plan.evaluated_rows, folds.train, folds.held_out, numbers, units)

    def _parts(self, lams: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Cut strengths into parts for numbers that steps are compiled for: (number, strengths, at most so many)."""
        if not self._sizes or len(lams) < min(self._sizes):
            self._sizes.add(min(len(lams), self._plan.chunk))
        parts = []
        while len(lams):
            fitting = [size for size in self._sizes if size <= len(lams)]
            size = max(fitting) if fitting else min(self._sizes)
            parts.append((size, lams[:size]))
            lams = lams[size:]
        return parts


def _padded(part: np.ndarray, size: int) -> np.ndarray:
    """Repeat the last value, so that a part has the number of strengths that steps are compiled for."""
    return np.concatenate([part, np.repeat(part[-1:], size - len(part))])
