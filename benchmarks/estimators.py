"""How good and how fast are the estimators beside those of scikit-learn? Writes the tables of docs/sklearn.md.

python -m benchmarks.estimators --data FOLDER
"""

import time
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from sklearn.linear_model import LassoCV, LogisticRegressionCV, RidgeCV
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import shrinkage as sh
from benchmarks import _sets
from benchmarks._page import DOCS, machine, markdown, write
from shrinkage._host._quiet import require_tensorflow

NUMBERS = ("diabetes", "california", "flights")
CLASSES = ("breast_cancer", "wine", "digits", "ionosphere", "pima", "sonar", "vehicle")
ROWS = 400
"""Most rows for training; the test has the others, 2,000 at most."""
ALPHAS = {"alpha": np.geomspace(1e-4, 1, 5)}
QUICK = ("`RidgeCV`", "`LassoCV`", "`LogisticRegressionCV`", "`PathRegressor`, linear", "`PathClassifier`, linear")
STRENGTHS = np.geomspace(1e-3, 1e3, 20)


@dataclass(frozen=True)
class Found:
    """The result of an estimator on the test rows."""

    loss: float
    """Log loss in nats, or squared error in units of the variance of the training targets."""
    seconds: float
    """Processor seconds of `fit`."""


def of_numbers() -> Mapping[str, Callable[[], Any]]:
    """Return the ways for a regression."""
    network = MLPRegressor(hidden_layer_sizes=(64, 64), max_iter=200)
    return {
        "`RidgeCV`": lambda: _scaled(RidgeCV(STRENGTHS, cv=5)),
        "`LassoCV`": lambda: _scaled(LassoCV(cv=5)),
        "`PathRegressor`, linear": lambda: sh.PathRegressor(model="linear"),
        "`PathRegressor`, linear, L1": lambda: sh.PathRegressor(model="linear", penalty="l1"),
        "`MLPRegressor` in `GridSearchCV`": lambda: GridSearchCV(
            _scaled(network), {f"mlpregressor__{name}": each for name, each in ALPHAS.items()}, cv=5
        ),
        "`PathRegressor`, mlp": lambda: sh.PathRegressor(model="mlp"),
    }


def of_classes() -> Mapping[str, Callable[[], Any]]:
    """Return the ways for classes."""
    network = MLPClassifier(hidden_layer_sizes=(64, 64), max_iter=200)
    grid = {f"mlpclassifier__{name}": each for name, each in ALPHAS.items()}
    options: dict[str, Any] = {"l1_ratios": (0,), "use_legacy_attributes": False}
    return {
        "`LogisticRegressionCV`": lambda: _scaled(
            LogisticRegressionCV(Cs=20, cv=5, scoring="neg_log_loss", max_iter=1000, **options)
        ),
        "`PathClassifier`, linear": lambda: sh.PathClassifier(model="linear"),
        "`MLPClassifier` in `GridSearchCV`": lambda: GridSearchCV(_scaled(network), grid, cv=5, scoring="neg_log_loss"),
        "`PathClassifier`, mlp": lambda: sh.PathClassifier(model="mlp"),
    }


def _scaled(estimator: Any) -> Any:
    return make_pipeline(StandardScaler(), estimator)


def measure(make: Callable[[], Any], rows: tuple[np.ndarray, ...], numbers: bool) -> Found:
    """Fit an estimator, and score it on the test rows.

    Args:
        make: Makes the estimator.
        rows: Inputs for training and test, and targets for training and test.
        numbers: Whether the target is a number.
    """
    x, x_test, y, y_test = rows
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # networks that have not converged
        fitted = make().fit(x, y)
    seconds = time.process_time() - began
    if numbers:
        return Found(float(mean_squared_error(y_test, fitted.predict(x_test))), seconds)
    return Found(float(log_loss(y_test, fitted.predict_proba(x_test), labels=fitted.classes_)), seconds)


def compare(name: str, folders: _sets.Folders, most: int = ROWS, *, quick: bool = False) -> dict[str, Found]:
    """Return the results of all ways on a set; if `quick`, of those that solve a linear model."""
    numbers = name in NUMBERS
    n_rows = len(_sets.load(name, folders)[1])
    rows = _sets.draw(name, folders, min(most, round(0.7 * n_rows)), 2000, 0, numbers=numbers)
    ways = of_numbers() if numbers else of_classes()
    return {way: measure(make, rows, numbers) for way, make in ways.items() if not quick or way in QUICK}


def table(sets: Mapping[str, Mapping[str, Found]]) -> str:
    """Return a table with loss and processor seconds of each way on each set."""
    (ways, *_) = sets.values()
    rows = [
        [name, *[f"{found.loss:.3f} ({_seconds(found.seconds)})" for found in of_set.values()]]
        for name, of_set in sets.items()
    ]
    return markdown(["data", *ways], rows)


def _seconds(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds < 10 else f"{seconds:.0f} s"


@click.command()
@_sets.folders_option
@click.option("--set", "names", multiple=True, type=click.Choice([*NUMBERS, *CLASSES]), help="Only these sets.")
@click.option("--quick", is_flag=True, help="Only the ways that solve a linear model; the others take minutes a set.")
@click.option("--dry-run", is_flag=True, help="Print the tables, and write nothing.")
def main(folders: _sets.Folders, names: tuple[str, ...], quick: bool, dry_run: bool) -> None:
    """Print the tables, and write them to docs/sklearn.md."""
    require_tensorflow()
    import shrinkage._fit._fit  # noqa: F401  (the import is not measured)

    for kind, of_kind in (("numbers", NUMBERS), ("classes", CLASSES)):
        found = {}
        for name in of_kind:
            if names and name not in names:
                continue
            if absent := _sets.find_missing(name, folders):
                click.echo(f"{name} is skipped: no {' and no '.join(absent)} in the folders of --data.", err=True)
                continue
            found[name] = compare(name, folders, quick=quick)
            click.echo(table({name: found[name]}), err=True)
        if found:
            text = f"{table(found)}\n\n{machine()}"
            click.echo(text)
            if not dry_run:
                write(DOCS / "sklearn.md", f"estimators_{kind}", text)


if __name__ == "__main__":
    main()
