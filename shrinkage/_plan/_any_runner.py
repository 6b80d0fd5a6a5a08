"""The interface of a runner."""

from collections.abc import Sequence
from typing import Any, Protocol

from shrinkage._cohort._train import AnyCohort
from shrinkage._problem._problem import Problem


class AnyRunner(Protocol):
    """A problem and a way to solve it: a `Runner`, an `ExactRunner` or a `ClusterRunner`.

    `Runner` documents the methods. `cohort` takes the number of strengths of each of the parts that are trained side by
    side.
    """

    problem: Problem
    search_text: str

    @property
    def plan(self) -> Any: ...

    @property
    def notes(self) -> Sequence[str]: ...

    @property
    def decision(self) -> dict[str, Any]: ...

    @property
    def record(self) -> dict[str, Any]: ...

    @property
    def description(self) -> str: ...

    @property
    def joins_all_rows(self) -> bool: ...

    def shrink(self, chunk: int, /) -> None: ...

    def count_parallel_parts(self, folds: int, parts: int, /) -> int: ...

    def count_parallel_folds(self) -> int: ...

    def repeat_plan(self, problem: Problem, /) -> "AnyRunner": ...

    def make_cohort(self, *strengths: int) -> AnyCohort: ...

    def make_full_cohort(self, *strengths: int) -> AnyCohort: ...
