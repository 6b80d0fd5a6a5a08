"""Situations of gains, of the ends of the grid, and of what cannot be said."""

import math
from collections.abc import Callable

import numpy as np

from shrinkage._path._path import Path
from tests.path.verdicts.curves import FLAT, MSE, flat


def one_split_with_weights() -> Path:
    """One split of 40 rows; two of weight 0, whose losses are infinite."""
    rng = np.random.default_rng(1)
    row_loss = (
        0.5 + 0.2 * rng.normal(size=(40, 1)) + np.array([0.05, 0.0, 0.04, 0.05]) + 0.01 * rng.normal(size=(40, 4))
    )
    weight = np.append(rng.uniform(0.5, 2, size=38), [0, 0])
    row_loss[38:] = np.inf
    level = np.average(row_loss[:38], axis=0, weights=weight[:38])
    null = {"null_row_loss": np.append(1 + 0.1 * rng.normal(size=38), [np.inf, np.inf]), "null": 1.0}
    return flat(level, level - 0.02, n_folds=1, spread=0, wiggle=0, row_loss=row_loss, row_weight=weight, **null)


# name: (path, what must be said, what must not be)
SITUATIONS: dict[str, tuple[Callable[[], Path], list[str], list[str]]] = {
    # gains
    "a clear gain": (
        lambda: flat([0.6, 0.4, 0.5, 0.5], [0.6, 0.38, 0.2, 0.1]),
        ["Use L2 at 1.00e-02: it lowers the log loss by 0.1", "it was overfitting"],
        [FLAT, "chance", "small"],
    ),
    "a clear gain of hardly anything": (
        lambda: flat([0.6, 0.4999, 0.5, 0.5], [0.6, 0.5, 0.5, 0.5], wiggle=1e-6, spread=1e-5),
        ["lowers the log loss by 1.00e-04", "clear, and small: 0.02 % of"],
        [FLAT, "chance"],
    ),
    "a large gain that is not clear": (
        lambda: flat([0.6, 0.35, 0.5, 0.5], [0.6, 0.3, 0.2, 0.1], wiggle=0.25, spread=0.0001),
        ["That is 30 % of the loss, but the folds vary too much to be sure."],
        ["Use ", "more rows", "does not matter"],
    ),
    "perhaps a gain": (
        lambda: flat([0.6, 0.48, 0.5, 0.5], [0.6, 0.3, 0.2, 0.1], wiggle=0.03, spread=0.0001),
        ["lowers", "interval"],
        ["part of it", "was overfitting"],
    ),
    "a penalty that only harms": (
        lambda: flat([0.9, 0.8, 0.7, 0.5], [0.9, 0.8, 0.7, 0.45]),
        ["No penalty is best"],
        [FLAT, "lowers", "diverge"],
    ),
    "a penalty that helps the training itself": (
        lambda: flat([0.6, 0.3, 0.5, 0.5], [0.6, 0.28, 0.49, 0.49]),
        ["the penalty helped the training itself"],
        ["overfitting"],
    ),
    # the grid
    "the minimum at the top": (
        lambda: flat([0.3, 0.4, 0.5, 0.5], [0.3, 0.2, 0.1, 0.1]),
        ["extend `lams` upwards"],
        ["downwards"],
    ),
    "the minimum at the bottom": (
        lambda: flat([0.5, 0.4, 0.3, 0.5], [0.3, 0.2, 0.1, 0.1]),
        ["extend `lams` downwards"],
        ["upwards"],
    ),
    "within one standard error, and clearly too large": (
        lambda: flat([0.9, 0.8, 0.52, 0.5], [0.5] * 4, spread=0.3, wiggle=1e-3),
        ["These strengths do not help. No penalty is best", "and yet clearly higher, fold by fold",
         "Every strength above 0 is clearly too large"],
        ["not matter", "do not need"],
    ),
    "two strengths": (
        lambda: flat([0.4, 0.5], [0.35, 0.1], lams=[0.1, 0.0]),
        ["Use L2 at 1.00e-01: it lowers"],
        ["extend", "every other"],
    ),
    "lambda = 0 alone": (
        lambda: flat([0.5], [0.4], lams=[0.0]),
        ["Take strengths above 0 too: give `lams`. Only lambda = 0 was trained."],
        ["every other", FLAT],
    ),
    # weights beside rows
    "one split, and infinite losses at weight 0": (
        one_split_with_weights,
        ["Use L2 at 1.00e-02: it lowers the log loss by 0.05", "over the rows of one split"],
        ["diverge", "chance"],
    ),
    # what cannot be said
    "a loss that mixes rows, in one split": (
        lambda: flat([0.5, 0.4, 0.5, 0.5], [0.1] * 4, n_folds=1, row_loss=np.full((40, 4), math.nan)),
        ["Take several folds to judge the penalty: there is no standard error."],
        ["interval", "nan"],
    ),
    "a path that was saved without the constant's folds": (
        lambda: flat([0.5] * 4, [0.1] * 4, null_fold_loss=None, null_row_loss=None),
        ["There is a gap"],
        ["constant"],
    ),
    "another unit of the target": (
        lambda: flat([0.3] * 4, [0.25] * 4, template=MSE, target_mean=1e6, target_sd=1e3),
        ["squared error"],
        ["standardize_target", "constant"],
    ),
}  # fmt: skip
