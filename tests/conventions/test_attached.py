"""Attached penalties."""

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from tests.conventions.models import ETA, LAM, W0, N, X, Y, line

REGULARIZERS = (None, keras.regularizers.L2(LAM / 2))


def test_attached_is_as_keras_own():
    options = {"clipnorm": 0.5, "gradient_accumulation_steps": 2}
    mine, theirs = (line(keras.optimizers.Adam(ETA, **options), kernel_regularizer=reg) for reg in REGULARIZERS)
    sh.attach(mine, sh.L2(), lam=LAM)
    for _ in range(4):
        mine.train_on_batch(X, Y)
        theirs.train_on_batch(X, Y)
    np.testing.assert_allclose(mine.get_weights()[0], theirs.get_weights()[0], atol=1e-6)
    assert not np.allclose(mine.get_weights()[0], W0, atol=0.05)


def test_attached_losses_are_logged_apart():
    model = line(keras.optimizers.SGD(ETA))
    sh.attach(model, sh.L2(), lam=LAM)
    logs = model.fit(X, Y, batch_size=N, verbose=0).history
    assert logs["loss"][0] == pytest.approx(logs["data_loss"][0] + logs["penalty"][0], rel=1e-6)
    assert logs["penalty"][0] == pytest.approx(float(sh.L2().value(model.get_weights()[0], LAM)), rel=1e-6)


def test_attached_strengths_are_read_at_every_step():
    models = [line(keras.optimizers.SGD(ETA)) for _ in range(2)]
    reg = sh.attach(models[0], sh.L2(), lam=0.0)
    sh.attach(models[1], sh.L2(), lam=lambda step: LAM * keras.ops.cast(step, "float32"))
    for step in range(3):
        reg.lam = LAM * step
        for model in models:
            model.train_on_batch(X, Y)
    np.testing.assert_allclose(models[0].get_weights()[0], models[1].get_weights()[0], atol=1e-6)


def test_attached_frozen_weights_are_left_out():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dense(1)])
    model.layers[0].trainable = False
    model.compile("sgd", "mean_squared_error")
    reg = sh.attach(model, sh.L2(), lam=LAM)
    one = float(reg.value())
    model.layers[0].trainable = True
    model.compile("sgd", "mean_squared_error")
    assert float(reg.value()) > one > 0


def test_attached_rows():
    model = keras.Sequential([keras.Input((2,)), layers.Embedding(4, 3), layers.Flatten(), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(ETA), "mean_squared_error")
    before = model.get_weights()[0]
    model.layers[-1].kernel.assign(np.zeros((6, 1)))  # no gradient of the data loss
    sh.attach(model, sh.L2(), lam=LAM, on="embedding", rows="touched")
    model.train_on_batch(np.array([[1, 1]]), np.array([1.0]))
    np.testing.assert_allclose(model.get_weights()[0][1], (1 - ETA * LAM) * before[1], rtol=1e-6)
    np.testing.assert_array_equal(model.get_weights()[0][[0, 2, 3]], before[[0, 2, 3]])


def test_lazy_rows_are_all_rows():
    model = keras.Sequential([keras.Input((2,)), layers.Embedding(4, 3), layers.Flatten(), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(ETA), "mean_squared_error")
    before = model.get_weights()[0]
    sh.attach(model, sh.L2(), lam=LAM, on="embedding", rows="lazy")
    for _ in range(3):
        model.train_on_batch(np.array([[1, 1]]), np.array([1.0]))
    np.testing.assert_array_equal(np.array(model.weights[0])[[0, 2, 3]], before[[0, 2, 3]])  # as it is stored
    np.testing.assert_allclose(model.get_weights()[0][[0, 2, 3]], (1 - ETA * LAM) ** 3 * before[[0, 2, 3]], rtol=1e-6)
