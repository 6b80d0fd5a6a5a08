"""Small models with known weights, and what is trained of them."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

import shrinkage as sh
from shrinkage._data._data import select_batch_rows
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._problem import Problem
from shrinkage._problem._request import Request

PAGE = Path(__file__).parents[2] / "docs" / "conventions.md"


N, ETA, LAM = 40, 0.1, 0.5


RNG = np.random.default_rng(0)


X = RNG.normal(size=(N, 3)).astype("float32")


Y = (X @ [1.0, -2.0, 0.0] + 0.5 + 0.1 * RNG.normal(size=N)).astype("float32")


CLASSES = np.digitize(Y, [-0.5, 1.0])  # 0, 1 or 2


W0 = np.array([[0.3], [-0.4], [0.02]], "float32")


B0 = np.array([0.2], "float32")


def line(optimizer: Any, **dense: Any) -> keras.Model:
    """Return a linear model with known first weights."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, **dense)])
    model.set_weights([W0, B0])
    model.compile(optimizer, "mean_squared_error")
    return model


def fit(model: Any, y: Any = Y, *, x: np.ndarray = X, **options: Any) -> sh.Path:
    """Train with full batches, keep the last epoch; the rows are also the held-out ones, unless `cv` is given."""
    data = {} if "cv" in options else {"validation_data": (x, y)}
    defaults = {"penalty": sh.L2(), "lams": [LAM], "epochs": 1, "batch_size": N, "init": "keep", "epoch": "last"}
    return sh.fit(model, x, y, **{**defaults, **data, **options})


def first_weights(path: sh.Path, index: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel and bias of the model trained on all rows at `path.lams[index]`."""
    return path.weights[0][index], path.weights[1][index]


def slopes(w: np.ndarray = W0, b: np.ndarray = B0) -> tuple[np.ndarray, np.ndarray]:
    """Return ∂L/∂w and ∂L/∂b of the mean squared error on all rows."""
    error = X @ w + b - Y[:, None]
    return 2 * X.T @ error / N, 2 * error.mean(axis=0)


def prepared(model: keras.Model, x: np.ndarray = X, y: Any = Y, **options: Any) -> Problem:
    """Return what `fit` is about to train, with its own defaults."""
    return prepare_problem(Request(model, x, y, **{"penalty": sh.L2(), "epochs": 1, "init": "keep", **options}))


def classifier(n_classes: int = 3) -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(n_classes, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@cache
def ridge() -> sh.Path:
    """Train L2 to convergence on all rows."""
    return fit(line(keras.optimizers.SGD(0.2)), epochs=200)


@cache
def folds() -> sh.Path:
    """Train L2 to convergence in two folds of 20 training rows each."""
    return fit(line(keras.optimizers.SGD(0.2)), cv=2, epochs=150, batch_size=N // 2)


@cache
def dropped_out(seed: int = 0) -> sh.Path:
    """Train with dropout, at two strengths that are too small to matter."""
    model = keras.Sequential([keras.Input((3,)), layers.Dropout(0.5), layers.Dense(1)])
    model.set_weights([W0, B0])
    model.compile(keras.optimizers.SGD(ETA), "mean_squared_error")
    return fit(model, lams=[1e-12], batch_size=7, epochs=2, seed=seed)


def lines_of_the_page() -> list[str]:
    """Return its bullets and table rows; a table's head and rule are no lines."""
    text = PAGE.read_text("utf-8")
    return [line for line in text.splitlines() if re.match(r"- |\| (?!here)", line)]


W1 = np.array([[1.0], [1.0], [-1.0]], "float32")


@cache
def one_step(name: str, penalty: Any, how: Any = None, momentum: float = 0.0, lam: float = LAM) -> sh.Path:
    if name == "SGD":
        optimizer = keras.optimizers.SGD(ETA, momentum=momentum)
    else:
        optimizer = keras.optimizers.Adam(ETA)
    return fit(line(optimizer), penalty=penalty, how=how, lams=[lam])


def batches(epoch: int, **options: Any) -> np.ndarray:
    return select_batch_rows(np.arange(10, 20), seed=0, fold=0, epoch=epoch, steps=3, batch_size=4, **options)
