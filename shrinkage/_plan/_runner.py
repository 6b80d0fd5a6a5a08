"""The runner: a problem, the plan to run it, and the cohorts of members."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from shrinkage._cohort._cohort import Cohort, count_parallel_folds, has_idle_thread
from shrinkage._cohort._initial import Moments
from shrinkage._cohort._stream import StreamCohort, compute_stored_moments
from shrinkage._cohort._tensorflow import count_threads
from shrinkage._data._data import ALL_ROWS, size_batches
from shrinkage._data._memory_limit import format_bytes, read_memory_limit
from shrinkage._messages._note import Note
from shrinkage._plan._engines import Engines
from shrinkage._plan._memory import measure
from shrinkage._plan._plan import (
    SMALL_STEP,
    Plan,
    Way,
    check_user_plan,
    count_multiplications,
    make_plan,
    select_joint_ways,
    select_ways,
    ways,
)
from shrinkage._plan._probe import Timing, choose_way, time_steps
from shrinkage._plan._rules_check import check_rules
from shrinkage._plan._search_cost import cost_search
from shrinkage._problem._problem import Problem


class Runner:
    """A problem and a plan. The runner makes the cohorts.

    Args:
        problem: The checked arguments of `fit`.
        user_plan: The argument `plan` of `fit`.
        max_memory: Bytes that the run may take, or None for half of the free memory.
        decision: The `decision` of an earlier runner for the same problem, which is repeated without timing.
    """

    def __init__(
        self,
        problem: Problem,
        user_plan: Mapping[str, Any] | None = None,
        max_memory: float | None = None,
        decision: Mapping[str, Any] | None = None,
    ):
        self._user_plan = check_user_plan(user_plan if decision is None else decision["settings"])
        self._max_memory, limit = max_memory, read_memory_limit(max_memory)
        self.problem, self._engines, agrees = problem, Engines(problem.training), True
        if not self._engines.has_rules:  # else an earlier fit checked equal steps
            self.problem, agrees = check_rules(problem)
            if self.problem.training.objective != problem.training.objective:
                self._engines = Engines(self.problem.training)
        training = self.problem.training
        self.notes: list[str] = []
        self._timings: dict[Way, Timing] = {}
        self._timing_bytes = 0 if decision is None else decision.get("memory", 0)
        self._memory = measure(
            training.template, training.data, self._list_scored_rows(),
            batch_size=training.batch_size, strengths=self._strengths, limit=limit,
            n_train=int(problem.n_train.sum()),
            stored_rows=0 if problem.stored_rows is None else problem.stored_rows.spool.n_rows,
            is_random=problem.groups is None and not problem.folds.names_rows,
        )  # fmt: skip
        candidates = ways(training.template.network, agrees=agrees, batch_size=training.batch_size)
        if self._strengths == 1:
            candidates = select_joint_ways(candidates)  # all ways train one strength at a time
        candidates, note = select_ways(candidates, self._user_plan)
        self.notes += [note] if note else []
        self._way, self._reason = choose_way(candidates, self._time_way, self._count_model_steps())
        self.joins_all_rows = self._can_join_all_rows() and (
            has_idle_thread(len(problem.folds.train), self._way.xla)
            if decision is None
            else decision.get("joins_all_rows", False)
        )
        """Whether the members on all rows train together with the folds: a thread would be idle without them."""
        self._memory = replace(self._memory, joins_all_rows=self.joins_all_rows)
        self.plan = self._make_plan(self._way)
        if self._predicted_bytes > self._memory.limit:
            text = (
                f"One strength at a time is expected to take {format_bytes(self._predicted_bytes)} of memory, more "
                f"than the {format_bytes(self._memory.limit)} of $max_memory: "
            )
            fixed = self._memory.compute_fixed_bytes(self.plan.xla)
            advice = (
                f"compiled steps and rows alone take {format_bytes(fixed)}, so give more."
                if fixed > self._memory.limit
                else "give a smaller $batch_size, or fewer $folds."
            )
            self.notes.append(Note(text + advice))

        self.search_text = ""
        """The size of a search within a budget, and what it costs."""
        if decision is not None:
            self._reason = decision["reason"]
            self.notes[:] = [Note(text) for text in decision["notes"]]
        elif self.problem.rung is not None:
            cost = cost_search(self.problem, self.problem.rung, self._time_way(self._way), is_small=self._is_small)
            self.search_text = cost.text
            self.notes += cost.notes

    @property
    def _is_small(self) -> bool:
        """Whether members that are trained together take much less time than one after another."""
        network = self.problem.training.template.network
        size = self.problem.training.batch_size * count_multiplications(network)
        return self._way.rules and not self._way.unrolled_layers and size < SMALL_STEP

    def _can_join_all_rows(self) -> bool:
        """Return whether a step of the folds can train the members on all rows, too, and does not fill all cores.

        A schedule of the learning rate that is stretched for the folds needs other compiled steps on all rows.
        """
        problem = self.problem
        trains_all = problem.models == "all" and problem.rung is None and problem.share == 1
        return trains_all and problem.stored_rows is None and self._stretch == 1 and self._is_small

    def shrink(self, chunk: int) -> None:
        """Train at most `chunk` strengths at a time from now on."""
        self.plan = replace(self.plan, chunk=chunk)

    @property
    def decision(self) -> dict[str, Any]:
        """The plan with its reason and notes, for JSON."""
        notes = [note.text if isinstance(note, Note) else note for note in self.notes]
        return {
            "settings": asdict(self.plan), "reason": self._reason, "notes": notes, "memory": self._timing_bytes,
            "joins_all_rows": self.joins_all_rows,
        }  # fmt: skip

    def count_parallel_parts(self, folds: int, parts: int) -> int:
        """Return how many of the next parts are trained side by side; a part is at most `chunk` strengths."""
        return 1

    def count_parallel_folds(self) -> int:
        """Return how many folds are trained side by side."""
        return count_parallel_folds(len(self.problem.folds.train), self.plan.xla)

    def repeat_plan(self, problem: Problem) -> "Runner":
        """Return a runner for a related problem that repeats the plan."""
        return Runner(problem, None, self._max_memory, self.decision)

    def make_cohort(self, *strengths: int, folds: range | None = None) -> Cohort | StreamCohort:
        """Return the members of all folds, or of some, for the given number of strengths.

        Members of some folds are equal to the bit to those in the cohort of all folds. With all folds, the members on
        all rows are the last if `joins_all_rows`.
        """
        return self._make_cohort(sum(strengths), self.plan, folds, all_rows=folds is None and self.joins_all_rows)

    def make_full_cohort(self, *strengths: int) -> Cohort | StreamCohort:
        """Return the members that train on all rows, for the given number of strengths."""
        problem = self.problem
        units = None if problem.target is None else problem.target.take(slice(-1, None))
        engine = self._engines.get(self.plan, sum(strengths))
        rows, none = [problem.rows_of_x], [np.arange(0)]
        stored = problem.stored_rows
        moments = None if stored is None else self._moments[-1:]
        cohort = Cohort(
            problem.training, engine, self.plan.evaluated_rows, rows, none, none, [ALL_ROWS], units, moments
        )
        return cohort if stored is None else StreamCohort(cohort, stored, [stored.n_folds])

    @property
    def record(self) -> dict[str, Any]:
        """The plan, the reason for it, the predicted memory, and all settings that affect the result to the bit."""
        return {
            **asdict(self.plan),
            "unrolled": self._way.unrolled_layers,
            "reason": self._reason,
            "memory": self._predicted_bytes,
            "threads": count_threads(),
            "versions": get_versions(),
            "budget": None if self.problem.rung is None else self.problem.rung.budget,
            "models": self.problem.models,
            "rate_sum": self.problem.rate_sum,
            "batch_size": self.problem.training.batch_size,
            "init": self.problem.training.init,
            "blocks": 1 if self.problem.stored_rows is None else self.problem.stored_rows.n_blocks,
            "arguments": dict(self.problem.unshown_arguments),
        }

    @property
    def description(self) -> str:
        """The plan as a sentence for the user."""
        plan, memory, limit = self.plan, format_bytes(self._predicted_bytes), format_bytes(self._memory.limit)
        return (
            f"Plan: {self._reason}; {plan.chunk} strengths at a time; {plan.evaluated_rows} rows evaluated together; "
            f"{memory} of memory expected, {limit} allowed."
        )

    @property
    def _predicted_bytes(self) -> int:
        """The peak of the run, or of the timing before it, in which more strengths may have been trained together."""
        plan = self.plan
        return max(
            self._timing_bytes, self._memory.predict(plan.chunk, xla=plan.xla, evaluated_rows=plan.evaluated_rows)
        )

    def predict_seconds(self) -> float:
        """Return the seconds for compiling, and for the steps and scores of all epochs. A few of them are timed."""
        timing, problem, plan = self._time_way(self._way), self.problem, self.plan
        in_folds, on_all_rows = self.problem.trained_strengths
        rung, by_rows = problem.rung, problem.training.by_rows
        steps = problem.epochs / problem.training.batch_size * timing.step_seconds
        # One fold, of all rows, has one core where the folds run side by side. Beside the folds, it only takes longer.
        longer = problem.n_rows - self.joins_all_rows * int(problem.n_train.max())
        alone = on_all_rows * longer * self.count_parallel_folds()
        seconds = steps * (in_folds * int(problem.n_train.sum()) + alone)
        n_scored = problem.epochs if rung is None else len(rung.scored_epochs)
        at_once = plan.evaluated_rows if by_rows else problem.training.batch_size
        rounds = math.ceil(2 * int(problem.folds.held_out.sizes.max()) / at_once)
        scores = n_scored * rounds * in_folds * self._score_seconds
        return timing.compile_seconds + seconds + scores

    @property
    def _score_seconds(self) -> float:
        """The seconds in which all folds score the rows that are scored together, for a strength."""
        size = self._count_timed_strengths(self._way)
        cohort = self._make_cohort(size, self.plan)
        cohort.start(np.zeros((len(self.problem.folds.train), size)))
        return min(cohort.time_scores() for _ in range(2)) / size

    def _count_model_steps(self) -> float:
        in_folds, models = self.problem.trained_strengths
        rows = in_folds * int(self.problem.n_train.sum()) + models * self.problem.n_rows
        return self.problem.epochs * rows / self.problem.training.batch_size

    @property
    def _strengths(self) -> int:
        """Number of strengths that may be trained together. A search within a budget tries one after another."""
        return len(self.problem.lams) if self.problem.rung is None else 1

    @property
    def _stretch(self) -> float:
        """The factor by which a schedule runs faster, as folds train on a part of the rows; 1 without a schedule."""
        problem = self.problem
        if not problem.training.template.has_schedule:
            return 1.0
        if problem.rung is None:
            return 1 / problem.share
        size = problem.training.batch_size
        return size_batches(problem.n_rows, size)[0] / size_batches(int(problem.n_train[0]), size)[0]

    def _make_plan(self, way: Way) -> Plan:
        return make_plan(way, self._memory, self._user_plan, strengths=self._strengths)

    def _make_cohort(
        self, strengths: int, plan: Plan, folds: range | None = None, *, all_rows: bool = False
    ) -> Cohort | StreamCohort:
        problem, stored = self.problem, self.problem.stored_rows
        folds = range(len(problem.folds.train)) if folds is None else folds
        units = None if problem.target is None else problem.target.take(slice(folds.start, folds.stop + all_rows))
        engine = self._engines.get(plan, strengths, self._stretch)
        moments = None if stored is None else self._moments[:-1]
        train, held_out, scored = (
            [rows[f] for f in folds] for rows in (problem.train, problem.held_out, problem.scored_training_rows)
        )
        numbers = [*folds, *[ALL_ROWS] * all_rows]
        train += [problem.rows_of_x] * all_rows
        cohort = Cohort(problem.training, engine, plan.evaluated_rows, train, held_out, scored, numbers, units, moments)
        return cohort if stored is None else StreamCohort(cohort, stored, folds)

    def _list_scored_rows(self) -> list[np.ndarray]:
        """Return the held-out rows of each fold with predictions in memory."""
        stored, held_out = self.problem.stored_rows, self.problem.folds.held_out
        if stored is None:
            return [*held_out]
        return [np.flatnonzero(contained) for contained in held_out.contain(stored.sample_rows)]

    @cached_property
    def _moments(self) -> list[Moments]:
        """Means and variances for `Normalization` layers: of the training rows of each fold, and last of all rows."""
        stored, network = self.problem.stored_rows, self.problem.training.template.network
        if stored is None:
            return []
        return compute_stored_moments(network, stored)

    def _count_timed_strengths(self, way: Way) -> int:
        """Number of strengths that are timed together: two where each member is traced separately."""
        chunk = self._make_plan(way).chunk
        return min(chunk, 2) if way.unrolled_layers else chunk

    def _time_way(self, way: Way, suffices: Callable[[Timing], bool] | None = None) -> Timing:
        """Time a way; see `time_steps` for `suffices`.

        A way is timed precisely once at most. Compiling is timed the first time: later the steps are compiled.
        """
        known = self._timings.get(way)
        if known is not None and (known.is_precise or suffices is not None):
            return known
        plan, size = self._make_plan(way), self._count_timed_strengths(way)
        bytes_now = self._memory.predict(size, xla=plan.xla, evaluated_rows=plan.evaluated_rows)
        self._timing_bytes = max(self._timing_bytes, bytes_now)
        cohort = self._make_cohort(size, plan)
        lam = np.zeros((len(self.problem.folds.train), size))
        timing = time_steps(cohort, lambda cohort: cohort.start(lam), lam.size, suffices)
        compile_seconds = timing.compile_seconds * plan.chunk / size if known is None else known.compile_seconds
        self._timings[way] = replace(timing, compile_seconds=compile_seconds)
        return self._timings[way]


def get_versions() -> dict[str, str]:
    """Return the versions of the packages that affect the result to the bit."""
    return {"keras": keras.__version__, "tensorflow": tf.__version__, "numpy": np.__version__}
