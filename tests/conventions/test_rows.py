"""Rows and weights."""

from functools import cache
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from shrinkage._data._data import size_batches
from tests.conventions.models import (
    B0,
    CLASSES,
    ETA,
    LAM,
    W0,
    N,
    X,
    Y,
    batches,
    classifier,
    first_weights,
    fit,
    line,
    prepared,
    ridge,
    slopes,
)


def untrained(x: np.ndarray, model: keras.Model, **options: Any) -> sh.Path:
    """Train with a learning rate of 0, which shows the first weights."""
    model.compile(keras.optimizers.SGD(0.0), "mean_squared_error")
    return fit(model, x=x, cv=2, batch_size=5, **options)


def test_fresh_weights():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    path = untrained(np.ones_like(X), model, init="fresh")  # all rows alike: a prediction is its fold's weights
    by_fold = [path.predictions[np.isin(path.held_out_rows, rows), :, 0] for rows in path.folds.held_out]
    values = [float(np.unique(prediction).item()) for prediction in by_fold]  # one value, at every λ
    assert values[0] != values[1]
    np.testing.assert_array_equal(path.weights[0][0], path.weights[0][1])
    assert not np.allclose(path.weights[0][0], keras.ops.convert_to_numpy(model.weights[0]))


def test_kept_weights():
    path = untrained(X, line("sgd"), init="keep")
    for index in (0, 1):
        np.testing.assert_array_equal(first_weights(path, index)[0], W0)
        np.testing.assert_allclose(path.predictions[:, index], X @ W0 + B0, atol=1e-6)


def test_a_trained_model_must_say_which():
    with pytest.raises(ValueError, match='init="keep".*init="fresh"'):
        prepared(line("sgd"), init=None)  # its bias is not what an initializer gives
    new = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    new.compile("sgd", "mean_squared_error")
    assert prepared(new, init=None).training.init == "fresh"


@cache
def frozen() -> tuple[keras.Model, list[np.ndarray], sh.Path]:
    """Return a model whose first layer is frozen, its weights before, and its path."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, "tanh"), layers.Dense(1)])
    model.layers[0].trainable = False
    model.compile(keras.optimizers.SGD(ETA), "mean_squared_error")
    before = model.get_weights()
    return model, before, fit(model, init="fresh", epochs=2)


def test_frozen_weights_are_kept():
    _, before, path = frozen()
    of = dict(zip([v.path for v in path.model(LAM).variables], path.model(LAM).get_weights(), strict=True))
    kernels = [value for name, value in of.items() if name.endswith("kernel")]
    np.testing.assert_array_equal(kernels[0], before[0])
    assert not np.allclose(kernels[1], before[2])


def test_the_model_is_left_as_it_was():
    model, before, _ = frozen()
    for mine, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old)
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 0


def test_models_are_plain():
    first, second = ridge().model(LAM), ridge().model(LAM)
    assert type(first) is keras.Sequential and first is not second
    assert first.losses == [] and first.compiled and first.loss == "mean_squared_error"
    assert int(keras.ops.convert_to_numpy(first.optimizer.iterations)) == 0
    np.testing.assert_allclose(first.predict(X, verbose=0)[:, 0], ridge().predictions[:, 0, 0], atol=0.2)


def test_normalization_is_fitted_in_each_fold():
    x = X * [1, 5, 20] + [0, 3, 100]
    model = keras.Sequential([keras.Input((3,)), layers.Normalization(), layers.Dense(1)])
    model.layers[0].adapt(x)
    model.layers[1].set_weights([W0, B0])
    path = untrained(x.astype("float32"), model, init="keep")
    for train, rows in zip(path.folds.train, path.folds.held_out, strict=True):
        expected = (x[rows] - x[train].mean(axis=0)) / x[train].std(axis=0) @ W0 + B0
        np.testing.assert_allclose(path.predictions[np.isin(path.held_out_rows, rows), 0], expected, atol=1e-4)
        of_all = (x[rows] - x.mean(axis=0)) / x.std(axis=0) @ W0 + B0
        assert np.abs(expected - of_all).max() > 0.01


def test_batches_are_equal():
    stream = np.concatenate([batches(epoch) for epoch in range(5)]).ravel()
    assert batches(0).shape == (3, 4) and len(stream) == 60
    assert set(np.bincount(stream)[10:]) == {6}  # each of ten rows, equally often
    for k in range(6):
        assert sorted(stream[10 * k : 10 * k + 10]) == list(range(10, 20))


def test_steps_and_batches_are_of_each_fold():
    path = fit(line(keras.optimizers.SGD(ETA)), cv=3, batch_size=27)  # of 26 or 27 training rows
    assert sorted(len(rows) for rows in path.folds.train) == [26, 27, 27]
    check_full_steps(path)
    assert [size_batches(n, 10) for n in (9, 14, 16, 40)] == [(1, 9), (1, 10), (2, 10), (4, 10)]


def check_full_steps(path: sh.Path) -> None:
    """One step without a penalty on all rows of each fold."""
    for train, rows in zip(path.folds.train, path.folds.held_out, strict=True):
        error = X[train] @ W0 + B0 - Y[train, None]
        w, b = W0 - ETA * 2 * X[train].T @ error / len(train), B0 - ETA * 2 * error.mean(axis=0)
        np.testing.assert_allclose(path.predictions[np.isin(path.held_out_rows, rows), 1], X[rows] @ w + b, atol=1e-5)


def test_a_batch_size_above_the_rows_is_lowered():
    path = fit(line(keras.optimizers.SGD(ETA)), cv=2, batch_size=N)
    np.testing.assert_allclose(first_weights(path, 1)[0], W0 - ETA * slopes()[0], atol=1e-6)  # all rows: one step
    check_full_steps(path)
    assert not any("batch_size" in note for note in path.notes)  # as many as there are rows: full batches are meant


def test_sample_weights_have_mean_one():
    weight = np.arange(N, dtype=float)
    problem = prepared(classifier(), y=CLASSES, sample_weight=weight)
    np.testing.assert_allclose(problem.training.data.weight, weight / weight.mean(), rtol=1e-6)
    assert any("The weights of the rows were divided by their mean" in note for note in problem.notes)


def test_weights_per_output():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [layers.Dense(1, name=name)(inputs) for name in "ab"])
    model.compile("sgd", "mse")
    weight = np.stack([np.arange(N) % 3, np.arange(N) % 4]).astype(float)
    path = fit(model, [Y, 2 * Y], sample_weight={"a": weight[0], "b": weight[1]}, cv=0.5)
    held, largest = path.held_out_rows, weight.max(axis=0)
    losses = [(path.predictions[i][:, 0, 0] - (i + 1) * np.ravel(Y)[held]) ** 2 for i in range(2)]
    whole = sum(weight[i, held] @ losses[i] for i in range(2))
    assert path.mean[0] == pytest.approx(whole / largest[held].sum(), rel=1e-5)
    assert path.row_weight is not None
    np.testing.assert_allclose(path.row_weight, largest[held] / largest.mean(), rtol=1e-5)
    assert np.isfinite(path.se).all()


def test_class_weights_are_weights_of_rows():
    weight = np.arange(1.0, N + 1)
    both = prepared(classifier(), y=CLASSES, sample_weight=weight, class_weight={1: 3.0})
    expected = weight * np.where(CLASSES == 1, 3.0, 1.0)
    np.testing.assert_allclose(both.training.data.weight, expected / expected.mean(), rtol=1e-6)
