"""`on_epoch` is called with the losses of every epoch in the folds, and can end the run."""

from typing import Any

import keras
import numpy as np
import pytest

import shrinkage as sh

ROWS = np.random.default_rng(0).normal(size=(60, 2))
TARGET = ROWS @ [1.0, 2.0]
OPTIONS: dict[str, Any] = {"penalty": sh.L2(), "lams": [0.1, 0.01], "cv": 3, "epochs": 4}


def line() -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    return model


@pytest.mark.parametrize("chunk", [3, 1], ids=["together", "one by one"])
def test_it_is_called_with_the_curves_of_the_path(chunk):
    found = []
    plan = {"chunk": chunk}
    path = sh.fit(line(), ROWS, TARGET, **OPTIONS, plan=plan, on_epoch=found.append)
    assert [epoch.number for epoch in found] == [1, 2, 3, 4] * (3 // chunk)
    assert np.concatenate([epoch.lams for epoch in found if epoch.number == 1]).tolist() == path.lams.tolist()
    for name in ("cv_loss", "train_loss"):
        called = [
            np.concatenate([getattr(epoch, name) for epoch in found if epoch.number == number], axis=1)
            for number in (1, 2, 3, 4)
        ]
        np.testing.assert_array_equal(np.stack(called, axis=-1), getattr(path, name))
    last = np.concatenate([epoch.mean for epoch in found if epoch.number == 4])
    np.testing.assert_allclose(last, np.average(path.cv_loss[:, :, 3], axis=0, weights=path.fold_weight))


def test_it_is_called_once_by_the_exact_solver():
    found = []
    options = {**OPTIONS, "epochs": None, "solver": "exact"}
    path = sh.fit(line(), ROWS, TARGET, **options, on_epoch=found.append)
    assert [epoch.number for epoch in found] == [1]
    np.testing.assert_array_equal(found[0].cv_loss, path.cv_loss[:, :, 0])


def test_an_exception_ends_the_run_and_a_recorded_run_goes_on(tmp_path):
    class Enough(Exception):
        pass

    def stop(epoch):
        if epoch.number == 2:
            raise Enough

    for run in (None, tmp_path / "run"):
        with pytest.raises(Enough):
            sh.fit(line(), ROWS, TARGET, **OPTIONS, run=run, on_epoch=stop)
    path = sh.fit(line(), ROWS, TARGET, **OPTIONS, run=tmp_path / "run")
    np.testing.assert_array_equal(path.cv_loss, sh.fit(line(), ROWS, TARGET, **OPTIONS, plan=path.plan).cv_loss)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "`on_epoch` must be a function of an epoch. Received: list"),
        (lambda: None, r"of one argument, the epoch, .*Received: <lambda>\(\)"),
        (lambda number, loss: None, r"Received: <lambda>\(number, loss\)"),
    ],
)
def test_a_function_of_an_epoch_is_expected(given, message, monkeypatch):
    monkeypatch.setattr("shrinkage._fit._fit.Search", None)  # no training begins
    with pytest.raises(TypeError, match=message):
        sh.fit(line(), ROWS, TARGET, **OPTIONS, on_epoch=given)
