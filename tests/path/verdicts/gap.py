"""Situations of a gap between training and held-out rows, and of nearly perfect models."""

import math
from collections.abc import Callable

from shrinkage._path._path import Path
from tests.path.verdicts.curves import FLAT, LAMS, LARGER, MSE, decay, flat
from tests.synthetic_path import StubTemplate, path_of_curves

# name: (path, what must be said, what must not be)
SITUATIONS: dict[str, tuple[Callable[[], Path], list[str], list[str]]] = {
    # the gap
    "a gap that is real only against its own noise": (
        lambda: flat([0.0805] * 4, [0.0789] * 4, null=0.7, spread=1e-3, wiggle=1e-5),
        ["It is hardly overfitting (training 0.07890, held out 0.08050"],
        ["There is a gap", "more rows"],
    ),
    "losses of 5e-7 and 1e-7": (
        lambda: path_of_curves(
            [decay(1e-6, 5e-7, 1)] * 4, [decay(1e-6, 1e-7, 1)] * 4, LAMS, null=2.3, spread=1e-8, wiggle=1e-9
        ),
        ["nearly perfect", "gives the target away"],
        ["gap", "overfitting", *LARGER],
    ),
    "a gap that the penalty leaves": (
        lambda: flat([0.5, 0.5, 0.5, 0.5], [0.1] * 4),
        ["There is a gap that this penalty does not close (training 0.1", "more rows may gain more"],
        ["larger model"],
    ),
    "a gap that `min` has closed": (
        lambda: flat([0.6, 0.499, 0.5, 0.5], [0.6, 0.48, 0.3, 0.1], wiggle=0.003),
        ["The penalty narrows the gap"],
        ["does not close", *LARGER],
    ),
    "training above held out, as with dropout": (
        lambda: flat([0.5] * 4, [0.55] * 4),
        ["not overfitting", "larger model"],
        ["gap", "more rows"],
    ),
    "own loss without a constant": (
        lambda: flat([0.5] * 4, [0.1] * 4, null=math.nan, template=StubTemplate(loss_name="mine")),
        ["There is a gap", "mine"],
        ["constant", "perfect"],
    ),
    # near perfect
    "separable": (
        lambda: flat([0.002] * 4, [0.001] * 4, null=0.69, spread=1e-4, wiggle=1e-5),
        ["nearly perfect, 0.003 of the best constant's", "surprise"],
        ["gap", *LARGER],
    ),
    "good, and not perfect": (lambda: flat([0.06] * 4, [0.05] * 4, null=1.1), [FLAT], ["perfect"]),
    "a squared error that is good": (
        lambda: flat([0.005] * 4, [0.004] * 4, template=MSE, spread=1e-4, wiggle=1e-5),
        ["squared error"],
        ["perfect"],
    ),
}  # fmt: skip
