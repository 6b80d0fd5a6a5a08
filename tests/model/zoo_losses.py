"""A tiny model for every loss of Keras, and for losses of one's own, on targets that suit it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import layers, losses, ops

COUNT = 40
GENERATOR = np.random.default_rng(8)
X = GENERATOR.normal(size=(COUNT, 5)) * 2
LABELS = (X @ GENERATOR.normal(size=(5, 3))).argmax(axis=1)
ONE_HOT = np.eye(3)[LABELS]
AMOUNTS = np.tanh(X @ GENERATOR.normal(size=(5, 2)))


class Fit(NamedTuple):
    """A loss, the activation and the width of the output, and targets."""

    loss: Callable[[], Any]
    activation: str | None
    width: int
    y: np.ndarray
    by_rows: bool = True
    daily: bool = False


@keras.saving.register_keras_serializable("zoo_losses")
def own_by_rows(y_true: Any, y_pred: Any) -> Any:
    """A function of one's own with a value per row."""
    return ops.sum(ops.abs(y_true - y_pred) ** 1.5, axis=-1)


@keras.saving.register_keras_serializable("zoo_losses")
def own_mixes_rows(y_true: Any, y_pred: Any) -> Any:
    """One that divides by the batch's largest target."""
    return ops.mean(ops.square(y_true - y_pred), axis=-1) / (0.1 + ops.max(ops.abs(y_true)))


@keras.saving.register_keras_serializable("zoo_losses")
def own_scalar(y_true: Any, y_pred: Any) -> Any:
    """One that is a number for the batch: 1 - the correlation."""
    a, b = y_true - ops.mean(y_true), y_pred - ops.mean(y_pred)
    return 1 - ops.sum(a * b) / (ops.norm(a) * ops.norm(b) + 0.1)


@keras.saving.register_keras_serializable("zoo_losses")
class OwnLoss(losses.Loss):
    """A class of one's own that pulls the batch's mean prediction to its mean target."""

    def call(self, y_true, y_pred):
        return ops.square(ops.mean(y_pred - y_true)) + ops.mean(ops.square(y_pred - y_true), axis=-1)


@keras.saving.register_keras_serializable("zoo_losses")
def own_gradient_mixes_rows(y_true: Any, y_pred: Any) -> Any:
    """One whose value does not show what its gradient does: it mixes rows."""
    scale = 1 + ops.mean(ops.square(y_pred))
    return ops.mean(ops.square(y_true - y_pred), axis=-1) * scale / ops.stop_gradient(scale)


LOSSES: dict[str, Fit] = {
    "MeanSquaredError": Fit(losses.MeanSquaredError, None, 2, AMOUNTS),
    "MeanAbsoluteError": Fit(losses.MeanAbsoluteError, None, 2, AMOUNTS),
    "MeanAbsolutePercentageError": Fit(losses.MeanAbsolutePercentageError, None, 2, AMOUNTS + 3),
    "MeanSquaredLogarithmicError": Fit(losses.MeanSquaredLogarithmicError, "softplus", 2, AMOUNTS + 2),
    "CosineSimilarity": Fit(losses.CosineSimilarity, None, 2, AMOUNTS),
    "Huber": Fit(lambda: losses.Huber(delta=0.3), None, 2, AMOUNTS),
    "LogCosh": Fit(losses.LogCosh, None, 2, AMOUNTS),
    "Hinge": Fit(losses.Hinge, None, 2, np.sign(AMOUNTS)),
    "SquaredHinge": Fit(losses.SquaredHinge, None, 2, np.sign(AMOUNTS)),
    "CategoricalHinge": Fit(losses.CategoricalHinge, None, 3, ONE_HOT),
    "KLDivergence": Fit(losses.KLDivergence, "softmax", 3, 0.8 * ONE_HOT + 0.2 / 3),
    "Poisson": Fit(losses.Poisson, "softplus", 2, np.round(3 + 3 * AMOUNTS)),
    "BinaryCrossentropy": Fit(lambda: losses.BinaryCrossentropy(label_smoothing=0.1), "sigmoid", 2, AMOUNTS > 0),
    "BinaryFocalCrossentropy": Fit(losses.BinaryFocalCrossentropy, "sigmoid", 2, AMOUNTS > 0),
    "CategoricalCrossentropy": Fit(lambda: losses.CategoricalCrossentropy(from_logits=True), None, 3, ONE_HOT),
    "CategoricalFocalCrossentropy": Fit(losses.CategoricalFocalCrossentropy, "softmax", 3, ONE_HOT),
    "SparseCategoricalCrossentropy": Fit(losses.SparseCategoricalCrossentropy, "softmax", 3, LABELS),
    "CategoricalGeneralizedCrossEntropy": Fit(
        lambda: losses.CategoricalGeneralizedCrossEntropy(q=0.5), "softmax", 3, LABELS
    ),
    "Dice": Fit(losses.Dice, "sigmoid", 2, AMOUNTS > 0, by_rows=False, daily=True),
    "Dice by rows": Fit(lambda: losses.Dice(axis=1), "sigmoid", 2, AMOUNTS > 0),
    "Tversky": Fit(lambda: losses.Tversky(alpha=0.3, beta=0.7), "sigmoid", 2, AMOUNTS > 0, by_rows=False),
    "Circle": Fit(losses.Circle, "linear", 4, LABELS, by_rows=False, daily=True),
    # TensorFlow computes CTC in float32: in float64 its rounding looks like rows that mix.
    "CTC": Fit(losses.CTC, "time", 4, GENERATOR.integers(1, 4, (COUNT, 2)), by_rows=False),
    "by rows": Fit(lambda: own_by_rows, None, 2, AMOUNTS),
    "mixes rows": Fit(lambda: own_mixes_rows, None, 2, AMOUNTS, by_rows=False, daily=True),
    "scalar": Fit(lambda: own_scalar, None, 1, AMOUNTS[:, 0], by_rows=False),
    "own class": Fit(OwnLoss, None, 2, AMOUNTS, by_rows=False),
    "gradient mixes rows": Fit(lambda: own_gradient_mixes_rows, None, 2, AMOUNTS, by_rows=False, daily=True),
}


def model(fit: Fit) -> keras.Model:
    """Return a model whose output has the width and activation that the loss is for."""
    inputs = keras.Input((5,))
    hidden = layers.Dense(4, "tanh")(inputs)
    if fit.activation == "time":  # a prediction for each of 6 steps
        return keras.Model(inputs, layers.Reshape((6, fit.width))(layers.Dense(6 * fit.width)(hidden)))
    output = layers.Dense(fit.width, fit.activation)(hidden)
    if fit.loss is losses.Circle:  # compares directions
        output = layers.UnitNormalization()(output)
    return keras.Model(inputs, output)
