"""Models of three inputs, and layers that several files use."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

import shrinkage as sh

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(64, 3))
Y = X @ [1.0, 2.0, 3.0] + 0.3 * GENERATOR.normal(size=64)


def compiled(model: keras.Model, optimizer: Any = None) -> keras.Model:
    model.compile(optimizer or keras.optimizers.SGD(0.05), "mse")
    return model


def stack(*inner: Any) -> keras.Model:
    return compiled(keras.Sequential([keras.Input((3,)), *inner, layers.Dense(1)]))


def fit(model: Any, **options: Any) -> sh.Path:
    given = {"penalty": sh.L2(), "lams": [1e-3], "cv": 2, "epochs": 2, "batch_size": 64, "epoch": "last"}
    return sh.fit(model, X, Y, **{**given, **options})


class Kept(layers.Layer):
    """A random projection that is kept as a weight."""

    def build(self, input_shape):
        self.matrix = self.add_weight(shape=(3, 8), initializer="normal", trainable=False)

    def call(self, x):
        return ops.cos(ops.matmul(x, self.matrix))


MIXERS: dict[str, Callable[[Any], Any]] = {
    "sum of everything": lambda h: h + 0.1 * ops.sum(h),
    "mean": lambda h: h - ops.mean(h, axis=0, keepdims=True),
    "a little": lambda h: h + 0.01 * ops.mean(h, axis=0, keepdims=True),
    "largest": lambda h: h / ops.max(ops.abs(h), axis=0, keepdims=True),
    "attention": lambda h: ops.matmul(ops.softmax(ops.matmul(h, ops.transpose(h))), h),
    "neighbours": lambda h: h + ops.roll(h, 1, axis=0),
}


def mixer(name: str) -> keras.Model:
    model = stack(layers.Dense(4), layers.Lambda(MIXERS[name], output_shape=(4,)))
    return compiled(model, keras.optimizers.SGD(1e-12))


class Centred(layers.Layer):
    """A moving mean, which it subtracts, and a counter: no gradient flows through what it assigns."""

    def build(self, input_shape):
        self.mean = self.add_weight(shape=(input_shape[-1],), initializer="zeros", trainable=False)
        self.steps = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if training:
            self.mean.assign(0.5 * self.mean + 0.5 * ops.mean(x, axis=0))
            self.steps.assign_add(1)
        return (x - self.mean) / (1 + 0.1 * self.steps)
