"""Logs."""

import keras
import numpy as np
import pytest

import shrinkage as sh
from tests.attach.models import LAM, X, Y, compiled, network, train
from tests.versions import KERAS


def test_logs_tell_the_data_loss_and_the_penalty_apart(float64):
    model = compiled(network(), "adam", metrics=["mean_absolute_error"])
    reg = sh.attach(model, sh.L2(), lam=LAM)
    logs = train(model, validation_data=(X, Y))
    assert sorted(logs) == sorted(
        f"{prefix}{name}" for prefix in ("", "val_") for name in ("loss", "data_loss", "penalty", "mean_absolute_error")
    )
    for prefix in ("", "val_"):
        parts = np.add(logs[f"{prefix}data_loss"], logs[f"{prefix}penalty"])
        np.testing.assert_allclose(logs[f"{prefix}loss"], parts, rtol=1e-6)  # Keras sums losses in float32
    squares = ((model.predict(X, verbose=0) - Y) ** 2).mean()
    assert logs["val_data_loss"][-1] == pytest.approx(squares, rel=1e-6)
    assert logs["penalty"][-1] == logs["val_penalty"][-1] == pytest.approx(float(reg.value()), rel=1e-6)
    assert logs["penalty"][-1] > 0.01


def test_lists_of_logs_are_as_long_as_before():
    model = compiled(network(), metrics=["mean_absolute_error"])
    before, batch = model.evaluate(X, Y, verbose=0), model.train_on_batch(X, Y)
    sh.attach(model, sh.L2(), lam=LAM)
    assert len(model.evaluate(X, Y, verbose=0)) == len(before) == len(model.train_on_batch(X, Y)) == len(batch) == 2


@pytest.mark.skipif(KERAS < (3, 15), reason="before Keras 3.15, train_on_batch logs the mean since the last reset")
def test_a_batch_is_logged_at_the_weights_before_its_step(float64):
    theirs, mine = compiled(network(keras.regularizers.L2(LAM / 2))), compiled(network())
    sh.attach(mine, sh.L2(), lam=LAM)
    for _ in range(3):
        logs = mine.train_on_batch(X, Y, return_dict=True)
        assert float(logs["loss"]) == pytest.approx(float(theirs.train_on_batch(X, Y)), rel=1e-6)
    assert float(mine.test_on_batch(X, Y)) == pytest.approx(float(theirs.test_on_batch(X, Y)), rel=1e-6)


def test_early_stopping_on_the_data_loss_restores():
    model = compiled(network())
    reg = sh.attach(model, sh.L2(), lam=0.0)

    class Raise(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            reg.lam = 0.0 if epoch < 3 else 5.0

    stop = keras.callbacks.EarlyStopping(monitor="val_data_loss", mode="min", patience=2, restore_best_weights=True)
    logs = train(model, epochs=20, validation_data=(X, Y), callbacks=[Raise(), stop])
    assert len(logs["loss"]) < 20
    best = min(logs["val_data_loss"])
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["data_loss"] == pytest.approx(best, rel=1e-5)
