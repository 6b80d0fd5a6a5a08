"""The rows of the table of costs: ways to get the losses of a path of L2 strengths, and what they are compared with."""

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

BATCH = 32
Fit = Callable[[int], Any]
"""Does the fit of a number from 0 on, which stands for a strength and a fold."""


@dataclass(frozen=True)
class Case:
    """The job: digits, a network of two hidden layers, a grid of strengths and folds. A small one is a test."""

    width: int = 64
    epochs: int = 20
    strengths: int = 20
    folds: int = 5
    rows: int = 1797

    @property
    def lams(self) -> np.ndarray:
        """(strengths,) the automatic grid without its 0, or its first values."""
        from shrinkage._cv._strengths import make_automatic_grid

        return make_automatic_grid(self.rows)[:-1][: self.strengths]

    @property
    def fits(self) -> int:
        """A fit for each strength and fold."""
        return self.strengths * self.folds


@dataclass(frozen=True)
class Row:
    """One way. What it needs is imported before the clock starts."""

    title: str
    prepare: Callable[[Case], Fit]
    """Does what is done once for all fits, and returns what does one of them."""
    fits: Callable[[Case], int] = lambda case: 1
    """How many fits the whole takes."""
    measured: int = 1
    """How many of these are measured; the rest is extrapolated."""
    once_counts: bool = True
    """Whether preparing is part of the cost."""
    imports: tuple[str, ...] = ("tensorflow", "keras")
    """Beside those of the data and the folds."""
    processes: int = 1


@cache
def digits(case: Case) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (n, 64), of 16 grey levels scaled to [0, 1], and the classes (n,)."""
    from sklearn.datasets import load_digits

    x, y = map(np.asarray, load_digits(return_X_y=True))
    return (x[: case.rows] / 16).astype("float32"), y[: case.rows]


@cache
def split(case: Case, fold: int) -> dict[str, Any]:
    """Return the arguments x, y and validation_data of `keras.Model.fit` for a fold."""
    from sklearn.model_selection import StratifiedKFold

    x, y = digits(case)
    train, held_out = list(StratifiedKFold(case.folds, shuffle=True, random_state=0).split(x, y))[fold]
    return {"x": x[train], "y": y[train], "validation_data": (x[held_out], y[held_out])}


def network(case: Case, regularizer: Any = None, **compiled: Any) -> Any:
    """Return the compiled network, 64 inputs - width - width - 10 classes."""
    import keras

    layers = [keras.layers.Dense(case.width, "relu", kernel_regularizer=regularizer) for _ in range(2)]
    last = keras.layers.Dense(10, "softmax", kernel_regularizer=regularizer)
    model = keras.Sequential([keras.Input((64,)), *layers, last])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], **compiled)
    return model


def plain(case: Case) -> Fit:
    """`model.fit` as everyone writes it."""
    return lambda number: _keras_fit(network(case), case, fold=0)


def fresh(case: Case) -> Fit:
    """The loop that everyone writes: for every strength and fold a new model with a number in its regularizer."""
    import keras

    def fit(number: int) -> None:
        strength, fold = divmod(number, case.folds)
        _keras_fit(network(case, keras.regularizers.L2(float(case.lams[strength]) / 2)), case, fold)

    _keras_fit(network(case), case, fold=0, epochs=1)  # what TensorFlow does once, at the first fit of a process
    return fit


def reused(case: Case) -> Fit:
    """The best loop: one model, traced once; its strength is a variable, and its state is put back before each fit."""
    import keras

    lam = keras.Variable(0.0, trainable=False)
    penalty: Any = lambda w: lam / 2 * keras.ops.sum(keras.ops.square(w))  # noqa: E731
    model = network(case, penalty, steps_per_execution=16)
    model.optimizer.build(model.trainable_variables)
    state = [*model.variables, *model.optimizer.variables]
    first = [keras.ops.convert_to_numpy(variable) for variable in state]

    def fit(number: int) -> None:
        strength, fold = divmod(number, case.folds)
        lam.assign(case.lams[strength])
        for variable, value in zip(state, first, strict=True):
            variable.assign(value)
        _keras_fit(model, case, fold)

    _keras_fit(model, case, fold=0, epochs=1)
    return fit


def _keras_fit(model: Any, case: Case, fold: int, epochs: int | None = None) -> None:
    model.fit(**split(case, fold), batch_size=BATCH, epochs=epochs or case.epochs, verbose=0)


def grid_search(processes: int) -> Callable[[Case], Fit]:
    """scikit-learn's search over its own network; `alpha` is lam times the rows of a batch, by which it divides."""

    def prepare(case: Case) -> Fit:
        from joblib import Parallel, delayed
        from sklearn.model_selection import GridSearchCV
        from sklearn.neural_network import MLPClassifier
        from threadpoolctl import threadpool_limits

        threadpool_limits(1, "blas")  # so small products are a third faster; joblib does it in its workers by itself
        epochs: dict[str, Any] = {
            "max_iter": case.epochs,
            "n_iter_no_change": case.epochs,
            "batch_size": BATCH,
            "random_state": 0,
        }
        mlp = MLPClassifier((case.width, case.width), **epochs)
        grid = {"alpha": case.lams * BATCH}
        search = GridSearchCV(mlp, grid, scoring="neg_log_loss", cv=case.folds, n_jobs=processes)
        # Workers start, and import scikit-learn, now.
        Parallel(n_jobs=processes)(delayed(MLPClassifier)() for _ in range(2 * processes))
        warnings.filterwarnings("ignore", "Stochastic Optimizer: Maximum iterations")
        return lambda number: search.fit(*digits(case))

    return prepare


def ours(case: Case) -> Fit:
    """`shrinkage.fit`: every strength and none, in every fold and on all rows, every epoch evaluated."""
    import shrinkage as sh

    def fit(number: int) -> None:
        x, y = digits(case)
        path = {"penalty": sh.L2(), "lams": case.lams, "cv": case.folds}
        sh.fit(network(case), x, y, **path, epochs=case.epochs, batch_size=BATCH, progress=False)

    return fit


def _all(case: Case) -> int:
    return case.fits


ROWS = {
    "plain": Row("One plain `model.fit` with `validation_data`", plain),
    "best": Row("One best-practice fit: traced before, `steps_per_execution=16`", reused, once_counts=False),
    "fresh": Row("Loop, a new Keras model for each fit", fresh, _all, measured=3),
    "reused": Row("Loop, best practice: one traced model, the strength a variable", reused, _all, measured=4),
    "grid": Row(
        "scikit-learn: `GridSearchCV(MLPClassifier)`",
        grid_search(1),
        once_counts=False,
        imports=("sklearn.neural_network",),
    ),
    "grid2": Row(
        "The same in 2 processes", grid_search(2), once_counts=False, imports=("sklearn.neural_network",), processes=2
    ),
    "ours": Row(
        "**`shrinkage.fit`: 20 strengths and no penalty, in 5 folds and on all rows**",
        ours,
        imports=("shrinkage._fit._fit",),
    ),
}
if importlib.util.find_spec("torch"):
    from benchmarks import _torch

    ROWS |= {
        "torch": Row("PyTorch, eager loop", _torch.loop, _all, measured=3, imports=("torch",)),
        "vmap": Row("PyTorch, `torch.func.vmap` by hand", _torch.vmap, imports=("torch",)),
    }
