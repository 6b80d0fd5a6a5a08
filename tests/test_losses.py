"""Losses per row: their mean is Keras' own loss of the batch, however the loss was named."""

import keras
import numpy as np
import pytest
from keras import losses

from shrinkage._losses import _PER_ROW, is_classification, name_of, resolve, row_losses

FOLDS, STRENGTHS, BATCH = 2, 3, 8
GENERATOR = np.random.default_rng(0)


def targets_and_predictions(loss: losses.Loss, width: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return targets (f, batch, ...) and predictions (f, s, batch, width) that the loss is meant for."""
    predictions = GENERATOR.dirichlet(np.ones(width), (FOLDS, STRENGTHS, BATCH))
    labels = GENERATOR.integers(0, width, (FOLDS, BATCH))
    name = name_of(loss)
    if name.startswith("sparse"):
        return labels, predictions
    if "hinge" in name and "categorical" not in name:
        return GENERATOR.choice([-1.0, 1.0], (FOLDS, BATCH, width)), GENERATOR.normal(size=predictions.shape)
    if is_classification(loss):
        return np.eye(width)[labels], predictions
    return GENERATOR.uniform(0.1, 3, (FOLDS, BATCH, width)), GENERATOR.uniform(0.1, 3, predictions.shape)


@pytest.mark.parametrize("name", _PER_ROW)
def test_rows_average_to_the_batchs_loss(name, float64):
    loss = getattr(losses, name)()
    y, predictions = targets_and_predictions(loss)
    rows = np.asarray(row_losses(loss, y, keras.ops.convert_to_tensor(predictions)))
    assert rows.shape == (FOLDS, STRENGTHS, BATCH) and (np.ptp(rows, axis=-1) > 0).all()
    for f in range(FOLDS):
        for s in range(STRENGTHS):
            assert rows[f, s].mean() == pytest.approx(float(loss(y[f], predictions[f, s])), rel=1e-12)
            alone = [float(loss(y[f][i : i + 1], predictions[f, s, i : i + 1])) for i in range(BATCH)]
            np.testing.assert_allclose(rows[f, s], alone, rtol=1e-12)


@pytest.mark.parametrize("name", _PER_ROW)
def test_name_function_and_instance_are_one_loss(name):
    loss_class = getattr(losses, name)
    function = loss_class().fn
    for given in (function.__name__, name, function, loss_class()):
        found = resolve(given)
        assert type(found) is loss_class and name_of(found) == function.__name__


@pytest.mark.parametrize(
    ("given", "expected"), [("mse", "MeanSquaredError"), ("bce", "BinaryCrossentropy"), ("KLD", "KLDivergence")]
)
def test_short_names(given, expected):
    assert type(resolve(given)).__name__ == expected


def test_an_instance_keeps_its_options():
    loss = losses.Huber(delta=0.3)
    assert resolve(loss) is loss
    rows = np.asarray(row_losses(loss, np.zeros((1, 2, 1)), keras.ops.convert_to_tensor([[[[0.1], [9.0]]]])))
    np.testing.assert_allclose(rows, [[[0.1**2 / 2, 0.3 * (9 - 0.15)]]], rtol=1e-6)


@pytest.mark.parametrize(
    "given", ["dice", losses.Tversky(), losses.Circle(), losses.CTC(), "no such loss", None, ["mse", "mse"]]
)
def test_others_are_refused(given):
    with pytest.raises(ValueError, match="`loss` must be one of Keras' losses that have a value per row"):
        resolve(given)


class OwnMeanSquaredError(losses.MeanSquaredError):
    def call(self, y_true, y_pred):
        return y_pred - keras.ops.mean(y_pred, axis=0)  # mixes rows


def test_a_subclass_of_a_known_loss_is_unknown():
    with pytest.raises(ValueError, match="`loss` must be one of"):
        resolve(OwnMeanSquaredError())


@pytest.mark.parametrize("reduction", ["sum", "none", None, "mean_with_sample_weight"])
def test_other_reductions_are_refused(reduction):
    with pytest.raises(ValueError, match="`loss` must average over rows.* Received: reduction="):
        resolve(losses.MeanSquaredError(reduction=reduction))


def test_time_steps_count_with_their_mean(float64):
    loss = losses.SparseCategoricalCrossentropy()
    predictions = GENERATOR.dirichlet(np.ones(4), (1, 2, BATCH, 5))
    y = GENERATOR.integers(0, 4, (1, BATCH, 5))
    rows = np.asarray(row_losses(loss, y, keras.ops.convert_to_tensor(predictions)))
    expected = -np.log(np.take_along_axis(predictions, y[:, None, ..., None], axis=-1)[..., 0]).mean(axis=-1)
    np.testing.assert_allclose(rows, expected, rtol=1e-6)


def test_shared_predictions_serve_every_fold(float64):
    """A member axis of one broadcasts: what members share is computed once."""
    loss = losses.MeanSquaredError()
    y, predictions = GENERATOR.normal(size=(1, BATCH, 2)), GENERATOR.normal(size=(FOLDS, STRENGTHS, BATCH, 2))
    rows = np.asarray(row_losses(loss, y, keras.ops.convert_to_tensor(predictions)))
    np.testing.assert_allclose(rows, ((predictions - y[:, None]) ** 2).mean(axis=-1))


@pytest.mark.parametrize(
    ("activation", "loss", "width"),
    [("softmax", "sparse_categorical_crossentropy", 3), ("sigmoid", "binary_crossentropy", 1)],
)
def test_certain_predictions_have_the_loss_of_their_logits(activation, loss, width):
    """Keras remembers the logits under its activations; a probability of 0 in float32 would be cut off at 1e-7."""
    logits = np.full((1, 1, 1, width), 0.0, np.float32)
    logits[..., -1] = 60.0
    predictions = keras.activations.get(activation)(keras.ops.convert_to_tensor(logits))
    y = np.zeros((1, 1, 1))
    assert np.asarray(row_losses(resolve(loss), y, predictions)).item() == pytest.approx(60, rel=1e-5)
    plain = keras.ops.convert_to_tensor(np.asarray(predictions))
    assert np.asarray(row_losses(resolve(loss), y, plain)).item() == pytest.approx(16, abs=0.5)
