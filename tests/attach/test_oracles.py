"""Oracles."""

import keras
import numpy as np
import pytest

import shrinkage as sh
from tests.attach.models import LAM, OPTIMIZERS, X, Y, assert_matters, assert_same, compiled, network, train
from tests.daily import full, some_every_day
from tests.versions import float64_l1


@pytest.mark.parametrize("optimizer", some_every_day(OPTIMIZERS, "momentum", "clipnorm", "accumulation", "ema"))
def test_coupled_l2_is_keras_own(float64, optimizer):
    theirs, mine = compiled(network(keras.regularizers.L2(LAM / 2)), optimizer), compiled(network(), optimizer)
    sh.attach(mine, sh.L2(), lam=LAM)
    train(theirs)
    train(mine)
    assert_same(mine, theirs)
    assert_matters(mine, optimizer)


@pytest.mark.parametrize(
    "options", [{"jit_compile": True}, full({"steps_per_execution": 3}), full({"run_eagerly": True})]
)
def test_however_the_step_is_compiled(float64, options):
    theirs, mine = (compiled(network(reg), "adam", **options) for reg in (keras.regularizers.L2(LAM / 2), None))
    sh.attach(mine, sh.L2(), lam=LAM)
    train(theirs)
    train(mine)
    assert_same(mine, theirs)


@float64_l1
def test_coupled_l1_is_keras_own(float64):
    theirs, mine = compiled(network(keras.regularizers.L1(LAM)), "adam"), compiled(network(), "adam")
    sh.attach(mine, sh.L1(), lam=LAM, how=sh.Coupled())
    train(theirs)
    train(mine)
    assert_same(mine, theirs)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
def test_decoupled_l2_is_weight_decay(float64, optimizer):
    make = getattr(keras.optimizers, optimizer)
    theirs, mine = network(), compiled(network(), make(0.02))
    decaying = make(0.02, weight_decay=LAM)
    decaying.exclude_from_weight_decay(var_list=[w for w in theirs.weights if w.name == "bias"])
    compiled(theirs, decaying)
    sh.attach(mine, sh.L2(), lam=LAM, how=sh.Decoupled())
    train(theirs)
    train(mine)
    assert_same(mine, theirs)
    bare = compiled(network(), make(0.02))
    train(bare)
    assert np.abs(mine.get_weights()[0] - bare.get_weights()[0]).max() > 1e-3


@pytest.mark.parametrize("penalty", [sh.L1(), sh.L2()])
@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "RMSprop"])
def test_it_trains_the_same_as_a_member_of_a_path(float64, optimizer, penalty):
    model = compiled(network(), getattr(keras.optimizers, optimizer)(0.02))
    options = {"validation_data": (X, Y), "epoch": "last", "init": "keep"}
    path = sh.fit(model, X, Y, penalty=penalty, how=sh.Proximal(), lams=[LAM], epochs=5, batch_size=24, **options)
    sh.attach(model, penalty, lam=LAM, how=sh.Proximal())
    for _ in range(5):  # full batches: the order of rows does not matter
        model.train_on_batch(X, Y)
    assert_same(model, path.model(LAM))
    assert (model.get_weights()[0] == 0).any() == isinstance(penalty, sh.L1)
