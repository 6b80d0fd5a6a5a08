"""The search within a budget: a few strengths on a part of the rows, and more strengths beyond the end that is best."""

import numpy as np

from shrinkage._cohort._train import Scores, join_scores
from shrinkage._cv._choice import choose_paired_strength
from shrinkage._cv._rung import Rung, find_next_strength
from shrinkage._search._grid import Scorer


def score_rung(search: Scorer, rung: Rung) -> tuple[Scores, np.ndarray]:
    """Score the first strengths, and further ones while the choice is at an end; return scores and strengths."""
    problem = search.problem
    lams, lam_max = problem.lams, problem.grid.lam_max
    scores = search.score(lams)
    while len(lams) < rung.members and np.isfinite(mean := search.mean(scores)).any():
        index = choose_paired_strength(mean, scores.row_loss, problem.row_weight, problem.row_groups)
        lam = find_next_strength(lams, index, np.inf if lam_max is None else lam_max)
        if lam is None:
            break
        lams, scores = np.append(lams, lam), join_scores([scores, search.score(np.array([lam]))])
        order = np.argsort(-lams, kind="stable")
        lams, scores = lams[order], scores.take(order)
    return scores, lams
