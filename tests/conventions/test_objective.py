"""The objective."""

import keras
import numpy as np
import pytest

import shrinkage as sh
from tests.conventions.models import (
    B0,
    ETA,
    LAM,
    W0,
    W1,
    Y,
    first_weights,
    fit,
    line,
    one_step,
    prepared,
    ridge,
    slopes,
)


def test_the_objective():
    w, b = first_weights(ridge())
    w_slope, b_slope = slopes(w, b)
    np.testing.assert_allclose(w_slope + LAM * w, 0, atol=1e-5)  # float32; at a minimum of J its slope is 0
    np.testing.assert_allclose(b_slope, 0, atol=1e-5)
    assert np.abs(LAM * w).max() > 0.1


def test_l2_has_a_half():
    assert float(sh.L2().value(np.array([3.0, -4.0]), 0.1)) == pytest.approx(0.1 * 0.5 * 25)


def test_l1_has_none():
    assert float(sh.L1().value(np.array([3.0, -4.0]), 0.1)) == pytest.approx(0.1 * 7)


def test_the_elastic_net_is_that_of_glmnet():
    value = float(sh.ElasticNet(rho=0.25).value(np.array([3.0, -4.0]), 0.1))
    assert value == pytest.approx(0.1 * (0.25 * 7 + 0.75 * 0.5 * 25))


def test_the_group_lasso_weighs_groups_by_their_size():
    w = np.array([[3.0, 0.0], [-4.0, 2.0]])  # two inputs, two units
    assert float(sh.GroupLasso().value(w, 0.1)) == pytest.approx(0.1 * 2**0.5 * (5 + 2))
    assert float(sh.GroupLasso("inputs").value(w, 0.1)) == pytest.approx(0.1 * 2**0.5 * (3 + 20**0.5))
    assert float(sh.GroupLasso((-2, -1)).value(w, 0.1)) == pytest.approx(0.1 * 4**0.5 * 29**0.5)
    terms = [prepared(line("sgd"), penalty=sh.GroupLasso(groups)).training.terms for groups in ("units", "inputs")]
    spanned = [term.penalty.groups for (term, none) in terms if term is not None and none is None]
    assert spanned == [(-2,), (-1,)]
    kernel, bias = prepared(line("sgd"), penalty=sh.GroupLasso(), on="all").training.terms
    assert kernel is not None and bias is not None
    assert (kernel.penalty.groups, bias.penalty.groups) == ((-2,), ())  # a bias has no inputs


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (sh.Coupled(), lambda slope: W0 - ETA * (slope + LAM * (W0 - W1))),
        (sh.Decoupled(), lambda slope: W0 - ETA * LAM * (W0 - W1) - ETA * slope),
        (sh.Proximal(), lambda slope: W1 + (W0 - ETA * slope - W1) / (1 + ETA * LAM)),
    ],
    ids=lambda value: type(value).__name__ if not callable(value) else "",
)
def test_l2_towards_other_weights(how, expected):
    elsewhere = fit(line(keras.optimizers.SGD(ETA)), penalty=sh.L2(toward=[-W1, B0]), how=how)
    path = fit(line(keras.optimizers.SGD(ETA)), penalty=sh.L2(toward=[W1, B0]), how=how)  # compiled as the one before
    assert np.abs(first_weights(path)[0] - first_weights(elsewhere)[0]).min() > 0.05
    w, b = first_weights(path)
    np.testing.assert_allclose(w, expected(slopes()[0]), atol=1e-6)
    np.testing.assert_allclose(b, B0 - ETA * slopes()[1], atol=1e-6)
    assert np.abs(ETA * LAM * (W0 - W1)).max() > 0.01
    held = fit(line(keras.optimizers.SGD(ETA)), penalty=sh.L2(toward="initial"), how=sh.Proximal(), lams=[1e6])
    np.testing.assert_allclose(first_weights(held)[0], W0, atol=1e-4)


def test_gradient_descent():
    w, b = first_weights(one_step("SGD", sh.L2()))
    w_slope, b_slope = slopes()
    np.testing.assert_allclose(w, W0 - ETA * (w_slope + LAM * W0), atol=1e-6)
    np.testing.assert_allclose(b, B0 - ETA * b_slope, atol=1e-6)
    assert np.abs(ETA * LAM * W0).max() > 0.01


def test_reported_losses_leave_the_penalty_out():
    path = ridge()
    data_loss = np.mean((path.predictions[:, 0, 0] - Y) ** 2)
    assert path.cv_loss[0, 0, -1] == pytest.approx(data_loss, rel=1e-5)
    assert path.train_loss[0, 0, -1] == pytest.approx(data_loss, rel=1e-5)  # here the same rows
    assert float(sh.L2().value(first_weights(path)[0], LAM)) > 0.1 * data_loss


def test_own_penalties_train_and_are_not_reported():
    path = fit(line(keras.optimizers.SGD(ETA), bias_regularizer=keras.regularizers.L2(2.0)))
    np.testing.assert_allclose(first_weights(path)[1], B0 - ETA * (slopes()[1] + 2 * 2.0 * B0), atol=1e-6)
    data_loss = np.mean((path.predictions[:, 0, 0] - Y) ** 2)
    assert path.train_loss[0, 0, 0] == pytest.approx(data_loss, rel=1e-5)
