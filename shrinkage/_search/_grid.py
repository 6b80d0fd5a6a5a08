"""The scores of a grid of strengths, which is extended if the choice is at an end."""

from typing import Protocol

import numpy as np

from shrinkage._cohort._train import Scores, join_scores
from shrinkage._cv._strengths import find_extension
from shrinkage._messages._note import Note
from shrinkage._problem._problem import Problem


class Scorer(Protocol):
    """Trains and scores strengths; `Search` implements it."""

    problem: Problem
    notes: list[str]

    def score(self, lams: np.ndarray) -> Scores:
        """Train strengths in all folds."""
        ...

    def mean(self, scores: Scores) -> np.ndarray:
        """Return the mean held-out loss of each strength, (S,); NaN if a member diverged."""
        ...

    def find_index_1se(self, scores: Scores) -> int | None:
        """Return the index of `1se` if further strengths are cheap enough to extend the grid for it, or None."""
        ...


def score_grid(search: Scorer) -> tuple[Scores, np.ndarray]:
    """Score the grid, and extend it if the choice is at an end; return scores and strengths, descending."""
    lams = search.problem.lams
    scores = search.score(lams)
    decades_up = decades_down = 0
    grid = search.problem.grid
    while grid.lam_max is not None:
        mean = search.mean(scores)
        new_lams = find_extension(
            lams, mean, decades_up=decades_up, decades_down=decades_down,
            lam_max=grid.lam_max, is_far_from_unit=grid.is_far_from_unit, index_1se=search.find_index_1se(scores),
        )  # fmt: skip
        if new_lams is None:
            break
        upwards = new_lams[0] > lams[0]
        decades_up, decades_down = decades_up + upwards, decades_down + (not upwards)
        lams, scores = np.concatenate([lams, new_lams]), join_scores([scores, search.score(new_lams)])
        order = np.argsort(-lams, kind="stable")
        lams, scores = lams[order], scores.take(order)
    if decades_up == 3 or decades_down == 3:
        search.notes += _make_limit_notes(lams, search.mean(scores), decades_up, decades_down)
    search.notes += _make_divergence_notes(np.any(scores.diverged, axis=0))
    return scores, lams


def _make_limit_notes(lams: np.ndarray, mean: np.ndarray, decades_up: int, decades_down: int) -> list[Note]:
    """Return a note if the minimum is still at the end of the longest grid."""
    if np.isnan(mean).all():
        return []
    best = int(np.nanargmin(mean))
    neighbour = mean[best + 1] if best == 0 else mean[best - 1]
    if np.isclose(neighbour, mean[best], rtol=1e-3, atol=0):
        return []  # in a flat curve the minimum is at an end by chance, and a longer grid does not help
    if (decades_up == 3 and best == 0) or (decades_down == 3 and best == len(lams) - 2):
        text = (
            f"The grid was extended by three decades and its minimum is still at the end, lambda = "
            f"{lams[best]:.3g}: $give_lams to go further."
        )
        return [Note(text)]
    return []


def _make_divergence_notes(diverged: np.ndarray) -> list[Note]:
    """Return a note if most strengths above 0 diverged; `diverged` is (S,)."""
    above = diverged[:-1]
    if 2 * above.sum() > len(above) and not diverged.all():  # if all diverged, the verdict says so
        text = (
            f"{above.sum()} of the {len(above)} strengths above 0 diverged, and the choice is among the "
            f"others: lower $learning_rate$or_smaller_lams."
        )
        return [Note(text)]
    return []
