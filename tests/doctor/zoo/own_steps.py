"""Models with a training step of their own."""

import warnings

import keras
import tensorflow as tf
from keras import layers
from keras.regularizers import L2

import shrinkage as sh
from tests.doctor.zoo.small import X, Y, mlp, trained


class Forgetful(keras.Sequential):
    """The training step that one writes first."""

    def train_step(self, data):  # pyright: ignore[reportIncompatibleMethodOverride]
        x, y = data
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(keras.losses.mean_squared_error(y, self(x, training=True)))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


class Mindful(Forgetful):
    """The same with the penalty."""

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"loss": loss}


def own_step(kind: type = Forgetful) -> keras.Model:
    model = kind([keras.Input((4,)), layers.Dense(1, kernel_regularizer=L2(0.0123))])
    model.compile("sgd", "mse")
    return trained(model)


class SteppedElsewhere(keras.Model):
    """Its training step uses an optimizer that it does not hold."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = mlp()

    def call(self, inputs):
        return self.inner(inputs)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x))
        OUTSIDE.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"mine": loss}


OUTSIDE = keras.optimizers.SGD(0.1)


def stepped_elsewhere() -> keras.Model:
    global OUTSIDE
    OUTSIDE = keras.optimizers.SGD(0.1)
    model = SteppedElsewhere()
    model(X)
    model.compile("sgd", "mse")
    sh.attach(model, sh.L2(), lam=0.01)
    with warnings.catch_warnings(action="ignore"):
        model.fit(X, Y, verbose=0)
    return model
