"""Training in which an attached penalty acts on every step gives no warning."""

import warnings
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops

import shrinkage as sh
from tests.attach.optimizers import (
    LAM,
    X,
    Y,
    distiller,
    errors,
    fit,
    part,
)


def test_parts_that_the_model_around_does_not_train_give_no_alarm():
    whole = distiller()
    sh.attach(whole.teacher, sh.L2(), lam=LAM)  # neither trained nor frozen
    frozen = part("base")
    sh.attach(frozen, sh.L2(), lam=LAM)
    frozen.trainable = False
    transfer = keras.Sequential([keras.Input((3,)), frozen, layers.Dense(1)])
    transfer.compile("sgd", "mse")
    with warnings.catch_warnings(action="error", category=UserWarning):
        fit(whole)
        fit(transfer)
        transfer.predict(X, verbose=0)


def test_what_a_layer_assigns_when_it_is_called_is_no_step():
    wrapped = layers.SpectralNormalization(layers.Dense(1))
    model = keras.Sequential([keras.Input((3,)), wrapped])
    model.compile("sgd", "mse")
    sh.attach(model, sh.L2(), lam=LAM)
    fit(model)
    kernel = wrapped.layer.kernel
    before = ops.convert_to_numpy(kernel)
    with warnings.catch_warnings(action="error", category=UserWarning):
        tf.function(lambda: model(X, training=True))()
    assert np.abs(ops.convert_to_numpy(kernel) - before).max() > 1e-6


class Plain(keras.Model):
    """A training step of the user's own that takes its steps with `self.optimizer`."""

    def __init__(self, **options: Any):
        super().__init__()
        self.hidden, self.head, self.options = layers.Dense(4), layers.Dense(1), options
        self.other = keras.optimizers.Adam()  # held, and never used

    def call(self, x):
        return self.head(self.hidden(x))

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        weights = self.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        return {"loss": loss}


def plain() -> keras.Model:
    model = Plain()
    model(X[:1])
    return model


def keep(model: keras.Model) -> None:
    pass


def freeze(model: keras.Model) -> None:
    model.hidden.trainable = False  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    "options", [{}, {"steps_per_execution": 2}, {"run_eagerly": True}, {"jit_compile": True}], ids=str
)
@pytest.mark.parametrize("change", [keep, freeze])
@pytest.mark.parametrize("accumulated", [None, 2])
def test_no_false_alarm(options, change, accumulated):
    model = plain()
    change(model)
    model.compile(keras.optimizers.SGD(0.05, gradient_accumulation_steps=accumulated), "mse", **options)
    sh.attach(model, sh.L2(), lam=0.1)
    with warnings.catch_warnings(action="error", category=UserWarning):
        fit(model)
        model.hidden.trainable = True  # pyright: ignore[reportAttributeAccessIssue]
        if "run_eagerly" not in options:  # not compiled again: Keras goes on without it, or refuses
            fit(model, epochs=1)
        model.set_weights([w + 1.0 for w in model.get_weights()])
        model.evaluate(X, Y, verbose=0)
        model.compile(keras.optimizers.SGD(0.05), "mse", **options)
        fit(model)
    assert errors(model) == []


def test_training_that_is_resumed_from_a_file_gives_no_alarm(tmp_path):
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dense(1)])
    model.compile("adam", "mse")
    sh.attach(model, sh.L2(), lam=LAM)
    with warnings.catch_warnings(action="error", category=UserWarning):
        fit(model, epochs=1)
        model.save(tmp_path / "model.keras")
        back: Any = keras.models.load_model(tmp_path / "model.keras")
        fit(back)
    assert errors(back) == []


def test_a_strength_that_changes_within_an_epoch_is_no_change_of_weights():
    model = distiller()
    reg = sh.attach(model, sh.L2(), lam=LAM)
    halve = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: setattr(reg, "lam", 0.9 * float(reg.lam))
    )
    with warnings.catch_warnings(action="error", category=UserWarning):
        model.fit(X, Y, batch_size=8, epochs=2, verbose=0, callbacks=[halve])
