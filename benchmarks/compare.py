"""Which penalty is the best, and which inputs does it keep? Writes the tables and the picture of docs/compare.md.

python -m benchmarks.compare
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks._page import DOCS, machine, markdown, write
from shrinkage._host._quiet import require_tensorflow

SETS = ("breast_cancer", "wine", "diabetes")
"""The picture is of the last."""
SHOWN = ("L2", "L1", "group lasso (inputs)")
PLANTED, UNITS, EPOCHS, RATE = 20, 32, 100, 0.003


@dataclass(frozen=True)
class Kept:
    """The inputs with a weight that is not 0, of the model at a choice."""

    real: int
    planted: int
    share: float
    """The mean norm of the weights of a planted input, relative to that of a real one."""


def load(name: str) -> tuple[np.ndarray, np.ndarray, int]:
    """Return standardised inputs with planted columns of noise last, the target, and the number of classes, or 0."""
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    noise = np.random.default_rng(0).normal(size=(len(x), PLANTED))
    x = np.hstack([(x - x.mean(axis=0)) / x.std(axis=0), noise])
    classes = 0 if name == "diabetes" else len(set(y))
    return x, y if classes else (y - y.mean()) / y.std(), classes


def network(n_inputs: int, classes: int) -> Any:
    """Return a perceptron with a hidden layer."""
    import keras

    last = {0: (1, None, "mean_squared_error"), 2: (1, "sigmoid", "binary_crossentropy")}
    units, activation, loss = last.get(classes, (classes, "softmax", "sparse_categorical_crossentropy"))
    layers = [keras.layers.Dense(UNITS, "relu"), keras.layers.Dense(units, activation)]
    model = keras.Sequential([keras.Input((n_inputs,)), *layers], name=f"mlp_{UNITS}")
    model.compile(keras.optimizers.Adam(RATE), loss)
    return model


def penalties() -> list[Any]:
    """Return all penalties, the group lasso with units and with inputs as groups."""
    from shrinkage import GroupLasso

    return ["l2", "l1", "elastic-net", "group-lasso", GroupLasso("inputs"), "decoupled"]


def run(name: str, epochs: int, *, nested: bool = False) -> Any:
    """Compare the penalties on a set."""
    import shrinkage as sh

    x, y, classes = load(name)
    return sh.compare(network(x.shape[1], classes), x, y, penalties=penalties(), epochs=epochs, nested=nested)


def kept(path: Any, index: int) -> Kept:
    """Return which inputs the model at a strength keeps. The planted ones are the last."""
    norms = np.linalg.norm(path.weights[0][index], axis=1)
    real, planted = norms[:-PLANTED], norms[-PLANTED:]
    return Kept(int((real > 0).sum()), int((planted > 0).sum()), float(planted.mean() / real.mean()))


def losses(found: dict[str, Any]) -> str:
    """Return the table of losses, with what each comparison calls the result."""
    tables = {name: comparison.table().set_index("name") for name, comparison in found.items()}
    rows = [
        [row, *(_loss_cell(table.loc[row]) for table in tables.values())] for row in next(iter(tables.values())).index
    ]
    nested = [_nested_cell(comparison) for comparison in found.values()]
    rows += [["the winner, nested", *nested]] * any(nested)
    rows.append(["seconds", *(f"{comparison.seconds:.0f}" for comparison in found.values())])
    return markdown(["held-out loss", *found], rows)


def _loss_cell(row: Any) -> str:
    p = "" if np.isnan(row["above_p"]) else f", p {row['above_p']:.2g}" if row["above_p"] >= 0.001 else ", p < 0.001"
    return f"{row['loss']:.4f} ({row['result']}{p})"


def _nested_cell(comparison: Any) -> str:
    nested = comparison.nested
    return "" if nested is None else f"{nested.loss:.4f} ± {nested.se:.4f}"


def inputs(found: dict[str, Any]) -> str:
    """Return the table of inputs that each penalty keeps at its choices."""
    rows = []
    for name, comparison in found.items():
        for penalty, path in comparison.paths.items():
            at_min, at_1se = kept(path, path.index_min), kept(path, path.index_1se)
            n_real = path.weights[0].shape[1] - PLANTED
            counts = [f"{at.real} of {n_real}, {at.planted} of {PLANTED}" for at in (at_min, at_1se)]
            rows.append([f"{name}, {penalty}", counts[0], f"{at_min.share:.2f}", counts[1], f"{at_1se.share:.2f}"])
    heads = ["set and penalty", "real and planted inputs kept at min", "norm, planted / real", "at 1se", "norm"]
    return markdown(heads, rows)


def draw(comparison: Any, file: Path) -> None:
    """Draw the weights of the first layer along some of the paths, the planted inputs in another colour."""
    shown = {name: path for name, path in comparison.paths.items() if name in SHOWN}
    n_inputs = next(iter(shown.values())).weights[0].shape[1]
    marked = range(n_inputs - PLANTED, n_inputs)
    replace(comparison, paths=shown).plot(kind="weights", marked=marked).savefig(file, dpi=110)


@click.command()
@click.option("--set", "names", type=click.Choice(SETS), multiple=True, default=SETS, show_default=True)
@click.option("--epochs", default=EPOCHS, show_default=True)
@click.option("--nested", is_flag=True, help="Estimate the winner's loss by nested cross-validation, too.")
@click.option("--docs", type=click.Path(path_type=Path), default=DOCS, help="The folder with compare.md.")
def main(names: tuple[str, ...], epochs: int, nested: bool, docs: Path) -> None:
    """Compare the penalties on real data with planted columns of noise."""
    require_tensorflow()
    found = {}
    for name in names:
        found[name] = run(name, epochs, nested=nested)
        click.echo(f"{name}\n{found[name]!r}\n")
    text = (
        f"One hidden layer of {UNITS} ReLU units, Adam with learning rate {RATE}, {epochs} epochs, 5 folds; {PLANTED} "
        f"planted columns of normal noise. {machine()}"
    )
    tables = {"compare_losses": f"{losses(found)}\n\n{text}", "compare_inputs": inputs(found)}
    click.echo("\n\n".join(tables.values()))
    for name, table in tables.items():
        write(docs / "compare.md", name, table)
    draw(found[names[-1]], docs / "weights.png")


if __name__ == "__main__":
    main()
