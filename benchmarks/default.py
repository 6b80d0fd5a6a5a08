"""Is lambda = 10 / n a good strength without any search? On real data: writes tables of docs/choice.md.

The rule was written down before the first run, on 2026-11-28: delta = n * lambda = 10, for coupled L2 on kernels, with
losses in nats, and squared errors of targets with variance 1. It holds if both at the best epoch by a hold-out and
after all epochs
1. no pair of data and model is worse than no penalty by more than 0.01, on average over its seeds;
2. at most 5 % of all runs are worse than no penalty by more than 0.01 (a run has the noise of its test rows);
3. it takes a quarter or more of the gap between no penalty and the best strength on the test rows, over all pairs.
It did not hold.

python -m benchmarks.default --data FOLDER
"""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from benchmarks import _sets
from benchmarks._page import DOCS, machine, markdown, write
from benchmarks._works import WORKS
from benchmarks.choice import REGRESSIONS
from benchmarks.choice import network as perceptron
from shrinkage._cv._choice import choose_epochs
from shrinkage._host._quiet import require_tensorflow

DELTA = 10.0
"""The rule."""
KERAS = 2e-4
"""lambda of `keras.regularizers.L2(1e-4)`, a strength of many examples."""
DELTAS = (1000.0, 316.0, 100.0, 31.6, DELTA, 3.16, 1.0, 0.316, 0.1)
"""The strengths among which the best on the test rows is found."""
WORSE = 0.01
"""A difference of the test loss that matters."""
TEST = 5000
"""At most so many rows for the test."""


@dataclass(frozen=True)
class Pair:
    """A data set and a model."""

    data: str
    train: int
    epochs: int
    work: str = ""
    """A network of `_works`; empty for two hidden layers of 64 on standardised inputs."""

    @property
    def title(self) -> str:
        """What trains on what."""
        return f"{self.data}, {_TITLES[self.work]}"


_TITLES = {
    "": "MLP 64-64", "adult": "MLP 256-128, batches of 256", "cnn": "CNN", "gru": "GRU", "transformer": "transformer",
    "recommender": "embeddings",
}  # fmt: skip
PAIRS = (
    Pair("ionosphere", 200, 100), Pair("diabetes", 240, 100), Pair("breast_cancer", 300, 100), Pair("pima", 400, 100),
    Pair("vehicle", 500, 100), Pair("vowel", 600, 100), Pair("digits", 1000, 60), Pair("digit_rows", 1000, 40, "gru"),
    Pair("digit_rows", 1000, 30, "transformer"), Pair("dna", 1500, 60), Pair("spambase", 2500, 40),
    Pair("satellite", 4000, 40), Pair("fashion14", 4000, 15, "cnn"), Pair("california", 8000, 40),
    Pair("fashion14", 10_000, 20), Pair("letter", 12_000, 30), Pair("flights", 20_000, 20),
    Pair("adult", 20_000, 20, "adult"), Pair("movielens", 20_000, 15, "recommender"),
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A pair with a seed, which draws rows, weights and batches."""

    pair: Pair
    seed: int
    folders: _sets.Folders
    epochs: int | None = None


@dataclass(frozen=True)
class Found:
    """Test losses of a run: (S, 2), at the best epoch by the hold-out and at the last, for `strengths`."""

    losses: np.ndarray
    seconds: float

    @property
    def none(self) -> np.ndarray:
        """Without a penalty, (2,)."""
        return self.losses[-1]

    @property
    def rule(self) -> np.ndarray:
        """With delta = 10, (2,)."""
        return self.losses[DELTAS.index(DELTA)]

    @property
    def keras(self) -> np.ndarray:
        """With Keras' L2(1e-4), (2,)."""
        return self.losses[-2]

    @property
    def best(self) -> np.ndarray:
        """With the best strength on the test rows, (2,)."""
        return self.losses.min(axis=0)


def strengths(n: int) -> np.ndarray:
    """Return the strengths for n rows in the order of `Found.losses`."""
    return np.array([delta / n for delta in DELTAS] + [KERAS, 0.0])


def measure(run: Run) -> Found:
    """Train at every strength: once on all training rows, and once with a fifth held out, which chooses the epochs."""
    require_tensorflow()
    import keras

    import shrinkage as sh

    began, pair = time.monotonic(), run.pair
    keras.utils.set_random_seed(run.seed)
    x, x_test, y, y_test = _rows(run)
    lams, curves = strengths(len(y)), []
    splits: list[dict[str, Any]] = [{"validation_data": (x_test, y_test)}, {"cv": 0.2}]
    for split in splits:
        options = {"epochs": run.epochs or pair.epochs, "epoch": 1, "seed": run.seed, "progress": False} | split
        model, batch_size = _network(pair, x, x_test, y)
        path = sh.fit(model, x, y, penalty=sh.L2(), lams=lams, batch_size=batch_size, **options)
        order = [int(np.argmin(np.abs(path.lams - lam))) for lam in lams]
        curves.append(path.cv_loss[:, order])
    test, held_out = curves
    chosen = choose_epochs(held_out, [1.0]) - 1
    at_chosen = np.take_along_axis(test[0], chosen[:, None], axis=1)[:, 0]
    return Found(np.stack([at_chosen, test[0, :, -1]], axis=1), time.monotonic() - began)


def _rows(run: Run) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Return inputs and targets for training and test; those of a regression are standardised by those for training."""
    pair = run.pair
    x, x_test, y, y_test = _sets.draw(
        pair.data, run.folders, pair.train, TEST, run.seed, numbers=pair.data in _NUMBERS
    )  # fmt: skip
    if not pair.work:
        x, x_test = (part.reshape(len(part), -1) for part in (x, x_test))
        varies = x.std(axis=0) > 0
        x, x_test = x[:, varies], x_test[:, varies]
    return x, x_test, y, y_test


_NUMBERS = {*REGRESSIONS, "movielens"}


def _network(pair: Pair, x: np.ndarray, x_test: np.ndarray, y: np.ndarray) -> tuple[Any, int]:
    """Return the compiled network and the size of its batches."""
    if not pair.work:
        numbers = pair.data in _NUMBERS
        return perceptron(numbers, x, 1 if numbers else int(y.max()) + 1), 32
    work = WORKS[pair.work]
    model = work.network(work, np.concatenate([x, x_test]), True)  # an embedding has a row for every token
    model.compile("adam", work.loss)
    return model, work.batch_size


# --- the tables

HEADER = (
    "data and model", "rows", "none", "10/n", "Keras' L2(1e-4)", "best on the test rows", "gain of 10/n", "worst run",
    "share of the gap", "none, all epochs", "10/n, all epochs", "gain of 10/n", "worst run",
)  # fmt: skip


def table(found: dict[Pair, list[Found]]) -> str:
    """Return a line for every pair: at the best epoch by the hold-out, and then after all epochs."""
    lines = []
    for pair, runs in found.items():
        none, rule, usual, best = (_stack(runs, name) for name in ("none", "rule", "keras", "best"))
        gain = none - rule
        means = [f"{losses[:, 0].mean():.3f}" for losses in (none, rule, usual, best)]
        early = [*means, f"{gain[:, 0].mean():+.3f}", f"{gain[:, 0].min():+.3f}", _share(none, rule, best)]
        late = [f"{none[:, 1].mean():.3f}", f"{rule[:, 1].mean():.3f}"]
        late += [f"{gain[:, 1].mean():+.3f}", f"{gain[:, 1].min():+.3f}"]
        lines.append([pair.title, f"{pair.train:,}", *early, *late])
    return markdown(HEADER, lines)


def _stack(runs: list[Found], name: str) -> np.ndarray:
    """Return the losses of runs, (runs, 2), or (runs, S, 2)."""
    return np.array([getattr(run, name) for run in runs])


def _share(none: np.ndarray, rule: np.ndarray, best: np.ndarray) -> str:
    """Return which part of the gap between no penalty and the best strength is closed, where there is a gap."""
    gap = (none - best)[:, 0].mean()
    return f"{100 * (none - rule)[:, 0].mean() / gap:.0f} %" if gap > WORSE else ""


SUMMARY = ("over all pairs and seeds", "best epoch by a hold-out", "all epochs")


def summary(found: dict[Pair, list[Found]]) -> str:
    """Return what the rule was to hold, at the best epoch and after all epochs."""
    pairs = {
        name: np.array([_stack(runs, name) for runs in found.values()]) for name in ("none", "rule", "keras", "best")
    }
    gain, other = pairs["none"] - pairs["rule"], pairs["none"] - pairs["keras"]  # (pairs, seeds, 2)
    gap = pairs["none"] - pairs["best"]
    lines = [
        ["gain over no penalty, mean", *(f"{value:+.3f}" for value in gain.mean(axis=(0, 1)))],
        ["gain of the worst pair, mean of its seeds", *(f"{value:+.3f}" for value in gain.mean(axis=1).min(axis=0))],
        ["gain of the worst run", *(f"{value:+.3f}" for value in gain.min(axis=(0, 1)))],
        [f"runs worse than no penalty by more than {WORSE}", *_counts(gain < -WORSE)],
        [f"runs better than no penalty by more than {WORSE}", *_counts(gain > WORSE)],
        ["share of the gap to the best strength", *_shares(gain, gap)],
        ["the same of Keras' L2(1e-4)", *_shares(other, gap)],
    ]
    return markdown(SUMMARY, lines)


def _counts(true: np.ndarray) -> list[str]:
    runs = true.shape[0] * true.shape[1]
    return [f"{np.sum(true[..., column])} of {runs}" for column in range(2)]


def _shares(gain: np.ndarray, gap: np.ndarray) -> list[str]:
    return [f"{100 * value:.0f} %" for value in gain.mean(axis=(0, 1)) / gap.mean(axis=(0, 1))]


STRENGTHS = (
    "strength", "mean gain", "worst pair", "runs worse by 0.01", "runs better by 0.01", "mean gain, all epochs",
    "worst pair", "runs worse by 0.01", "runs better by 0.01",
)  # fmt: skip


def strengths_table(found: dict[Pair, list[Found]]) -> str:
    """Return the gains of every strength over no penalty: at the best epoch by the hold-out, and after all epochs."""
    losses = np.array([_stack(runs, "losses") for runs in found.values()])  # (pairs, seeds, S, 2)
    gains = (losses[:, :, -1:] - losses)[:, :, :-1]
    lines = []
    for place, name in enumerate([*(f"{delta:g}/n" for delta in DELTAS), "Keras' L2(1e-4)"]):
        cells = [name]
        for gain in np.moveaxis(gains[:, :, place], -1, 0):
            cells += [f"{gain.mean():+.3f}", f"{gain.mean(axis=1).min():+.3f}"]
            cells += [f"{np.sum(gain < -WORSE)} of {gain.size}", f"{np.sum(gain > WORSE)} of {gain.size}"]
        lines.append(cells)
    return markdown(STRENGTHS, lines)


def measured(jobs: list[Run], processes: int, tell: Callable[[str], None]) -> dict[Pair, list[Found]]:
    """Measure every run in processes of their own."""
    found: dict[Pair, list[Found]] = {run.pair: [] for run in jobs}
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for run, result in zip(jobs, pool.map(measure, jobs), strict=True):
            found[run.pair].append(result)
            losses = np.round(result.losses, 4).tolist()
            tell(f"{run.pair.title}, seed {run.seed}, {result.seconds:.0f} s: {losses}")
    return found


@click.command()
@_sets.folders_option
@click.option("--seeds", default=3, show_default=True, help="Splits into training and test rows.")
@click.option("--only", "names", multiple=True, help="Only the pairs of these data; no page is written.")
@click.option("--epochs", type=int, help="Other than the table's; then no page is written.")
@click.option("--processes", default=1, show_default=True, help="Runs at a time.")
def main(folders: tuple[str, ...], seeds: int, names: tuple[str, ...], epochs: int | None, processes: int) -> None:
    """Print the tables, and write them to docs/choice.md."""
    pairs = [pair for pair in PAIRS if not names or pair.data in names]
    for pair in pairs:
        if absent := _sets.find_missing(pair.data, folders):
            click.echo(f"{pair.title} is skipped: no {' and no '.join(absent)} in the folders of --data.", err=True)
    pairs = [pair for pair in pairs if not _sets.find_missing(pair.data, folders)]
    jobs = [Run(pair, seed, folders, epochs) for pair in pairs for seed in range(seeds)]
    found = measured(jobs, processes, lambda line: click.echo(line, err=True))
    note = f"{len(pairs)} pairs, {seeds} seeds of each. {machine()}"
    tables = {
        "default_summary": f"{summary(found)}\n\n{note}", "default_strengths": strengths_table(found),
        "default": table(found),
    }  # fmt: skip
    for name, text in tables.items():
        click.echo(f"\n{text}")
        if not names and not epochs:
            write(DOCS / "choice.md", name, text)


if __name__ == "__main__":
    main()
