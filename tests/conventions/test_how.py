"""Where the penalty enters."""

from typing import Any

import numpy as np
import pytest

import shrinkage as sh
from tests.conventions.models import B0, ETA, LAM, W0, first_weights, line, one_step, prepared, slopes


def soft_threshold(u: np.ndarray, t: Any) -> np.ndarray:
    return np.sign(u) * np.maximum(np.abs(u) - t, 0)


def test_coupled_is_before_the_optimizer():
    lam = 50.0  # turns signs
    together = slopes()[0] + lam * W0
    w, _ = first_weights(one_step("Adam", sh.L2(), lam=lam))
    np.testing.assert_allclose(w, W0 - ETA * np.sign(together), atol=1e-5)  # Adam's first step is eta * g / (|g| + eps)
    assert (np.sign(together) != np.sign(slopes()[0])).any()


def test_decoupled_is_beside_the_step():
    w, b = first_weights(one_step("Adam", sh.L2(), sh.Decoupled()))
    np.testing.assert_allclose(w, W0 - ETA * LAM * W0 - ETA * np.sign(slopes()[0]), atol=1e-5)
    np.testing.assert_allclose(b, B0 - ETA * np.sign(slopes()[1]), atol=1e-5)
    assert np.abs(ETA * LAM * W0).max() > 0.01
    with pytest.raises(ValueError, match=r"weight decay, a form of L2 alone.* Say shrinkage.Proximal"):
        prepared(line("sgd"), penalty=sh.L1(), how=sh.Decoupled())


def test_proximal_is_after_the_step():
    w, _ = first_weights(one_step("SGD", sh.L2(), sh.Proximal()))
    stepped = W0 - ETA * slopes()[0]
    np.testing.assert_allclose(w, stepped / (1 + ETA * LAM), atol=1e-6)
    assert np.abs(stepped - w).max() > 0.01


def test_proximal_uses_the_optimizers_step_sizes():
    lam = 3.0
    w, _ = first_weights(one_step("Adam", sh.L1(), lam=lam))
    slope = slopes()[0]  # Adam's first v̂ is its square
    expected = soft_threshold(W0 - ETA * np.sign(slope), ETA / np.abs(slope) * lam)
    np.testing.assert_allclose(w, expected, atol=1e-5)
    assert (w == 0).any() and (w != 0).any()


def test_momentum_lengthens_the_proximal_step():
    momentum = 0.5
    w, _ = first_weights(one_step("SGD", sh.L1(), momentum=momentum))
    np.testing.assert_allclose(w, soft_threshold(W0 - ETA * slopes()[0], ETA / (1 - momentum) * LAM), atol=1e-6)
    assert (w != 0).any()


def test_default_how():
    assert sh.L2().default_how == sh.Coupled() == prepared(line("sgd"), penalty=sh.L2()).training.how
    for penalty in (sh.L1(), sh.ElasticNet(), sh.GroupLasso()):
        assert penalty.default_how == sh.Proximal() == prepared(line("sgd"), penalty=penalty).training.how
