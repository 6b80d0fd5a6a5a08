"""What layers assign to weights in a step."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from shrinkage._model._behaviour import observe
from shrinkage._model._template import Template
from tests.fit.models.fitting import Centred, X, Y, compiled, fit, stack

# --- what a step writes


class Shrunk(layers.Layer):
    """It assigns its weight in training, between two uses."""

    def build(self, input_shape):
        self.matrix = self.add_weight(shape=(3, 4), name="matrix")

    def call(self, x, training=False):
        before = ops.matmul(x, self.matrix)
        if training:
            self.matrix.assign(0.9 * self.matrix)
        return before + ops.matmul(x, self.matrix)


class Normed(layers.Layer):
    """It normalizes its weight in every call."""

    def build(self, input_shape):
        self.matrix = self.add_weight(shape=(3, 4), name="matrix")

    def call(self, x):
        self.matrix.assign(self.matrix / ops.norm(self.matrix, axis=0))
        return ops.matmul(x, self.matrix)


def spectral(**options: Any) -> keras.Layer:
    layer = layers.SpectralNormalization(layers.Dense(4))
    layer.trainable = options.get("trainable", True)
    return layer


class AlwaysCentred(layers.Layer):
    """A moving mean that predictions move too."""

    def build(self, input_shape):
        self.mean = self.add_weight(shape=(input_shape[-1],), initializer="zeros", trainable=False)

    def call(self, x):
        self.mean.assign(0.5 * self.mean + 0.5 * ops.mean(x, axis=0))
        return x - self.mean


WRITERS: dict[str, tuple[Callable[[], list[Any]], Callable[[], Any]]] = {
    "spectral": (lambda: [spectral()], lambda: keras.optimizers.SGD(0.1)),
    "spectral, averaged": (lambda: [spectral()], lambda: keras.optimizers.Adam(0.05, use_ema=True)),
    "spectral, frozen": (lambda: [spectral(trainable=False)], lambda: keras.optimizers.SGD(0.1)),
    "between two uses": (lambda: [Shrunk()], lambda: keras.optimizers.SGD(0.1, momentum=0.9)),
    "in every call": (lambda: [Normed()], lambda: keras.optimizers.SGD(0.1)),
    "statistics": (lambda: [layers.Dense(4), Centred()], lambda: keras.optimizers.SGD(0.1)),
    "statistics, in every call": (lambda: [AlwaysCentred(), layers.Dense(4)], lambda: keras.optimizers.SGD(0.1)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_a_step_assigns_is_as_in_keras(name, float64):
    """Three steps on all rows; in float64 nothing but rounding is left."""
    make, optimizer = WRITERS[name]
    source, plain = (compiled(stack(*make()), optimizer()) for _ in range(2))
    for mine, theirs in zip(plain.variables, source.variables, strict=True):
        mine.assign(theirs)
    before = [np.asarray(v.numpy()) for v in plain.variables]
    plain.fit(X, Y, batch_size=64, epochs=3, verbose=0)
    model = fit(source, init="keep", epochs=3).model(0.0)
    for mine, theirs in zip(model.variables, plain.variables, strict=True):
        np.testing.assert_allclose(mine.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-12, err_msg=theirs.path)
    moved = [np.abs(v.numpy() - old).max() for v, old in zip(plain.variables, before, strict=True)]
    assert max(moved) > 1e-2


# --- random numbers


def test_looking_changes_nothing():
    model = stack(layers.Dense(4), Centred(), layers.Dropout(0.2))
    before = [v.numpy() for v in model.variables]
    observe(Template(model), X)
    for now, old in zip(model.variables, before, strict=True):
        np.testing.assert_array_equal(now.numpy(), old)
