"""Without a penalty a log loss has a minimum, unless the inputs separate classes: the oracle is a linear program."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog

import shrinkage as sh
from tests.daily import full
from tests.plan.exact.heads import linear

HEADS: dict[int, Any] = {2: ("binary_crossentropy", 1, "sigmoid"), 3: ("sparse_categorical_crossentropy", 3, "softmax")}


def separate(x: np.ndarray, y: np.ndarray, classes: int) -> bool:
    """Return whether weights exist that give no row less of its class's score than of another, and some row more."""
    x = np.column_stack([x, np.ones(len(x))])
    differences = []
    for other in range(1, classes):
        part = np.zeros((len(x), classes, x.shape[1]))
        part[np.arange(len(x)), y] -= x
        part[np.arange(len(x)), (y + other) % classes] += x
        differences.append(part.reshape(len(x), -1))
    rows = np.concatenate(differences)
    found: Any = linprog(rows.sum(axis=0), A_ub=rows, b_ub=np.zeros(len(rows)), bounds=(-1, 1))
    return found.fun < -1e-9


def test_classes_that_meet_in_some_rows_are_separated_too():
    """The third class is beyond 0, where rows of two classes are; few rows, whole numbers."""
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x = np.round(2 * rng.normal(size=(45, 2)))
        y = np.argmax(np.round(x @ rng.normal(size=(2, 3))) + 1e-3 * rng.normal(size=(45, 3)), axis=1)
        path = sh.fit(linear(*HEADS[3], columns=2), x, y, penalty="l2", lams=[0.1, 0.0], cv=3, solver="exact")
        for f, rows in enumerate(path.folds.train):
            assert separate(x[rows], y[rows], 3) == np.isnan(path.cv_loss[f, -1, 0])


@pytest.mark.parametrize(
    ("classes", "n", "noises"),
    [full(2, 2000, (0.0, 0.02, 0.05)), (3, 200, (0.0, 0.02, 0.1)), full(3, 600, (0.005, 0.02, 0.05))],
)
def test_a_minimum_is_missing_where_the_inputs_separate_classes(classes, n, noises):
    """Rows of a class on the side of another are few, and far less certain than the others: weights become large."""
    found = []
    for seed in range(8):
        for noise in noises:
            rng = np.random.default_rng(seed)
            x = rng.normal(size=(n, 3))
            y = np.argmax(x @ rng.normal(size=(3, classes)) + noise * rng.gumbel(size=(n, classes)), axis=1)
            model = linear(*HEADS[classes], columns=3)
            path = sh.fit(model, x, y, penalty="l2", lams=[1e-3, 0.0], cv=3, solver="exact")
            for f, rows in enumerate(path.folds.train):
                found.append((separate(x[rows], y[rows], classes), bool(np.isnan(path.cv_loss[f, -1, 0]))))
    expected, without_minimum = zip(*found, strict=True)
    assert without_minimum == expected
    assert 0.2 < np.mean(expected) < 0.8
