"""Situations of overfitting that the best epoch hides."""

from collections.abc import Callable
from typing import Any

from shrinkage._path._path import Path
from tests.path.verdicts.curves import ADVICE, FLAT, LAMS, SCHEDULED, decay, line, rise, stopped
from tests.synthetic_path import path_of_curves


def overfitting(penalised: Any, **changes: Any) -> Path:
    """Without a penalty 0.498 at epoch 8 and 0.712 after 100, with 0.078 in training; with penalties as given."""
    none = rise(0.498, 8, 0.712)
    fitted = [decay(1.0, 0.3, 10), decay(1.0, 0.25, 10), decay(1.0, 0.2, 10), decay(1.0, 0.078, 10)]
    return path_of_curves([*penalised, none], fitted, LAMS, **changes)


# name: (path, what must be said, what must not be)
SITUATIONS: dict[str, tuple[Callable[[], Path], list[str], list[str]]] = {
    "early stopping is all that is needed": (
        lambda: overfitting([rise(0.52, 8, 0.69), rise(0.498, 8, 0.7), rise(0.497, 8, 0.71)]),
        ["Training overfits: without a penalty the log loss is 0.498", "epoch, 8, and 0.712", "after all 100 (training",
         "Stopping early mends it", "No strength stands in for stopping early"],
        [FLAT, "part of it", *ADVICE],
    ),
    "the penalty stands in for early stopping": (
        lambda: overfitting([rise(0.6, 30, 0.62), rise(0.497, 50, 0.498), rise(0.5, 8, 0.6)]),
        ["Training overfits", "Stopping early mends it; L2 at 1.00e-02 lowers it by a further 0.001",
         "may be chance", "With L2 at 1.00e-02 training need not be stopped: 0.498"],
        [FLAT, "part of it"],
    ),
    "the penalty gains beyond early stopping": (
        lambda: overfitting([rise(0.4, 60, 0.401), rise(0.45, 20, 0.5), rise(0.5, 8, 0.6)]),
        ["Stopping early mends part of it; L2 at 1.00e-01 lowers it by a further 0.098", "need not be stopped"],
        ["chance", FLAT],
    ),
    "the penalty gains, and needs the stop too": (
        lambda: overfitting([rise(0.4, 10, 0.7), rise(0.45, 10, 0.7), rise(0.5, 8, 0.7)]),
        ["mends part of it", "No strength stands in for stopping early"],
        ["need not"],
    ),
    "no penalty is best, at its best epoch": (
        lambda: overfitting([rise(0.7, 8, 0.75), rise(0.6, 8, 0.72), rise(0.55, 8, 0.71)]),
        ["Stopping early mends it, and no penalty lowers it further"],
        ["L2 at 0", FLAT],
    ),
    "epoch='last': stopping is known from the curve": (
        lambda: overfitting([rise(0.6, 8, 0.69), rise(0.497, 90, 0.51), rise(0.5, 8, 0.71)], epoch="last"),
        ["Training overfits", "At epoch 100 L2 at 1.00e-02 lowers it by 0.20", "stopping without a penalty at epoch 8",
         "gives 0.498"],
        ["further", FLAT, "chance"],
    ),
    "epoch='last' under a schedule: an early epoch is one of a high rate": (
        lambda: overfitting(
            [rise(0.6, 8, 0.69), rise(0.497, 90, 0.51), rise(0.5, 8, 0.71)], epoch="last", template=SCHEDULED
        ),
        ["Use L2 at 1.00e-02: it lowers the log loss by 0.20", "Without a penalty it was overfitting (0.078"],
        ["Training overfits", "epoch 8", "stop", "learning rate", FLAT],
    ),
    "epoch='last' under a schedule, where no penalty is far above the constant": (
        lambda: path_of_curves(
            [line(1.0, 0.3), line(1.0, 0.3), line(1.0, 0.3), rise(2.0, 1, 30.0, 20)], [line(1.0, 0.2)] * 4,
            LAMS, epoch="last", template=SCHEDULED,
        ),
        [],
        ["Training overfits", "Lower the learning rate", "lower the learning rate", "stop"],
    ),
    "the best epoch under a schedule is one that the path has": (
        lambda: overfitting(
            [rise(0.6, 30, 0.62), rise(0.497, 50, 0.498), rise(0.5, 8, 0.6)], template=SCHEDULED
        ),
        ["Training overfits", "Stopping early mends it"],
        [FLAT],
    ),
    "epoch=50": (
        lambda: overfitting([rise(0.6, 8, 0.69), rise(0.497, 40, 0.51), rise(0.5, 8, 0.71)], epoch=50),
        ["At epoch 50", "at epoch 8 gives 0.498"],
        ["further", FLAT],
    ),
    "one split that overfits": (
        lambda: overfitting([rise(0.52, 8, 0.69), rise(0.497, 8, 0.7), rise(0.498, 8, 0.71)], n_folds=1),
        ["Training overfits", "over the rows of one split"],
        [FLAT],
    ),
    "patience ended each strength by itself": (
        lambda: overfitting(
            [stopped(rise(0.4, 60, 0.402), 80), stopped(rise(0.45, 20, 0.5), 40), stopped(rise(0.5, 8, 0.6), 20)]
        ),
        ["Training overfits", "after all 80"],
        ["nan", "hardly begun", "still fell"],
    ),
    "a rise within the noise": (
        lambda: path_of_curves([rise(0.498, 90, 0.5)] * 4, [decay(1, 0.45, 9)] * 4, LAMS, wiggle=0.01),
        [FLAT],
        ["Training overfits"],
    ),
    "both losses rise: no overfitting, but an unsteady training": (
        lambda: path_of_curves([rise(0.498, 8, 0.712)] * 4, [rise(0.4, 8, 0.7)] * 4, LAMS),
        [FLAT],
        ["Training overfits"],
    ),
}  # fmt: skip
