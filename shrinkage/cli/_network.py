"""The networks and training settings of the command line."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ._columns import Columns, Task
from ._own_model import is_own, own_model
from ._penalty import penalty_words

if TYPE_CHECKING:
    import keras

LOSSES: dict[Task, str] = {
    "binary": "binary_crossentropy",
    "multi-class": "sparse_categorical_crossentropy",
    "regression": "mean_squared_error",
}


@dataclass(frozen=True)
class Settings:
    """Training settings. Every field is an option of `shrinkage fit`."""

    model: str
    """mlp, linear, or a model of the user: FILE.py:function or MODEL.keras."""
    hidden: tuple[int, ...] | None
    """Units of each hidden layer of an mlp; None for `HIDDEN`."""
    penalty: Literal["l2", "l1", "elastic-net", "group-lasso"]
    rho: float | None
    """The mixture of an elastic net; None for the default, as in the next two fields."""
    groups: Literal["units", "inputs"] | None
    """The groups of a group lasso."""
    how: Literal["coupled", "proximal", "decoupled"] | None
    epochs: int
    """The largest number of epochs. With mini-batches, a strength stops when the mean curve no longer improves."""
    batch_size: int | None
    """None for all rows, with a linear model: the learning rate then falls to 0 over the epochs."""
    learning_rate: float | None
    """None for the optimizer of a model of the user."""
    folds: int
    """The number of folds; with `fold`, of the fold numbers."""
    seed: int
    choose: Literal["min", "1se"]
    repeats: int = 1
    group: str | None = None
    """The column of groups of rows; None where there is none, as in the next two fields."""
    time: str | None = None
    fold: str | None = None

    @staticmethod
    def with_defaults(**options: Any) -> "Settings":
        """Return the settings, with the default for each option that is None.

        The loss of a linear model is convex. Full batches with a large, falling learning rate reach the minimum.
        """
        full = options["model"] == "linear" and options["batch_size"] is None
        defaults = FULL_BATCHES if full else MINI_BATCHES
        if is_own(options["model"]):
            defaults = {name: value for name, value in defaults.items() if name != "learning_rate"}
        return Settings(**{**options, **{name: value for name, value in defaults.items() if options[name] is None}})

    @property
    def layers(self) -> tuple[int, ...]:
        """Units of the hidden layers."""
        return () if self.model != "mlp" else HIDDEN if self.hidden is None else self.hidden

    @property
    def _split(self) -> str:
        order = f" in the order of {self.time}" if self.time else f" of groups of {self.group}" if self.group else ""
        numbers = f" by {self.fold}" if self.fold else ""
        repeats = f"{self.repeats} repeats of " if self.repeats > 1 else ""
        return f"{repeats}{self.folds} fold{'s' * (self.folds > 1)}{order}{numbers}"

    def __str__(self) -> str:
        network = f"{'-'.join(map(str, self.layers))} ReLU network" if self.layers else "linear model"
        if is_own(self.model):
            network = f"model of {self.model} with weights drawn anew"
        rate = f"Adam with learning rate {self.learning_rate:g}" if self.learning_rate else "its optimizer"
        chosen = f"{self._split}, seed {self.seed}"
        if self.batch_size is None:
            return (
                f"{network}, {rate} that falls to 0 in {self.epochs} epochs, all rows in a batch, "
                f"{penalty_words(self)}, {chosen}"
            )
        return (
            f"{network}, {rate}, batch size {self.batch_size}, {penalty_words(self)}, {chosen}, "
            f"each strength until its mean curve has not improved for {PATIENCE} epochs, at most {self.epochs}"
        )


PATIENCE = 10
HIDDEN = (64, 64)
FULL_BATCHES = {"epochs": 1000, "learning_rate": 0.3}
MINI_BATCHES = {"epochs": 200, "learning_rate": 1e-3, "batch_size": 32}


def training_arguments(settings: Settings, n_rows: int) -> dict[str, Any]:
    """Return the arguments of `shrinkage.fit` for epochs, batches and early stopping."""
    if settings.batch_size is None:
        return {"epochs": settings.epochs, "batch_size": n_rows, "epoch": "last"}
    # A loaded model must say `init`: its weights may come from rows that a fold holds out.
    init = {"init": "fresh"} if is_own(settings.model) else {}
    return {"epochs": settings.epochs, "batch_size": settings.batch_size, "patience": PATIENCE, **init}


def network(columns: Columns, matrix: np.ndarray, settings: Settings) -> "keras.Model":
    """Return a compiled network from the encoded matrix to predictions. A regression target is standardised.

    Args:
        columns: The columns, with task and classes.
        matrix: (n, d) float32, for the first state of the normalization layer; `fit` adapts it again in each fold.
        settings: The layers and the learning rate.
    """
    if is_own(settings.model):
        return own_model(settings.model, matrix.shape[1], max(1, len(columns.labels) * (columns.task == "multi-class")))

    import keras

    normalization = keras.layers.Normalization()
    normalization.adapt(matrix)
    hidden = [keras.layers.Dense(units, activation="relu") for units in settings.layers]
    name = "_".join(["mlp", *map(str, settings.layers)]) if settings.layers else "linear"
    layers = [keras.Input((matrix.shape[1],)), normalization, *hidden, _output(columns)]
    model = keras.Sequential(layers, name=name)
    rate: Any = settings.learning_rate
    if settings.batch_size is None:  # a step is an epoch
        rate = keras.optimizers.schedules.CosineDecay(rate, settings.epochs)
    optimizer = keras.optimizers.Adam(rate)
    metrics = [] if columns.task == "regression" else ["accuracy"]
    model.compile(optimizer, LOSSES[columns.task], metrics=metrics)
    return model


def _output(columns: Columns) -> "keras.Layer":
    import keras

    if columns.task == "multi-class":
        return keras.layers.Dense(len(columns.labels), activation="softmax")
    return keras.layers.Dense(1, activation="sigmoid" if columns.task == "binary" else None)
