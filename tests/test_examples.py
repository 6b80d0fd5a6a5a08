"""The examples do what their text says."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import tensorflow as tf

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="module")
def raw() -> ModuleType:
    spec = importlib.util.spec_from_file_location("raw_tensorflow", EXAMPLES / "raw_tensorflow.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _gradients(x, y, w1, b1, w2, b2):
    """Back-propagation by hand, for mean squared error and one hidden layer with ReLU."""
    before = x @ w1 + b1
    hidden = np.maximum(before, 0)
    d_out = 2 * (hidden @ w2 + b2 - y) / y.size
    d_hidden = (d_out @ w2.T) * (before > 0)
    return [x.T @ d_hidden, hidden.T @ d_out], [d_hidden.sum(0), d_out.sum(0)]


@pytest.mark.parametrize("lam", [0.0, 0.3])
def test_one_step_is_gradient_descent_with_lam_w_on_matrices_alone(raw, lam):
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(20, 4)).astype("float32"), rng.normal(size=(20, 1)).astype("float32")
    matrices, biases = raw.initial_weights(4)
    for b in biases:
        b.assign(rng.normal(size=b.shape))  # zero biases could not show that they are left alone
    w, b = [m.numpy() for m in matrices], [v.numpy() for v in biases]
    w_grad, b_grad = _gradients(x, y, w[0], b[0], w[1], b[1])

    raw.step(tf.constant(x), tf.constant(y), matrices, biases, tf.constant(lam))

    for i in range(2):
        assert np.abs(w_grad[i]).max() > 0.1 and np.abs(b_grad[i]).max() > 0.01
        np.testing.assert_allclose(matrices[i], w[i] - raw.ETA * (w_grad[i] + lam * w[i]), atol=1e-6)  # float32
        np.testing.assert_allclose(biases[i], b[i] - raw.ETA * b_grad[i], atol=1e-6)


def test_a_new_lam_does_not_retrace(raw):
    x, y = tf.ones((5, 3)), tf.ones((5, 1))
    matrices, biases = raw.initial_weights(3)
    raw.step(x, y, matrices, biases, tf.constant(0.1))
    traces = raw.step.experimental_get_tracing_count()
    raw.step(x, y, matrices, biases, tf.constant(0.2))
    assert raw.step.experimental_get_tracing_count() == traces


def test_the_script_prints_a_row_per_strength_and_the_penalty_shrinks(raw, capsys):
    raw.main(steps=300)
    rows = [[float(cell) for cell in line.split()] for line in capsys.readouterr().out.splitlines()[1:]]
    lams, train_losses, _, norms = zip(*rows, strict=True)
    assert lams == (0, 0.001, 0.01, 0.1, 1)
    assert list(norms) == sorted(norms, reverse=True) and norms[-1] < norms[0] / 2
    assert train_losses[0] < train_losses[-1] < 1.05  # at 1 the network has learnt nothing but the mean
