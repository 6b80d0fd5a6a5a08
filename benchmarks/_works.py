"""The works of the engine's benchmark: a network, its data, and how many members train on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Work:
    """One job: strengths x folds are scored, every epoch, and then all strengths train on all rows."""

    title: str
    data: str
    """A set of `_sets`."""
    network: Callable[["Work", np.ndarray, bool], Any]
    """(work, inputs, whether a recurrent layer is unrolled) -> the network, not compiled."""
    goal: str
    """The speed-up over the best loop that is asked for, and what is hoped for."""
    batch_size: int = 32
    strengths: int = 10
    """With none, which is one of them."""
    folds: int = 5
    epochs: int = 3
    rows: int | None = None
    loss: str = "sparse_categorical_crossentropy"
    hidden: tuple[int, ...] = ()
    """Units of the hidden layers, of a perceptron."""
    recurrent: bool = False
    """Whether Keras can unroll a layer over time steps."""
    trial: int = 160
    """Steps after which the fastest form of the best loop is known."""
    searched: int = 2
    """Strengths of which scikit-learn's search is measured, where it has the network."""

    @property
    def held_out(self) -> float:
        """The fraction of rows that a fold holds out."""
        return 1 / self.folds if self.folds > 1 else 0.2

    def lams(self, n_rows: int) -> np.ndarray:
        """Return the strengths, (strengths,), 0 last: the range of the automatic grid."""
        return np.append(np.geomspace(10**1.75, 10**-3, self.strengths - 1) / n_rows, 0.0)

    def steps(self, n_rows: int) -> int:
        """Return the steps in an epoch of so many rows."""
        return max(1, round(n_rows / self.batch_size))

    def model_steps(self, n_rows: int) -> int:
        """Return the steps that all members take together, in the folds and on all rows."""
        in_folds = self.folds * self.steps(round(n_rows * (1 - self.held_out)))
        return self.strengths * self.epochs * (in_folds + self.steps(n_rows))


def perceptron(work: Work, x: np.ndarray, unroll: bool) -> Any:
    """Hidden layers of relu units, and ten classes or one probability."""
    import keras

    del unroll
    hidden = [keras.layers.Dense(units, "relu") for units in work.hidden]
    return keras.Sequential([keras.Input(x.shape[1:]), *hidden, _head(work)])


def convolutions(filters: Sequence[int]) -> Callable[[Work, np.ndarray, bool], Any]:
    """Convolutions of 3 x 3, each followed by pooling of 2 x 2."""

    def network(work: Work, x: np.ndarray, unroll: bool) -> Any:
        import keras

        del unroll
        layers = [keras.Input(x.shape[1:])]
        for count in filters:
            layers += [keras.layers.Conv2D(count, 3, activation="relu"), keras.layers.MaxPooling2D()]
        return keras.Sequential([*layers, keras.layers.Flatten(), _head(work)])

    return network


def recurrent(work: Work, x: np.ndarray, unroll: bool) -> Any:
    """A GRU of 32 units."""
    import keras

    return keras.Sequential([keras.Input(x.shape[1:]), keras.layers.GRU(32, unroll=unroll), _head(work)])


def transformer(work: Work, x: np.ndarray, unroll: bool) -> Any:
    """An encoder of two blocks of width 32 with four heads, averaged over positions."""
    import keras
    from keras import layers

    del unroll
    inputs = keras.Input(x.shape[1:])
    y = layers.Dense(32)(inputs)
    for _ in range(2):
        y = layers.LayerNormalization()(layers.Add()([y, layers.MultiHeadAttention(4, 8)(y, y)]))
        y = layers.LayerNormalization()(layers.Add()([y, layers.Dense(32)(layers.Dense(64, "relu")(y))]))
    return keras.Model(inputs, _head(work)(layers.GlobalAveragePooling1D()(y)))


def recommender(work: Work, x: np.ndarray, unroll: bool) -> Any:
    """Embeddings of 32 for users and items, one table, and a hidden layer of 64 on both."""
    import keras

    del unroll
    embedding = keras.layers.Embedding(int(x.max()) + 1, 32)
    hidden = keras.layers.Dense(64, "relu")
    return keras.Sequential(
        [keras.Input(x.shape[1:], dtype="int32"), embedding, keras.layers.Flatten(), hidden, _head(work)]
    )


def _head(work: Work) -> Any:
    import keras

    units, activation = {
        "sparse_categorical_crossentropy": (10, "softmax"),
        "binary_crossentropy": (1, "sigmoid"),
        "mean_squared_error": (1, None),
    }[work.loss]
    return keras.layers.Dense(units, activation)


WORKS = {
    "mlp": Work(
        "MLP 64-64 on digits", "digits", perceptron, "18, 25", strengths=21, epochs=20, hidden=(64, 64), searched=21
    ),
    "adult": Work(
        "MLP 256-128 on adult", "adult", perceptron, "1.5, 2", 256, loss="binary_crossentropy", hidden=(256, 128)
    ),
    "cnn": Work(
        "CNN of 16 and 32 filters on Fashion-MNIST, 14 x 14", "fashion14", convolutions((16, 32)), "2.5, 4", rows=10_000
    ),
    "gru": Work("GRU of 32 on digits, row by row", "digit_rows", recurrent, "1.5, 4", epochs=10, recurrent=True),
    "transformer": Work("Encoder of 2 blocks, width 32, on the same", "digit_rows", transformer, "4, 8", epochs=10),
    "recommender": Work(
        "Embeddings of 32 and an MLP on MovieLens-100k", "movielens", recommender, "2, 3", 256,
        loss="mean_squared_error",
    ),
    "large_cnn": Work(
        "CNN of 32 and 64 filters on Fashion-MNIST, 28 x 28", "fashion28", convolutions((32, 64)), "1.0, 1.3", 256,
        strengths=4, folds=3, epochs=2, rows=10_000, trial=8,
    ),
}  # fmt: skip
DENSE = Work("MLP 64-64 on digits, repeated", "digits", perceptron, "", strengths=21, hidden=(64, 64), rows=5_000)
"""Of which the growth of cost is measured."""
