"""The traps of weight decay are real: each is trained or computed here, before its fix and after it."""

import keras
import numpy as np
import pytest
from keras.regularizers import L2

import shrinkage as sh
from tests.doctor.traps.training import fix, penalty_steps, values
from tests.doctor.zoo.decayed import (
    adamw_as_it_comes,
    excluding_by_layer_names,
    excluding_everything,
    excluding_too_much,
    fine_tuning,
    half_precision_decay,
    tiny_steps,
)
from tests.doctor.zoo.small import mlp


@pytest.mark.parametrize("make", [adamw_as_it_comes, excluding_by_layer_names])
def test_weight_decay_pulls_gains_from_1_to_0_until_it_is_fixed(make):
    model = make()
    rate, decay = float(model.optimizer.learning_rate), model.optimizer.weight_decay
    penalty_steps(model, 10)
    np.testing.assert_allclose(values(model)["net/norm/gamma"], (1 - rate * decay) ** 10, rtol=1e-6)
    assert (values(model)["net/norm/gamma"] < 1 - 1e-5).all()
    fix(model, "bias-decayed")
    before = values(model)
    penalty_steps(model, 10)
    after = values(model)
    assert np.array_equal(before["net/norm/gamma"], after["net/norm/gamma"])
    np.testing.assert_allclose(after["net/a/kernel"], before["net/a/kernel"] * (1 - rate * decay) ** 10, rtol=1e-5)
    assert not np.array_equal(before["net/a/kernel"], after["net/a/kernel"])


def test_exclusions_can_leave_nothing_to_decay():
    model = excluding_everything()
    before = values(model)
    penalty_steps(model, 3)
    assert all(np.array_equal(value, before[path]) for path, value in values(model).items())
    fix(model, "nothing-decayed")
    penalty_steps(model, 3)
    assert [path for path, value in values(model).items() if not np.array_equal(value, before[path])] == [
        "net/a/kernel", "net/b/kernel",
    ]  # fmt: skip


def test_a_name_in_a_name_is_excluded_too_until_it_is_fixed():
    model = excluding_too_much()
    before = values(model)["net/own/unbiased_kernel"]
    penalty_steps(model)
    np.testing.assert_array_equal(values(model)["net/own/unbiased_kernel"], before)
    fix(model, "exclusion-catches-kernel")
    penalty_steps(model)
    np.testing.assert_allclose(values(model)["net/own/unbiased_kernel"], before * (1 - 0.01 * 0.1), rtol=1e-6)
    assert np.abs(before).min() > 0


def test_coupled_and_decoupled_add_up_until_it_is_fixed():
    model = mlp(keras.optimizers.SGD(0.1, weight_decay=0.5), kernel_regularizer=L2(0.01))
    before = values(model)["net/a/kernel"]
    penalty_steps(model)
    # The gradient is taken at the weights before the decay: w - eta wd w - eta 2 l w.
    np.testing.assert_allclose(values(model)["net/a/kernel"], before * (1 - 0.1 * 0.5 - 0.1 * 0.02), rtol=1e-6)
    fix(model, "coupled-and-decoupled")
    before = values(model)["net/a/kernel"]
    penalty_steps(model)
    np.testing.assert_allclose(values(model)["net/a/kernel"], before * (1 - 0.1 * 0.02), rtol=1e-6)
    assert np.abs(before).max() > 0


def test_decay_below_the_precision_of_float16_changes_nothing():
    model = half_precision_decay()
    before = values(model)["net/a/kernel"]
    penalty_steps(model, 100)
    np.testing.assert_array_equal(values(model)["net/a/kernel"], before)
    assert np.abs(before).min() > 0


def test_decay_below_the_precision_changes_nothing_until_it_is_fixed():
    model = tiny_steps()
    before = values(model)["net/a/kernel"]
    penalty_steps(model, 100)
    np.testing.assert_array_equal(values(model)["net/a/kernel"], before)
    fix(model, "decay-rounds-away")
    penalty_steps(model, 100)
    assert (np.abs(values(model)["net/a/kernel"]) < np.abs(before)).all() and np.abs(before).min() > 0


def test_the_share_that_is_told_is_what_a_training_takes_away():
    optimizer = keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.1, 200, 0.01), weight_decay=5e-4)
    model = fine_tuning(optimizer)
    (finding,) = (f for f in sh.doctor(model, steps=200).findings if f.code == "strength-too-small")
    before = values(model)["net/a/kernel"]
    penalty_steps(model, 200)
    share = 100 * (1 - values(model)["net/a/kernel"] / before)
    assert f"takes {share.mean():.2g} %" in finding.sentence and 0.5 < share.mean() < 1
