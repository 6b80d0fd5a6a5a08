"""Models of several parts, which are stepped by several optimizers, and their training."""

import warnings
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

import shrinkage as sh

LAM = 0.5
RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 3)).astype("float32")
Y = (X @ np.array([[1.0], [-2.0], [0.5]])).astype("float32")
OUTSIDE: list[Any] = []
"""Optimizers that no model holds."""


def part(name: str, n_in: int = 3, n_out: int = 3) -> keras.Model:
    return keras.Sequential([keras.Input((n_in,)), layers.Dense(n_out, name="dense")], name=name)


class Adversaries(keras.Model):
    """In the style of Keras' examples: two parts, each with an optimizer, and one that nobody steps."""

    def __init__(self) -> None:
        super().__init__()
        self.discriminator, self.generator = part("discriminator", n_out=1), part("generator")
        self.built = True

    def compile(self, *optimizers: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().compile()
        self.optimizers = dict(zip(("d", "g"), optimizers, strict=True))
        self.tracker = keras.metrics.Mean(name="d_loss")

    @property
    def metrics(self):
        return [self.tracker]

    def steppers(self) -> list[Any]:
        return list(self.optimizers.values())

    def train_step(self, real):
        d, g = self.steppers()
        with tf.GradientTape() as tape:
            scores = self.discriminator(real) - self.discriminator(self.generator(real))
            loss = ops.mean(ops.softplus(-scores))
        weights = self.discriminator.trainable_weights
        d.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        with tf.GradientTape() as tape:
            other = ops.mean(ops.softplus(-self.discriminator(self.generator(real))))
        weights = self.generator.trainable_weights
        g.apply_gradients(zip(tape.gradient(other, weights), weights, strict=True))
        self.tracker.update_state(loss)
        return {"d_loss": self.tracker.result()}


class Outside(Adversaries):
    """Takes its steps with optimizers that it does not hold."""

    def compile(self, *optimizers: Any) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        super().compile(*optimizers)
        self.optimizers, OUTSIDE[:] = {}, optimizers

    def steppers(self) -> list[Any]:
        return OUTSIDE


class Distiller(keras.Model):
    """A student that learns from a teacher, which is not trained and not frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.student, self.teacher = part("student", n_out=1), part("teacher", n_out=1)
        self.built = True

    def call(self, x):
        return self.student(x)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            predictions = self.student(x, training=True)
            loss = self.compute_loss(x, y, predictions) + ops.mean(ops.square(predictions - self.teacher(x)))
        weights = self.student.trainable_weights
        self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self._loss_tracker.update_state(loss)
        return self.get_metrics_result()


def gan(kind: type = Adversaries) -> Any:
    keras.utils.set_random_seed(0)
    model = kind()
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.Adam(0.01))
    return model


def distiller(optimizer: str = "sgd") -> Any:
    keras.utils.set_random_seed(0)
    model = Distiller()
    model.compile(optimizer, "mean_squared_error")
    return model


def fit(model: keras.Model, epochs: int = 2) -> dict[str, list[float]]:
    data = (X,) if isinstance(model, Adversaries) else (X, Y)
    return model.fit(*data, batch_size=8, epochs=epochs, shuffle=False, verbose=0).history


def said(model: keras.Model, epochs: int = 2) -> list[str]:
    """Train, and return the warnings."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        fit(model, epochs)
    return [str(each.message) for each in found if "penalty" in str(each.message)]


def errors(model: keras.Model) -> list[str]:
    return [finding.code for finding in sh.doctor(model).errors]


def norms(model: keras.Model) -> list[float]:
    return [float(np.linalg.norm(v)) for v in model.trainable_variables if v.name == "kernel"]
