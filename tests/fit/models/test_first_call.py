"""Weights that appear at the first call."""

import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from tests.fit.models.fitting import fit, stack


class Block(layers.Layer):
    """A layer inside it has no weights before the first call, as its output's shape is known without one."""

    def build(self, input_shape):
        self.dense = layers.Dense(4)
        super().build(input_shape)

    def call(self, x):
        return self.dense(x)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 4)


def test_weights_of_a_first_call_are_seen():
    assert sh.describe(stack(Block())).n_penalised == 3 * 4 + 4
    model = stack(Block())
    reg = sh.attach(model, sh.L2(), lam=1.0)
    expected = 0.5 * sum((np.asarray(w) ** 2).sum() for w in model.get_weights() if np.ndim(w) == 2)
    assert float(reg.value()) == pytest.approx(expected) and expected > 0.1
    path = fit(stack(Block()))
    assert np.isfinite(path.mean).all() and len(path.weights) == 4
