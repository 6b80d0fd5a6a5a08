"""Does the chosen strength predict better than none? On real data, over splits: writes the tables of docs/choice.md.

python -m benchmarks.choice --data FOLDER
"""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import click
import numpy as np
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks import _sets
from benchmarks._page import DOCS, machine, markdown, write
from shrinkage._cv._statistics import estimate_gain
from shrinkage._host._quiet import require_tensorflow

REGRESSIONS = {"diabetes", "california", "flights"}
CLASSES = (
    "wine", "sonar", "ionosphere", "breast_cancer", "pima", "vehicle", "vowel", "digits", "dna", "adult", "spambase",
    "satellite", "letter",
)  # fmt: skip
SETS = (*CLASSES, *sorted(REGRESSIONS))
TRAIN, TEST = 2000, 10000
"""At most so many rows for training, and for the test."""
REAL = 0.01
"""A gain on the test rows that the interval of `path.gain` should find."""


@dataclass(frozen=True)
class Split:
    """One split of a data set into training and test rows."""

    data: str
    seed: int
    folders: _sets.Folders
    epochs: int | None = None
    """None is 100 below 1,000 training rows, and 60 above."""

    @property
    def regression(self) -> bool:
        """Whether the target is a number."""
        return self.data in REGRESSIONS


@dataclass(frozen=True)
class Found:
    """Test losses of every choice on one split, and the interval of `path.gain`: the gain of `min` over `none`."""

    none: float
    min: float
    one_se: float
    oracle: float
    plain: float
    early: float
    linear: float
    low: float
    high: float
    rows: int
    inputs: int


@dataclass(frozen=True)
class _Rows:
    x: np.ndarray
    x_test: np.ndarray
    y: np.ndarray
    y_test: np.ndarray
    outputs: int
    epochs: int


def _rows(split: Split) -> _Rows:
    """Return the rows; targets of a regression are standardised by those for training."""
    x, y = _sets.load(split.data, split.folders)
    classes = None if split.regression else y
    train = min(TRAIN, round(len(y) * 2 / 3))
    chosen = train_test_split(
        np.arange(len(y)),
        train_size=train,
        test_size=min(TEST, len(y) - train),
        random_state=split.seed,
        stratify=classes,
    )
    if split.regression:
        y = ((y - y[chosen[0]].mean()) / y[chosen[0]].std()).astype("float32")
    x = x[:, x[chosen[0]].std(axis=0) > 0]  # a category that the training rows lack has no scale
    outputs = 1 if split.regression else int(y.max()) + 1
    epochs = split.epochs or (100 if train < 1000 else 60)
    x, (train_rows, test_rows) = x.astype("float32"), chosen
    return _Rows(x[train_rows], x[test_rows], y[train_rows], y[test_rows], outputs, epochs)


def network(regression: bool, x: np.ndarray, outputs: int) -> Any:
    """Return the compiled network: standardised inputs, two hidden layers of 64."""
    import keras

    normalization = keras.layers.Normalization()
    normalization.adapt(x)
    hidden = [keras.layers.Dense(64, "relu") for _ in range(2)]
    last = keras.layers.Dense(outputs, None if regression else "softmax")
    model = keras.Sequential([keras.Input(x.shape[1:]), normalization, *hidden, last])
    model.compile("adam", "mean_squared_error" if regression else "sparse_categorical_crossentropy")
    return model


def compare(split: Split) -> Found:
    """Return what every way to choose gives on one split."""
    require_tensorflow()
    import keras

    import shrinkage as sh

    keras.utils.set_random_seed(split.seed)
    rows = _rows(split)

    def loss(predictions: Any) -> float:
        if split.regression:
            return float(np.mean((np.ravel(predictions) - rows.y_test) ** 2))
        likelihood = np.asarray(predictions)[np.arange(len(rows.y_test)), rows.y_test.astype(int)]
        return float(-np.log(np.clip(likelihood, 1e-7, None)).mean())  # clipped as Keras does

    def new() -> Any:
        return network(split.regression, rows.x, rows.outputs)

    path = sh.fit(new(), rows.x, rows.y, penalty=sh.L2(), epochs=rows.epochs, seed=split.seed, progress=False)
    losses = _path_losses(path, rows.x_test, loss)
    return Found(
        losses[-1], losses[path.index_min], losses[path.index_1se], min(losses),
        plain=loss(_fit(new(), rows)(rows.x_test)), early=loss(_fit(new(), rows, stop=True)(rows.x_test)),
        linear=loss(_linear(split, rows)(rows.x_test)),
        low=path.gain.low, high=path.gain.high, rows=len(rows.x), inputs=rows.x.shape[1],
    )  # fmt: skip


def _path_losses(path: Any, x_test: np.ndarray, loss: Callable[[Any], float]) -> list[float]:
    """Return the test loss of every strength, the last of which is 0."""
    member, losses = path.model(), []
    for s in range(len(path.lams)):
        for variable, values in zip(member.variables, path.weights, strict=True):
            variable.assign(values[s])
        losses.append(loss(member(x_test)))
    return losses


def _fit(model: Any, rows: _Rows, stop: bool = False) -> Callable[[Any], Any]:
    """Train without a penalty: for all epochs, or until a held-out fifth has not improved for ten epochs."""
    import keras

    callbacks = [keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)] if stop else []
    model.fit(rows.x, rows.y, validation_split=0.2 if stop else 0.0, callbacks=callbacks, epochs=rows.epochs, verbose=0)
    return lambda x: model(x).numpy()


def _linear(split: Split, rows: _Rows) -> Callable[[Any], Any]:
    """Train scikit-learn's linear model, with its own cross-validated L2."""
    if split.regression:
        return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 30))).fit(rows.x, rows.y).predict
    options: dict[str, Any] = {"scoring": "neg_log_loss", "l1_ratios": (0,), "use_legacy_attributes": False}
    logistic = LogisticRegressionCV(Cs=10, cv=5, max_iter=1000, **options)
    return make_pipeline(StandardScaler(), logistic).fit(rows.x, rows.y).predict_proba


Columns = dict[str, np.ndarray]
"""For each field of `Found` its values, one a split."""
LOSSES = (
    "data",
    "rows",
    "inputs",
    "all epochs",
    "early stopping",
    "none",
    "min",
    "1se",
    "best on the test rows",
    "linear",
)
GAINS = ("data", "min over none", "1se over none", "min over early stopping", "min over all epochs", "left by min")


def losses_table(found: dict[str, Columns]) -> str:
    """Return mean test losses."""
    names = ("plain", "early", "none", "min", "one_se", "oracle", "linear")
    lines = [
        [data, f"{columns['rows'][0]:,.0f}", f"{columns['inputs'].max():.0f}"]
        + [f"{columns[name].mean():.3f}" for name in names]
        for data, columns in found.items()
    ]
    return markdown(LOSSES, lines)


def gains_table(found: dict[str, Columns]) -> str:
    """Return how much lower the choices' losses are than others, with intervals and how often they are not."""
    lines = []
    for data, columns in found.items():
        none, chosen, early = columns["none"], columns["min"], columns["early"]
        gains = [_gain(none, chosen), _gain(none, columns["one_se"]), _gain(early, chosen)]
        lines.append([data, *gains, _gain(columns["plain"], chosen), f"{(chosen - columns['oracle']).mean():.3f}"])
    return markdown(GAINS, lines)


def _gain(other: np.ndarray, chosen: np.ndarray) -> str:
    """Return the mean difference over splits, its paired t interval, and in how many the choice is the worse one."""
    found = estimate_gain(other, chosen, np.ones(len(other)), n_train=1, n_test=0)
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f}), worse in {np.sum(chosen > other)}"


def summary_table(found: dict[str, Columns]) -> str:
    """Return means over all runs: gains, regrets, and how good the interval of `path.gain` is."""
    every = {name: np.concatenate([columns[name] for columns in found.values()]) for name in next(iter(found.values()))}
    real, low, high = every["none"] - every["min"], every["low"], every["high"]
    conclusive = (low > 0) | (high < 0)
    lines = [[f"gain of min over {name}", *_over(every[other] - every["min"])] for name, other in _OTHERS.items()]
    lines += [
        [
            f"regret of {name}: loss above the best on the test rows",
            f"{(every[field] - every['oracle']).mean():.3f}",
            "",
        ]
        for name, field in (("min", "min"), ("1se", "one_se"), ("none", "none"))
    ]
    lines += [
        ["the 95 % interval of `path.gain` covers the gain on the test rows", *_share((low <= real) & (real <= high))],
        [f"the interval lies above 0, where the gain is above {REAL}", *_share((low > 0)[real > REAL])],
        ["the interval excludes 0 on the wrong side", *_share(conclusive & (np.sign(low) != np.sign(real)))],
    ]
    return markdown(("over all sets and splits", "mean or share", "runs"), lines)


_OTHERS = {"none": "none", "early stopping": "early", "all epochs without a penalty": "plain"}


def _over(gains: np.ndarray) -> list[str]:
    return [f"{gains.mean():+.3f}", f"better in {np.sum(gains > 0)}, worse in {np.sum(gains < 0)} of {len(gains)}"]


def _share(true: np.ndarray) -> list[str]:
    return [f"{true.mean():.2f}" if len(true) else "", f"{np.sum(true)} of {len(true)}"]


def columns(found: Sequence[Found]) -> Columns:
    """Return what was found on the splits of a set, a column for each field."""
    return {name: np.array([asdict(one)[name] for one in found]) for name in asdict(found[0])}


@click.command()
@_sets.folders_option
@click.option("--seeds", default=5, show_default=True, help="Splits into training and test rows, at least 2.")
@click.option("--only", "names", type=click.Choice(SETS), multiple=True, help="Only these sets; no page is written.")
@click.option("--epochs", type=int, help="Other than the tables'; then no page is written.")
@click.option("--processes", default=2, show_default=True, help="Splits at a time.")
def main(folders: tuple[str, ...], seeds: int, names: tuple[str, ...], epochs: int | None, processes: int) -> None:
    """Print the tables of test losses, and write them to docs/choice.md."""
    found: dict[str, list[Found]] = {}
    for name in names or SETS:
        if absent := _sets.find_missing(name, folders):
            click.echo(f"{name} is skipped: no {' and no '.join(absent)} in the folders of --data.", err=True)
        else:
            found[name] = []
    jobs = [Split(name, seed, folders, epochs) for name in found for seed in range(seeds)]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for split, result in zip(jobs, pool.map(compare, jobs), strict=True):
            found[split.data].append(result)
            click.echo(f"{split.data}, split {split.seed}: {result}", err=True)
    sets = {name: columns(results) for name, results in found.items()}
    tables = {
        "choice_summary": f"{summary_table(sets)}\n\n{len(sets)} sets, {seeds} splits of each. {machine()}",
        "choice_losses": losses_table(sets),
        "choice_gains": gains_table(sets),
    }
    for name, text in tables.items():
        click.echo(f"\n{text}")
        if not names and not epochs:
            write(DOCS / "choice.md", name, text)


if __name__ == "__main__":
    main()
