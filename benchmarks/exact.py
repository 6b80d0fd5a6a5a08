"""How much faster is an exact path of a linear model than one by training? Writes a table of docs/linear.md.

python -m benchmarks.exact
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from benchmarks._page import DOCS, machine, markdown, write
from shrinkage._host._quiet import require_tensorflow

LAMS = 10.0 ** np.arange(-2, -7.1, -0.25)
FOLDS = 5
_FEW = 16_384
"""Rows that are read into memory whatever its limit is."""


@dataclass(frozen=True)
class Rows:
    """Rows of a linear model with noise."""

    x: np.ndarray
    y: np.ndarray
    classes: bool


@dataclass(frozen=True)
class Found:
    """The result of a way: seconds, the least mean held-out loss, and its strength."""

    seconds: float
    loss: float
    lam: float


def make_rows(n_rows: int, n_columns: int, *, classes: bool) -> Rows:
    """Return rows whose columns are correlated: a tenth of them explains half of the variance of all."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=(n_rows, max(1, n_columns // 10)))
    x = rng.normal(size=(n_rows, n_columns)) + common @ rng.normal(size=(common.shape[1], n_columns)) / np.sqrt(
        common.shape[1]
    )
    x = ((x - x.mean(axis=0)) / x.std(axis=0)).astype("float32")
    scores = x @ rng.normal(size=n_columns) / np.sqrt(n_columns)
    if classes:
        return Rows(x, (rng.random(n_rows) < 1 / (1 + np.exp(-1.5 * scores))).astype("float32"), classes)
    return Rows(x, (scores + rng.normal(size=n_rows)).astype("float32"), classes)


def ours(rows: Rows, rate: Any = 1e-3, *, on_disk: bool = False, **arguments: Any) -> Any:
    """Return the path of a linear model."""
    require_tensorflow()
    import keras
    import tensorflow as tf

    import shrinkage as sh

    model = keras.Sequential(
        [keras.Input(rows.x.shape[1:]), keras.layers.Dense(1, "sigmoid" if rows.classes else None)]
    )
    optimizer: Any = keras.optimizers.Adam(rate)
    model.compile(optimizer, "binary_crossentropy" if rows.classes else "mean_squared_error")
    data: Any = rows.x, rows.y
    if on_disk:
        data = (tf.data.Dataset.from_tensor_slices(data).batch(1024),)
        arguments["max_memory"] = 3 * rows.x.nbytes  # rows that use more than a quarter of it stay on disk
    path = sh.fit(model, *data, penalty=sh.L2(), lams=LAMS, cv=FOLDS, progress=False, **arguments)
    if (path.plan["blocks"] > 1) != on_disk:
        raise RuntimeError(f"The rows should be {'on disk' if on_disk else 'in memory'}.")
    return path


def by_training(rows: Rows, epochs: int) -> Any:
    """Train with Keras' defaults: Adam, batches of 32 rows."""
    return ours(rows, epochs=epochs)


def by_full_batches(rows: Rows, epochs: int) -> Any:
    """Train by the recipe of the page: full batches, and a large learning rate that falls to 0."""
    require_tensorflow()
    import keras

    rate = keras.optimizers.schedules.CosineDecay(0.3, epochs)
    return ours(rows, rate, epochs=epochs, batch_size=len(rows.x), epoch="last")


def measure(call: Callable[[], Any]) -> Found:
    """Return the seconds of a call that returns a path, with its least loss."""
    began = time.perf_counter()
    path = call()
    seconds = time.perf_counter() - began
    return Found(seconds, float(path.mean[path.index_min]), path.lam_min)


def scikit_learn(rows: Rows, folds: Sequence[tuple[np.ndarray, np.ndarray]]) -> Found:
    """Return what scikit-learn's cross-validated model finds in the same folds, at the same strengths above 0."""
    from sklearn.linear_model import LogisticRegressionCV, RidgeCV

    n_rows = len(rows.x)
    began = time.perf_counter()
    if not rows.classes:
        ridge: Any = RidgeCV(alphas=n_rows * LAMS / 2, cv=list(folds), scoring="neg_mean_squared_error")
        ridge.fit(rows.x, rows.y)
        loss, lam = -float(ridge.best_score_), 2 * float(ridge.alpha_) / n_rows
    else:
        options: Any = {"Cs": 1 / (n_rows * LAMS), "cv": folds, "scoring": "neg_log_loss", "l1_ratios": (0.0,)}
        options |= {"use_legacy_attributes": False}
        logistic: Any = LogisticRegressionCV(**options).fit(rows.x, rows.y)
        mean = np.reshape(logistic.scores_, (FOLDS, -1)).mean(axis=0)
        loss, lam = -float(mean.max()), float(LAMS[mean.argmax()])
    return Found(time.perf_counter() - began, loss, lam)


HEADER = ("loss", "way", "seconds", "times the exact path", "least held-out loss", "at lambda")


def table(name: str, ways: dict[str, Found]) -> list[list[str]]:
    """Return the rows of a loss; the first way is the exact path."""
    exact = next(iter(ways.values())).seconds
    return [
        [name, way, f"{found.seconds:.2f}", f"{found.seconds / exact:.1f}", f"{found.loss:.6f}", f"{found.lam:.1e}"]
        for way, found in ways.items()
    ]


def compare(rows: Rows, epochs: int, full: int, repeats: int) -> dict[str, Found]:
    """Measure all ways on some rows: the exact path in the median of several calls, the others once."""
    path = ours(rows, solver="exact")  # imports and first calls
    folds = list(zip(path.folds.train, path.folds.held_out, strict=True))
    several = sorted((measure(lambda: ours(rows, solver="exact")) for _ in range(repeats)), key=lambda f: f.seconds)
    name = "LogisticRegressionCV" if rows.classes else "RidgeCV"
    on_disk = ["exact, rows on disk"] if len(rows.x) > _FEW else []
    return {
        "exact": several[repeats // 2],
        **{way: measure(lambda: ours(rows, solver="exact", on_disk=True)) for way in on_disk},
        f"trained, Adam, 0.001, {epochs} epochs of batches of 32 rows": measure(lambda: by_training(rows, epochs)),
        f"trained, Adam, 0.3 falling along a cosine, {full} full batches": measure(lambda: by_full_batches(rows, full)),
        f"scikit-learn's {name}": scikit_learn(rows, folds),
    }


@click.command()
@click.option("--rows", "n_rows", default=100_000, show_default=True)
@click.option("--columns", default=100, show_default=True)
@click.option("--epochs", default=20, show_default=True, help="Epochs of batches of 32 rows.")
@click.option("--full", default=100, show_default=True, help="Steps of full batches.")
@click.option("--repeats", default=3, show_default=True, help="Number of exact paths, of which the median is shown.")
@click.option("--page/--no-page", default=True, help="Whether to write the table to docs/linear.md.")
def main(n_rows: int, columns: int, epochs: int, full: int, repeats: int, page: bool) -> None:
    """Print the table, and write it to docs/linear.md."""
    lines = []
    for name, classes in (("squared error", False), ("log loss", True)):
        ways = compare(make_rows(n_rows, columns, classes=classes), epochs, full, repeats)
        lines += table(name, ways)
        click.echo(markdown(HEADER, lines), err=True)
    models = (len(LAMS) + 1) * (FOLDS + 1)
    note = (
        f"{n_rows:,} rows, {columns} columns, {len(LAMS)} strengths and 0, {FOLDS} folds and all rows: {models} models."
    )
    text = f"{markdown(HEADER, lines)}\n\n{note} {machine()}"
    click.echo(text)
    if page:
        write(DOCS / "linear.md", "exact", text)


if __name__ == "__main__":
    main()
