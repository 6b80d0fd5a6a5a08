"""Losses per row: their mean is Keras' own loss of the batch, however the loss was named."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from keras import losses

from shrinkage._model._losses import (
    _PER_ROW,
    compute_keras_row_losses,
    get_loss_name,
    is_classification,
    is_listed,
    mixes_rows,
    resolve_loss,
)
from shrinkage._model._objective import get_compiled_loss_name, make_objective

FOLDS, STRENGTHS, BATCH = 2, 3, 8
GENERATOR = np.random.default_rng(0)


def found(given: Any) -> Any:
    """Return the loss that `compile` makes of a name, function or object, for an output of three units."""
    y, predictions = np.eye(3)[[0, 1, 2, 0]], GENERATOR.dirichlet(np.ones(3), 4)
    return make_objective(given, None, None, y, predictions, ["`y`"]).single_loss


def targets_and_predictions(loss: losses.Loss, width: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Return targets (f, batch, ...) and predictions (f, s, batch, width) that the loss is meant for."""
    predictions = GENERATOR.dirichlet(np.ones(width), (FOLDS, STRENGTHS, BATCH))
    labels = GENERATOR.integers(0, width, (FOLDS, BATCH))
    name = get_loss_name(loss)
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
    rows = np.asarray(compute_keras_row_losses(loss, y, keras.ops.convert_to_tensor(predictions)))
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
        one = found(given)
        assert type(one) is loss_class and get_loss_name(one) == function.__name__ == get_compiled_loss_name(given)


@pytest.mark.parametrize(
    ("given", "expected"), [("mse", "MeanSquaredError"), ("bce", "BinaryCrossentropy"), ("KLD", "KLDivergence")]
)
def test_short_names(given, expected):
    assert type(found(given)).__name__ == expected


def test_an_instance_keeps_its_options():
    loss = losses.Huber(delta=0.3)
    assert resolve_loss(loss) is loss
    rows = np.asarray(
        compute_keras_row_losses(loss, np.zeros((1, 2, 1)), keras.ops.convert_to_tensor([[[[0.1], [9.0]]]]))
    )
    np.testing.assert_allclose(rows, [[[0.1**2 / 2, 0.3 * (9 - 0.15)]]], rtol=1e-6)


@pytest.mark.parametrize("given", ["no such loss", {"other": "mse"}, ["mse", "mae"], [None]])
def test_what_keras_does_not_understand_is_refused(given):
    with pytest.raises(ValueError, match="`loss`"):
        found(given)


@pytest.mark.parametrize("name", _PER_ROW)
def test_the_losses_that_are_listed_do_not_mix_rows(name):
    loss = getattr(losses, name)()
    y, predictions = targets_and_predictions(loss)
    assert is_listed(loss) and not mixes_rows(loss, y[0], predictions[0, 0].astype("float32"))


class OwnMeanSquaredError(losses.MeanSquaredError):
    def call(self, y_true, y_pred):
        return super().call(y_true, y_pred - keras.ops.mean(y_pred, axis=0))


def of_one_size(y_true: Any, y_pred: Any) -> Any:
    if y_pred.shape[0] != 4:
        raise ValueError("four rows, please")
    return keras.ops.mean(keras.ops.abs(y_true - y_pred), axis=-1)


@pytest.mark.parametrize(
    "given",
    [
        "dice", losses.Tversky(), losses.Circle(), OwnMeanSquaredError(), of_one_size,
        lambda y, p: keras.ops.mean(y - p),  # no value per row
        lambda y, p: 0 * keras.ops.mean(y - p, axis=-1),  # nothing to tell from
        lambda y, p: keras.ops.mean(y - p, axis=-1) / keras.ops.max(p),
    ],
)  # fmt: skip
def test_losses_that_mix_rows_or_may_are_found(given):
    y, predictions = np.array([[1.0], [0.0], [1.0], [2.0]]), GENERATOR.uniform(0.1, 0.9, (4, 3))
    if given != "dice" and not isinstance(given, losses.Circle):
        y = np.eye(3)[[0, 1, 2, 0]]
    (term,) = make_objective(given, None, None, y, predictions.astype("float32"), ["`y`"]).terms
    assert not term.by_rows and not is_listed(term.loss)


def test_rows_share_a_loss_that_mixes_them():
    """The weighted mean of the shares is the loss that Keras gives the batch; terms add up with their weights."""
    y = [GENERATOR.integers(0, 2, (BATCH, 2)).astype("float32"), GENERATOR.normal(size=(BATCH, 1)).astype("float32")]
    predictions = [GENERATOR.uniform(size=(2, 3, BATCH, 2)), GENERATOR.normal(size=(2, 3, BATCH, 1))]
    member = [prediction[1, 2].astype("float32") for prediction in predictions]
    weight = GENERATOR.uniform(0.5, 2, BATCH).astype("float32")
    objective = make_objective(["dice", "mse"], [2.0, 0.5], ["a", "b"], y, member, ["", ""])
    shares = replace(objective, has_weights=True).compute_row_losses(
        [target[None] for target in y],
        [keras.ops.convert_to_tensor(p.astype("float32")) for p in predictions],
        weight[None],
    )
    assert shares.shape == (2, 3, BATCH) and [term.by_rows for term in objective.terms] == [False, True]
    expected = 2 * losses.Dice()(y[0], member[0], weight) + 0.5 * losses.MeanSquaredError()(y[1], member[1], weight)
    np.testing.assert_allclose((np.asarray(shares)[1, 2] * weight).mean(), expected, rtol=1e-5)


def test_a_name_for_several_losses():
    assert get_compiled_loss_name({"a": "mse", "b": losses.MeanSquaredError(), "c": None}) == "mean_squared_error"
    assert get_compiled_loss_name(["mse", "mae"]) == "loss" and get_compiled_loss_name("ce").endswith("crossentropy")


class OwnCall(losses.Loss):
    def __call__(self, y_true, y_pred, sample_weight=None):
        return keras.ops.mean(y_pred)


def test_a_loss_that_keras_calls_in_another_way_is_refused():
    with pytest.raises(
        ValueError, match="`loss` must be .* does not override `__call__`. Received: OwnCall. Override `call`"
    ):
        found(OwnCall())


@pytest.mark.parametrize("reduction", ["sum", "none", None, "mean_with_sample_weight"])
def test_other_reductions_are_refused(reduction):
    with pytest.raises(ValueError, match="`loss` must average over rows.* Received: reduction="):
        resolve_loss(losses.MeanSquaredError(reduction=reduction))


def test_time_steps_count_with_their_mean(float64):
    loss = losses.SparseCategoricalCrossentropy()
    predictions = GENERATOR.dirichlet(np.ones(4), (1, 2, BATCH, 5))
    y = GENERATOR.integers(0, 4, (1, BATCH, 5))
    rows = np.asarray(compute_keras_row_losses(loss, y, keras.ops.convert_to_tensor(predictions)))
    expected = -np.log(np.take_along_axis(predictions, y[:, None, ..., None], axis=-1)[..., 0]).mean(axis=-1)
    np.testing.assert_allclose(rows, expected, rtol=1e-6)


def test_shared_predictions_serve_every_fold(float64):
    """A member axis of one broadcasts: what members share is computed once."""
    loss = losses.MeanSquaredError()
    y, predictions = GENERATOR.normal(size=(1, BATCH, 2)), GENERATOR.normal(size=(FOLDS, STRENGTHS, BATCH, 2))
    rows = np.asarray(compute_keras_row_losses(loss, y, keras.ops.convert_to_tensor(predictions)))
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
    assert np.asarray(compute_keras_row_losses(found(loss), y, predictions)).item() == pytest.approx(60, rel=1e-5)
    plain = keras.ops.convert_to_tensor(np.asarray(predictions))
    assert np.asarray(compute_keras_row_losses(found(loss), y, plain)).item() == pytest.approx(16, abs=0.5)
