"""The same strength elsewhere."""

from typing import Any

import keras
import numpy as np
import pytest
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge

import shrinkage as sh
from tests.conventions.models import (
    B0,
    CLASSES,
    ETA,
    LAM,
    W0,
    N,
    X,
    Y,
    first_weights,
    fit,
    line,
    one_step,
    ridge,
    slopes,
)


def test_keras_l2():
    assert float(keras.regularizers.L2(LAM / 2)(W0)) == pytest.approx(float(sh.L2().value(W0, LAM)), rel=1e-6)


def test_keras_l1():
    assert float(keras.regularizers.L1(LAM)(W0)) == pytest.approx(float(sh.L1().value(W0, LAM)), rel=1e-6)


def test_pytorch_sgd():
    momentum, w, b = 0.9, W0, B0
    w_buffer, b_buffer = np.zeros_like(W0), np.zeros_like(B0)
    for _ in range(3):  # the algorithm in the documentation of torch.optim.SGD
        w_slope, b_slope = slopes(w, b)
        w_buffer, b_buffer = momentum * w_buffer + w_slope + LAM * w, momentum * b_buffer + b_slope
        w, b = w - ETA * w_buffer, b - ETA * b_buffer
    path = fit(line(keras.optimizers.SGD(ETA, momentum=momentum)), epochs=3)
    np.testing.assert_allclose(first_weights(path)[0], w, atol=1e-5)
    assert not np.allclose(first_weights(path, 1)[0], w, atol=0.05)  # λ = 0


def keras_step(optimizer: Any) -> np.ndarray:
    """Return the kernel after one step of plain Keras."""
    model = line(optimizer)
    model.optimizer.exclude_from_weight_decay(var_list=[model.weights[1]])
    model.train_on_batch(X, Y)
    return model.get_weights()[0]


def test_keras_weight_decay():
    w, _ = first_weights(one_step("SGD", sh.L2()))
    np.testing.assert_allclose(keras_step(keras.optimizers.SGD(ETA, weight_decay=LAM)), w, atol=1e-6)
    w, _ = first_weights(one_step("Adam", sh.L2()))
    assert not np.allclose(keras_step(keras.optimizers.Adam(ETA, weight_decay=LAM)), w, atol=1e-3)


def test_keras_weight_decay_is_decoupled():
    for name, optimizer in (("SGD", keras.optimizers.SGD), ("Adam", keras.optimizers.AdamW)):
        w, _ = first_weights(one_step(name, sh.L2(), sh.Decoupled()))
        np.testing.assert_allclose(keras_step(optimizer(ETA, weight_decay=LAM)), w, atol=1e-6)
        assert not np.allclose(keras_step(optimizer(ETA, weight_decay=0.0)), w, atol=1e-3)


def assert_stationary(penalty: Any, w: np.ndarray, slope: np.ndarray, lam: float) -> None:
    """J has a minimum at `w` for this λ, and not for twice as much."""
    assert np.max(np.asarray(penalty.residual(w, slope, lam))) < 1e-4
    assert np.max(np.asarray(penalty.residual(w, slope, 2 * lam))) > 1e-2


def test_ridge():
    found = Ridge(alpha=N * LAM / 2, tol=1e-10).fit(X, Y)
    w, b = found.coef_[:, None], np.atleast_1d(found.intercept_)
    assert_stationary(sh.L2(), w, slopes(w, b)[0], LAM)
    np.testing.assert_allclose(first_weights(ridge())[0], w, atol=1e-4)


def test_lasso():
    found = Lasso(alpha=LAM / 2, tol=1e-10).fit(X.astype(float), Y.astype(float))
    w, b = found.coef_[:, None], np.atleast_1d(found.intercept_)
    assert (w == 0).any() and (w != 0).any()
    assert_stationary(sh.L1(), w, slopes(w, b)[0], LAM)


def test_elastic_net():
    found = ElasticNet(alpha=LAM / 2, l1_ratio=0.7, tol=1e-10).fit(X.astype(float), Y.astype(float))
    w, b = found.coef_[:, None], np.atleast_1d(found.intercept_)
    assert (w == 0).any() and (w != 0).any()
    assert_stationary(sh.ElasticNet(rho=0.7), w, slopes(w, b)[0], LAM)


def test_logistic_regression():
    found = LogisticRegression(C=1 / (N * LAM), tol=1e-10, max_iter=1000).fit(X, CLASSES)
    probabilities = found.predict_proba(X)
    slope = X.T @ (probabilities - np.eye(3)[CLASSES]) / N  # of the mean log loss
    assert_stationary(sh.L2(), found.coef_.T, slope, LAM)
