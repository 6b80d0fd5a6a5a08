"""The runner of the exact solver: a problem, and the cohorts that solve it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import scipy

from shrinkage._cohort._tensorflow import count_threads
from shrinkage._data._memory_limit import format_bytes, read_memory_limit
from shrinkage._host._layers import list_seed_generators, list_sublayers
from shrinkage._messages._note import Note
from shrinkage._plan._any_runner import AnyRunner
from shrinkage._plan._exact._cohort import ExactCohort
from shrinkage._plan._exact._head import read_head
from shrinkage._plan._exact._logistic import Logistic, has_hessians
from shrinkage._plan._exact._ridge import Ridge
from shrinkage._plan._exact._rows import ExactRows
from shrinkage._plan._plan import check_user_plan
from shrinkage._plan._runner import Runner, get_versions
from shrinkage._problem._problem import Problem


@dataclass(frozen=True)
class ExactPlan:
    """The settings of an exact run."""

    chunk: int
    """Number of strengths that are solved together."""
    solver: str = "exact"


class ExactRunner:
    """A problem for the exact solver, with the methods of `Runner`.

    Args:
        problem: The checked arguments of `fit`.
        user_plan: The argument `plan` of `fit`, of which `chunk` is used.
        max_memory: Bytes that the run may take, or None for half of the free memory.
        decision: The `decision` of an earlier runner for the same problem.

    Raises:
        ValueError: If the exact solver does not apply to the problem.
    """

    joins_all_rows = False
    """Whether the members on all rows train together with the folds."""

    def __init__(
        self,
        problem: Problem,
        user_plan: Mapping[str, Any] | None = None,
        max_memory: float | None = None,
        decision: Mapping[str, Any] | None = None,
    ):
        settings = check_user_plan(user_plan if decision is None else decision["settings"])
        self.problem, self._head = problem, read_head(problem)
        self._max_memory, limit = max_memory, read_memory_limit(max_memory)
        strengths, self._rows = len(problem.lams), ExactRows(problem, self._head, limit / 2)
        # Probabilities, scores and predictions of rows; vectors of the size of the coefficients in Newton's method, and
        # Hessians with their factors.
        sets = len(problem.folds.train) if self._rows.are_shared else 1
        values = 3 * _count_rows_in_memory(problem) + 10 * sets * self._n_columns
        if has_hessians(self._head, self._rows):
            values += 3 * self._n_columns**2
        self._bytes_per_strength = 8 * self._head.units * values
        chunk = max(1, min(strengths, int(limit / 2 / self._bytes_per_strength)))
        self.plan = ExactPlan(min(strengths, settings.get("chunk", chunk)))
        self._limit, self._unsolved_lams = limit, list[float]()
        squared = self._head.kind == "squared error"
        self._solver = Ridge(self._rows, self._head, problem.target) if squared else Logistic(self._rows, self._head)
        self.search_text = ""
        self._reason = "eigenvalues of a Gram matrix for each fold" if squared else "Newton's method for each fold"

    def shrink(self, chunk: int) -> None:
        """Solve at most `chunk` strengths at a time from now on."""
        self.plan = replace(self.plan, chunk=chunk)

    @property
    def decision(self) -> dict[str, Any]:
        """The plan with its reason and notes, for JSON."""
        return {"settings": asdict(self.plan), "reason": self._reason, "notes": []}

    @property
    def notes(self) -> list[str]:
        """Sentences for the user: random layers, a head without a bias, and strengths that did not converge."""
        lams = ", ".join(sorted({f"{lam:.3g}" for lam in self._unsolved_lams}, key=float, reverse=True))
        unsolved = [f"Newton's method did not converge at lambda = {lams}: weights are those after its last step."]
        network = self.problem.training.template.network
        random = [layer.name for layer in list_sublayers(network) if list_seed_generators(layer) and layer.trainable]
        note = f'{", ".join(random)}: random only in training, and not with solver="exact", which runs all layers in '
        found = [note + "inference mode."] * bool(random) + self._describe_bias() + unsolved * bool(lams)
        return found + self._describe_memory()

    def _describe_memory(self) -> list[Note]:
        """Return a note if rows on disk are read more often because memory allows few strengths at a time."""
        strengths = len(self.problem.lams)
        enough = 2 * strengths * self._bytes_per_strength
        if self._limit >= enough or self.problem.stored_rows is None or self._head.kind == "squared error":
            return []
        text = (
            f"The rows on disk were read again for every {self.plan.chunk} of {strengths} strengths, as memory allowed "
            f"no more: with {format_bytes(enough)} of $max_memory they are solved together, in less time."
        )
        return [Note(text)]

    def _describe_bias(self) -> list[str]:
        """Return a note if predictions are drawn to 0, and not to the best constant."""
        head = self._head
        if head.bias is not None or self.problem.target is not None:
            return []
        best = "the mean of the target" if head.kind == "squared error" else "the frequencies of the classes"
        centre = "0" if head.kind == "squared error" else "equal probabilities"
        return [
            f"The last layer, {head.layer.name!r}, has no bias: the penalty draws predictions to {centre}, and not to "
            f"{best}. Say use_bias=True, unless that is meant."
        ]

    def count_parallel_parts(self, folds: int, parts: int) -> int:
        """Return how many of the next parts are solved side by side."""
        return 1

    def count_parallel_folds(self) -> int:
        """Return how many folds are solved side by side."""
        return 1

    def repeat_plan(self, problem: Problem) -> "ExactRunner":
        """Return a runner for a related problem that repeats the plan."""
        return ExactRunner(problem, None, self._max_memory, self.decision)

    def make_cohort(self, *strengths: int) -> ExactCohort:
        """Return the members of all folds, for any number of strengths."""
        return self._make_cohort(range(self._rows.n_sets - 1))

    def make_full_cohort(self, *strengths: int) -> ExactCohort:
        """Return the members of all rows, for any number of strengths."""
        return self._make_cohort(range(self._rows.n_sets - 1, self._rows.n_sets))

    def _make_cohort(self, sets: range) -> ExactCohort:
        return ExactCohort(self.problem, self._head, self._rows, self._solver, sets, self._unsolved_lams)

    @property
    def record(self) -> dict[str, Any]:
        """The plan, the reason for it, the predicted memory, and all settings that affect the result to the bit."""
        return {
            **asdict(self.plan),
            "reason": self._reason,
            "memory": self._predicted_bytes,
            "threads": count_threads(),
            "versions": get_versions() | {"scipy": scipy.__version__},
            "blocks": 1 if self.problem.stored_rows is None else self.problem.stored_rows.n_blocks,
            "arguments": dict(self.problem.unshown_arguments),
        }

    @property
    def _n_columns(self) -> int:
        return self._head.layer.kernel.shape[0] + 1

    @property
    def _predicted_bytes(self) -> int:
        bytes_per_value = np.dtype(self._head.layer.compute_dtype).itemsize
        # The training rows of a fold are copied.
        design = 2 * bytes_per_value * self._n_columns * _count_rows_in_memory(self.problem)
        return int(min(design, self._limit / 2)) + self.plan.chunk * self._bytes_per_strength

    @property
    def description(self) -> str:
        """The plan as a sentence for the user."""
        memory, limit = format_bytes(self._predicted_bytes), format_bytes(self._limit)
        return (
            f"Plan: exact, by {self._reason}; {self.plan.chunk} strengths at a time; {memory} of memory "
            f"expected, {limit} allowed."
        )


def _count_rows_in_memory(problem: Problem) -> int:
    """Return the largest number of rows in memory at a time; of rows on disk, a block and the sample."""
    stored = problem.stored_rows
    return problem.training.data.n_rows if stored is None else stored.block_rows + len(stored.sample_rows)


def make_runner(
    problem: Problem,
    user_plan: Mapping[str, Any] | None = None,
    max_memory: float | None = None,
    decision: Mapping[str, Any] | None = None,
) -> AnyRunner:
    """Return the runner of the problem's solver; see `Runner`."""
    kind = ExactRunner if problem.solver == "exact" else Runner
    return kind(problem, user_plan, max_memory, decision)
