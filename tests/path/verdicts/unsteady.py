"""Situations in which training is unsteady, or diverges."""

from collections.abc import Callable

import numpy as np

from shrinkage._path._path import Path
from tests.path.verdicts.curves import ADVICE, FLAT, LAMS, LEVEL, flat, line, with_status
from tests.synthetic_path import path_of_curves


def swinging(level: float, width: float, n_epochs: int = 20) -> np.ndarray:
    """A loss that jumps up and down by `width`, and is at its least after the last epoch, by chance."""
    jumps = width * (np.arange(n_epochs) % 2 == n_epochs % 2)
    return level + jumps + 0.01 * width * np.arange(n_epochs)[::-1]


# name: (path, what must be said, what must not be)
SITUATIONS: dict[str, tuple[Callable[[], Path], list[str], list[str]]] = {
    # training that is unsteady
    "the held-out loss swings, and the last epoch is the best by chance": (
        lambda: path_of_curves([swinging(0.5, 0.1)] * 4, [swinging(0.48, 0.1)] * 4, LAMS),
        ["You do not clearly need this penalty: ", "training is unsteady: lower the learning rate"],
        ["hardly begun", "still fell", *ADVICE],
    ),
    "the training loss swings": (
        lambda: path_of_curves([LEVEL] * 4, [swinging(0.2, 0.1, 100)] * 4, LAMS),
        ["training is unsteady: lower the learning rate"],
        ADVICE,
    ),
    "the training loss hardly swings": (
        lambda: path_of_curves([LEVEL] * 4, [swinging(0.2, 0.004, 100)] * 4, LAMS),
        ["a larger model may gain more"],
        ["unsteady"],
    ),
    "a strength diverged": (
        lambda: with_status(lambda: flat([0.4995, 0.499, 0.4998, 0.4999], [0.49] * 4, wiggle=1e-3), [0]),
        ["hardly overfitting"],
        ADVICE,
    ),
    "hardly begun, and a strength diverged": (
        lambda: with_status(lambda: path_of_curves([line(0.9, 0.6)] * 4, [line(0.9, 0.6)] * 4, LAMS), [0]),
        ["Training has hardly begun", "Train longer (raise `epochs`), and"],
        ["raise the learning rate", *ADVICE],
    ),
    "falling at `min`, and without a penalty it diverged": (
        lambda: with_status(lambda: path_of_curves([line(0.9, 0.6)] * 4, [line(0.9, 0.6)] * 4, LAMS), [3]),
        ["Without a penalty training diverged", "Lower the learning rate to see what the penalty gains", "still fell"],
        ["hardly begun", "raise the learning rate", *ADVICE],
    ),
    # divergence
    "without a penalty": (
        lambda: with_status(lambda: flat([0.6, 0.4, 0.5, 0.5], [0.1] * 4), [3]),
        ["Without a penalty training diverged", "L2 at 1.00e-02 has the least"],
        [FLAT, "No penalty"],
    ),
    "at all strengths above 0": (
        lambda: with_status(lambda: flat([0.6, 0.4, 0.5, 0.5], [0.1] * 4), [0, 1, 2]),
        ["Lower the learning rate, or", "only lambda = 0 is left", "nothing is known of the penalty"],
        ["No penalty is best", FLAT, "every other"],
    ),
    "on all rows at all strengths above 0": (
        lambda: with_status(lambda: flat([0.6, 0.4, 0.5, 0.5], [0.1] * 4), [0, 1, 2], "full_status"),
        ["nothing is known of the penalty"],
        ["No penalty is best", FLAT],
    ),
    "at most strengths, and none is best": (
        lambda: with_status(lambda: flat([0.6, 0.7, 0.6, 0.5], [0.1] * 4), [0, 1]),
        ["No penalty is best: at every other strength that did not diverge", "Only 1 of 3 strengths above 0"],
        [FLAT],
    ),
    "above the minimum": (
        lambda: with_status(lambda: flat([0.6, 0.3, 0.4, 0.5], [0.1] * 4), [0]),
        ["Use L2 at 1.00e-02: it lowers", "All larger strengths diverged", "one of them may be better"],
        ["extend"],
    ),
    "at a strength within the flat range": (
        lambda: with_status(lambda: flat([0.4995, 0.499, 0.4998, 0.4999], [0.45] * 4, wiggle=1e-3), [2]),
        ["at lambda = 0 as at 1.00e-02"],
        ["from lambda = 0"],
    ),
    "everywhere": (
        lambda: with_status(lambda: flat([0.6, 0.4, 0.5, 0.5], [0.1] * 4), [0, 1, 2, 3]),
        ["Lower the learning rate, or scale the inputs. There is nothing to choose from: at every strength"],
        [FLAT, "lowers", "fold", "finished"],
    ),
    "on all rows alone, everywhere": (
        lambda: with_status(lambda: flat([0.6, 0.4, 0.5, 0.5], [0.1] * 4), [0, 1, 2, 3], "full_status"),
        ["There is nothing to choose from", "The folds' models finished"],
        [FLAT],
    ),
}  # fmt: skip
