"""The call of `sh.fit` with a budget that the tests of this room vary."""

from functools import cache
from typing import Any

import keras
import numpy as np
from keras import layers

import shrinkage as sh
from tests.fit.fitting import classifier
from tests.zoo import rows

N = 1600
_RANDOM = np.random.default_rng(8)
MANY, CLASSES = rows("table", N)
LABELS = np.where(_RANDOM.random(N) < 0.5, CLASSES, _RANDOM.integers(0, 3, N))  # half of them say nothing
TARGET = (MANY[:, 0] + 0.5 * np.random.default_rng(1).normal(size=N)).astype("float32")
OPTIONS: dict[str, Any] = {"penalty": sh.L2(), "epochs": 6, "batch_size": 16, "budget": 1.5}
PLAN = {"rules": True, "xla": False}


def search(model: Any = None, x: Any = MANY, y: Any = LABELS, **options: Any) -> sh.Path:
    return sh.fit(model or classifier(), x, y, **(OPTIONS | options))


@cache
def found() -> sh.Path:
    return search(plan=PLAN)


def overfitting() -> keras.Model:
    """Return a network whose held-out loss rises long before 30 epochs, if the penalty is on its head alone."""
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(64, "relu"), layers.Dense(3, "softmax", name="head")], name="wide"
    )
    model.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy")
    return model


OVERFITTING: dict[str, Any] = {"on": "*head/kernel", "epochs": 30, "plan": PLAN}


@cache
def stopped() -> sh.Path:
    """Return a search whose members are best before the last epoch."""
    return search(overfitting(), **OVERFITTING)
