"""Rows of weight 0 count nowhere: all that is said of a path is what it is without them."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from shrinkage._model._null import compute_null_constant
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request

N, OUTLIERS = 48, slice(40, 48)
RNG = np.random.default_rng(4)
X = RNG.normal(size=(N, 4)).astype("float32")
Y = (np.tanh(2 * X[:, 0]) + 0.4 * RNG.normal(size=N)).astype("float32")
WEIGHT = RNG.uniform(0.5, 2, size=N)
WEIGHT[OUTLIERS], Y[OUTLIERS], X[OUTLIERS, 1] = 0, 1e3, 1e4


def network(loss: str = "mean_squared_error", *first: keras.Layer) -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), *first, layers.Dense(5, "tanh"), layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.02), loss)
    return model


def fit(model: keras.Model, rows: slice, **options: Any) -> sh.Path:
    """Train on the first 24 rows, hold out those of the others in `rows`."""
    held_out = X[24:][rows], Y[24:][rows], WEIGHT[24:][rows]
    defaults: dict[str, Any] = {"penalty": sh.L2(), "lams": [1.0, 0.1, 0.01], "epochs": 12, "batch_size": 8}
    return sh.fit(model, X[:24], Y[:24], validation_data=held_out, **defaults | options)


@pytest.mark.parametrize("loss", ["mean_squared_error", "mean_absolute_error"])
def test_one_split_is_what_it_is_without_rows_of_weight_zero(loss, tmp_path):
    """In all its statistics; outliers of weight 0 would make each a hundred times as large."""
    path, absent = fit(network(loss), slice(None)), fit(network(loss), slice(16))
    for name in ("cv_loss", "mean", "se", "null_loss", "null_se"):
        np.testing.assert_allclose(getattr(path, name), getattr(absent, name), rtol=1e-5, err_msg=name)
    gain, without = path.gain, absent.gain
    np.testing.assert_allclose([gain.mean, gain.low, gain.high], [without.mean, without.low, without.high], rtol=1e-4)
    assert gain.mean == pytest.approx(path.mean[-1] - path.mean[path.index_min], abs=1e-12) and gain.mean > 1e-4
    assert path.verdict() == absent.verdict()
    unweighted = replace(absent, row_weight=None)
    assert np.abs(unweighted.se / absent.se - 1).max() > 0.01  # the other weights differ, and count
    path.save(tmp_path / "path")
    np.testing.assert_array_equal(sh.Path.load(tmp_path / "path").se, path.se)


def test_a_hold_out_has_the_weights_of_its_rows():
    path = sh.fit(network(), X[:40], Y[:40], penalty=sh.L2(), lams=[0.1], cv=0.4, epochs=3, sample_weight=WEIGHT[:40])
    assert path.row_weight is not None
    ratio = path.row_weight / WEIGHT[path.held_out_rows]
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-5)
    np.testing.assert_allclose(path.mean, np.average(path.row_loss, axis=0, weights=path.row_weight), rtol=1e-6)
    assert path.gain.mean == pytest.approx(path.mean[-1] - path.mean[path.index_min], abs=1e-12)


@pytest.mark.parametrize("penalty", [sh.L1(), sh.L2()])
def test_rows_of_weight_zero_do_not_move_the_automatic_grid(penalty):
    def lams(rows: slice) -> np.ndarray:
        return _prepared(rows, penalty=penalty).lams

    np.testing.assert_allclose(lams(slice(None)), lams(slice(40)), rtol=1e-5)
    assert lams(slice(None))[0] != pytest.approx(_prepared(slice(40), penalty=penalty, sample_weight=None).lams[0])


def test_rows_of_weight_zero_do_not_move_standardised_targets():
    units = _prepared(slice(None), standardize_target=True).target
    assert units is not None and 0.1 < units.reference < 3
    assert units.reference**2 == pytest.approx(_variance(Y[:40], WEIGHT[:40]), rel=1e-5)


def test_inputs_are_standardised_by_weighted_moments():
    """As glmnet does; a row of weight 0 would be all that `Normalization` sees of its column."""
    model = network("mean_squared_error", layers.Normalization())
    path = sh.fit(model, X, Y, penalty=sh.L2(), lams=[0.1], cv=2, epochs=1, sample_weight=WEIGHT)
    normalization = path.model().layers[0]
    np.testing.assert_allclose(np.ravel(normalization.mean), np.average(X[:40], axis=0, weights=WEIGHT[:40]), atol=1e-5)
    expected = [_variance(column, WEIGHT[:40]) for column in X[:40].T]
    np.testing.assert_allclose(np.ravel(normalization.variance), expected, rtol=1e-4)


def _variance(values: np.ndarray, weight: np.ndarray) -> float:
    return float(np.average((values - np.average(values, weights=weight)) ** 2, weights=weight))


def _prepared(rows: slice, **options: Any) -> Any:
    defaults: dict[str, Any] = {"penalty": sh.L2(), "sample_weight": WEIGHT[rows], "cv": 2, "seed": 1}
    return prepare_problem(Request(network(), X[rows], Y[rows], epochs=1, batch_size=8, **defaults | options))


# --- the best constant

LOSSES = {
    "mae": (keras.losses.MeanAbsoluteError(), 1),
    "mse": (keras.losses.MeanSquaredError(), 1),
    "poisson": (keras.losses.Poisson(), 1),
    "binary": (keras.losses.BinaryCrossentropy(label_smoothing=0.2), 1),
    "binary logits": (keras.losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.3), 1),
    "binary labels": (keras.losses.BinaryCrossentropy(label_smoothing=0.2), 3),
    "categories": (keras.losses.CategoricalCrossentropy(label_smoothing=0.2), 3),
    "category logits": (keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2), 3),
    "classes": (keras.losses.SparseCategoricalCrossentropy(), 3),
}


@pytest.mark.parametrize("name", LOSSES)
def test_no_constant_is_better_than_the_best(name):
    """By weights and by smoothed labels: a step to any side has a larger weighted loss."""
    loss, width = LOSSES[name]
    rng = np.random.default_rng(1)
    labels = rng.choice(width if width > 1 else 2, size=30, p=[0.5, 0.3, 0.2] if width > 1 else [0.3, 0.7])
    y: np.ndarray = (
        rng.exponential(size=(30, 1)) if name in ("mae", "mse", "poisson") else labels[:, None].astype(float)
    )
    y = np.eye(3)[labels] if width == 3 and name != "classes" else y
    weight = rng.uniform(0, 3, size=30) * (rng.random(30) < 0.8)

    def weighted(constant: np.ndarray) -> float:
        rows = keras.ops.convert_to_numpy(loss.call(y, np.tile(constant, (30, 1)).astype("float32")))
        return float(np.average(rows, weights=weight))

    best = compute_null_constant(loss, y, weight, (width,))
    assert best is not None and best.shape == (width,)
    steps = 0.02 * np.concatenate([np.eye(width), -np.eye(width)])
    sums_to_one = name in ("categories", "classes")
    for step in steps - sums_to_one * steps.mean(axis=1, keepdims=True):
        assert weighted(best + step) > weighted(best)


def test_the_weighted_median_of_equal_weights_is_the_median():
    def median(y: np.ndarray, weight: np.ndarray) -> Any:
        return compute_null_constant(keras.losses.MeanAbsoluteError(), y, weight, (2,))

    for n in (7, 8):
        y = np.random.default_rng(n).normal(size=(n, 2))
        np.testing.assert_allclose(median(y, np.ones(n)), np.median(y, axis=0))
        padded, weight = np.concatenate([y, 99 * np.ones((5, 2))]), np.repeat([1.0, 0.0], [n, 5])
        np.testing.assert_allclose(median(padded, weight), np.median(y, axis=0))


def test_a_row_of_weight_zero_may_have_an_infinite_loss():
    """The square of 3e25 is infinite in float32, and 0 times that is NaN."""
    far = np.where(WEIGHT > 0, Y, 3e25).astype("float32")

    def trained(y: np.ndarray) -> sh.Path:
        return sh.fit(network(), X, y, penalty=sh.L2(), lams=[0.1], cv=3, epochs=3, sample_weight=WEIGHT)

    path, near = trained(far), trained(Y)
    assert not path.failed.any()
    np.testing.assert_allclose(path.cv_loss, near.cv_loss, rtol=1e-5)
