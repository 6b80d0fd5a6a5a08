"""The metric of each optimizer is that of its own step: without momentum the step is the metric times the gradient."""

import keras
import numpy as np
import pytest

from shrinkage._penalties._steps import compute_step_size

RATE = 0.1
OPTIMIZERS = {
    "sgd": lambda: keras.optimizers.SGD(RATE),
    "adam": lambda: keras.optimizers.Adam(RATE, beta_1=0.0),
    "amsgrad": lambda: keras.optimizers.Adam(RATE, beta_1=0.0, amsgrad=True),
    "adamw": lambda: keras.optimizers.AdamW(RATE, beta_1=0.0, weight_decay=0.0),
    "nadam": lambda: keras.optimizers.Nadam(RATE, beta_1=0.0),
    "rmsprop": lambda: keras.optimizers.RMSprop(RATE),
    "centered": lambda: keras.optimizers.RMSprop(RATE, centered=True),
    "adagrad": lambda: keras.optimizers.Adagrad(RATE),
    "adamax": lambda: keras.optimizers.Adamax(RATE, beta_1=0.0),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_is_its_size_times_the_gradient(name):
    optimizer, weights = OPTIMIZERS[name](), keras.Variable(np.ones(4))
    gradients = np.random.default_rng(0).normal(size=(3, 4))
    optimizer.build([weights])
    for gradient in gradients:
        before = weights.numpy()
        optimizer.apply([keras.ops.convert_to_tensor(gradient, weights.dtype)], [weights])
        moved = before - weights.numpy()
        optimizer.iterations.assign_sub(1)  # asked for when the step is made and not yet counted
        size = np.broadcast_to(np.array(compute_step_size(optimizer, weights, RATE)), moved.shape)
        optimizer.iterations.assign_add(1)
        np.testing.assert_allclose(moved, size * gradient, rtol=1e-4)  # differences of float32 numbers about 1
        assert np.abs(moved).min() > 1e-4
