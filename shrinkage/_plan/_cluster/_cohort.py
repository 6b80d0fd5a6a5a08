"""The members of a stage, in shares on the workers."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import tree

from shrinkage._cohort._cohort import Evaluation, FoldScores, gather
from shrinkage._plan._cluster._crew import Call, Crew
from shrinkage._plan._cluster._worker import Share


class ClusterCohort:
    """F x S members, with the methods of `Cohort`, which wait for all workers.

    Args:
        crew: The workers, with the problem.
        groups: The folds of each group, one range after another; None for members on all rows.
        sizes: The number of strengths of each part.
        held_out_rows: The held-out rows of each fold; None for rows on disk, whose folds are in one group.
        by_rows: Whether the loss of each row is independent of the other rows in the batch.
    """

    def __init__(
        self, crew: Crew, groups: Sequence[range] | None, sizes: Sequence[int],
        held_out_rows: Sequence[np.ndarray] | None,
        *, by_rows: bool,
    ):  # fmt: skip
        self._crew, self._held_out_rows, self._by_rows, self._sizes = crew, held_out_rows, by_rows, sizes
        ends = np.cumsum(sizes).tolist()
        self._columns = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
        self._all_rows = groups is None
        self._groups = [range(1)] if groups is None else groups
        self._seats = [crew.get_seat(place) for place in range(len(self._groups) * len(sizes))]
        self._lam = np.zeros((0, 0))

    def start(self, lam: np.ndarray) -> None:
        """Begin at strengths (f, s)."""
        self._lam = lam
        self._begin([None] * len(self._groups))

    def restore(self, state: Any) -> None:
        """Go on from a `state`, after `start` at the same strengths."""
        whole = self._held_out_rows is None
        self._begin([state] if whole else [state[group.start : group.stop] for group in self._groups])

    def _begin(self, states: Sequence[Any]) -> None:
        """Begin with the state of each group of folds, or None."""
        seats = iter(self._seats)
        for group, state in zip(self._groups, states, strict=True):
            folds = None if self._all_rows else (group.start, group.stop)
            for columns, size in zip(self._columns, self._sizes, strict=True):
                next(seats).begin(Share(folds, size), self._lam[group.start : group.stop, columns], state)
        self._crew.run([Call(seat, "wait") for seat in self._seats])

    def get_state(self) -> Any:
        """Return the state of all members, as the members of a process do, for a single part."""
        groups = [parts[0] for parts in self._call("get_state")]
        for seat, state in zip(self._seats, groups, strict=True):
            seat.keep(state)
        return groups[0] if self._held_out_rows is None else [fold for group in groups for fold in group]

    def train_epoch(self, epoch: int) -> np.ndarray:
        """Train one epoch, counted from 0; return whether each member diverged, (f, s)."""
        diverged = self._call("train_epoch", epoch)
        for seat in self._seats:
            seat.add_epoch(epoch)
        return np.concatenate([np.concatenate(parts, axis=1) for parts in diverged])

    def evaluate(self) -> Evaluation:
        """Score all members."""
        if self._held_out_rows is None:
            (parts,) = self._call("evaluate")
            fields = [[getattr(part, each.name) for part in parts] for each in dataclasses.fields(Evaluation)]
            return Evaluation(*(tree.map_structure(lambda *a: np.concatenate(a, axis=1), *each) for each in fields))
        folds = [_join(parts) for group in self._call("score_folds") for parts in zip(*group, strict=True)]
        return gather(folds, self._held_out_rows, by_rows=self._by_rows)

    def predict(self, f: int, rows: np.ndarray) -> Any:
        """Return the predictions of the members on all rows, f = 0, for a few rows, a tree of (s, b, ...)."""
        (parts,) = self._call("predict", f, rows)
        return tree.map_structure(lambda *arrays: np.concatenate(arrays), *parts)

    def get_values(self, f: int, s: int) -> list[np.ndarray]:
        """Return the values of a member on all rows, f = 0, one array for each of the network's variables."""
        place = next(place for place, columns in enumerate(self._columns) if s < columns.stop)
        arguments = "get_values", f, s - self._columns[place].start
        return self._crew.run([Call(self._seats[place], "call", arguments)])[0]

    def _call(self, method: str, *arguments: Any) -> list[list[Any]]:
        """Call a method of the cohorts of all workers; return the results by group of folds and part."""
        found = self._crew.run([Call(seat, "call", (method, *arguments)) for seat in self._seats])
        n_parts = len(self._sizes)
        return [found[start : start + n_parts] for start in range(0, len(found), n_parts)]


def _join(parts: Sequence[FoldScores]) -> FoldScores:
    """Join the scores of a fold along the strengths."""
    if len(parts) == 1:
        return parts[0]
    columns = zip(*parts, strict=True)
    return FoldScores(*(tree.map_structure(lambda *arrays: np.concatenate(arrays), *each) for each in columns))
