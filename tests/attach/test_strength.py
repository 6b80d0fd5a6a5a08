"""The strength."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import ops

import shrinkage as sh
from tests.attach.models import LAM, X, Y, assert_matters, assert_same, compiled, network, train
from tests.daily import full


def test_the_strength_is_read_at_every_step_and_traces_nothing_anew(float64):
    model, traces = compiled(network(), "sgd"), []

    class Count(keras.losses.Loss):
        def call(self, y_true, y_pred):
            traces.append(1)
            return ops.mean(ops.square(y_true - y_pred), axis=-1)

    model.compile(keras.optimizers.SGD(0.05), Count())
    reg = sh.attach(model, sh.L2(), lam=0.0)
    train(model, epochs=1)
    before, counted = model.get_weights()[0], len(traces)
    reg.lam = 4.0
    train(model, epochs=1)
    variable: Any = reg.lam
    variable.assign(0.5)
    train(model, epochs=1)
    assert counted and len(traces) == counted
    theirs = compiled(network())
    for lam in (0.0, 4.0, 0.5):
        for layer in theirs.layers:
            layer.kernel.regularizer = keras.regularizers.L2(lam / 2)
        theirs.compile(keras.optimizers.SGD(0.05), "mean_squared_error")
        train(theirs, epochs=1)
    assert_same(model, theirs)
    assert np.abs(before - model.get_weights()[0]).max() > 0.01


@pytest.mark.parametrize("how", [full(sh.Coupled()), full(sh.Decoupled()), sh.Proximal()])
def test_a_schedule_is_a_variable_assigned_at_every_step(float64, how):
    schedules = [
        keras.optimizers.schedules.CosineDecay(0.0, 12, warmup_target=2.0, warmup_steps=4),
        lambda step: 2.0 * ops.minimum(ops.cast(step, "float64") / 6, 1.0),
    ]
    for schedule in schedules:
        given, by_hand = compiled(network(), "adam"), compiled(network(), "adam")
        sh.attach(given, sh.L2(), lam=schedule, how=how)
        lam = keras.Variable(0.0, dtype="float64")
        sh.attach(by_hand, sh.L2(), lam=lam, how=how)
        for step in range(12):
            lam.assign(schedule(step))
            for model in (given, by_hand):
                model.train_on_batch(X, Y)
        assert_same(given, by_hand)
        assert float(lam) != 0
        assert_matters(given, "adam")


def test_a_strength_is_no_weight_of_the_model():
    model = compiled(network())
    names = [v.path for v in (*model.weights, *model.variables)]
    reg = sh.attach(model, sh.L2(), lam=LAM)
    assert [v.path for v in (*model.weights, *model.variables)] == names
    assert isinstance(reg.lam, keras.Variable) and float(reg.lam) == pytest.approx(LAM)


@pytest.mark.parametrize("how", [sh.Coupled(), sh.Decoupled(), sh.Proximal()])
@pytest.mark.parametrize("given", [False, True], ids=["initial", "given"])
def test_towards_other_weights_it_is_a_penalty_of_the_difference(float64, how, given):
    model = compiled(network())
    first = [w + 1.0 for w in model.get_weights()] if given else model.get_weights()
    reg = sh.attach(model, sh.L2(toward=first if given else "initial"), lam=LAM, how=how)
    far = LAM / 2 * sum(np.sum((w - w0) ** 2) for w, w0 in zip(model.get_weights()[::2], first[::2], strict=True))
    assert float(reg.value()) == pytest.approx(far) and (far > 1) == given
    reg.lam = 2.0
    for _ in range(200):
        model.train_on_batch(X, 0 * Y)
    drawn, free = model.get_weights()[0] - first[0], compiled(network())
    for _ in range(200):
        free.train_on_batch(X, 0 * Y)
    assert np.abs(drawn).max() < 0.5 * np.abs(free.get_weights()[0] - first[0]).max()


@pytest.mark.parametrize("penalty", [full(sh.ElasticNet(0.5)), sh.GroupLasso()])
def test_other_penalties_train_as_in_a_path(float64, penalty):
    model = compiled(network(), keras.optimizers.Adam(0.02))
    options = {"validation_data": (X, Y), "epoch": "last", "init": "keep", "epochs": 5, "batch_size": 24}
    path = sh.fit(model, X, Y, penalty=penalty, lams=[LAM], **options)
    sh.attach(model, penalty, lam=LAM)
    for _ in range(5):
        model.train_on_batch(X, Y)
    assert_same(model, path.model(LAM))
    assert_matters(model, keras.optimizers.Adam(0.02))
