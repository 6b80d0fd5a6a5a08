"""The good call, from which each case differs in a few arguments."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers

from tests.zoo import rows
from tests.zoo.tables import mlp

X, Y = rows("table")
N = len(X)
LOSS = "sparse_categorical_crossentropy"


def model(
    make: Callable[[], keras.Model] = mlp, optimizer: Any = "sgd", loss: Any = LOSS, **options: Any
) -> keras.Model:
    made = make()
    made.compile(optimizer, loss, **options)
    return made


def regression() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), layers.Dense(1)])


def linear_three() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), layers.Dense(3)])


def binary() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), layers.Dense(1, "sigmoid")])


def with_bad(values: np.ndarray, places: dict[Any, float]) -> np.ndarray:
    changed = values.astype(float)
    for place, value in places.items():
        changed[place] = value
    return changed


ONE_HOT = np.eye(3)[Y]
