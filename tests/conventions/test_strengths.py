"""Strengths."""

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from shrinkage._cv._strengths import find_extension
from tests.conventions.models import (
    B0,
    CLASSES,
    ETA,
    LAM,
    W0,
    N,
    X,
    Y,
    classifier,
    fit,
    folds,
    line,
    prepared,
    ridge,
    slopes,
)


def test_a_model_was_trained_with_its_lam():
    model = ridge().model(LAM)
    w, b = (keras.ops.convert_to_numpy(v) for v in model.trainable_variables)
    np.testing.assert_allclose(slopes(w, b)[0], -LAM * w, atol=1e-5)
    assert np.abs(w).max() > 0.1


def closed_form(x: np.ndarray, y: np.ndarray, lam: float) -> tuple[np.ndarray, float]:
    """Return w and b that minimise mean (x·w + b - y)² + lam·½Σw²."""
    centred, target = (x - x.mean(axis=0)).astype(float), (y - y.mean()).astype(float)
    w = np.linalg.solve(centred.T @ centred / len(x) + lam / 2 * np.eye(x.shape[1]), centred.T @ target / len(x))
    return w, float(y.mean() - x.mean(axis=0) @ w)


def test_a_fold_keeps_delta():
    path = folds()
    for train, held_out in zip(path.folds.train, path.folds.held_out, strict=True):
        assert len(train) == N // 2
        found = path.predictions[np.isin(path.held_out_rows, held_out), 0, 0]
        w, b = closed_form(X[train], Y[train], LAM * N / len(train))
        np.testing.assert_allclose(found, X[held_out] @ w + b, atol=1e-4)  # float32, and 150 steps
        w, b = closed_form(X[train], Y[train], LAM)
        assert np.abs(found - (X[held_out] @ w + b)).max() > 0.1


def test_a_decay_is_the_same_in_every_fold():
    path = fit(line(keras.optimizers.SGD(ETA)), how=sh.Decoupled(), cv=2, batch_size=N // 2)
    for train, held_out in zip(path.folds.train, path.folds.held_out, strict=True):
        error = X[train] @ W0 + B0 - Y[train, None]
        w, b = W0 - ETA * 2 * X[train].T @ error / len(train), B0 - ETA * 2 * error.mean(axis=0)
        found = path.predictions[np.isin(path.held_out_rows, held_out), 0]
        np.testing.assert_allclose(found, X[held_out] @ (w - ETA * LAM * W0) + b, atol=1e-5)
        assert np.abs(X[held_out] @ (ETA * LAM * W0)).max() > 0.01


def test_lams_descend_to_zero():
    problem = prepared(line("sgd"), lams=[0.1, 1.0, 0.1])
    assert problem.lams.tolist() == [1.0, 0.1, 0.0]
    assert len(problem.notes) == 2 and all("lams" in note for note in problem.notes)
    assert ridge().lams.tolist() == [LAM, 0.0]


def test_the_automatic_grid():
    delta = N * prepared(classifier(), y=CLASSES).lams
    np.testing.assert_allclose(delta[:-1], 10 ** np.arange(1.75, -3.01, -0.25))
    assert len(delta) == 21 and delta[-1] == 0


def chain(depth: int) -> keras.Model:
    hidden = [layers.Dense(2, "relu", use_bias=False) for _ in range(depth - 1)]
    model = keras.Sequential([keras.Input((3,)), *hidden, layers.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    return model


def test_the_automatic_grid_has_the_units_of_the_loss():
    """With the target times c, L homogeneous layers train alike at lam times c**(2 - d / L), d = 2 for L2, 1 for L1."""
    sd = np.std(Y)
    for penalty, degree in ((sh.L2(), 2), (sh.L1(), 1), (sh.ElasticNet(1.0), 1), (sh.GroupLasso("inputs"), 1)):
        for depth in (1, 2, 3):
            lams, tenfold = (prepared(chain(depth), y=c * Y, penalty=penalty).lams for c in (1, 10))
            assert N * lams[0] == pytest.approx(10**1.75 * sd ** (2 - degree / depth), rel=1e-5)
            np.testing.assert_allclose(tenfold, 10 ** (2 - degree / depth) * lams, rtol=1e-5)
    np.testing.assert_allclose(
        prepared(chain(1)).lams, prepared(classifier(), y=CLASSES).lams
    )  # a linear L2: not at all
    free = prepared(chain(2), on=lambda layer, variable: variable.shape == (2, 1)).lams
    assert N * free[0] == pytest.approx(10**1.75 * sd**2, rel=1e-5)  # the first layer takes the scale up for nothing


def test_a_target_far_from_unit_size_is_said():
    notes = prepared(line("sgd"), y=100 * Y).notes
    assert "standardize_target=True" in notes[-1] and "variance is 3.7e+04" in notes[-1]
    assert prepared(line("sgd")).notes == prepared(line("sgd"), y=100 * Y, standardize_target=True).notes == ()


def test_the_automatic_grid_of_a_decay():
    halved = keras.optimizers.schedules.PiecewiseConstantDecay([39], [0.2, 0.1])
    problem = prepared(line(keras.optimizers.Adam(halved)), how=sh.Decoupled(), epochs=40, batch_size=N // 2)
    total = 40 * 0.2 + 40 * 0.1  # two steps an epoch
    delta = 10 ** np.arange(1.75, -3.01, -0.25)
    expected = np.append(delta[delta / total <= 1 / 0.2] / total, 0)
    np.testing.assert_allclose(problem.lams, expected, rtol=1e-6)  # Keras rounds the rates to float32
    assert problem.grid.lam_max == pytest.approx(1 / 0.2) and len(expected) == 21
    short = prepared(line(keras.optimizers.Adam(0.2)), how=sh.Decoupled(), epochs=4, batch_size=N // 2)
    assert short.lams[0] <= 1 / 0.2 < short.lams[0] * 10**0.25 and len(short.lams) < 21


def test_the_automatic_grid_grows():
    lams, falling = np.array([1.0, 0.1, 0.0]), np.array([0.1, 0.2, 0.3])
    more = find_extension(lams, falling, decades_up=2, decades_down=0)
    assert more is not None and more[0] == pytest.approx(10.0)
    assert find_extension(lams, falling, decades_up=3, decades_down=0) is None
    smallest = find_extension(lams, np.array([0.3, 0.1, 0.2]), decades_up=0, decades_down=2)
    assert smallest is not None and smallest[-1] == pytest.approx(0.01)
    assert find_extension(lams, np.array([0.3, 0.1, 0.1]), decades_up=0, decades_down=0) is None
    unlike, alike = np.array([np.nan, 0.4, 0.2]), np.array([np.nan, 0.201, 0.2])
    assert find_extension(lams, unlike, decades_up=0, decades_down=0) is not None  # strengths above 0 diverged
    assert find_extension(lams, alike, decades_up=0, decades_down=0) is None
    no_nan = np.array([0.5, 0.4, 0.2])
    assert find_extension(lams, no_nan, decades_up=0, decades_down=0) is None
    assert find_extension(lams, no_nan, decades_up=0, decades_down=0, is_far_from_unit=True) is not None
    assert prepared(line("sgd")).grid.lam_max == np.inf and prepared(line("sgd"), lams=[1.0]).grid.lam_max is None
