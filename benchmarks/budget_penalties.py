"""A search within a budget with other penalties than L2, against the wide grid: writes a table of docs/budget.md.

python -m benchmarks.budget_penalties --data FOLDER --results FILE

The rule was declared on 2026-11-29, before the first run of these draws. It is that of `benchmarks.budget`, with other
strengths to begin with: n * lambda of 10, 3.16 and 1 for L1, the elastic net and the group lasso; for decoupled decay
the sum of the learning rates times lambda, 3.16, 1 and 0.316. Both were found on nine of the pairs with the draws 0 and
1, in which n * lambda carried over from the rung to all rows about as well as lambda * sqrt(n), and better than lambda.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np

from benchmarks import _sets
from benchmarks._page import DOCS, machine, markdown, write
from benchmarks.budget import PAIRS, compile_model, draw
from shrinkage._host._quiet import require_tensorflow

DELTAS = np.append(10.0 ** np.arange(2.5, -2.01, -0.25), 0.0)
"""The wide grid: n * lambda, or the sum of the learning rates times lambda, in quarter decades, and 0."""
FIRST_DRAW = 10
"""Other draws of the rows than those that the rule was found on."""
TITLES = {"L1": "L1", "net": "elastic net, rho 0.5", "group": "group lasso", "decoupled": "L2, decoupled"}


@dataclass(frozen=True)
class Found:
    """Test losses of a penalty on one draw of training and test rows."""

    pair: str
    seed: int
    penalty: str
    grid: list[float]
    """Test loss of the models of the wide grid, trained on all rows, by `DELTAS`."""
    min: int
    """Index of the choice from the grid in cross-validation."""
    searched: float
    """Test loss of the model that a search with budget 1.5 leads to."""
    cost: float
    """Of the search, in trainings."""


def compare(name: str, seed: int, penalty: str, folders: _sets.Folders) -> Found:
    """Return the test losses of the wide grid and of a search, for one pair, penalty and draw of the rows."""
    require_tensorflow()
    import keras

    import shrinkage as sh

    pair = PAIRS[name]
    x, y, x_test, y_test = draw(pair, seed, folders)
    keras.utils.set_random_seed(seed)
    penalties = {"L1": sh.L1(), "net": sh.ElasticNet(0.5), "group": sh.GroupLasso(), "decoupled": sh.L2()}
    total = len(x) if penalty != "decoupled" else pair.epochs * -(-len(x) // pair.batch_size) * 1e-3  # Adam's rate

    def fit(**options: Any) -> Any:
        return sh.fit(
            compile_model(pair, x, y), x, y, penalty=penalties[penalty], epochs=pair.epochs,
            how=sh.Decoupled() if penalty == "decoupled" else None,
            batch_size=pair.batch_size, seed=seed, on=pair.on, progress=False, **options,
        )  # fmt: skip

    def loss(path: Any, lam: float | None = None) -> float:
        return float(path.model(lam).evaluate(x_test, y_test, batch_size=1000, verbose=0))

    grid, search = fit(lams=DELTAS / total), fit(budget=1.5)
    losses = [loss(grid, lam) for lam in grid.lams]
    return Found(name, seed, penalty, losses, grid.index_min, loss(search), float(search.trials["cost"].sum()))


def table(results: Sequence[Found]) -> str:
    """Return the table of the penalties."""
    by_penalty: dict[str, list[Found]] = defaultdict(list)
    for found in results:
        by_penalty[found.penalty].append(found)
    header = [
        "penalty", "runs", "way", "mean regret", "regret at most 0.01", "worst regret", "at most 0.01 above grid",
        "worst against none",
    ]  # fmt: skip
    rows = []
    for penalty, some in by_penalty.items():
        ways = {
            "none": [found.grid[-1] for found in some],
            "grid": [found.grid[found.min] for found in some],
            "budget 1.5": [found.searched for found in some],
        }
        least = [min(found.grid) for found in some]
        for way, losses in ways.items():
            regret, against, above = (np.array(losses) - other for other in (least, ways["none"], ways["grid"]))
            numbers = [f"{regret.mean():+.4f}", f"{np.mean(regret <= 0.01):.0%}", f"{regret.max():+.3f}"]
            numbers += [f"{np.mean(above <= 0.01):.0%}", f"{against.max():+.3f}"]
            rows.append([TITLES[penalty], str(len(some)), way, *numbers])
    return markdown(header, rows)


@click.command()
@_sets.folders_option
@click.option("--seeds", default=2, show_default=True, help="Draws of the rows for each pair.")
@click.option("--results", type=click.Path(path_type=Path), help="A file that keeps runs; its runs are not repeated.")
def main(folders: _sets.Folders, seeds: int, results: Path | None) -> None:
    """Compare the search with the grid, for each penalty. Pairs whose files are missing are left out."""
    lines = results.read_text("utf-8").splitlines() if results and results.is_file() else []
    kept = [Found(**json.loads(line)) for line in lines]
    done = {(found.pair, found.seed, found.penalty) for found in kept}
    names = [name for name, pair in PAIRS.items() if not _sets.find_missing(pair.data, folders)]
    for case in [(name, FIRST_DRAW + seed, penalty) for seed in range(seeds) for penalty in TITLES for name in names]:
        if case in done:
            continue
        kept.append(found := compare(*case, folders))
        print(*case, min(found.grid), found.grid[found.min], found.searched, flush=True)
        if results:
            with results.open("a", encoding="utf-8") as file:
                file.write(json.dumps(asdict(found)) + "\n")
    costs = [found.cost for found in kept]
    text = f"The searches took {np.mean(costs):.2f} trainings on average and {max(costs):.2f} at most. {machine()}"
    write(DOCS / "budget.md", "penalties", f"{table(kept)}\n\n{text}")


if __name__ == "__main__":
    main()
