"""Situations in which training has hardly begun, or still goes on."""

import math
from collections.abc import Callable

import numpy as np

from shrinkage._messages._note import Note
from shrinkage._path._path import Path
from tests.path.verdicts.curves import ADVICE, FLAT, LAMS, LEVEL, MSE, decay, flat, line, noise, rise
from tests.synthetic_path import StubTemplate, path_of_curves

LARGE_INPUTS = Note("Inputs range up to 1,680 (column 12).", "far-inputs")
LARGE_TARGETS = Note("The target's variance is 5.93e+03.", "far-targets")
# name: (path, what must be said, what must not be)
SITUATIONS: dict[str, tuple[Callable[[], Path], list[str], list[str]]] = {
    "a straight line down": (
        lambda: path_of_curves([line(9.2, 8.6)] * 4, [line(9, 8.4)] * 4, LAMS, null=9.0, spread=0.1),
        ["Training has hardly begun", "9.2", "8.6", "(20)", "raise `epochs`", "compare the strengths then"],
        [FLAT, "overfitting", *ADVICE],
    ),
    "a slow start under a large standard error": (
        lambda: path_of_curves([line(0.95, 0.9)] * 4, [line(0.94, 0.89)] * 4, LAMS, spread=0.3, wiggle=1e-4),
        ["Training has hardly begun"],
        [FLAT, "matter", *ADVICE],
    ),
    "accelerating": (
        lambda: path_of_curves([1 - line(0, 0.5) ** 2] * 4, [1 - line(0, 0.5) ** 2] * 4, LAMS),
        ["Training has hardly begun"],
        [FLAT, *ADVICE],
    ),
    "hardly begun, and a penalty that gains already": (
        lambda: path_of_curves([line(0.9, 0.5)] + [line(0.9, 0.7)] * 3, [line(0.9, 0.4)] * 4, LAMS),
        ["Training has hardly begun", "So far L2 at 1.00e-01 lowers the log loss by 0.2"],
        [FLAT, "overfitting", *ADVICE],
    ),
    "worse than a constant, and still falling": (
        lambda: path_of_curves([line(1.9, 1.5)] * 4, [line(1.5, 0.95)] * 4, LAMS),
        ["Train longer", "hardly begun", "raise `epochs`", "So far no strength beats the best constant"],
        ["little to do with", *ADVICE],
    ),
    "not even the training beats a constant": (
        lambda: path_of_curves([line(1.9, 1.5)] * 4, [line(1.8, 1.4)] * 4, LAMS),
        ["has not got as far as the best constant", "Train longer (raise `epochs`) or raise the learning rate"],
        ["standardize_target", "little to do", *ADVICE],
    ),
    "the same with a raw target": (
        lambda: path_of_curves(
            [line(1900, 1500)] * 4, [line(1800, 1400)] * 4, LAMS, null=900.0, template=MSE,
            predictions=np.zeros((200, 4, 1)),
        ),
        ["has not got as far", "standardize_target=True"],
        [*ADVICE],
    ),  # fmt: skip
    "training stays far above a constant": (
        lambda: path_of_curves([line(90, 60)] * 4, [line(80, 50)] * 4, LAMS),
        ["Lower the learning rate.", "stays far above the best constant (log loss 50", "predict worse than a constant"],
        ["longer", "raise", "outliers", *ADVICE],
    ),
    "training rises": (
        lambda: path_of_curves([line(1.5, 2.5)] * 4, [line(1.4, 2.2)] * 4, LAMS),
        ["Lower the learning rate. In training the log loss is higher after the last", "predict worse than a constant"],
        ["longer", "raise", *ADVICE],
    ),
    "the same with a loss that is negative": (
        lambda: path_of_curves([line(6, 7)] * 4, [line(6, 7)] * 4, LAMS, null=-0.4,
                               template=StubTemplate(loss_name="poisson")),
        ["Lower the learning rate.", "best constant -0.400"],
        ["longer", "raise", *ADVICE],
    ),
    "without a penalty far above a constant, and no strength below it": (
        lambda: noise([1.2, 9.0, 30.0, 80.0], [0.98, 8.0, 25.0, 70.0]),
        ["Lower the learning rate. Without a penalty the log loss is 80.0 at its best epoch, far above"],
        ["little to do", "outliers", *ADVICE],
    ),
    "without a penalty far above a constant, and the penalty mends it": (
        lambda: flat([0.3, 5.0, 30.0, 80.0], [0.3, 4.0, 25.0, 70.0]),
        ["Use L2 at 1.00e-01: it lowers", "far above the best constant's (1.00): lower the learning rate, and compare"],
        [FLAT],
    ),
    "the first epoch is the best, and training goes on": (
        lambda: path_of_curves([rise(0.5, 1, 1.2)] * 4, [decay(1, 0.01, 5)] * 4, LAMS),
        ["Lower the learning rate: without a penalty the first epoch is the best", "Training overfits"],
        ["if you stop", FLAT],
    ),
    "inputs far from unit size, and training fails": (
        lambda: path_of_curves([line(90, 60)] * 4, [line(80, 50)] * 4, LAMS, notes=(LARGE_INPUTS,)),
        ["Standardise the inputs, which are far from unit size (see the note on them).", "worse than a constant"],
        ["learning rate", "longer", *ADVICE],
    ),
    "inputs far from unit size, and training is slow": (
        lambda: path_of_curves([line(0.95, 0.9)] * 4, [line(0.94, 0.89)] * 4, LAMS, notes=(LARGE_INPUTS,)),
        ["Train longer (raise `epochs`), and compare", "The inputs are far from unit size (see the note on them)"],
        ["learning rate", *ADVICE],
    ),
    "inputs far from unit size, and training levelled off": (
        lambda: flat([0.3] * 4, [0.3] * 4, notes=(LARGE_INPUTS,)),
        ["not overfitting", "The inputs are far from unit size (see the note on them)"],
        ADVICE,
    ),
    "targets far from unit size that cannot be standardised": (
        lambda: path_of_curves([line(1900, 1500)] * 4, [line(1800, 1400)] * 4, LAMS, null=70.0, notes=(LARGE_TARGETS,),
                               template=StubTemplate(loss_name="mean_absolute_error")),
        ["Divide the targets by their standard deviations", "worse than a constant"],
        ["learning rate", "standardize_target", *ADVICE],
    ),
    "no better than a constant, and a target far from unit size": (
        lambda: path_of_curves(
            [1000 + decay(500, 0, 5)] * 4, [900 + decay(500, 0, 5)] * 4, LAMS, null=990.0, template=MSE,
            predictions=np.zeros((200, 4, 1)),
        ),
        ["No strength beats the best constant", "standardize_target=True"],
        ["little to do with", "learning rate", *ADVICE],
    ),
    "a fall of which a twentieth is left": (
        lambda: path_of_curves([decay(1, 0.3, 33)] * 4, [decay(1, 0.3, 33)] * 4, LAMS, spread=0.05),
        ["The held-out loss still fell at the last epoch (100)", "raise `epochs`"],
        ["hardly begun", *ADVICE],
    ),
    "levelled off": (
        lambda: flat([0.3, 0.3, 0.3, 0.3], [0.3] * 4),
        ["not overfitting", "a larger model may gain more"],
        ["epochs", "longer"],
    ),
    "most of the fall within the first epoch": (
        lambda: path_of_curves([line(0.12, 0.10, 10)] * 4, [line(0.1, 0.09, 10)] * 4, LAMS, null=2.3),
        ["still fell at the last epoch (10)"],
        ["hardly begun"],
    ),
    "only the chosen strength still falls fast": (
        lambda: path_of_curves([line(0.9, 0.1, 100), LEVEL, LEVEL, LEVEL], [LEVEL] * 4, LAMS),
        ["Use L2 at 1.00e-01: it lowers", "still fell at the last epoch (100), at lambda = 1.00e-01: raise `epochs`"],
        ["hardly begun", "at lambda = 0"],
    ),
    "two epochs": (
        lambda: path_of_curves([[0.76, 0.66]] * 4, [[0.7, 0.62]] * 4, LAMS),
        ["After 2 epochs the penalty cannot be judged yet", "fell from 0.7600 after the first to 0.6600 after the last",
         "Train longer (raise `epochs`) or raise the learning rate"],
        ["No penalty is best", "does not matter", FLAT, "overfitting", "tenth", *ADVICE],
    ),
    "two epochs of a model with a regularizer": (
        lambda: path_of_curves([[0.76, 0.66]] * 4, [[0.7, 0.62]] * 4, LAMS, lam_model=0.01),
        ["The model's own strength (Keras' L2(0.005), lambda = 1.00e-02) cannot be judged yet."],
        ["too", "within"],
    ),
    "two epochs of which the first did most": (
        lambda: path_of_curves([[0.62, 0.616]] * 4, [[0.62, 0.61]] * 4, LAMS, spread=0.1),
        ["cannot be judged yet"],
        [FLAT, "does not matter", "hardly begun", *ADVICE],
    ),
    "three epochs, and a penalty that gains already": (
        lambda: path_of_curves([line(0.9, 0.5, 3)] + [line(0.9, 0.7, 3)] * 3, [line(0.9, 0.4, 3)] * 4, LAMS),
        ["After 3 epochs the penalty cannot be judged yet", "So far L2 at 1.00e-01 lowers the log loss by 0.2"],
        ["extend", *ADVICE],
    ),
    "one epoch": (
        lambda: path_of_curves([[0.6]] * 4, [[0.6]] * 4, LAMS),
        ["Train longer", "After 1 epoch the penalty cannot be judged yet."],
        ["fell", FLAT, "epochs the", *ADVICE],
    ),
    "one epoch, no better than a constant": (
        lambda: path_of_curves([[1.01]] * 4, [[0.9]] * 4, LAMS),
        ["So far no strength beats the best constant", "After 1 epoch the penalty cannot be judged yet"],
        ["little to do with", *ADVICE],
    ),
    "three epochs, the second of which was the best": (
        lambda: path_of_curves([[0.7, 0.5, 0.52]] * 4, [[0.7, 0.5, 0.51]] * 4, LAMS),
        [FLAT],
        ["judged", "epochs"],
    ),
    "a slow straight line of a loss without a constant": (
        lambda: path_of_curves([line(3.21, 3.18)] * 4, [line(3.2, 3.17)] * 4, LAMS, null=math.nan, spread=0.5,
                               template=StubTemplate(loss_name="huber")),
        ["Training has hardly begun: without a penalty the Huber loss is 3.2"],
        [FLAT, "overfitting", *ADVICE],
    ),
    "falling, and no penalty is best": (
        lambda: path_of_curves([decay(1, 0.32, 33)] * 3 + [decay(1, 0.3, 33)], [decay(1, 0.3, 33)] * 4, LAMS),
        ["So far these strengths do not help. No penalty is best", "still fell at the last epoch (100)"],
        ["hardly begun", *ADVICE],
    ),
    "falling, and flat": (
        lambda: path_of_curves([decay(1, 0.29999, 33)] + [decay(1, 0.3, 33)] * 3, [decay(1, 0.3, 33)] * 4, LAMS),
        ["So far you do not clearly need", "still fell at the last epoch (100)"],
        ["hardly begun", *ADVICE],
    ),
}  # fmt: skip
