"""The runner of a problem on a cluster."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from shrinkage._messages._note import Note
from shrinkage._plan._cluster._cohort import ClusterCohort
from shrinkage._plan._cluster._crew import Call, Crew, SentProblem
from shrinkage._plan._cluster._layout import compute_layout
from shrinkage._plan._cluster._parcel import pack
from shrinkage._plan._plan import Plan
from shrinkage._plan._runner import Runner
from shrinkage._problem._problem import Problem


class ClusterRunner:
    """A problem whose members are trained by workers, with the methods of `Runner`.

    A worker decides on the plan, and the other workers and this process follow.

    Args:
        problem: The checked arguments of `fit`.
        user_plan: The argument `plan` of `fit`.
        max_memory: Bytes that each worker may take, or None for a share of half of the free memory.
        decision: The `decision` of an earlier runner for the same problem, which is repeated without timing.
        crew: The workers.

    Raises:
        ValueError: If the problem cannot be solved on a cluster.
    """

    joins_all_rows = False
    """Whether the members on all rows train together with the folds."""

    def __init__(
        self,
        problem: Problem,
        user_plan: Mapping[str, Any] | None,
        max_memory: float | None,
        decision: Mapping[str, Any] | None,
        crew: Crew,
    ):
        _check_solver(problem)
        self._max_memory, self._crew = max_memory, crew
        self._parcel, decided = pack(problem), None  # refuses models before the cluster is asked
        self._data, self._sent_parcel = problem.training.data, None
        if decision is None:
            first = crew.get_seat(0)
            first.load(self._send())
            crew.meet([first])
            [decided] = crew.run([Call(first, "decide", (user_plan, max_memory, crew.neighbours))])
            decision = decided.settings
        self._runner = Runner(problem, None, max_memory, decision)
        self.problem = self._runner.problem
        self.search_text = decided.search_text if decided else self._runner.search_text
        self._description = decided.description if decided else self._runner.description

    def _send(self) -> SentProblem:
        self._sent_parcel = self._sent_parcel or self._crew.send(self._parcel, self._data)
        return self._sent_parcel

    @property
    def plan(self) -> Plan:
        """The plan."""
        return self._runner.plan

    @property
    def notes(self) -> list[str]:
        """Sentences for the user: on the plan, and on the cluster."""
        return [*self._runner.notes, *self._crew.notes]

    @property
    def decision(self) -> dict[str, Any]:
        """The plan with its reason and notes, for JSON."""
        return self._runner.decision | {"joins_all_rows": self.joins_all_rows}

    @property
    def record(self) -> dict[str, Any]:
        """The record of `Runner`; `threads` are those of a worker."""
        return self._runner.record | {"threads": self._crew.threads}

    @property
    def description(self) -> str:
        """The plan as a sentence for the user."""
        size, threads = self._crew.size, self._crew.threads
        at_most = f"{size} worker{'s' * (size > 1)}, with {threads} thread{'s' * (threads > 1)} each"
        return f"{self._description} At most {at_most}."

    def shrink(self, chunk: int) -> None:
        """Train at most `chunk` strengths at a time in a worker from now on."""
        self._runner.shrink(chunk)

    def count_parallel_parts(self, folds: int, parts: int) -> int:
        """Return how many of the next parts are trained side by side."""
        return compute_layout(1 if self._is_on_disk else folds, parts, self._crew.size)[1]

    def count_parallel_folds(self) -> int:
        """Return how many folds are trained side by side."""
        parts = math.ceil(self.problem.trained_strengths[0] / self.plan.chunk)
        return 1 if self._is_on_disk else compute_layout(self._n_folds, parts, self._crew.size)[0]

    def repeat_plan(self, problem: Problem) -> "ClusterRunner":
        """Return a runner for a related problem that repeats the plan."""
        return ClusterRunner(problem, None, self._max_memory, self.decision, self._crew)

    def make_cohort(self, *strengths: int) -> ClusterCohort:
        """Return the members of all folds, for the number of strengths of each part."""
        groups = 1 if self._is_on_disk else compute_layout(self._n_folds, 1, self._crew.size // len(strengths))[0]
        return self._make_cohort([range(part[0], part[-1] + 1) for part in _split(self._n_folds, groups)], strengths)

    def make_full_cohort(self, *strengths: int) -> ClusterCohort:
        """Return the members on all rows, for the number of strengths of each part."""
        return self._make_cohort(None, strengths)

    @property
    def _is_on_disk(self) -> bool:
        """Whether the rows are on disk. A worker then reads them for all folds at once, as a process does."""
        return self.problem.stored_rows is not None

    @property
    def _n_folds(self) -> int:
        return len(self.problem.folds.train)

    def _make_cohort(self, groups: list[range] | None, strengths: Sequence[int]) -> ClusterCohort:
        seats = [self._crew.get_seat(place) for place in range(len(groups or [0]) * len(strengths))]
        for seat in seats:
            seat.load(self._send(), self.decision)
        self._crew.meet(seats)
        held_out = None if self._is_on_disk else [*self.problem.held_out]
        return ClusterCohort(self._crew, groups, strengths, held_out, by_rows=self.problem.training.by_rows)


def _split(n: int, groups: int) -> list[np.ndarray]:
    return np.array_split(np.arange(n), groups)


def _check_solver(problem: Problem) -> None:
    """Refuse problems that workers do not solve."""
    if problem.solver == "exact":
        text = "$cluster needs a solver that trains. Received: the exact solver, which does not train."
        raise ValueError(Note(f"{text} Leave $cluster out."))
