"""A search within a budget against the wide grid, defaults and random search: writes the tables of docs/budget.md.

python -m benchmarks.budget --data FOLDER --results FILE

The rule was declared on 2026-11-28, before the first run on the first twelve pairs: a rung of budget/6 of the rows, at
least ten batches, and as many held-out rows, 75 to 2,500; members at n * lambda of 100, 31.6, 10 and 0; the largest
strength within one paired standard error of the least held-out loss; half a decade further while the choice is at an
end, at most six members; the user's batch size and epochs; the epoch of the final fit from the chosen member.

The last eight pairs are of 2026-11-30, for the check of another rule for the epoch, which was declared before the first
run on them: a member keeps the latest scored epoch within two paired standard errors of the best. On the first twelve
pairs it was better at every budget; on the last eight it was worse with budget 1.5. It was not taken. Declared before
the second run on the first twelve, the same day, and kept: a fifth of the rows is held out where the rung is more than
half of them.

Two trainings at one strength differ as much as good choices do. Each loss is therefore the mean of `TRAININGS`.
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

DELTAS = np.append(10.0 ** np.arange(3, -3.01, -0.5), 0.0)
"""The wide grid: n * lambda in half decades, as the search has them, and 0."""
BUDGETS = (1.5, 3.0, 6.0)
TRAININGS = 3
"""Number of trainings on all rows with other random numbers, over which a test loss is averaged."""
TEST = 5_000
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
        return self.data in ("california", "movielens", "flights", "power")


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


def _gru(x: np.ndarray, outputs: int) -> Any:
    import keras

    return keras.Sequential([keras.Input(x.shape[1:]), keras.layers.GRU(32), _output(outputs)])


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
    "digits, MLP": Pair("digits", _mlp, 1_300, 40, 32),
    "digits, GRU": Pair("digit_rows", _gru, 1_300, 30, 32),
    "flights, MLP": Pair("flights", _mlp, 8_000, 30),
    "power, MLP": Pair("power", _mlp, 6_000, 30),
    "adult, wide MLP": Pair("adult", partial(_mlp, width=256), 3_000, 30, 32),
    "spambase, wide MLP": Pair("spambase", partial(_mlp, width=256), 2_000, 60, 32),
    "satellite, wide MLP": Pair("satellite", partial(_mlp, width=256), 2_000, 60, 32),
    "fashion 28, CNN": Pair("fashion28", _cnn, 2_000, 20, 32),
}


@dataclass(frozen=True)
class Found:
    """Test losses on one draw of training and test rows. Each is a list of `TRAININGS` losses on all rows."""

    pair: str
    seed: int
    grid: list[list[float]]
    """Of each strength of `DELTAS`, at the epoch that cross-validation chose for it."""
    held_out: list[float]
    """Loss of the first fold, a random fifth, by `DELTAS`."""
    min: int
    """Index of the choice from the grid in cross-validation."""
    typical: list[float]
    """At lambda = 1e-4."""
    decay: list[float]
    """Of AdamW with its default decay, 0.004."""
    budgets: list[dict[str, Any]]
    """For each of `BUDGETS`: delta, epoch, loss, members, cost of the search in trainings, seconds."""
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

    def curves(**options: Any) -> np.ndarray:
        """Return test losses of trainings on all rows after each epoch, (trainings, strengths, epochs)."""
        seeds = [seed + 1000 * number for number in range(TRAININGS)]
        return np.stack(
            [fit(validation_data=(x_test, y_test), seed=each, models="chosen", **options).cv_loss[0] for each in seeds]
        )

    lams = np.append(DELTAS / len(x), 1e-4)
    grid, tests = fit(lams=lams, models="chosen"), curves(lams=lams)
    deltas = grid.lams * len(x)

    def loss(delta: float, epoch: int | None = None) -> list[float]:
        """Return the test losses at a strength, by default at the epoch that cross-validation chose."""
        place = int(np.argmin(np.abs(deltas - delta)))
        if not np.isclose(deltas[place], delta, rtol=1e-3):
            raise ValueError(f"`DELTAS` must have the strengths of the search. Received: {delta}, which is not there.")
        return tests[:, place, (epoch or grid.epochs[place]) - 1].tolist()

    places = [int(np.argmin(np.abs(deltas - delta))) for delta in DELTAS]
    decoupled: dict[str, Any] = {"how": sh.Decoupled(), "lams": [0.004]}
    stop = fit(cv=0.2, **decoupled).epochs[0]
    began = time.monotonic()
    compiled().fit(x, y, verbose=0, **training)
    budgets, seconds = [], time.monotonic() - began
    for budget in BUDGETS:
        began = time.monotonic()
        path = fit(budget=budget)
        delta, epoch = path.lam * len(x), int(path.epochs[path.index])
        entry = {"delta": delta, "epoch": epoch, "loss": loss(delta, epoch), "members": len(path.lams)}
        budgets.append({**entry, "cost": float(path.trials["cost"].sum()), "seconds": time.monotonic() - began})
    return Found(
        name, seed, [loss(delta) for delta in DELTAS], grid.fold_loss[0][places].tolist(),
        int(np.argmin(grid.mean[places])), loss(1e-4 * len(x)), curves(**decoupled)[:, 0, stop - 1].tolist(),
        budgets, seconds,
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


def random_search(found: Found, budget: float, trainings: slice = slice(None)) -> float:
    """Return the mean test loss of random searches, which Optuna's TPE is for its first ten trials."""
    random = np.random.default_rng(found.seed)
    trials = max(1, int(budget / TRIAL))
    drawn = random.integers(0, len(DELTAS) - 1, (DRAWS, trials))
    best = drawn[np.arange(DRAWS), np.argmin(np.array(found.held_out)[drawn], axis=1)]
    return float(np.array(found.grid)[best, trainings].mean())


def losses(found: Found, trainings: slice = slice(None)) -> dict[str, float]:
    """Return the test loss of each way to choose, the mean of some of the trainings."""
    grid = np.array(found.grid)[:, trainings].mean(axis=1)
    ways = {"none": grid[-1]}
    ways |= {"lambda = 1e-4": np.mean(found.typical[trainings]), "AdamW 0.004": np.mean(found.decay[trainings])}
    ways |= {"10/n": grid[int(np.argmin(np.abs(DELTAS - 10)))], "grid": grid[found.min]}
    ways |= {f"random search, {budget:g}": random_search(found, budget, trainings) for budget in BUDGETS}
    searches = zip(BUDGETS, found.budgets, strict=True)
    return ways | {f"budget {budget:g}": np.mean(each["loss"][trainings]) for budget, each in searches}


def least(found: Found) -> float:
    """Return the least test loss of the wide grid."""
    return float(np.mean(found.grid, axis=1).min())


def tables(results: Sequence[Found]) -> tuple[str, str]:
    """Return the table of the ways, and the table of the pairs."""
    regrets, against_none, against_grid = (defaultdict[str, list[float]](list) for _ in range(3))
    for found in results:
        ways = losses(found)
        for way, loss in ways.items():
            regrets[way].append(loss - least(found))
            against_none[way].append(loss - ways["none"])
            against_grid[way].append(loss - ways["grid"])
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
        noise = np.mean([_differences(each) for each in some])
        cells = [f"{np.mean(list(map(least, some))):.4f}", *(f"{mean:.4f}" for mean in means)]
        rows.append([name, f"{PAIRS[name].rows:,}", *cells, f"{cost:.2f}", f"{noise:.4f}"])
    return markdown(header, rows)


def _differences(found: Found) -> np.ndarray:
    """Return the differences between two trainings at the choice from the grid."""
    trained = np.array(found.grid[found.min])
    return np.abs(trained - np.roll(trained, 1))


OTHER_TRAININGS = "best in the other trainings"
"""The way that knows the test losses of the other trainings on the same rows at every strength, as no method can."""


def single_trainings(results: Sequence[Found]) -> str:
    """Return the table of the ways, each judged by a single training, with the strength that is best in the others."""
    regrets, against_none = (defaultdict[str, list[float]](list) for _ in range(2))
    for found in results:
        grid = np.array(found.grid)
        for place in range(TRAININGS):
            ways = losses(found, slice(place, place + 1))
            others = np.delete(grid, place, axis=1).mean(axis=1)
            ways[OTHER_TRAININGS] = grid[int(np.argmin(others)), place]
            for way in (OTHER_TRAININGS, "grid", *(f"budget {budget:g}" for budget in BUDGETS)):
                regrets[way].append(ways[way] - grid[:, place].min())
                against_none[way].append(ways[way] - ways["none"])
    header = ["way", "mean regret", "regret at most 0.01", "more than 0.01 worse than none", "worst against none"]
    rows = [
        [
            way, f"{np.mean(regret):+.4f}", f"{np.mean(np.array(regret) <= 0.01):.0%}",
            f"{np.mean(np.array(against_none[way]) > 0.01):.0%}", f"{max(against_none[way]):+.3f}",
        ]
        for way, regret in regrets.items()
    ]  # fmt: skip
    return markdown(header, rows)


def page(results: Sequence[Found]) -> None:
    """Write the tables of docs/budget.md."""
    ways, pairs = tables(results)
    search = [each["cost"] for found in results for each in found.budgets[:1]]
    noise = np.concatenate([_differences(found) for found in results])
    times = [found.budgets[0]["seconds"] / found.seconds for found in results]
    text = (
        f"{len(results)} runs. A search with budget 1.5 took {np.mean(search):.2f} trainings on average and "
        f"{max(search):.2f} at most, scoring included. The whole call, the final training included, took "
        f"{np.median(times):.2f} times the seconds of `model.fit` in the median, and {max(times):.2f} times at most. "
        f"Two trainings at one strength differ by {np.mean(noise):.4f} on average and {max(noise):.3f} at most, and by "
        f"more than 0.01 in {np.mean(noise > 0.01):.0%}. {machine()}"
    )
    write(DOCS / "budget.md", "ways", f"{ways}\n\n{text}")
    write(DOCS / "budget.md", "single_trainings", single_trainings(results))
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
            if (only or "") not in name or (name, seed) in done or _sets.find_missing(pair.data, folders):
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
