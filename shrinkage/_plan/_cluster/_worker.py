"""A worker: a process of Ray that trains some strengths in some folds.

TensorFlow is imported after the number of threads is set, so this module imports nothing heavy.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from shrinkage import __version__


class Share(NamedTuple):
    """The members that a worker trains at a time."""

    folds: tuple[int, int] | None
    """The first fold and the one after the last, or None for all rows."""
    strengths: int


@dataclass(frozen=True)
class Decision:
    """The plan of a problem, which one worker decides for all."""

    settings: dict[str, Any]
    """`Runner.decision`."""
    description: str
    search_text: str


class Worker:
    """A worker, whose methods the driver calls one after another.

    Args:
        threads: Number of threads for an operation of TensorFlow, which the last bits of a result depend on.
        version: The version of this package that the driver has.
    """

    def __init__(self, threads: int, version: str):
        if version != __version__:
            raise ImportError(f"a node has shrinkage {__version__}, and the caller {version}")
        os.environ["TF_NUM_INTRAOP_THREADS"] = os.environ["TF_NUM_INTEROP_THREADS"] = str(threads)
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # the workers of a machine would all take the same GPU
        self._number: int | None = None
        self._problem: Any = None
        self._runner: Any = None
        self._cohort: Any = None
        self._share: Share | None = None

    def wait(self) -> None:
        """Return when all earlier calls are done."""

    def get_environment(self) -> dict[str, Any]:
        """Return the packages and the machine."""
        from shrinkage._plan._environment import get_environment

        return get_environment()

    def load(self, number: int, parcel: bytes, data: Any, decision: Mapping[str, Any] | None) -> None:
        """Take over a problem.

        Args:
            number: The number of the problem. The present problem is kept if it has this number.
            parcel: The problem without rows.
            data: The rows.
            decision: The decision how the problem is run, or None before there is one.
        """
        from shrinkage._plan._cluster._parcel import unpack
        from shrinkage._plan._runner import Runner

        if number == self._number:
            return
        self._runner = self._cohort = self._share = None
        self._problem, self._number = unpack(parcel, data), number
        if decision is not None:
            self._runner = Runner(self._problem, decision=decision)

    def decide(self, user_plan: Mapping[str, Any] | None, max_memory: float | None, neighbours: int) -> Decision:
        """Decide how the problem is run, by timing if necessary.

        Args:
            user_plan: The argument `plan` of `fit`.
            max_memory: The bytes that a worker may take; None for a share of half of the free memory.
            neighbours: Number of workers on a machine, which share its memory.
        """
        from shrinkage._data._memory_limit import read_memory_limit
        from shrinkage._plan._runner import Runner

        limit = read_memory_limit(None) / neighbours if max_memory is None else max_memory
        self._runner = runner = Runner(self._problem, user_plan, limit)
        return Decision(runner.decision, runner.description, runner.search_text)

    def start(self, share: Share, lam: np.ndarray, state: Any, epochs: Sequence[int]) -> None:
        """Begin with the members of a share.

        Args:
            share: The members.
            lam: Strengths, (f, s).
            state: A state to go on from, or None.
            epochs: The epochs to train again, after the state of a worker that was lost.
        """
        with _raise_memory_error():
            if share != self._share:
                self._cohort = self._share = None  # frees the memory first
                self._cohort, self._share = self._make_cohort(share), share
            self._cohort.start(lam)
            if state is not None:
                self._cohort.restore(state)
            for epoch in epochs:
                self._cohort.train_epoch(epoch)

    def _make_cohort(self, share: Share) -> Any:
        if share.folds is None:
            return self._runner.make_full_cohort(share.strengths)
        return self._runner.make_cohort(share.strengths, folds=range(*share.folds))

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the cohort."""
        with _raise_memory_error():
            return getattr(self._cohort, method)(*arguments)


@contextmanager
def _raise_memory_error() -> Iterator[None]:
    """Raise `MemoryError` if memory runs out: errors of TensorFlow do not travel."""
    from shrinkage._cohort._tensorflow import get_memory_errors

    try:
        yield
    except get_memory_errors() as error:
        raise MemoryError(str(error).partition("\n")[0]) from None
