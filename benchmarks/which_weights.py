"""Seven kinds of models, each with a few choices of what to penalise: writes the tables of docs/which-weights.md.

python -m benchmarks.which_weights --data FOLDER
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import click
import keras
import numpy as np
from keras import layers
from sklearn import datasets
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

import shrinkage as sh
from benchmarks import _sets
from benchmarks._page import DOCS, machine, markdown, write
from shrinkage._cv._statistics import estimate_gain

Rows = tuple[np.ndarray, np.ndarray]
CLASSES, NUMBER = "sparse_categorical_crossentropy", "mean_squared_error"
FOLDS = 5


@dataclass(frozen=True)
class Kind:
    """A kind of model on real rows, and ways to penalise it: by name, options of `sh.fit`."""

    title: str
    rows: Callable[[tuple[str, ...]], Rows]
    model: Callable[[], keras.Model]
    ways: dict[str, dict[str, Any]]
    epochs: int
    loss: str = CLASSES
    batch_size: int = 32
    init: Any = "fresh"
    learning_rate: float = 0.001
    data: tuple[str, ...] = field(default=())
    """The set of `_sets` that its rows are from, if they do not come with scikit-learn."""


# --- rows


def _diabetes(folders: tuple[str, ...]) -> Rows:
    """Return ten measurements, their squares and their products, (442, 65), and a target of variance 1."""
    x, y = map(np.asarray, datasets.load_diabetes(return_X_y=True))
    products = PolynomialFeatures(2, include_bias=False).fit_transform(StandardScaler().fit_transform(x))
    return StandardScaler().fit_transform(products).astype("float32"), (y - y.mean()) / y.std()


def _digits(count: int, shape: tuple[int, ...] = (64,)) -> Callable[[tuple[str, ...]], Rows]:
    def rows(folders: tuple[str, ...]) -> Rows:
        x, y = _sets.load("digits", folders)
        chosen = np.random.default_rng(0).permutation(len(x))[:count]
        return x[chosen].reshape(-1, *shape), y[chosen]

    return rows


def _digits_of_tokens(folders: tuple[str, ...]) -> Rows:
    """Return the rows of digits as tokens, each with its place, one-hot: (n, 8, 16)."""
    x, y = _digits(300, (8, 8))(folders)
    return np.concatenate([x, np.broadcast_to(np.eye(8, dtype="float32"), x.shape)], axis=2), y


def _ratings(folders: tuple[str, ...]) -> Rows:
    x, y = _sets.load("movielens", folders)
    chosen = np.random.default_rng(0).permutation(len(x))[:20_000]
    return x[chosen], y[chosen] - y[chosen].mean()


def _digits_of(low: int, count: int) -> Rows:
    """Return digits from `low` to `low` + 4, as classes from 0."""
    x, y = _digits(1797)(())
    kept = np.flatnonzero((y >= low) & (y < low + 5))[:count]
    return x[kept], y[kept] - low


# --- models


def _linear() -> keras.Model:
    return keras.Sequential([keras.Input((65,)), layers.Dense(1)])


def _mlp() -> keras.Model:
    hidden = [layers.Dense(64, "relu"), layers.Dense(64, "relu")]
    return keras.Sequential([keras.Input((64,)), *hidden, layers.Dense(10, "softmax")])


def _cnn() -> keras.Model:
    def block(filters: int) -> list[keras.Layer]:
        return [
            layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
        ]

    blocks = [*block(8), layers.MaxPooling2D(), *block(16), layers.Flatten()]
    return keras.Sequential([keras.Input((8, 8, 1)), *blocks, layers.Dense(10, "softmax")])


def _recurrent() -> keras.Model:
    return keras.Sequential([keras.Input((8, 8)), layers.LSTM(32), layers.Dense(10, "softmax")])


def _transformer() -> keras.Model:
    x = keras.Input((8, 16))
    h = layers.Dense(32)(x)
    normalized = layers.LayerNormalization()(h)
    h = layers.Add()([h, layers.MultiHeadAttention(4, 8)(normalized, normalized)])
    h = layers.Add()([h, layers.Dense(32)(layers.Dense(64, "relu")(layers.LayerNormalization()(h)))])
    return keras.Model(x, layers.Dense(10, "softmax")(layers.GlobalAveragePooling1D()(layers.LayerNormalization()(h))))


def _recommender() -> keras.Model:
    x = keras.Input((2,), dtype="int32")
    taste = layers.Embedding(2625, 16, name="taste")(x)
    level = layers.Embedding(2625, 1, name="level")(x)
    match = layers.Dot(1)([layers.Flatten()(taste[:, :1]), layers.Flatten()(taste[:, 1:])])
    return keras.Model(x, layers.Add()([match, layers.Flatten()(level[:, :1]), layers.Flatten()(level[:, 1:])]))


def _fine_tuned() -> keras.Model:
    """Return a network that has learnt the digits 0 to 4, with a new head for the others."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [keras.Input((64,)), layers.Dense(64, "relu", name="low"), layers.Dense(64, "relu", name="high")]
    )
    old = keras.Sequential([model, layers.Dense(5, "softmax")])
    old.compile("adam", CLASSES)
    old.fit(*_digits_of(0, 900), epochs=30, verbose=0)  # pyright: ignore[reportArgumentType]
    return keras.Sequential([keras.Input((64,)), *model.layers, layers.Dense(5, "softmax", name="head")])


L2 = {"penalty": sh.L2()}
KINDS = (
    Kind(
        "linear",
        _diabetes,
        _linear,
        {"L2": L2, "L1": {"penalty": sh.L1()}, "elastic net": {"penalty": sh.ElasticNet(0.5)}},
        epochs=1000,
        batch_size=350,
        loss=NUMBER,
        learning_rate=0.01,
    ),
    Kind(
        "MLP",
        _digits(300),
        _mlp,
        {"kernels": L2, "all weights": {**L2, "on": "all"}, "biases": {**L2, "on": "bias"}},
        epochs=150,
    ),
    Kind(
        "CNN with BatchNorm",
        _digits(300, (8, 8, 1)),
        _cnn,
        {
            "kernels": L2,
            "convolutions, which are scale-invariant": {**L2, "on": layers.Conv2D},
            "the head": {**L2, "on": layers.Dense},
        },
        epochs=40,
    ),
    Kind(
        "recurrent",
        _digits(300, (8, 8)),
        _recurrent,
        {
            "kernels": L2,
            "without the recurrent kernel, as Keras' `kernel_regularizer`": {**L2, "on": "kernel"},
            "the recurrent kernel": {**L2, "on": "recurrent"},
        },
        epochs=80,
        learning_rate=0.003,
    ),
    Kind(
        "transformer",
        _digits_of_tokens,
        _transformer,
        {"kernels, in the gradient": L2, "kernels, decoupled (AdamW)": {**L2, "how": sh.Decoupled()}},
        epochs=40,
    ),
    Kind(
        "recommender",
        _ratings,
        _recommender,
        {
            "embeddings": L2,
            "tastes": {**L2, "on": "taste/*"},
            "tastes, levels at a tenth": {**L2, "on": {"taste/*": 1, "level/*": 0.1}},
        },
        epochs=20,
        loss=NUMBER,
        batch_size=128,
        learning_rate=0.003,
        data=("movielens",),
    ),
    Kind(
        "fine-tuning",
        lambda folders: _digits_of(5, 100),
        _fine_tuned,
        {
            "all kernels, towards 0": L2,
            "the head, towards 0": {**L2, "on": "*head/kernel"},
            "the others, towards the start (L2-SP)": {
                "penalty": sh.L2(toward="initial"),
                "on": ["*low/kernel", "*high/kernel"],
            },
        },
        epochs=200,
        init="keep",
    ),
)


def path(kind: Kind, way: dict[str, Any], x: np.ndarray, y: np.ndarray) -> sh.Path:
    """Train one path, every model to its last epoch."""
    keras.utils.set_random_seed(0)
    model = kind.model()
    model.compile(keras.optimizers.Adam(kind.learning_rate), kind.loss)
    options: dict[str, Any] = {"epochs": kind.epochs, "epoch": "last", "batch_size": kind.batch_size, "init": kind.init}
    return sh.fit(model, x, y, cv=FOLDS, **options, **way)


def row(title: str, name: str, found: sh.Path) -> list[str]:
    """Return what a way gains over no penalty, with its 95 % interval over folds, and how many weights it leaves."""
    chosen, none = found.index_min, len(found.lams) - 1
    train, held_out = ([len(rows) for rows in part] for part in (found.folds.train, found.folds.held_out))
    of_none, of_chosen = (found.cv_loss[:, index, found.epochs[index] - 1] for index in (none, chosen))
    won = estimate_gain(of_none, of_chosen, held_out, float(np.mean(train)), float(np.mean(held_out)))
    left = f"{found.nonzero[chosen]:,} of {found.selection.n_penalised:,}"
    losses = [f"{value:.4f}" for value in (found.mean[none], found.mean[chosen], won.mean)]
    return [title, name, *losses, f"{won.low:.4f} to {won.high:.4f}", f"{found.lams[chosen]:.1e}", left]


HEADER = ["model", "penalised", "none", "min", "gain", "95 % interval", "λ min", "weights not zero"]


@click.command()
@_sets.folders_option
@click.option(
    "--only", multiple=True, type=click.Choice([kind.title for kind in KINDS]), help="Then no page is written."
)
def main(folders: tuple[str, ...], only: tuple[str, ...]) -> None:
    """Print the table of what each way gains, and write it to docs/which-weights.md."""
    rows = []
    for kind in KINDS:
        if only and kind.title not in only:
            continue
        if absent := [file for name in kind.data for file in _sets.find_missing(name, folders)]:
            raise click.UsageError(f"--data must name a folder with {', '.join(absent)}, for the {kind.title}.")
        x, y = kind.rows(folders)
        for name, way in kind.ways.items():
            rows.append(row(kind.title, name, path(kind, way, x, y)))
            click.echo(" | ".join(rows[-1]), err=True)
    text = f"{markdown(HEADER, rows)}\n\n{machine()}"
    click.echo(text)
    if not only:
        write(DOCS / "which-weights.md", "which_weights", text)


if __name__ == "__main__":
    main()
