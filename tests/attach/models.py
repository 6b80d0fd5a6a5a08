"""Small models, rows and penalties that the tests of `attach` share."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

import shrinkage as sh

LAM = 0.25  # a half of it is a float32, which Keras makes of it even in float64


RNG = np.random.default_rng(0)


X = RNG.normal(size=(24, 5))


Y = (X @ np.array([[1.0], [-2.0], [0.0], [0.5], [0.0]]) + 0.1 * RNG.normal(size=(24, 1))).astype("float64")


OPTIMIZERS: dict[str, Callable[[], Any]] = {
    "sgd": lambda: keras.optimizers.SGD(0.05),
    "momentum": lambda: keras.optimizers.SGD(0.02, momentum=0.9, nesterov=True),
    "adam": lambda: keras.optimizers.Adam(0.02),
    "clipnorm": lambda: keras.optimizers.Adam(0.02, clipnorm=0.1),
    "global_clipnorm": lambda: keras.optimizers.SGD(0.1, global_clipnorm=0.1),
    "accumulation": lambda: keras.optimizers.RMSprop(0.02, gradient_accumulation_steps=3),
    "ema": lambda: keras.optimizers.Nadam(0.02, use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=4),
    "scaled": lambda: keras.optimizers.SGD(0.05, loss_scale_factor=8.0),
}


def network(regularizer: Any = None, name: str = "net") -> keras.Model:
    """Return a small model with the same first weights every time."""
    keras.utils.set_random_seed(1)
    hidden = layers.Dense(4, "tanh", kernel_regularizer=regularizer, name="hidden")
    return keras.Sequential(
        [keras.Input((5,)), hidden, layers.Dense(1, kernel_regularizer=regularizer, name="output")], name=name
    )


def functional(regularizer: Any = None) -> keras.Model:
    """Return a model that contains `network`."""
    inputs = keras.Input((5,))
    return keras.Model(inputs, network(regularizer)(layers.Rescaling(2.0)(inputs)))


def compiled(model: keras.Model, optimizer: Any = "sgd", **options: Any) -> keras.Model:
    model.compile(OPTIMIZERS[optimizer]() if isinstance(optimizer, str) else optimizer, "mean_squared_error", **options)
    return model


def train(model: keras.Model, epochs: int = 3, **options: Any) -> dict[str, list[float]]:
    return model.fit(X, Y, batch_size=6, epochs=epochs, shuffle=False, verbose=0, **options).history


def assert_same(mine: keras.Model, theirs: keras.Model, *, tolerance: float = 1e-10) -> None:
    """Assert equal weights after training, of which rounding is all that may differ."""
    for a, b in zip(mine.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance)


def assert_matters(mine: keras.Model, optimizer: Any = "sgd") -> None:
    """Assert that without the penalty the weights would be others."""
    bare = compiled(network(), optimizer)
    train(bare)
    assert np.abs(mine.get_weights()[0] - bare.get_weights()[0]).max() > 1e-3


def decaying() -> keras.Model:
    return compiled(network(), keras.optimizers.AdamW())


def attached() -> keras.Model:
    model = compiled(network())
    sh.attach(model, sh.L2(), lam=0.1, on="*hidden/kernel")
    return model
