"""Small models, which the others vary."""

from typing import Any

import keras
import numpy as np
from keras import layers

X, Y = np.random.default_rng(0).normal(size=(32, 4)).astype("float32"), np.ones((32, 1), "float32")


def stack(shape: tuple[int, ...], *rest: keras.Layer, **options: Any) -> keras.Sequential:
    return keras.Sequential([keras.Input(shape, **options), *rest], name="net")


def mlp(optimizer: Any = "sgd", norm: bool = False, **options: Any) -> keras.Sequential:
    """Two dense layers, with a normalization between them or not."""
    between = [layers.LayerNormalization(name="norm")] if norm else []
    model = stack((4,), layers.Dense(3, name="a", **options), *between, layers.Dense(1, name="b", **options))
    model.compile(optimizer, "mse")
    return model


def trained(model: keras.Model) -> keras.Model:
    model.fit(X, Y, batch_size=16, verbose=0)  # pyright: ignore[reportArgumentType]
    return model
