"""The networks of the command line."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from shrinkage._problem._defaults import MINI_BATCHES

from ._columns import CategoryColumn, Columns, Task, TextColumn
from ._settings import Settings
from ._user_model import is_user_model, make_user_model

if TYPE_CHECKING:
    import keras

    from shrinkage._path._path import Path

LOSSES: dict[Task, str] = {
    "binary": "binary_crossentropy",
    "multi-class": "sparse_categorical_crossentropy",
    "regression": "mean_squared_error",
}


@dataclass(frozen=True)
class TargetScale:
    """The form of a target for a network."""

    task: Task
    centre: float
    size: float
    """Quantities are centred and divided by this; 0 and 1 for classes."""

    @staticmethod
    def from_values(task: Task, values: np.ndarray) -> "TargetScale":
        """Return the scale for these values, or values of which these are a sample."""
        if task != "regression":
            return TargetScale(task, 0.0, 1.0)
        centre = float(np.median(values))
        return TargetScale(task, centre, float(np.abs(values - centre).max()))

    def encode(self, values: np.ndarray) -> np.ndarray:
        """Return targets for the network, (n,) classes or (n, 1) numbers.

        Numbers are centred in float64, because `shrinkage.fit` takes float32, which cannot hold 1,000,000.001.
        """
        if self.task == "multi-class":
            return values
        return ((values - self.centre) / self.size)[:, None].astype("float32")

    def in_target_units(self, path: "Path") -> "Path":
        """Return a path of encoded targets with predictions, and target mean and deviation, in the target's units."""
        if self.task != "regression":
            return path
        return replace(
            path,
            target_mean=self.centre + self.size * path.target_mean,
            target_sd=self.size * path.target_sd,
            predictions=self.centre + self.size * path.predictions,
            targets=self.centre + self.size * path.targets,
        )


WORD_WIDTH = 16


def make_network(columns: Columns, inputs: Sequence[np.ndarray], settings: Settings) -> "keras.Model":
    """Return a compiled network from the encoded inputs to predictions. A regression target is standardised.

    Args:
        columns: The columns, with task and classes.
        inputs: The result of `encode`, for the sizes and the first state of the normalization layer; `fit` adapts it
            again in each fold.
        settings: The layers and the learning rate.
    """
    if is_user_model(settings.model):
        n_outputs = max(1, len(columns.labels) * (columns.task == "multi-class"))
        return make_user_model(settings.model, inputs[0].shape[1], n_outputs, columns.task)

    rate = settings.learning_rate or MINI_BATCHES["learning_rate"]  # of the saved model, if this one is computed
    steps = settings.epochs if settings.batch_size is None else None  # a step is an epoch
    return compile_network(columns, inputs, settings.layers, rate, steps, clip=settings.clip)


def compile_network(
    columns: Columns,
    inputs: Sequence[np.ndarray],
    layers: Sequence[int],
    learning_rate: float,
    steps: int | None,
    *,
    clip: bool = True,
) -> "keras.Model":
    """Return a compiled network of the project.

    Args:
        columns: The columns, with task and classes.
        inputs: The result of `encode`.
        layers: Units of the hidden layers; none for a linear model.
        learning_rate: The learning rate of Adam.
        steps: The number of steps in which it falls to 0; None for a constant rate.
        clip: Whether to clip numbers far outside the others.
    """
    import keras

    tensors, encoded = _make_first_layers(columns, inputs, clip)
    outputs: Any = keras.layers.Concatenate()(encoded) if len(encoded) > 1 else encoded[0]
    for units in layers:
        outputs = keras.layers.Dense(units, activation="relu")(outputs)
    name = "_".join(["mlp", *map(str, layers)]) if layers else "linear"
    model = keras.Model(tensors if len(tensors) > 1 else tensors[0], _make_output_layer(columns)(outputs), name=name)
    rate: Any = learning_rate if steps is None else keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    metrics = [] if columns.task == "regression" else ["accuracy"]
    model.compile(keras.optimizers.Adam(rate), LOSSES[columns.task], metrics=metrics)
    return model


def _make_first_layers(columns: Columns, inputs: Sequence[np.ndarray], clip: bool) -> tuple[list[Any], list[Any]]:
    """Return the inputs of the network, and for each a matrix: standardised columns, or an embedding."""
    import keras

    from shrinkage._model._table_normalization import TableNormalization

    parts, tensors, encoded = list(inputs), [], []
    if columns.numbers:
        tensors.append(keras.Input(parts.pop(0).shape[1:], name="numbers"))
        encoded.append(TableNormalization(clip)(tensors[-1]))
    if columns.marks:
        marks, normalization = parts.pop(0), keras.layers.Normalization()
        normalization.adapt(marks)
        tensors.append(keras.Input(marks.shape[1:], name="marks"))
        encoded.append(normalization(tensors[-1]))
    for place, (column, numbers) in enumerate(zip(columns.embedded_columns, parts, strict=True)):
        tensors.append(keras.Input(numbers.shape[1:], dtype="int32", name=f"embedded_{place}"))
        encoded.append(_make_embedding(column, tensors[-1]))
    return tensors, encoded


def _make_embedding(column: CategoryColumn | TextColumn, numbers: Any) -> Any:
    import keras

    if isinstance(column, TextColumn):
        layer = keras.layers.Embedding(len(column.words) + 2, WORD_WIDTH, mask_zero=True)
        return keras.layers.GlobalAveragePooling1D()(layer(numbers))
    n_rows = len(column.categories) + 1
    return keras.layers.Flatten()(keras.layers.Embedding(n_rows, compute_embedding_width(n_rows))(numbers))


def compute_embedding_width(n_categories: int) -> int:
    """Return the number of coordinates for so many categories.

    >>> compute_embedding_width(101), compute_embedding_width(5000)
    (10, 32)
    """
    return min(32, round(n_categories**0.5))


def _make_output_layer(columns: Columns) -> "keras.Layer":
    import keras

    if columns.task == "multi-class":
        return keras.layers.Dense(len(columns.labels), activation="softmax")
    return keras.layers.Dense(1, activation="sigmoid" if columns.task == "binary" else None)
