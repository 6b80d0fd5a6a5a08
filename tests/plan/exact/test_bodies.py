"""Layers in front of the last: they run in inference mode, and statistics of normalization are those of each fold."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

import shrinkage as sh
from shrinkage._model._table_normalization import TableNormalization
from tests.plan.exact.heads import LABELS, LAMS, N, X, Y, linear

pytestmark = pytest.mark.usefixtures("float64")
OPTIONS: dict[str, Any] = {"penalty": "l2", "solver": "exact", "lams": LAMS, "cv": 3}


def held_out_losses(path: sh.Path, features: Any, y: np.ndarray = Y) -> np.ndarray:
    """Return the losses of ridge regressions, (F, S): features are a function of the training rows of a fold."""
    losses = []
    for train, held_out in zip(path.folds.train, path.folds.held_out, strict=True):
        z = features(train)
        models = [Ridge(alpha=max(N * lam / 2, 1e-12)).fit(z[train], y[train, 0]) for lam in path.lams]
        losses.append([np.mean((model.predict(z[held_out]) - y[held_out, 0]) ** 2) for model in models])
    return np.array(losses)


def frozen(*inner: Any) -> list[Any]:
    for layer in inner:
        layer.trainable = False
    return list(inner)


def test_a_frozen_body_is_run_once_and_in_inference_mode():
    inner = frozen(layers.Dense(4, "tanh"), layers.BatchNormalization())
    model = linear(before=[*inner, layers.Dropout(0.5)])
    inner[1].moving_mean.assign([0.1, -0.2, 0.3, 0.0])
    body = keras.Sequential(model.layers[:-1])
    calls = []
    z = np.asarray(body(X))
    path = sh.fit(model, X, Y, **OPTIONS)
    np.testing.assert_allclose(path.cv_loss[:, :, 0], held_out_losses(path, lambda _: z), rtol=1e-8)
    returned = path.model("min")
    for before, after in zip(inner[0].get_weights(), returned.layers[0].get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert not calls and z.std() > 0.1


def test_a_convolutional_body_takes_images():
    images = np.random.default_rng(1).normal(size=(N, 6, 6, 1))
    inner = frozen(layers.Conv2D(3, 3, activation="relu"))
    model = keras.Sequential([keras.Input((6, 6, 1)), *inner, layers.Flatten(), layers.Dense(1)])
    model.compile("adam", "mse")
    path = sh.fit(model, images, Y, **OPTIONS)
    z = np.asarray(keras.Sequential(model.layers[:-1])(images))
    np.testing.assert_allclose(path.cv_loss[:, :, 0], held_out_losses(path, lambda _: z), rtol=1e-7)


@pytest.mark.parametrize(
    "layer", [layers.Normalization, lambda: TableNormalization(clip=False)], ids=["Keras", "table"]
)
def test_normalization_is_fitted_to_the_training_rows_of_each_fold(layer):
    path = sh.fit(linear(before=[layer()]), 5 * X + 100, Y, **OPTIONS)
    expected = held_out_losses(path, lambda train: StandardScaler().fit(X[train]).transform(X))
    np.testing.assert_allclose(path.cv_loss[:, :, 0], expected, rtol=1e-8)
    np.testing.assert_allclose(path.model().layers[0](5 * X + 100).numpy().mean(axis=0), 0, atol=1e-8)


def test_missing_numbers_and_several_inputs():
    """A table of the shell: two inputs, each normalized, and joined."""
    x = X.copy()
    x[::7, 1] = np.nan
    one, two = keras.Input((3,)), keras.Input((2,))
    joined = layers.Concatenate()([TableNormalization(clip=False)(one), layers.Normalization()(two)])
    model = keras.Model([one, two], layers.Dense(1)(joined))
    model.compile("adam", "mse")

    def features(train):
        mean, sd = np.nanmean(x[train], axis=0), np.nanstd(x[train], axis=0)
        return np.nan_to_num((x - mean) / sd)

    path = sh.fit(model, [x[:, :3], x[:, 3:]], Y, **OPTIONS)
    np.testing.assert_allclose(path.cv_loss[:, :, 0], held_out_losses(path, features), rtol=1e-8)


def test_standardised_targets_are_those_of_each_fold():
    """The loss is in units of the variance of all rows; the strength is on the standardised target."""
    path = sh.fit(linear(), X, 10 * Y + 70, standardize_target=True, **OPTIONS)
    y = 10 * Y[:, 0] + 70
    for f, (train, held_out) in enumerate(zip(path.folds.train, path.folds.held_out, strict=True)):
        mean, sd = y[train].mean(), y[train].std()
        model = Ridge(alpha=N * LAMS[1] / 2).fit(X[train], (y[train] - mean) / sd)
        predictions = mean + sd * model.predict(X[held_out])
        loss = np.mean((predictions - y[held_out]) ** 2) / y.var()
        np.testing.assert_allclose(path.cv_loss[f, 1, 0], loss, rtol=1e-8)
        place = np.searchsorted(path.held_out_rows, held_out)
        np.testing.assert_allclose(path.predictions[place, 1, 0], predictions, rtol=1e-8)


def test_sparse_rows_are_made_dense_in_blocks():
    from scipy import sparse

    x = np.where(np.random.default_rng(2).random(X.shape) < 0.3, X, 0)
    found, expected = (sh.fit(linear(), rows, Y, **OPTIONS) for rows in (sparse.csr_matrix(x), x))
    np.testing.assert_allclose(found.cv_loss, expected.cv_loss, rtol=1e-12)


def test_a_trained_model_needs_no_init():
    """The weights of the last layer are computed, and do not depend on those that it had."""
    model = linear("binary_crossentropy", 1, "sigmoid", optimizer="adam")
    fresh = sh.fit(model, X, LABELS[:, 0], **OPTIONS)
    model.fit(X, LABELS[:, 0], verbose="0")
    trained = sh.fit(model, X, LABELS[:, 0], **OPTIONS)
    np.testing.assert_array_equal(trained.cv_loss, fresh.cv_loss)
