"""Linear models and rows for the tests of the exact solver."""

from typing import Any

import keras
import numpy as np
from keras import layers

N, D = 150, 5
RNG = np.random.default_rng(0)
X = RNG.normal(1.0, 2.0, size=(N, D))
SCORES = (X - 1) @ RNG.normal(size=(D, 3)) / 2 + RNG.normal(size=(N, 3))
Y = SCORES[:, :1] + 3
CLASSES = SCORES.argmax(axis=1)
ONE_HOT = np.eye(3)[CLASSES]
LABELS = (SCORES > 0).astype(float)
WEIGHT = RNG.uniform(0.2, 3.0, N)
LAMS = [1.0, 0.1, 1e-2, 1e-4]


def linear(
    loss: Any = "mean_squared_error",
    units: int = 1,
    activation: Any = None,
    *,
    before: Any = (),
    optimizer: Any = "sgd",
    columns: int = D,
    metrics: Any = None,
    **options: Any,
) -> keras.Model:
    """Return a compiled model with a `Dense` layer at the end."""
    model = keras.Sequential([keras.Input((columns,)), *before, layers.Dense(units, activation, **options)])
    model.compile(optimizer, loss, metrics=metrics)
    return model
