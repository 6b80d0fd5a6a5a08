"""Attached penalties while weights are frozen: they wait, whatever the rule that names them."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from tests.daily import each_value

LAM = 0.25
X, Y = np.random.default_rng(0).normal(size=(16, 3)), np.ones((16, 1))


def model() -> keras.Sequential:
    keras.utils.set_random_seed(0)
    base, head = layers.Dense(4, name="base"), layers.Dense(1, name="head")
    return keras.Sequential([keras.Input((3,)), base, layers.BatchNormalization(), head], name="net")


def compiled(made: keras.Model) -> keras.Model:
    made.compile(keras.optimizers.SGD(0.1), "mean_squared_error")
    return made


RULES: dict[str, Callable[[keras.Sequential], Any]] = {
    "layer": lambda made: made.get_layer("base"),
    "variable": lambda made: made.get_layer("base").kernel,
    "pattern": lambda made: "*base/kernel",
    "function": lambda made: lambda layer, variable: variable.path.endswith("base/kernel"),
    "list": lambda made: [made.get_layer("base"), "*base/kernel"],
    "dictionary": lambda made: {made.get_layer("base"): 1.0, "bias": 0.0},
}


def kernel_after_a_step(made: keras.Model) -> np.ndarray:
    made.fit(X, Y, batch_size=16, shuffle=False, verbose=0)
    return np.array(made.get_layer("base").kernel)


def as_keras(made: keras.Sequential) -> np.ndarray:
    """Take a step with Keras' own regularizer on the kernel of the base."""
    made.get_layer("base").kernel.regularizer = keras.regularizers.L2(LAM / 2)
    return kernel_after_a_step(compiled(made))


@pytest.mark.parametrize(("rule", "first"), each_value([*RULES], ["attach", "freeze"]))
def test_a_rule_for_frozen_weights_waits_until_they_are_unfrozen(rule, first):
    mine = compiled(model())
    if first == "freeze":
        mine.get_layer("base").trainable = False
    reg = sh.attach(mine, sh.L2(), lam=LAM, on=RULES[rule](mine))
    mine.get_layer("base").trainable = False
    compiled(mine)
    before = np.array(mine.get_layer("base").kernel)
    np.testing.assert_array_equal(kernel_after_a_step(mine), before)
    assert float(reg.value()) == 0 and "0 of 4 weights" in repr(reg)
    mine.get_layer("base").trainable = True
    theirs = model()
    theirs.set_weights(mine.get_weights())
    np.testing.assert_allclose(kernel_after_a_step(compiled(mine)), as_keras(theirs), rtol=0, atol=1e-6)
    assert "1 of 6 weights" in repr(reg) and float(reg.value()) > 0


def test_all_kernels_may_be_frozen():
    mine = model()
    sh.attach(mine, sh.L2(), lam=LAM)
    for name in ("base", "head"):
        mine.get_layer(name).trainable = False
    before = mine.get_weights()
    logs = compiled(mine).fit(X, Y, verbose=0).history
    assert logs["penalty"] == [0.0] and logs["loss"] == logs["data_loss"]
    assert np.abs(mine.get_weights()[2] - before[2]).max() > 0  # the gain is trained


@pytest.mark.parametrize("rule", ["kernels", *RULES])
def test_a_frozen_model_comes_back_from_its_file(rule, tmp_path):
    mine = compiled(model())
    sh.attach(mine, sh.L2(), lam=LAM, on=RULES[rule](mine) if rule in RULES else rule)
    expected = kernel_after_a_step(mine)
    mine.trainable = False
    mine.save(tmp_path / "frozen.keras")
    loaded: Any = keras.models.load_model(tmp_path / "frozen.keras", compile=False)
    assert not loaded.trainable_variables
    for layer in loaded.layers:
        layer.trainable = True
    theirs = model()
    theirs.set_weights(loaded.get_weights())
    if rule == "kernels":
        theirs.get_layer("head").kernel.regularizer = keras.regularizers.L2(LAM / 2)
    np.testing.assert_array_equal(loaded.get_layer("base").kernel, expected)
    np.testing.assert_allclose(kernel_after_a_step(compiled(loaded)), as_keras(theirs), rtol=0, atol=1e-6)


def test_frozen_weights_are_not_named_twice_either():
    mine = model()
    mine.get_layer("base").trainable = False
    sh.attach(mine, sh.L2(), lam=LAM)
    with pytest.raises(ValueError, match="weights with a penalty, net/base/kernel"):
        sh.attach(mine, sh.L2(), lam=LAM, on=mine.get_layer("base"))


def test_a_rule_that_names_no_weight_at_all_is_refused():
    mine = model()
    mine.trainable = False
    with pytest.raises(ValueError, match="matches none of the 6 weights"):
        sh.attach(mine, sh.L2(), lam=LAM, on="recurrent")
