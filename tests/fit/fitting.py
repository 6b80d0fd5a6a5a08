"""Models, data and the call of `sh.fit` that the tests of this room vary."""

import gc
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

import shrinkage as sh
from shrinkage._data import _dataset, _stored
from shrinkage._problem import _stream
from tests.zoo import rows
from tests.zoo.tables import mlp

N, EPOCHS = 58, 3  # folds of 20, 19 and 19 rows
X, Y = rows("table", N)
LAMS = [0.3, 0.01]
TARGET = X @ [1.0, -2.0, 0.5, 0.0, 0.0, 1.0] + np.random.default_rng(5).normal(size=N)


def classifier(make: Callable[[], keras.Model] = mlp, **options: Any) -> keras.Model:
    model = make()
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"], **options)
    return model


def line(inputs: int = 6, optimizer: Any = None, **options: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((inputs,)), layers.Dense(1)])
    model.compile(optimizer or keras.optimizers.SGD(0.05, momentum=0.5), "mean_squared_error", **options)
    return model


def fit(model: Any, x: Any = X, y: Any = Y, **options: Any) -> sh.Path:
    defaults: dict[str, Any] = {"penalty": sh.L2(), "lams": LAMS, "cv": 3, "epochs": EPOCHS, "batch_size": 8}
    return sh.fit(model, x, y, **(defaults | options))


@cache
def three_folds() -> sh.Path:
    return fit(classifier())


def arrays(path: sh.Path) -> dict[str, np.ndarray]:
    """Return all of a path's numbers but its seconds and its model's seeds, which are the caller's."""
    found = {f.name: getattr(path, f.name) for f in fields(path)}
    found = {
        name: value for name, value in found.items() if isinstance(value, np.ndarray | float) and name != "seconds"
    }
    if path.learning_curve is not None:
        found |= {f"learning_curve.{name}": value for name, value in vars(path.learning_curve).items()}
    found |= {f"weights[{i}]": w for i, w in enumerate(path.weights) if w.dtype.kind == "f"}
    return {name: np.asarray(value) for name, value in (found | path.metrics | path.null_metrics).items()}


def held_by(path: sh.Path, fold: int) -> np.ndarray:
    return np.isin(path.held_out_rows, path.folds.held_out[fold])


def small_blocks(monkeypatch: Any, folder: Path, *, block: int, sample: int, read: int) -> Iterator[None]:
    """Put rows on disk in blocks of `block` rows, in a folder in which nothing may be left.

    Args:
        monkeypatch: The fixture of pytest.
        folder: The folder for temporary files.
        block: Rows of a block.
        sample: Held-out rows with predictions.
        read: Rows that are read at once.
    """
    monkeypatch.setattr(_stored, "BLOCK_ROWS", block)
    monkeypatch.setattr(_stream, "BLOCK_ROWS", block)
    monkeypatch.setattr(_stream, "_SAMPLE", sample)
    monkeypatch.setattr(_dataset, "_READ", (read, 2**24))
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield
    if list(folder.glob("shrinkage-*")):
        gc.collect()  # takes seconds, so only where it may matter
    assert not list(folder.glob("shrinkage-*"))
