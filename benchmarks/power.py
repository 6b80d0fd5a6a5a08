"""Do repeats find gains that one split into folds misses? On real sets of few rows: writes a table of docs/choice.md.

python -m benchmarks.power --data FOLDER

For every draw of training rows, a path has four repeats of five folds. The first five folds equal the folds of
`repeats=1` (`test_repeats_begin_with_the_folds_of_one`), and the first ten equal the folds of `repeats=2`.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import click
import numpy as np

from benchmarks import _sets
from benchmarks._page import DOCS, machine, markdown, write
from benchmarks.choice import REAL, REGRESSIONS, network
from shrinkage._cv._choice import choose_epochs, choose_strengths, get_losses_at_epochs
from shrinkage._cv._statistics import estimate_gain, summarise
from shrinkage._cv._strengths import make_automatic_grid
from shrinkage._host._quiet import require_tensorflow

SETS = {
    "sonar": 140, "ionosphere": 230, "diabetes": 290, "breast_cancer": 300, "vehicle": 400, "pima": 400, "vowel": 400,
    "california": 400, "adult": 500, "dna": 500, "spambase": 500, "satellite": 500, "flights": 500, "digits": 600,
    "letter": 800,
}  # fmt: skip
"""Training rows of every set; others, at most `TEST`, are for the test."""
TEST = 5000
FOLDS = 5
REPEATS = (1, 2, 4)
HEAVY = ("california", "spambase")
"""Sets whose gain on test rows is now and then far larger than on the rows of the draw; found by this benchmark."""


@dataclass(frozen=True)
class Draw:
    """A draw of training rows."""

    data: str
    seed: int
    folders: _sets.Folders
    epochs: int = 60


@dataclass(frozen=True)
class Interval:
    """The interval of the gain on a draw, and the gain on the test rows, of the same two strengths and epochs."""

    low: float
    high: float
    gain: float


def measure(draw: Draw) -> list[Interval]:
    """Return the interval and the gain for each number of `REPEATS`."""
    require_tensorflow()
    import keras

    import shrinkage as sh

    keras.utils.set_random_seed(draw.seed)
    numbers = draw.data in REGRESSIONS
    x, x_test, y, y_test = _sets.draw(draw.data, draw.folders, SETS[draw.data], TEST, draw.seed, numbers=numbers)
    outputs = 1 if numbers else int(max(y.max(), y_test.max())) + 1
    options: dict[str, Any] = {
        "lams": np.append(make_automatic_grid(len(y))[:-1:2], 0.0), "epochs": draw.epochs, "epoch": 1,
        "seed": draw.seed,
        "progress": False,
    }  # fmt: skip

    def fit(**split: Any) -> Any:
        return sh.fit(network(numbers, x, outputs), x, y, penalty=sh.L2(), **options, **split)

    path = fit(cv=FOLDS, repeats=max(REPEATS))
    (test,) = fit(validation_data=(x_test, y_test)).cv_loss  # (S, E), of models trained on all rows of the draw
    return [_interval(path, test, repeats) for repeats in REPEATS]


def _interval(path: Any, test: np.ndarray, repeats: int) -> Interval:
    """Return the interval of the gain for a number of repeats, from the first folds, and the gain on the test rows."""
    folds = slice(0, repeats * FOLDS)
    cv_loss, weight = path.cv_loss[folds], path.fold_weight[folds]
    epochs = choose_epochs(cv_loss, weight)
    loss = get_losses_at_epochs(cv_loss, epochs)
    chosen, _ = choose_strengths(*summarise(loss, weight, repeats=repeats))
    n_train, n_test = (float(part.sizes.mean()) for part in (path.folds.train[folds], path.folds.held_out[folds]))
    found = estimate_gain(loss[:, -1], loss[:, chosen], weight, n_train, n_test)
    test_loss = get_losses_at_epochs(test[None], epochs)[0]
    return Interval(found.low, found.high, float(test_loss[-1] - test_loss[chosen]))


# --- the tables

HEADER = (
    "repeats", "draws with a penalty at min", "covers the gain of its two models", "covers the mean gain of the set",
    "finds gains above 0.01", "excludes 0 on the wrong side", "median width",
)  # fmt: skip


def table(found: dict[str, list[list[Interval]]]) -> str:
    """Return for each number of repeats how often the interval covers the gain, and how many gains it finds.

    Where no penalty is at `min`, gain and interval are 0: such a draw counts for none of it.
    """
    others = {data: draws for data, draws in found.items() if data not in HEAVY}
    lines = [_line(found, repeats) for repeats in REPEATS]
    if others and others != found:
        words = f", without {' and '.join(data for data in HEAVY if data in found)}"
        lines += [_line(others, repeats, words) for repeats in REPEATS]
    return markdown(HEADER, lines)


def _line(found: dict[str, list[list[Interval]]], repeats: int, words: str = "") -> list[str]:
    parts = [_columns(draws, REPEATS.index(repeats)) for draws in found.values()]
    low, high, real, mean = (np.concatenate([part[column] for part in parts]) for column in range(4))
    claims = high > low
    low, high, real, mean = low[claims], high[claims], real[claims], mean[claims]
    wrong = ((low > 0) & (real < 0)) | ((high < 0) & (real > 0))
    return [
        f"{repeats}{words}", f"{np.sum(claims)} of {len(claims)}", _share((low <= real) & (real <= high)),
        _share((low <= mean) & (mean <= high)), _share((low > 0)[real > REAL]), _share(wrong),
        f"{np.median(high - low):.3f}",
    ]  # fmt: skip


def _columns(draws: list[list[Interval]], place: int) -> tuple[np.ndarray, ...]:
    """Return low, high, gain, and the mean gain over the draws of the set, (draws,) each."""
    intervals = [draw[place] for draw in draws]
    low, high, real = (np.array([getattr(one, name) for one in intervals]) for name in ("low", "high", "gain"))
    return low, high, real, np.full(len(real), real.mean())


def _share(true: np.ndarray) -> str:
    return f"{true.mean():.2f} ({np.sum(true)} of {len(true)})" if len(true) else ""


SET_HEADER = (
    "data", "rows", "mean gain",
    *(f"{word}, repeats={repeats}" for repeats in (1, 4) for word in ("covered", "gains above 0.01", "found")),
)  # fmt: skip


def sets_table(found: dict[str, list[list[Interval]]]) -> str:
    """Return the mean gain of four repeats, and how many gains are covered and found, set by set."""
    lines = []
    for data, draws in found.items():
        columns = {repeats: _columns(draws, REPEATS.index(repeats)) for repeats in (1, 4)}
        cells = [f"{SETS[data]:,}", f"{columns[4][2].mean():+.3f}"]
        for low, high, real, _ in columns.values():
            claims = high > low
            covered = claims & (low <= real) & (real <= high)
            cells += [f"{np.sum(covered)} of {np.sum(claims)}", f"{np.sum(real > REAL)}"]
            cells += [f"{np.sum((low > 0) & (real > REAL))}"]
        lines.append([data, *cells])
    return markdown(SET_HEADER, lines)


def measured(jobs: list[Draw], tell: Callable[[str], None]) -> dict[str, list[list[Interval]]]:
    """Measure every draw, one after the other."""
    found: dict[str, list[list[Interval]]] = {draw.data: [] for draw in jobs}
    for draw in jobs:
        began = time.monotonic()
        found[draw.data].append(measure(draw))
        words = "; ".join(f"{i.gain:+.4f} in {i.low:+.4f} to {i.high:+.4f}" for i in found[draw.data][-1])
        tell(f"{draw.data}, draw {draw.seed}, {time.monotonic() - began:.0f} s: {words}")
    return found


@click.command()
@_sets.folders_option
@click.option("--draws", default=16, show_default=True, help="Draws of training rows from each set.")
@click.option("--only", "names", type=click.Choice(list(SETS)), multiple=True, help="Only these; no page is written.")
@click.option("--epochs", type=int, help="Other than the table's; then no page is written.")
def main(folders: tuple[str, ...], draws: int, names: tuple[str, ...], epochs: int | None) -> None:
    """Print the tables, and write them to docs/choice.md."""
    sets = [name for name in names or SETS if not _sets.find_missing(name, folders)]
    if skipped := sorted(set(names or SETS) - set(sets)):
        click.echo(f"Skipped, as files are missing in the folders of --data: {', '.join(skipped)}.", err=True)
    more = {} if epochs is None else {"epochs": epochs}
    jobs = [Draw(name, seed, folders, **more) for name in sets for seed in range(draws)]
    began = time.process_time()
    found = measured(jobs, lambda line: click.echo(line, err=True))
    minutes = (time.process_time() - began) / 60
    note = f"{len(sets)} sets, {draws} draws of each, {minutes:.0f} CPU minutes. {machine()}"
    for name, text in {"power": f"{table(found)}\n\n{note}", "power_sets": sets_table(found)}.items():
        click.echo(f"\n{text}")
        if not names and not epochs:
            write(DOCS / "choice.md", name, text)


if __name__ == "__main__":
    main()
