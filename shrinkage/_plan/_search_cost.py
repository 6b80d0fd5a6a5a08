"""The cost of a search within a budget, and of the whole grid."""

from typing import NamedTuple

from shrinkage._cv._rung import Rung
from shrinkage._messages._note import Note, format_duration
from shrinkage._plan._probe import Timing
from shrinkage._problem._problem import Problem

_GRID = 21 * (5 * 0.8 + 1)
"""Trainings of the grid: each strength in five folds with 80 % of the rows, and on all rows."""
_SMALL_SPEEDUP = 10
"""Members of a small network take this fraction of the time if they are trained together."""
_SHORT_SECONDS = 120


class SearchCost(NamedTuple):
    """The cost of a search in words."""

    text: str
    """The size of the search and its cost, before it starts."""
    notes: list[Note]
    """A note if the whole grid would take little time."""


def cost_search(problem: Problem, rung: Rung, timing: Timing, *, is_small: bool) -> SearchCost:
    """Return the cost of a search.

    Args:
        problem: The problem.
        rung: The cost in trainings.
        timing: The time of a step.
        is_small: Whether members that are trained together take much less time than one after another.
    """
    training = timing.step_seconds * problem.epochs * problem.n_rows / problem.training.batch_size
    grid = timing.compile_seconds + _GRID * training / (_SMALL_SPEEDUP if is_small else 1)
    folds = problem.folds
    text = (
        f"Search: at most {rung.members} strengths on {folds.train.sizes[0]:,} of {problem.n_rows:,} rows, scored on "
        f"{folds.held_out.sizes[0]:,} others, for at most {rung.members * rung.cost:.2f} trainings on all rows (about "
        f"{format_duration(rung.members * rung.cost * training + timing.compile_seconds)}), and then one training on "
        f"all rows (about {format_duration(training)}). The whole grid would take {_GRID:.0f} trainings (about "
        f"{format_duration(grid)})."
    )
    note = Note("The whole grid would take less than two minutes: leave $budget out for it.")
    return SearchCost(text, [note] if grid < _SHORT_SECONDS else [])
