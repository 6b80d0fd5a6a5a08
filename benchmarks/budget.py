"""A search within a budget against the wide grid, defaults and random search: writes the tables of docs/budget.md.

python -m benchmarks.budget --data FOLDER --results FILE

The rule was declared on 2026-11-28, before the first run on these pairs: a rung of budget/6 of the rows, at least ten
batches, and as many held-out rows, 75 to 2,500; members at n * lambda of 100, 31.6, 10 and 0; the largest strength
within one paired standard error of the least held-out loss; half a decade further while the choice is at an end, at
most six members; the user's batch size and epochs; the epoch of the final fit from the chosen member.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import click
import numpy as np
from sklearn.model_selection import train_test_split

from benchmarks import _sets
from benchmarks._page import DOCS, machine, markdown, write
from shrinkage._host._quiet import require_tensorflow

DELTAS = np.append(10.0 ** np.arange(3, -3.01, -0.25), 0.0)
"""The wide grid: n * lambda in quarter decades, and 0."""
BUDGETS = (1.5, 3.0, 6.0)
TEST = 10_000
"""Maximum number of test rows."""
DRAWS = 400
"""Random searches, of which the mean is shown."""
TRIAL = 0.8 + 0.2 / 3
"""Cost of a trial of a random search, which trains on 80 % of the rows and scores the others once."""


@dataclass(frozen=True)
class Pair:
    """A data set and a model."""

    data: str
    network: Callable[[np.ndarray, int], Any]
    rows: int
    epochs: int
    batch_size: int = 64
    on: Any = "kernels"

    @property
    def is_regression(self) -> bool:
        return self.data in ("california", "movielens")


def _mlp(x: np.ndarray, outputs: int, width: int = 64) -> Any:
    import keras

    normalization = keras.layers.Normalization()
    normalization.adapt(x.reshape(len(x), -1))
    hidden = [keras.layers.Dense(width, "relu") for _ in range(2)]
    return keras.Sequential(
        [keras.Input(x.shape[1:]), keras.layers.Flatten(), normalization, *hidden, _output(outputs)]
    )


def _output(outputs: int) -> Any:
    import keras

    return keras.layers.Dense(outputs, "softmax" if outputs > 1 else None)


def _cnn(x: np.ndarray, outputs: int) -> Any:
    import keras
    from keras import layers

    blocks = [layers.Conv2D(8, 3, activation="relu"), layers.MaxPooling2D(), layers.Conv2D(16, 3, activation="relu")]
    last = [layers.Flatten(), layers.Dense(32, "relu"), _output(outputs)]
    return keras.Sequential([keras.Input(x.shape[1:]), *blocks, *last])


def _lstm(x: np.ndarray, outputs: int) -> Any:
    import keras
    from keras import layers

    sequence = layers.Reshape((14, 14))
    return keras.Sequential([keras.Input(x.shape[1:]), sequence, layers.LSTM(24), _output(outputs)])


def _transformer(x: np.ndarray, outputs: int) -> Any:
    import keras
    from keras import layers

    inputs = keras.Input(x.shape[1:])
    h = layers.Dense(24)(layers.Reshape((14, 14))(inputs))
    attended = layers.MultiHeadAttention(2, 12)(h, h)
    h = layers.LayerNormalization()(layers.Add()([h, attended]))
    h = layers.LayerNormalization()(layers.Add()([h, layers.Dense(24)(layers.Dense(48, "relu")(h))]))
    return keras.Model(inputs, _output(outputs)(layers.Flatten()(h)))


def _embeddings(x: np.ndarray, outputs: int) -> Any:
    import keras
    from keras import layers

    inputs = keras.Input((2,), dtype="int32")
    h = layers.Flatten()(layers.Embedding(int(x.max()) + 1, 12)(inputs))
    return keras.Model(inputs, _output(outputs)(layers.Dense(32, "relu")(h)))


PAIRS: dict[str, Pair] = {
    "dna, MLP": Pair("dna", _mlp, 1_600, 20, 32),
    "spambase, MLP": Pair("spambase", _mlp, 3_000, 30, 32),
    "satellite, MLP": Pair("satellite", _mlp, 4_000, 30, 32),
    "letter, MLP": Pair("letter", _mlp, 8_000, 30),
    "letter, wide MLP": Pair("letter", partial(_mlp, width=256), 2_500, 30, 32),
    "adult, MLP": Pair("adult", _mlp, 10_000, 15),
    "california, MLP": Pair("california", _mlp, 6_000, 40),
    "fashion, MLP": Pair("fashion14", _mlp, 5_000, 20),
    "fashion, CNN": Pair("fashion14", _cnn, 2_500, 20),
    "fashion, LSTM": Pair("fashion14", _lstm, 2_500, 20),
    "fashion, transformer": Pair("fashion14", _transformer, 2_000, 20),
    "movielens, embeddings": Pair("movielens", _embeddings, 40_000, 6, 256, on="all"),
}


@dataclass(frozen=True)
class Found:
    """Test losses on one draw of training and test rows."""

    pair: str
    seed: int
    grid: list[float]
    """Test loss of the models of the wide grid, trained on all rows, by `DELTAS`."""
    held_out: list[float]
    """Loss of the first fold, a random fifth, by `DELTAS`."""
    min: int
    """Index of the choice from the grid in cross-validation."""
    typical: float
    """Test loss at lambda = 1e-4."""
    decay: float
    """Test loss of AdamW with its default decay, 0.004."""
    again: float
    """Test loss at the choice from the grid, in another training."""
    budgets: list[dict[str, float]]
    """For each of `BUDGETS`: delta, loss, members, cost of the search in trainings, seconds."""
    seconds: float
    """Of `model.fit` on all rows without a penalty."""


def compare(name: str, seed: int, folders: _sets.Folders, epochs: int | None = None) -> Found:
    """Return the test losses of each way to choose a strength, for one pair and one draw of the rows."""
    require_tensorflow()
    import keras

    import shrinkage as sh

    pair = PAIRS[name]
    x, y, x_test, y_test = draw(pair, seed, folders)
    keras.utils.set_random_seed(seed)

    training: dict[str, Any] = {"epochs": epochs or pair.epochs, "batch_size": pair.batch_size}

    def compiled() -> Any:
        return compile_model(pair, x, y)

    def fit(**options: Any) -> Any:
        defaults = {"penalty": sh.L2(), "seed": seed, "on": pair.on, "progress": False, **training}
        return sh.fit(compiled(), x, y, **(defaults | options))

    def loss(path: Any, lam: float | None = None) -> float:
        return float(path.model(lam).evaluate(x_test, y_test, batch_size=1000, verbose=0))

    grid = fit(lams=np.append(DELTAS / len(x), 1e-4))
    deltas = grid.lams * len(x)
    places = [int(np.argmin(np.abs(deltas - delta))) for delta in DELTAS]
    chosen = int(np.argmin(grid.mean[places]))
    decay = fit(how=sh.Decoupled(), lams=[0.004], cv=0.2)
    again = fit(lams=[DELTAS[chosen] / len(x)], cv=0.2, seed=seed + 1000)
    began = time.monotonic()
    compiled().fit(x, y, verbose=0, **training)
    budgets, seconds = [], time.monotonic() - began
    for budget in BUDGETS:
        began = time.monotonic()
        path = fit(budget=budget)
        entry = {"delta": path.lam * len(x), "loss": loss(path), "members": len(path.lams)}
        budgets.append({**entry, "cost": float(path.trials["cost"].sum()), "seconds": time.monotonic() - began})
    return Found(
        name, seed, [loss(grid, grid.lams[place]) for place in places], grid.fold_loss[0][places].tolist(), chosen,
        loss(grid, 1e-4), loss(decay, 0.004), loss(again, DELTAS[chosen] / len(x)), budgets, seconds,
    )  # fmt: skip


def compile_model(pair: Pair, x: np.ndarray, y: np.ndarray) -> Any:
    """Return the model of a pair for training rows."""
    import keras

    model = pair.network(x, 1 if pair.is_regression else int(y.max()) + 1)
    model.compile(keras.optimizers.Adam(), "mse" if pair.is_regression else "sparse_categorical_crossentropy")
    return model


def draw(pair: Pair, seed: int, folders: _sets.Folders) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return training rows and test rows; targets of a regression are standardised by the training rows."""
    x, y = _sets.load(pair.data, folders)
    train, test = train_test_split(
        np.arange(len(y)),
        train_size=pair.rows,
        test_size=min(TEST, len(y) - pair.rows),
        random_state=seed,
        stratify=None if pair.is_regression else y,
    )
    if pair.is_regression:
        y = ((y - y[train].mean()) / y[train].std()).astype("float32")
    if x.dtype != np.int32 and x.ndim == 2:
        x = x[:, x[train].std(axis=0) > 0].astype("float32")
    return x[train], y[train], x[test], y[test]


def random_search(found: Found, budget: float) -> float:
    """Return the mean test loss of random searches, which Optuna's TPE is for its first ten trials."""
    random = np.random.default_rng(found.seed)
    trials = max(1, int(budget / TRIAL))
    drawn = random.integers(0, len(DELTAS) - 1, (DRAWS, trials))
    best = drawn[np.arange(DRAWS), np.argmin(np.array(found.held_out)[drawn], axis=1)]
    return float(np.array(found.grid)[best].mean())


def losses(found: Found) -> dict[str, float]:
    """Return the test loss of each way to choose."""
    grid = np.array(found.grid)
    ways = {"none": grid[-1], "lambda = 1e-4": found.typical, "AdamW 0.004": found.decay}
    ways |= {"10/n": grid[int(np.argmin(np.abs(DELTAS - 10)))], "grid": grid[found.min]}
    ways |= {f"random search, {budget:g}": random_search(found, budget) for budget in BUDGETS}
    return ways | {f"budget {budget:g}": each["loss"] for budget, each in zip(BUDGETS, found.budgets, strict=True)}


def tables(results: Sequence[Found]) -> tuple[str, str]:
    """Return the table of the ways, and the table of the pairs."""
    regrets, against_none, against_grid = (defaultdict[str, list[float]](list) for _ in range(3))
    for found in results:
        best = min(found.grid)
        for way, loss in losses(found).items():
            regrets[way].append(loss - best)
            against_none[way].append(loss - found.grid[-1])
            against_grid[way].append(loss - found.grid[found.min])
    header = [
        "way", "mean regret", "regret at most 0.01", "worst regret", "mean loss above grid", "at most 0.01 above grid",
        "mean gain over none", "worst against none",
    ]  # fmt: skip
    rows = [
        [
            way, f"{np.mean(regret):+.4f}", f"{np.mean(np.array(regret) <= 0.01):.0%}", f"{max(regret):+.3f}",
            f"{np.mean(against_grid[way]):+.4f}", f"{np.mean(np.array(against_grid[way]) <= 0.01):.0%}",
            f"{-np.mean(against_none[way]):+.4f}", f"{max(against_none[way]):+.3f}",
        ]
        for way, regret in regrets.items()
    ]  # fmt: skip
    return markdown(header, rows), _pairs(results)


def _pairs(results: Sequence[Found]) -> str:
    by_pair: dict[str, list[Found]] = defaultdict(list)
    for found in results:
        by_pair[found.pair].append(found)
    header = ["pair", "rows", "least", "none", "10/n", "grid", *(f"budget {b:g}" for b in BUDGETS), "search", "again"]
    rows = []
    for name, some in by_pair.items():
        ways = [losses(each) for each in some]
        means = [np.mean([way[key] for way in ways]) for key in header[3:-2]]
        cost = np.mean([each.budgets[0]["cost"] for each in some])
        noise = np.mean([abs(each.again - each.grid[each.min]) for each in some])
        cells = [f"{np.mean([min(each.grid) for each in some]):.4f}", *(f"{mean:.4f}" for mean in means)]
        rows.append([name, f"{PAIRS[name].rows:,}", *cells, f"{cost:.2f}", f"{noise:.4f}"])
    return markdown(header, rows)


def page(results: Sequence[Found]) -> None:
    """Write the tables of docs/budget.md."""
    ways, pairs = tables(results)
    search = [each["cost"] for found in results for each in found.budgets[:1]]
    noise = [abs(found.again - found.grid[found.min]) for found in results]
    times = [found.budgets[0]["seconds"] / found.seconds for found in results]
    text = (
        f"{len(results)} runs. A search with budget 1.5 took {np.mean(search):.2f} trainings on average and "
        f"{max(search):.2f} at most, scoring included. The whole call, the final training included, took "
        f"{np.median(times):.2f} times the seconds of `model.fit` in the median, and {max(times):.2f} times at most. "
        f"Two trainings at one strength differ by {np.mean(noise):.4f} on "
        f"average and {max(noise):.3f} at most. {machine()}"
    )
    write(DOCS / "budget.md", "ways", f"{ways}\n\n{text}")
    write(DOCS / "budget.md", "pairs", pairs)


@click.command()
@_sets.folders_option
@click.option("--seeds", default=3, show_default=True, help="Draws of the rows for each pair.")
@click.option("--only", help="A word that the names of the pairs must contain.")
@click.option("--results", type=click.Path(path_type=Path), help="A file that keeps runs; its runs are not repeated.")
def main(folders: _sets.Folders, seeds: int, only: str | None, results: Path | None) -> None:
    """Compare ways to choose a strength. Pairs whose files are missing are left out."""
    lines = results.read_text("utf-8").splitlines() if results and results.is_file() else []
    kept = [Found(**json.loads(line)) for line in lines]
    done = {(found.pair, found.seed) for found in kept}
    for seed in range(seeds):
        for name, pair in PAIRS.items():
            if (only or "") not in name or (name, seed) in done or _sets.missing(pair.data, folders):
                continue
            kept.append(found := compare(name, seed, folders))
            print(name, seed, json.dumps(losses(found)), json.dumps(found.budgets), flush=True)
            if results:
                with results.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(found)) + "\n")
    if not only:
        page(kept)


if __name__ == "__main__":
    main()
