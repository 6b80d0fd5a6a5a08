"""Does the chosen strength predict better than none? On real data, over splits: writes the tables of docs/choice.md.

python -m benchmarks.choice
"""

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import click
import numpy as np
from sklearn import datasets
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks._page import DOCS, machine, markdown, write
from shrinkage._choice import gain
from shrinkage._quiet import require_tensorflow

Losses = dict[str, float]
"""The test loss of each way to choose."""


@dataclass(frozen=True)
class Setting:
    """Rows of a data set to train on; a third of the set, or what is left, is the test."""

    data: str
    train: int
    epochs: int = 100

    @property
    def regression(self) -> bool:
        """Whether the target is a number."""
        return self.data == "diabetes"

    @property
    def batch_size(self) -> int:
        """Small sets need small batches to take enough steps."""
        return 8 if self.train < 200 else 32

    def split(self, seed: int) -> list[np.ndarray]:
        """Return x for training and for the test, and y for both; numbers standardised by those for training."""
        x, y = getattr(datasets, f"load_{self.data}")(return_X_y=True)
        classes = None if self.regression else y
        rows = train_test_split(np.arange(len(y)), test_size=1 / 3, random_state=seed, stratify=classes)
        if self.train < len(rows[0]):
            classes = None if self.regression else y[rows[0]]
            rows[0] = train_test_split(rows[0], train_size=self.train, random_state=seed, stratify=classes)[0]
        if self.regression:
            y = (y - y[rows[0]].mean()) / y[rows[0]].std()
        return [part[chosen].astype("float32") if part is x else part[chosen] for part in (x, y) for chosen in rows]


SETTINGS = (
    Setting("breast_cancer", 60),
    Setting("breast_cancer", 379),
    Setting("diabetes", 60),
    Setting("diabetes", 294),
    Setting("wine", 40),
    Setting("wine", 118),
    Setting("digits", 200),
    Setting("digits", 1198, epochs=50),
)


def network(setting: Setting, x: np.ndarray, outputs: int) -> Any:
    """Return the compiled network: standardised inputs, two hidden layers of 64."""
    import keras

    normalization = keras.layers.Normalization()
    normalization.adapt(x)
    hidden = [keras.layers.Dense(64, "relu") for _ in range(2)]
    last = keras.layers.Dense(outputs, None if setting.regression else "softmax")
    model = keras.Sequential([keras.Input(x.shape[1:]), normalization, *hidden, last])
    model.compile("adam", "mean_squared_error" if setting.regression else "sparse_categorical_crossentropy")
    return model


def losses(setting: Setting, seed: int) -> Losses:
    """Return the test loss of every way to choose, trained on one split."""
    require_tensorflow()
    import keras

    keras.utils.set_random_seed(seed)
    x, x_test, y, y_test = setting.split(seed)
    outputs = 1 if setting.regression else int(y.max()) + 1

    def loss(predictions: Any) -> float:
        if setting.regression:
            return float(np.mean((np.ravel(predictions) - y_test) ** 2))
        likelihood = np.asarray(predictions)[np.arange(len(y_test)), y_test]
        return float(-np.log(np.clip(likelihood, 1e-7, None)).mean())  # clipped as Keras does

    found = {"early": loss(_early_stopping(setting, network(setting, x, outputs), x, y)(x_test))}
    found["linear"] = loss(_linear(setting, x, y)(x_test))
    for epoch in ("best", "last"):
        found |= _path(setting, network(setting, x, outputs), x, y, x_test, loss, epoch, seed)
    return found


def _path(
    setting: Setting, model: Any, x: Any, y: Any, x_test: Any, loss: Callable[[Any], float], epoch: Any, seed: int
) -> Losses:
    import shrinkage as sh

    path = sh.fit(
        model, x, y, penalty=sh.L2(), epochs=setting.epochs, batch_size=setting.batch_size, epoch=epoch,
        standardize_target=setting.regression, seed=seed, progress=False,
    )  # fmt: skip
    member, every = path.model(), []
    for s in range(len(path.lams)):
        for variable, values in zip(member.variables, path.weights, strict=True):
            variable.assign(values[s])
        every.append(loss(path.target_mean + path.target_sd * np.asarray(member(x_test))))
    chosen = {"none": every[-1], "min": every[path.index_min], "1se": every[path.index_1se], "oracle": min(every)}
    return {f"{name} {epoch}": value for name, value in chosen.items()}


def _early_stopping(setting: Setting, model: Any, x: Any, y: Any) -> Callable[[Any], Any]:
    """Train without a penalty until the loss on a fifth of the rows has not improved for ten epochs, as is usual."""
    import keras

    stop = keras.callbacks.EarlyStopping(patience=10, restore_best_weights=True)
    sizes = {"epochs": setting.epochs, "batch_size": setting.batch_size}
    model.fit(x, y, validation_split=0.2, callbacks=[stop], verbose=0, **sizes)
    return lambda x: model(x).numpy()


def _linear(setting: Setting, x: Any, y: Any) -> Callable[[Any], Any]:
    """Train scikit-learn's linear model, with its own cross-validated L2."""
    if setting.regression:
        return make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 4, 30))).fit(x, y).predict
    options: dict[str, Any] = {"scoring": "neg_log_loss", "l1_ratios": (0,), "use_legacy_attributes": False}
    logistic = LogisticRegressionCV(Cs=20, cv=5, max_iter=1000, **options)
    return make_pipeline(StandardScaler(), logistic).fit(x, y).predict_proba


LOSSES = ("data", "rows", "epoch", "none", "min", "1se", "best on the test rows", "early stopping", "linear")
GAINS = ("data", "rows", "epoch", "min over none", "1se over none", "min over early stopping", "left by min")
Columns = dict[str, np.ndarray]
"""For each way to choose its test losses, one a split."""


def losses_table(found: dict[Setting, list[Losses]]) -> str:
    """Return mean test losses."""

    def line(epoch: str, columns: Columns) -> list[str]:
        path = [columns[f"{name} {epoch}"] for name in ("none", "min", "1se", "oracle")]
        return [f"{losses.mean():.3f}" for losses in (*path, columns["early"], columns["linear"])]

    return _table(LOSSES, found, line)


def gains_table(found: dict[Setting, list[Losses]]) -> str:
    """Return how much lower the choices' losses are than others, with intervals and how often they are not."""

    def line(epoch: str, columns: Columns) -> list[str]:
        none, least, sparse, oracle = (columns[f"{name} {epoch}"] for name in ("none", "min", "1se", "oracle"))
        gains = [_gain(none, least), _gain(none, sparse), _gain(columns["early"], least)]
        return [*gains, f"{(least - oracle).mean():.3f}"]

    return _table(GAINS, found, line)


def _table(header: Sequence[str], found: dict[Setting, list[Losses]], line: Callable[[str, Columns], list[str]]) -> str:
    lines = []
    for setting, splits in found.items():
        columns = {name: np.array([losses[name] for losses in splits]) for name in splits[0]}
        lines += [[setting.data, str(setting.train), epoch, *line(epoch, columns)] for epoch in ("best", "last")]
    return markdown(header, lines)


def _gain(other: np.ndarray, chosen: np.ndarray) -> str:
    """Return the mean difference over splits, its paired t interval, and in how many the choice is the worse one."""
    found = gain(other, chosen, np.ones(len(other)), n_train=1, n_test=0)
    worse = f"worse in {np.sum(chosen > other)} of {len(other)}"
    return f"{found.mean:+.3f} ({found.low:+.3f} to {found.high:+.3f}), {worse}"


def _job(job: tuple[Setting, int]) -> Losses:
    return losses(*job)


@click.command()
@click.option("--seeds", default=8, show_default=True, help="Splits into training and test rows, at least 2.")
@click.option("--data", type=click.Choice(sorted({s.data for s in SETTINGS})), multiple=True, help="Only these sets.")
@click.option("--epochs", type=int, help="Other than the tables'; then no page is written.")
@click.option("--processes", default=2, show_default=True, help="Splits at a time.")
def main(seeds: int, data: tuple[str, ...], epochs: int | None, processes: int) -> None:
    """Print the tables of test losses, and write them to docs/choice.md."""
    settings = [s for s in SETTINGS if not data or s.data in data]
    if epochs:
        settings = [Setting(s.data, s.train, epochs) for s in settings]
    found: dict[Setting, list[Losses]] = {setting: [] for setting in settings}
    jobs = [(setting, seed) for seed in range(seeds) for setting in settings]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        for (setting, seed), result in zip(jobs, pool.map(_job, jobs), strict=True):
            found[setting].append(result)
            click.echo(f"{setting.data} {setting.train}, split {seed}", err=True)
    tables = {
        "choice_losses": losses_table(found),
        "choice_gains": f"{gains_table(found)}\n\n{seeds} splits. {machine()}",
    }
    for name, text in tables.items():
        click.echo(f"\n{text}")
        if not data and not epochs:
            write(DOCS / "choice.md", name, text)


if __name__ == "__main__":
    main()
