"""Axes and names."""

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from tests.conventions.models import B0, ETA, RNG, W0, W1, N, X, Y, dropped_out, fit, folds, line, ridge


def test_axes():
    path = folds()
    assert path.cv_loss.shape == path.train_loss.shape == (2, 2, 150)
    assert path.status.shape == (2, 2) and path.predictions.shape == (N, 2, 1)
    assert ridge().cv_loss.shape == (1, 2, 200)


def test_norm():
    path = ridge()
    np.testing.assert_allclose(path.norm, np.linalg.norm(path.weights[0], axis=(1, 2)), rtol=1e-6)
    for toward, origin in (("initial", W0), ([W1, B0], W1)):
        path = fit(line(keras.optimizers.SGD(ETA)), penalty=sh.L2(toward=toward))
        np.testing.assert_allclose(path.norm, np.linalg.norm(path.weights[0] - origin, axis=(1, 2)), rtol=1e-5)
        assert path.norm.min() > 0.1 and "||w - w0||" in str(path)


def test_zero_groups():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.2), "mean_squared_error")
    y = np.stack([Y, 0.02 * X[:, 0]], axis=1)
    units = fit(model, y=y, penalty=sh.GroupLasso(), init="fresh", epochs=40, lams=[0.3])
    inputs = fit(model, y=y, penalty=sh.GroupLasso("inputs"), init="fresh", epochs=40, lams=[0.3])
    for path, axis, title in ((units, 1, "zero units"), (inputs, 2, "zero layer inputs")):
        assert path.zero_groups is not None and title in str(path)
        np.testing.assert_array_equal(path.zero_groups, (path.weights[0] == 0).all(axis=axis).sum(axis=1))
        assert path.zero_groups.tolist() == [1, 0] == path.table()["zero_groups"].tolist()
    assert ridge().zero_groups is None


def test_indices():
    path = ridge()
    assert path.lams[path.index_min] == path.lam_min and path.lams[path.index_1se] == path.lam_1se
    assert path.table()["index"].tolist() == [1, 2]
    row = next(line.split() for line in str(path).splitlines() if line.startswith("none"))
    assert row[1:3] == ["0", "2"]


def test_train_loss_is_of_the_end_of_the_epoch():
    path = dropped_out()  # held out are the rows trained on
    np.testing.assert_allclose(path.train_loss, path.cv_loss, rtol=1e-6)
    assert path.cv_loss[0, 0, -1] == pytest.approx(np.mean((path.predictions[:, 0, 0] - Y) ** 2), rel=1e-5)


def test_train_loss_is_of_as_many_rows_as_are_held_out():
    path = fit(line(keras.optimizers.SGD(1e-12)), cv=4, batch_size=10)  # as good as not trained
    squares = np.square(X @ W0 + B0 - Y[:, None])[:, 0]
    for fold in range(4):
        rows = path.folds.held_out[(fold + 1) % 4]
        assert path.train_loss[fold, 0, 0] == pytest.approx(squares[rows].mean(), rel=1e-5)
        assert path.train_loss[fold, 0, 0] != pytest.approx(squares[path.folds.train[fold]].mean(), rel=1e-3)
    weight = RNG.lognormal(size=N)
    path = fit(line(keras.optimizers.SGD(1e-12)), cv=4, batch_size=10, sample_weight=weight)
    assert path.train_mean[0] == pytest.approx(path.mean[0], rel=1e-5)  # means over the same rows
    assert path.mean[0] == pytest.approx(np.average(squares, weights=weight), rel=1e-5)
