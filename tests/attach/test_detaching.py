"""Detaching."""

import keras
import numpy as np

import shrinkage as sh
from tests.attach.models import LAM, assert_same, compiled, network, train


def test_detach_leaves_nothing_behind(float64):
    mine, theirs = compiled(network(), "adam"), compiled(network(), "adam")
    state = sorted(vars(mine)), sorted(vars(mine.optimizer))
    sh.attach(mine, sh.L2(), lam=LAM)
    train(mine, epochs=1)
    train(theirs, epochs=1)
    theirs.set_weights(mine.get_weights())
    theirs.optimizer.set_weights([np.array(v) for v in mine.optimizer.variables])
    sh.detach(mine)
    assert type(mine) is keras.Sequential and type(mine.optimizer) is keras.optimizers.Adam
    assert "_shrinkage" not in {*vars(mine), *vars(mine.optimizer)} and set(state[0]) <= set(vars(mine))
    logs, _ = train(mine), train(theirs)
    assert_same(mine, theirs)
    assert "penalty" not in logs
