"""Does a path of a linear model reach glmnet's numbers? Writes the table of docs/linear.md; needs R with glmnet.

python -m benchmarks.linear
"""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click
import numpy as np
from sklearn import datasets

from benchmarks._page import DOCS, machine, markdown, write
from shrinkage._host._quiet import require_tensorflow

LAMS = np.geomspace(1, 1e-3, 13)
GLMNET = """
suppressPackageStartupMessages(library(glmnet))
a <- commandArgs(TRUE)
rows <- as.matrix(read.csv(a[1]))
x <- rows[, -(1:2)]; y <- rows[, 1]
lambda <- as.numeric(strsplit(a[4], ",")[[1]])
fit <- cv.glmnet(x, y, foldid = rows[, 2], family = a[2], alpha = as.numeric(a[3]), lambda = lambda,
                 standardize = FALSE, thresh = 1e-14, maxit = 1e7)
number <- function(v) paste(sprintf("%.17g", v), collapse = ", ")
w <- as.matrix(coef(fit$glmnet.fit))
cat(sprintf('{"coefficients": [%s], "min": %s, "1se": %s, "version": "%s"}', number(w), number(fit$index[1]),
            number(fit$index[2]), packageVersion("glmnet")))
"""


@dataclass(frozen=True)
class Recipe:
    """How the linear model is trained."""

    name: str
    epochs: int
    rate: float = 0.001
    decay: bool = False
    """Whether the learning rate falls to 0 along a cosine."""

    def arguments(self, n_rows: int) -> dict[str, Any]:
        """Return the arguments of `fit`: full batches, to the end, but for Keras' defaults."""
        full = {"batch_size": n_rows, "epoch": "last"} if self.rate > 0.001 else {}
        return {"epochs": self.epochs, **full}


RECIPES = (
    Recipe("Adam, 0.3 falling along a cosine, 1,000 full batches", 1000, 0.3, decay=True),
    Recipe("Adam, 0.03, 400 full batches", 400, 0.03),
    Recipe("Adam, 0.001, 20 epochs of batches of 32 rows", 20),
)


@dataclass(frozen=True)
class Reference:
    """What glmnet finds: intercepts and coefficients (lam, 1 + inputs), and the places of both choices."""

    weights: np.ndarray
    index_min: int
    index_1se: int
    version: str


def load(data: str) -> tuple[np.ndarray, np.ndarray, bool]:
    """Return standardised inputs, the target (standardised for a regression), and whether it has two classes."""
    x, y = getattr(datasets, f"load_{data}")(return_X_y=True)
    classes = data == "breast_cancer"
    y = y if classes else (y - y.mean()) / y.std()
    return (x - x.mean(axis=0)) / x.std(axis=0), y.astype("float64"), classes


def glmnet(x: np.ndarray, y: np.ndarray, held_out: Sequence[np.ndarray], classes: bool, ridge: bool) -> Reference:
    """Return what R's glmnet finds on the same rows and folds at the same strengths."""
    fold = np.zeros(len(y), int)
    for number, chosen in enumerate(held_out):
        fold[chosen] = number + 1
    lams = LAMS if classes else LAMS / 2  # glmnet halves the squared error
    with TemporaryDirectory() as folder:
        table, script = Path(folder, "rows.csv"), Path(folder, "glmnet.R")
        names = ",".join(f"v{i}" for i in range(x.shape[1] + 2))
        np.savetxt(table, np.column_stack([y, fold, x]), delimiter=",", header=names, comments="")
        script.write_text(GLMNET)
        family = "binomial" if classes else "gaussian"
        command = [
            "Rscript",
            str(script),
            str(table),
            family,
            str(0 if ridge else 1),
            ",".join(map(repr, lams.tolist())),
        ]
        found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    weights = np.reshape(found["coefficients"], (len(LAMS), -1))
    return Reference(weights, found["min"] - 1, found["1se"] - 1, found["version"])


def ours(x: np.ndarray, y: np.ndarray, classes: bool, ridge: bool, recipe: Recipe) -> Any:
    """Return the path of the linear model."""
    require_tensorflow()
    import keras

    import shrinkage as sh

    model = keras.Sequential([keras.Input(x.shape[1:]), keras.layers.Dense(1, "sigmoid" if classes else None)])
    rate = keras.optimizers.schedules.CosineDecay(recipe.rate, recipe.epochs) if recipe.decay else recipe.rate
    optimizer: Any = keras.optimizers.Adam(rate)
    model.compile(optimizer, "binary_crossentropy" if classes else "mean_squared_error")
    penalty = sh.L2() if ridge else sh.L1()
    return sh.fit(model, x, y, penalty=penalty, lams=LAMS, cv=10, progress=False, **recipe.arguments(len(x)))


def rows(data: str) -> tuple[list[list[str]], str]:
    """Return the table's rows of a data set, and glmnet's version."""
    x, y, classes = load(data)
    lines, version = [], ""
    for penalty, ridge in (("L1", False), ("L2", True)):
        for recipe in RECIPES:
            path = ours(x, y, classes, ridge, recipe)
            reference = glmnet(x, y, path.folds.held_out, classes, ridge)
            version = reference.version
            lines.append([data, penalty, recipe.name, *compared(path, reference)])
    return lines, version


CLOSE = 0.001


def compared(path: Any, reference: Reference) -> list[str]:
    """Return how far the weights are from glmnet's, how many zeros agree, and the choices as `ours (glmnet's)`."""
    count = len(LAMS)  # without lam = 0, which is last
    kernel, bias = (np.asarray(values)[:count].reshape(count, -1) for values in path.weights[:2])
    difference = np.abs(np.concatenate([bias, kernel], axis=1) - reference.weights).max(axis=1)
    zeros = (kernel == 0) == (reference.weights[:, 1:] == 0)
    choices = ((path.index_min, reference.index_min), (path.index_1se, reference.index_1se))
    return [
        f"{np.sum(difference < CLOSE)} of {count}", f"{difference.max():.4f}", f"{np.abs(reference.weights).max():.2f}",
        f"{zeros.sum()} of {zeros.size}", *[f"{ours + 1} ({theirs + 1})" for ours, theirs in choices],
    ]  # fmt: skip


HEADER = (
    "data", "penalty", "trained by", f"strengths within {CLOSE}", "largest difference", "largest weight", "zeros agree",
    "min", "1se",
)  # fmt: skip


@click.command()
def main() -> None:
    """Print the table, and write it to docs/linear.md."""
    lines, version = [], ""
    for data in ("diabetes", "breast_cancer"):
        more, version = rows(data)
        lines += more
    text = f"{markdown(HEADER, lines)}\n\nR's glmnet {version}. {machine()}"
    click.echo(text)
    write(DOCS / "linear.md", "linear", text)


if __name__ == "__main__":
    main()
