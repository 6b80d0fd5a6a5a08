"""Synthetic paths with targets and predictions, for the pictures of held-out rows."""

from typing import Any

import numpy as np

from shrinkage._path._path import Path
from tests.synthetic_path import LAMS, StubTemplate, make_path

N = 200


def of_classes(n_classes: int = 3, **changes: Any) -> Path:
    """A path of a classification: labels, and probabilities that are right at every strength."""
    rng = np.random.default_rng(1)
    probability = rng.dirichlet(np.ones(n_classes), N)
    labels = (probability.cumsum(axis=1) > rng.random((N, 1))).argmax(axis=1)
    predictions = np.repeat(probability[:, None], len(LAMS), axis=1)
    return make_path(**{"predictions": predictions, "targets": labels} | changes)


def of_a_probability(**changes: Any) -> Path:
    """A path of a classification with two classes and one unit."""
    rng = np.random.default_rng(2)
    probability = rng.random((N, 1))
    labels = (rng.random((N, 1)) < probability).astype("float32")
    predictions = np.repeat(probability[:, None], len(LAMS), axis=1)
    template = StubTemplate(loss_name="binary_crossentropy")
    return make_path(**{"template": template, "predictions": predictions, "targets": labels} | changes)


def of_a_number(n: int = N, **changes: Any) -> Path:
    """A path of a regression, whose residual is 0.1 times the number of the row, and 0 at the strongest penalty."""
    template = StubTemplate(loss_name="mean_squared_error")
    targets = np.linspace(-1, 1, N)[:, None]
    rows = make_path().held_out_rows
    predictions = np.repeat((targets - 0.1 * rows[:, None])[:, None], len(LAMS), axis=1)
    predictions[:, 0] = targets
    return make_path(**{"template": template, "predictions": predictions, "targets": targets} | changes)
