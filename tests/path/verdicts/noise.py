"""Situations of nothing but noise."""

from collections.abc import Callable

import numpy as np

from shrinkage._path._path import Path
from shrinkage._penalties import L1, Proximal
from tests.path.verdicts.curves import ADVICE, FLAT, LAMS, MSE, decay, flat, noise, rise
from tests.synthetic_path import path_of_curves

GAIN = ["lowers the log loss by"]
# name: (path, what must be said, what must not be)
SITUATIONS: dict[str, tuple[Callable[[], Path], list[str], list[str]]] = {
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
}  # fmt: skip
