"""What a path says of the strength that the model's own regularizers had, where the truth is known."""

from typing import Any

import numpy as np
import pytest

from shrinkage._path._path import Path
from shrinkage._penalties import L1, ElasticNet
from tests.synthetic_path import diverged, path_of_curves

LAMS = [0.1, 0.01, 0.001, 0.0]


def path(levels: Any = (0.5, 0.3, 0.45, 0.6), lam_model: float = 0.1, **changes: Any) -> Path:
    """Trainings that have levelled off, each strength at a level of its own; the second has the least loss."""
    shape = np.exp(-np.arange(1, 101) / 5)
    held_out = np.asarray(levels)[:, None] + shape
    return path_of_curves(held_out, held_out - 0.01, LAMS, lam_model=lam_model, **changes)


@pytest.mark.parametrize(("lam_model", "side", "gain"), [(0.1, "large", "0.200"), (0.001, "small", "0.150")])
def test_a_strength_that_is_clearly_worse_is_on_one_side_of_the_best(lam_model, side, gain):
    words = path(lam_model=lam_model).verdict()
    assert f"is too {side}: `min` lowers the log loss by {gain}" in words


def test_the_best_strength():
    assert "lambda = 1.00e-02) is the best of those tried." in path(lam_model=0.01).verdict()


def test_a_strength_within_one_standard_error():
    words = path([0.302, 0.3, 0.305, 0.31], spread=0.05).verdict()
    assert "is within one standard error of the least: `min` lowers the log loss by" in words
    assert "which may be chance" in words


def test_a_strength_beyond_one_standard_error_whose_interval_contains_0():
    """The standard error is a fifth root of five folds' 0.02; the interval of a difference of two is wider."""
    words = path([0.32, 0.3, 0.33, 0.34], spread=0.0, wiggle=0.02).verdict()
    assert "may be too large: `min` lowers the log loss by 0.02" in words
    assert "and the interval contains 0." in words


def test_without_a_standard_error():
    row_loss = np.full((40, 4), np.nan)
    words = path(n_folds=1, row_loss=row_loss).verdict()
    assert "gives a log loss of 0.500, the best 0.300: there is no standard error to judge that by." in words


def test_a_strength_at_which_a_model_diverged():
    plain = path()
    words = path(**diverged(plain, np.array([True, False, False, False]))).verdict()
    assert "lambda = 1.00e-01) cannot be judged: a model diverged there." in words


@pytest.mark.parametrize(
    ("penalty", "code"), [(L1(), "L1(0.1)"), (ElasticNet(0.25), "L1L2(l1=0.025, l2=0.0375)")], ids=["L1", "elastic net"]
)
def test_the_strength_is_written_as_keras_has_it(penalty, code):
    """The penalty is lam (rho |w| + (1 - rho) w^2 / 2); Keras' L1L2 has l1 |w| + l2 w^2."""
    assert f"The model's own strength (Keras' {code}, lambda = 1.00e-01)" in path(penalty=penalty).verdict()
