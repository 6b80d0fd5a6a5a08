"""Situations in which repeats may show whether a gain is chance, and in which they do not help or are not there."""

import dataclasses
from collections.abc import Callable

import numpy as np

from shrinkage._path._curve import Status
from shrinkage._path._path import Path
from tests.path.verdicts.curves import FLAT, decay, flat, rise
from tests.synthetic_path import path_of_curves

COST = "`repeats=4` may show whether it is chance, and would take about"
UNCLEAR = [0.6, 0.35, 0.5, 0.5], [0.6, 0.3, 0.2, 0.1]
"""Held-out and training levels of a large gain, which varies between the folds."""


def unclear(wiggle: float = 0.25, **changes: object) -> Path:
    """A gain whose interval contains 0."""
    return flat(*UNCLEAR, wiggle=wiggle, spread=0.0001, **changes)


def split_by(kind: str, **changes: int) -> Path:
    """The same, of another kind of split."""
    path = unclear()
    return dataclasses.replace(path, folds=dataclasses.replace(path.folds, kind=kind, **changes))


# name: (path, what must be said, what must not be)
SITUATIONS: dict[str, tuple[Callable[[], Path], list[str], list[str]]] = {
    "five folds: four passes over all rows in them, and one after them": (
        lambda: unclear(seconds=60.0),
        ["the interval contains 0", f"{COST} 3 min or less."],  # 60 s * 17 / 5
        ["Use "],
    ),
    "ten folds: nine passes in them": (
        lambda: unclear(n_folds=10, wiggle=0.5, seconds=10.0),
        ["the interval contains 0", f"{COST} 37 s or less."],  # 10 s * 37 / 10
        [],
    ),
    "two of four models on all rows": (
        lambda: unclear(seconds=10.0, full_status=np.array([Status.NOT_TRAINED, Status.OK] * 2)),
        ["the interval contains 0", f"{COST} 37 s or less."],  # 10 s * 16.5 / 4.5
        [],
    ),
    "a path of two hours": (
        lambda: unclear(seconds=7200.0),
        [f"{COST} 6.8 h or less."],
        [],
    ),
    "folds of groups": (lambda: split_by("group k-fold"), [f"{COST} 20 s or less."], []),
    "overfitting, and a penalty that may gain more than stopping": (
        lambda: path_of_curves(
            [rise(0.5, 50, 0.55), rise(0.48, 60, 0.49), rise(0.5, 30, 0.9), rise(0.5, 20, 1.2)],
            [decay(1.0, 0.05, 30)] * 4,
            [0.1, 0.01, 0.001, 0.0],
            wiggle=0.03,
        ),
        ["Training overfits", "which may be chance", f"{COST} 20 s or less."],
        [],
    ),
    "a clear gain": (
        lambda: flat([0.6, 0.4, 0.5, 0.5], [0.6, 0.38, 0.2, 0.1]),
        ["Use L2 at 1.00e-02"],
        ["repeats"],
    ),
    "no gain that matters, whether it is chance or not": (
        lambda: flat([0.6, 0.4999, 0.5, 0.5], [0.6, 0.5, 0.5, 0.5], wiggle=5e-4, spread=0.01),
        [FLAT, "may be chance"],
        ["repeats"],
    ),
    "no penalty is best": (
        lambda: flat([0.9, 0.8, 0.7, 0.5], [0.9, 0.8, 0.7, 0.45], wiggle=0.02),
        ["No penalty is best"],
        ["repeats"],
    ),
    "a splitter, which is called once": (
        lambda: split_by("TimeSeriesSplit"),
        ["the interval contains 0"],
        ["repeats"],
    ),
    "fold numbers": (lambda: split_by("fold numbers"), ["the interval contains 0"], ["repeats"]),
    "one split": (
        lambda: flat([0.6, 0.48, 0.5, 0.5], [0.6, 0.3, 0.2, 0.1], n_folds=1, spread=0.2, wiggle=0.1),
        ["those of several folds are longer"],
        ["repeats"],
    ),
}
