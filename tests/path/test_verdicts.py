"""Situations whose truth is known, and what the verdict must and must not say of each."""

import math
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

import shrinkage as sh
from shrinkage._cv._choice import Difference
from shrinkage._path._convergence import Convergence, assess_convergence
from shrinkage._path._curve import Status
from shrinkage._path._findings import held_out_curve
from shrinkage._path._path import Path
from shrinkage._path._plot import curve_data
from shrinkage._path._words import interval_text, loss_text
from shrinkage._penalties import L1, Proximal
from shrinkage.cli._terms import IN_SHELL
from tests.synthetic_path import StubTemplate, make_path, path_of_curves

# --- curves of one strength, (E,)


def decay(start: float, end: float, tau: float, n_epochs: int = 100) -> np.ndarray:
    """A loss on its way from `start` to `end`, and a third of the rest left after every `tau` epochs."""
    return end + (start - end) * np.exp(-np.arange(1, n_epochs + 1) / tau)


def rise(best: float, at: int, end: float, n_epochs: int = 100) -> np.ndarray:
    """A held-out loss that falls from 1 to `best` at epoch `at`, and rises to `end`."""
    epochs = np.arange(1, n_epochs + 1)
    return np.interp(epochs, [0, at, n_epochs], [1.0, best, end])


def line(start: float, end: float, n_epochs: int = 20) -> np.ndarray:
    return np.linspace(start, end, n_epochs)


def stopped(curve: np.ndarray, epoch: int) -> np.ndarray:
    """The same where patience ended it after `epoch`."""
    return np.where(np.arange(len(curve)) < epoch, curve, np.nan)


LAMS = [0.1, 0.01, 0.001, 0.0]
LEVEL = decay(1.5, 0.2, 5)  # a training that has levelled off


def flat(levels: Any, training: Any, lams: Any = LAMS, **changes: Any) -> Path:
    """All trainings levelled off, each strength at a level of its own."""
    shape = decay(1.0, 0.0, 5)
    levels, training = (np.asarray(values, float)[:, None] for values in (levels, training))
    return path_of_curves(levels + shape, training + shape, lams, **changes)


def overfitting(penalised: Any, **changes: Any) -> Path:
    """Without a penalty 0.498 at epoch 8 and 0.712 after 100, with 0.078 in training; with penalties as given."""
    none = rise(0.498, 8, 0.712)
    fitted = [decay(1.0, 0.3, 10), decay(1.0, 0.25, 10), decay(1.0, 0.2, 10), decay(1.0, 0.078, 10)]
    return path_of_curves([*penalised, none], fitted, LAMS, **changes)


def noise(levels: Any, training: Any, **changes: Any) -> Path:
    """Losses about that of the constant, whose differences to it vary over folds."""
    return flat(levels, training, **{"wiggle": 0.02} | changes)


def with_status(make: Callable[[], Path], hit: list[int], where: str = "status") -> Path:
    """The same with diverged members at some strengths."""
    path = make()
    status, cv_loss = getattr(path, where).copy(), path.cv_loss.copy()
    status[..., hit] = Status.DIVERGED
    if where == "status":
        cv_loss[:, hit] = np.nan
    fields = ("train_loss", "epochs", "row_loss", "null_loss", "null_se", "null_fold_loss", "null_row_loss", "lams")
    kept = {name: getattr(path, name) for name in fields}
    n_folds = len(path.fold_weight)
    return make_path(
        **kept, curves=lambda lams: (0 * lams, 0 * lams), n_folds=n_folds, cv_loss=cv_loss, **{where: status}
    )


def swinging(level: float, width: float, n_epochs: int = 20) -> np.ndarray:
    """A loss that jumps up and down by `width`, and is at its least after the last epoch, by chance."""
    jumps = width * (np.arange(n_epochs) % 2 == n_epochs % 2)
    return level + jumps + 0.01 * width * np.arange(n_epochs)[::-1]


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


MSE = StubTemplate(loss_name="mean_squared_error")
SCHEDULED = StubTemplate(has_schedule=True)
GAIN = ["lowers the log loss by"]
FLAT = "clearly need this penalty: "
LARGE_INPUTS = "Inputs range up to 1,680 (column 12): networks train on inputs of about unit size. Standardise them."
LARGE_TARGETS = "The target's variance is 5.93e+03, and initial weights and learning rates suit one of about 1."
ADVICE = ["may gain more"]
LARGER = ["more rows may", "larger model"]

# name: (path, what must be said, what must not be)
SITUATIONS: dict[str, tuple[Callable[[], Path], list[str], list[str]]] = {
    # training that has hardly begun
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
    # nothing but noise
    "noise, a little above the constant": (
        lambda: noise([1.01, 1.02, 1.05, 1.08], [0.98, 0.96, 0.9, 0.8]),
        ["No strength beats the best constant (log loss 1.00)", "little to do with the target"],
        ["epochs", "learning rate", FLAT, *ADVICE],
    ),
    "noise, a little below the constant": (
        lambda: noise([0.995, 1.0, 1.02, 1.05], [0.98, 0.96, 0.9, 0.8]),
        ["No strength clearly beats the best constant", "interval", "may be chance", "little to do with the target"],
        ["epochs", "learning rate", FLAT, *ADVICE],
    ),
    "noise in one split": (
        lambda: noise([0.999, 1.0, 1.02, 1.05], [0.98, 0.96, 0.9, 0.8], n_folds=1, spread=0.02),
        ["No strength clearly beats the best constant", "over the rows of one split"],
        ADVICE,
    ),
    "noise that is memorised": (
        lambda: path_of_curves([rise(0.999, 3, 1.9)] * 4, [decay(1, 0.01, 9)] * 4, LAMS, wiggle=0.02),
        ["clearly beats the best constant"],
        ["Stopping", *ADVICE],
    ),
    "noise, and the penalty is better than none": (
        lambda: noise([1.0, 1.1, 1.3, 1.5], [0.99, 0.9, 0.5, 0.1]),
        ["No strength beats the best constant"],
        GAIN + ADVICE,
    ),
    "no weight is left": (
        lambda: noise([0.999, 1.0, 1.02, 1.05], [0.98] * 4, penalty=L1(), how=Proximal(), nonzero=np.arange(4)),
        ["L1 at 1.00e-01 is the best, and leaves no penalised weight"],
        ADVICE,
    ),
    "classes of which one is rare: the constant is strong": (
        lambda: noise([0.198, 0.2, 0.21, 0.22], [0.19] * 4, null=0.2),
        ["clearly beats the best constant (log loss 0.200)"],
        ADVICE,
    ),
    "a small effect that is clear": (
        lambda: flat([0.99, 0.985, 0.98, 0.98], [0.98] * 4, wiggle=1e-4),
        [FLAT],
        ["constant"],
    ),
    "the folds' constants differ, and the model explains nearly all": (
        lambda: flat([1e-3] * 4, [1e-3] * 4, null=5.8, n_folds=3, spread=1e-5, wiggle=1e-6, template=MSE,
                     null_fold_loss=np.array([3.0, 5.4, 9.0]), null_row_loss=np.full(200, 5.8)),
        ["nearly perfect"],
        ["constant (", "chance. The inputs"],
    ),  # fmt: skip
    "far above the constant": (
        lambda: noise([1e6, 1e7, 1e7, 1e7], [0.9] * 4, spread=1e5),
        ["No strength beats the best constant", "Lower the learning rate", "worse than a constant"],
        ["little to do", *ADVICE],
    ),
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
    # overfitting that the best epoch hides
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
        ["That is 30 % of the loss, but the folds vary too much to be sure: more rows would show it"],
        ["Use ", "does not matter"],
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
        ["it helped the training itself"],
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
        ["Only lambda = 0 was trained"],
        ["every other", FLAT],
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
        ["Nothing to choose from: at every strength a model diverged.", "Lower the learning rate"],
        [FLAT, "lowers", "fold", "finished"],
    ),
    "on all rows alone, everywhere": (
        lambda: with_status(lambda: flat([0.6, 0.4, 0.5, 0.5], [0.1] * 4), [0, 1, 2, 3], "full_status"),
        ["Nothing to choose from", "The folds' models finished"],
        [FLAT],
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
        ["there is no standard error to judge the difference by"],
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


@pytest.mark.parametrize("name", SITUATIONS)
def test_the_verdict_says_what_is_true(name):
    make, said, unsaid = SITUATIONS[name]
    path = make()
    words = path.verdict()
    assert not [text for text in said if text not in words], words
    assert not [text for text in unsaid if text in words], words


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_verdict_is_whole_sentences_that_agree(name):
    path = SITUATIONS[name][0]()
    words = path.verdict()
    assert words.endswith(".") and "  " not in words and ".." not in words and " ." not in words
    assert not re.search(r"\bnan\b|\binf\b|None|\[\d", words.replace("path.folds.held_out[", ""))
    assert not ("may gain more" in words and ("best constant (" in words or "hardly begun" in words))
    if "raise `epochs`" in words:  # some chosen epoch is the last
        assert (path.epochs == np.isfinite(path.cv_loss[0]).sum(axis=1)).any()
    assert words.split()[0] in " ".join(repr(path).splitlines())
    assert curve_data(path).high > curve_data(path).low
    shell = IN_SHELL.say(words)
    for python in ("takes `lams`", "Path.load(FOLDER).folds", "lambda =", "standardize_target=True"):  # which are meant
        shell = shell.replace(python, "")
    assert not re.search(r"`|learning rate|\bpath\.|\w=", shell.replace("raise the learning rate", "")), shell


@pytest.mark.parametrize(
    ("gain", "half", "text"),
    [
        (0.013, 0.011, "0.013 (95 % interval 0.002 to 0.024)"),
        (2e-5, 1e-5, "0.00002 (95 % interval 0.00001 to 0.00003)"),
        (2e-6, 1e-6, "2.00e-06 (95 % interval 1.00e-06 to 3.00e-06)"),
        (1e-5, 0.03, "less than 0.001 (95 % interval -0.030 to 0.030)"),
        (0.0, 0.03, "0.000 (95 % interval -0.030 to 0.030)"),
    ],
)
def test_a_difference_has_figures(gain, half, text):
    path = flat([0.5] * 4, [0.5] * 4, spread=0.02)
    assert interval_text(path, Difference(gain, gain - half, gain + half)) == text


def test_a_loss_has_two_figures_however_large_others_are():
    path = flat([17.0] * 4, [15.0] * 4, null=1.0936, spread=30.0)
    assert "best constant 1.09" in path.verdict()
    assert repr(path).splitlines()[2].split()[:2] == ["null", "1.09"]
    assert [loss_text(path, value) for value in (17.0, 2.43, 0.0123, 0.0)] == ["17.0", "2.4", "0.012", "0.0"]


# --- how far training got


def _share_to_come(curve: Callable[[np.ndarray], np.ndarray], n_epochs: int) -> float:
    """How far the loss falls when trained four times as long, relative to its fall so far."""
    first, now, later = curve(np.array([1, n_epochs, 4 * n_epochs]))
    return float((now - later) / (first - now))


@pytest.mark.parametrize("n_epochs", [5, 20, 60, 200])
@pytest.mark.parametrize(
    "shape",
    [
        *(lambda t, u=u: np.exp(-u * (t - 1)) for u in (0.3, 1.0, 1.5, 2.5, 6.0)),
        *(lambda t, u=u: (1 + 10 * t) ** -u for u in (0.2, 0.5, 1.0)),
        *(lambda t, u=u: 1 / (1 + np.exp(u * (t - 1))) for u in (1, 3, 8)),
    ],
)
def test_training_has_hardly_begun_where_four_times_as_long_it_would_gain_much_more(shape, n_epochs):
    def curve(epochs):
        return 0.5 + shape(epochs / n_epochs)

    held_out = curve(np.arange(1, n_epochs + 1))
    found, more = assess_convergence(held_out, n_epochs, 0.05, math.nan), _share_to_come(curve, n_epochs)
    if more > 0.5:
        assert found is Convergence.BEGINNING
    if more < 0.1:
        assert found is not Convergence.BEGINNING


# --- really trained


def network(hidden: tuple[int, ...], loss: str = "mse", units: int = 1, rate: float = 1e-3, activation: Any = None):
    layers = [keras.layers.Dense(width, "relu") for width in hidden]
    model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(units, activation)])
    model.compile(keras.optimizers.Adam(rate), loss)
    return model


X = np.random.default_rng(5).normal(size=(120, 8))
NOISE = np.random.default_rng(6).normal(size=120)
SIGNAL = X @ np.array([1.5, -1.2, 0.9, 0, 0, 0, 0, 0])


@pytest.mark.parametrize(
    ("model", "y", "epochs", "said", "unsaid"),
    [
        (network(()), SIGNAL + NOISE, 20, ["hardly begun|not got as far", "raise"], [FLAT, *ADVICE]),
        (network((16,)), NOISE, 40, ["beats the best constant", "little to do with"], [FLAT, *ADVICE]),
        (
            network((16,), "sparse_categorical_crossentropy", 3, activation="softmax"),
            np.arange(120) % 3,
            40,
            ["beats the best constant"],
            [FLAT, "Stopping", *ADVICE],
        ),
        (network((), rate=0.1), SIGNAL, 200, ["nearly perfect"], [*LARGER, "gap"]),
        (network((64, 64), rate=0.01), SIGNAL + 2 * NOISE, 60, ["Training overfits", "after all 60"], [FLAT]),
    ],
    ids=["hardly any training", "noise", "classes that are noise", "an exact function", "a large network on few rows"],
)
def test_of_what_is_trained(model, y, epochs, said, unsaid):
    words = sh.fit(model, X, y, penalty=sh.L2(), cv=5, epochs=epochs).verdict()
    assert not [text for text in said if not re.search(text, words)], words
    assert not [text for text in unsaid if text in words], words


@pytest.mark.parametrize("rate", [1e-3, 1e-2, 0.1])
def test_training_that_goes_on_bears_out_what_was_said_of_its_beginning(rate):
    model = network((16,), rate=rate)
    path = sh.fit(model, X, SIGNAL + NOISE, penalty=sh.L2(), lams=[0.1], cv=3, epochs=120)
    curve = held_out_curve(path)[-1]
    found = {}
    for n_epochs in (5, 30):
        begun = curve[:n_epochs]
        found[n_epochs] = assess_convergence(begun, int(begun.argmin()) + 1, path.se[-1], path.null_loss)
        more = (begun.min() - curve[: 4 * n_epochs].min()) / (max(begun[0], path.null_loss) - begun.min())
        if found[n_epochs] is Convergence.BEGINNING:
            assert more > 0.15
        else:
            assert more < 0.35
    assert rate > 1e-3 or found[5] is Convergence.BEGINNING
    assert rate < 0.1 or found[30] is Convergence.LEVELLED
