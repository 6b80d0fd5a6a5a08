"""The traps of Keras regularizers are real: each is trained or computed here, before its fix and after it."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers, ops
from keras.regularizers import L2

import shrinkage as sh
from tests.doctor.traps.training import as_built, fit, fix, penalty_gradients, values
from tests.doctor.zoo.regularized import (
    big_table,
    everything_penalised,
    frozen_base,
    lstm,
    mobile,
    normalized,
    separable,
    set_after_build,
    set_anew_after_build,
    set_on_the_variable,
)
from tests.doctor.zoo.small import X, mlp, stack


def test_a_regularizer_set_after_building_trains_nothing_until_it_is_fixed():
    model = set_after_build()
    start, plain = model.get_weights(), as_built(model)
    fit(model)
    fit(plain)
    np.testing.assert_array_equal(model.get_weights()[0], plain.get_weights()[0])
    model.set_weights(start)
    fix(model, "regularizer-ignored")
    right = as_built(model, kernel_regularizer=L2(0.01))
    fit(model)
    fit(right)
    np.testing.assert_allclose(model.get_weights()[0], right.get_weights()[0], rtol=1e-6)
    assert np.abs(model.get_weights()[0] - plain.get_weights()[0]).max() > 1e-5


def test_a_regularizer_on_the_variable_is_lost_by_saving_until_it_is_fixed(tmp_path):
    model = set_on_the_variable()

    def survivors() -> list[int]:
        model.save(tmp_path / "m.keras")
        return [len(m.losses) for m in (keras.models.load_model(tmp_path / "m.keras"), keras.models.clone_model(model))]

    assert len(model.losses) == 1 and survivors() == [0, 0]
    fix(model, "regularizer-lost-on-save")
    assert len(model.losses) == 1 and survivors() == [1, 1]


@pytest.mark.parametrize(
    ("make", "code", "path"),
    [
        (
            lambda: lstm(kernel_regularizer=L2(0.01)),
            "recurrent-kernel-free",
            "net/memory/lstm_cell/recurrent_kernel",
        ),
        (separable, "depthwise-kernel-free", "net/conv/depthwise_kernel"),
        (mobile, "depthwise-kernel-free", "net/depthwise/kernel"),
    ],
)
def test_kernels_with_an_argument_of_their_own_are_free_until_it_is_fixed(make, code, path):
    model = make()
    assert penalty_gradients(model)[path] is None
    fix(model, code)
    gradient = penalty_gradients(model)[path]
    assert gradient is not None
    np.testing.assert_allclose(gradient, 0.02 * values(model)[path], rtol=1e-6)
    assert np.abs(gradient).max() > 0


def test_penalised_biases_and_gains_shrink_until_it_is_fixed():
    model = everything_penalised()
    assert penalty_gradients(model)["net/norm/gamma"] is not None
    fix(model, "bias-penalised")
    assert [path for path, g in penalty_gradients(model).items() if g is not None] == ["net/a/kernel"]


def test_keras_l2_is_ours_at_twice_the_strength():
    model = mlp(kernel_regularizer=L2(0.01))
    (finding,) = (f for f in sh.doctor(model).findings if f.code == "keras-l2-has-no-half")
    lam = eval(finding.fix, {"sh": sh})
    ours = sum(float(sh.L2().value(np.array(layer.kernel), lam=lam)) for layer in model.layers)
    assert ours == pytest.approx(float(sum(model.losses)), rel=1e-6) and ours > 0


def test_to_shrink_a_kernel_before_a_normalization_leaves_the_output():
    model, x = normalized(), np.random.default_rng(0).normal(size=(16, 3))
    assert any(finding.code == "scale-invariant-kernel" for finding in sh.doctor(model).findings)
    kernel, before = model.trainable_variables[0], np.array(model(x, training=True))
    penalty = float(sum(model.losses))
    kernel.assign(10 * kernel)
    assert float(sum(model.losses)) == pytest.approx(100 * penalty, rel=1e-5) and penalty > 1e-3
    np.testing.assert_allclose(model(x, training=True), before, atol=0.05 * np.abs(before).max())  # epsilon is left


def test_a_penalty_makes_the_gradient_of_an_embedding_dense_until_it_is_fixed():
    model = big_table()
    model.compile(keras.optimizers.SGD(1.0), "mse")
    table = model.trainable_variables[0]

    def gradient() -> Any:
        with tf.GradientTape() as tape:
            loss = ops.sum(model(ops.ones((2, 5), "int32"))) + sum(model.losses, start=ops.zeros(()))
        return tape.gradient(loss, table)

    assert isinstance(gradient(), tf.Tensor)
    fix(model, "dense-embedding-gradient")
    assert isinstance(gradient(), tf.IndexedSlices)
    before = np.array(table)
    model.optimizer.apply([tf.IndexedSlices(tf.zeros((1, 32)), [7], [40_000, 32])], [table])
    np.testing.assert_allclose(np.array(table)[7], before[7] * (1 - 2e-6), rtol=1e-6)  # rounding is 6e-8
    before[7] = np.array(table)[7]
    np.testing.assert_array_equal(np.array(table), before)


def test_frozen_regularizers_add_nothing_until_it_is_fixed():
    model = frozen_base()
    assert model.losses == []
    fix(model, "only-frozen-penalised")
    assert len(model.losses) == 1 and float(model.losses[0]) > 0


def test_a_regularizer_set_anew_after_building_does_not_act_until_it_is_fixed():
    model = set_anew_after_build()
    squares = sum(float(ops.sum(ops.square(w))) for w in model.trainable_variables if w.name == "kernel")
    assert sum(map(float, model.losses)) == pytest.approx(0.01 * squares, rel=1e-5)
    (finding,) = sh.doctor(model).errors
    assert "keras.regularizers.L2(0.01) goes on penalising 2 weights with 15 parameters" in finding.sentence
    fix(model, "regularizer-ignored")
    assert sum(map(float, model.losses)) == pytest.approx(0.5 * squares, rel=1e-5)


def test_l1_by_gradient_has_no_zeros_until_it_is_fixed():
    """One of four inputs matters."""
    model = stack((4,), layers.Dense(1, name="a", kernel_regularizer=keras.regularizers.L1(0.1)))
    model.compile(keras.optimizers.SGD(0.05), "mse")
    x = np.tile(X, (60, 1))
    model.fit(x, 2 * x[:, :1], verbose=0)
    assert not (model.get_weights()[0] == 0).any()
    fix(model, "l1-by-gradient")
    model.fit(x, 2 * x[:, :1], verbose=0)
    kernel = model.get_weights()[0].ravel()
    assert (kernel[1:] == 0).sum() >= 2 and kernel[0] > 1
