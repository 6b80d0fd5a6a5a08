"""Kinds of models."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import shrinkage as sh
from tests.attach.models import LAM, OPTIMIZERS, X, Y, assert_matters, assert_same, compiled, functional, network, train


class Own(keras.Model):
    """A subclassed model with a training step of its own."""

    def __init__(self, regularizer: Any = None):
        super().__init__()
        self.inside = network(regularizer)

    def call(self, inputs):
        return self.inside(inputs)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((self(x, training=True) - y) ** 2) + sum(self.losses)
        grads = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(grads, self.trainable_variables, strict=True))
        return {"mine": loss}


def subclassed(regularizer: Any = None) -> keras.Model:
    model = Own(regularizer)
    model(X[:1])
    return model


@pytest.mark.parametrize("make", [functional, subclassed])
def test_nested_and_subclassed_models(float64, make):
    theirs, mine = compiled(make(keras.regularizers.L2(LAM / 2)), "adam"), compiled(make(), "adam")
    kind, name = type(mine), type(mine).__name__
    train(mine, epochs=1)
    train(theirs, epochs=1)
    theirs.set_weights(mine.get_weights())
    for model in (theirs, mine):
        model.compile(OPTIMIZERS["adam"](), "mean_squared_error")
    sh.attach(mine, sh.L2(), lam=LAM)
    train(theirs)
    train(mine)
    assert_same(mine, theirs)
    assert isinstance(mine, kind) and type(mine).__name__ == name


def test_a_model_that_was_traced_is_traced_again():
    model = compiled(network())
    train(model, epochs=1)
    before = model.get_weights()[0]
    sh.attach(model, sh.L2(), lam=1000.0)
    with np.errstate(all="ignore"):
        train(model, epochs=1)
    assert not np.abs(model.get_weights()[0]).max() < 10 * np.abs(before).max()  # 0.05 * 1000 is far too long a step


def test_a_new_optimizer_penalises_too(float64):
    theirs, mine = network(keras.regularizers.L2(LAM / 2)), network()
    sh.attach(mine, sh.L2(), lam=LAM)
    old = OPTIMIZERS["sgd"]()
    for optimizer in (old, OPTIMIZERS["adam"]()):
        train(compiled(mine, optimizer))
    for optimizer in ("sgd", "adam"):
        train(compiled(theirs, optimizer))
    assert_same(mine, theirs)
    assert type(old) is keras.optimizers.SGD  # which is let go


def test_frozen_weights_are_penalised_once_they_train():
    model = network()
    model.layers[0].trainable = False
    compiled(model)
    reg = sh.attach(model, sh.L2(), lam=LAM)
    assert len(reg.weights) == 1
    frozen = model.get_weights()[0]
    logs = train(model, epochs=1)
    np.testing.assert_array_equal(model.get_weights()[0], frozen)
    model.layers[0].trainable = True
    compiled(model)
    more = train(model, epochs=1)
    assert len(reg.weights) == 2 and more["penalty"][0] > logs["penalty"][0]
    model.trainable = False
    assert reg.weights == () and float(reg.value()) == 0
    compiled(model).evaluate(X, Y, verbose=0)


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision(policy):
    keras.config.set_dtype_policy(policy)
    try:
        theirs, mine = compiled(network(keras.regularizers.L2(LAM / 2))), compiled(network())
    finally:
        keras.config.set_dtype_policy("float32")
    sh.attach(mine, sh.L2(), lam=LAM)
    train(theirs)
    train(mine)
    # The penalty's gradient is not scaled and not rounded here, where Keras' own goes through the scaled loss.
    assert_same(mine, theirs, tolerance=1e-3)
    assert_matters(mine)


def test_the_penalty_of_half_precision_weights_does_not_overflow():
    model = keras.Sequential([keras.Input((300,)), layers.Dense(300, dtype="float16")])
    model.set_weights([np.full((300, 300), 8.0), np.zeros(300)])
    assert float(sh.attach(model, sh.L2(), lam=1.0).value()) == pytest.approx(0.5 * 64 * 300 * 300)
    assert 0.5 * 64 * 300 * 300 > float(np.finfo("float16").max)
