"""The traps of attached penalties are real: each is trained or computed here, before its fix and after it."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from keras.regularizers import L2

import shrinkage as sh
from tests.doctor.traps.training import fit, fix
from tests.doctor.zoo.attachments import attached_and_all_frozen, attached_inside
from tests.doctor.zoo.small import X, Y, mlp, stack


def test_a_penalty_on_an_inner_model_does_not_act_until_it_is_fixed():
    model = attached_inside()
    start, plain = model.get_weights(), stack((4,), mlp(), layers.Dense(1))
    plain.compile("sgd", "mse")
    plain.set_weights(start)
    fit(plain)
    with pytest.warns(UserWarning, match="does not act on weights that training changes: net/a/kernel"):
        fit(model)
    np.testing.assert_array_equal(model.get_weights()[0], plain.get_weights()[0])
    model.set_weights(start)
    fix(model, "attached-inside")
    fit(model)
    assert np.abs(model.get_weights()[0] - plain.get_weights()[0]).max() > 1e-5


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ({"around": "*a/kernel"}, ["net/b/kernel"]),
        ({"around": "*out/kernel"}, ["net/a/kernel", "net/b/kernel"]),
        ({"around": "*a/kernel", "on": {"kernel": 2, "bias": 0.5}}, ["net/b/kernel", "net/a/bias", "net/b/bias"]),
    ],
)
def test_what_the_fix_of_an_inner_penalty_attaches_is_what_was_left_unpenalised(options, left):
    model = attached_inside(**options)
    wanted = {v.path: lam for v, lam in _strengths(model.layers[0]) if v.path in left}
    assert wanted and not wanted.keys() & {v.path for v, _ in _strengths(model)}
    (finding,) = sh.doctor(model).errors
    assert sorted(finding.about) == sorted(left)
    before = {v.path: lam for v, lam in _strengths(model)}
    fix(model, "attached-inside")
    assert {v.path: lam for v, lam in _strengths(model)} == pytest.approx(before | wanted)


def _strengths(model: Any) -> list[tuple[Any, float]]:
    """The penalised weights of a model, each with its strength."""
    found = zip(model.trainable_variables, sh.describe(model).weights, strict=True)
    return [(variable, weight.lam) for variable, weight in found if weight.lam is not None]


def test_a_penalty_around_an_inner_one_trains_as_keras_regularizers_do():
    """Which is why the doctor has a note on it alone."""
    model = attached_inside("kernels")
    inner = mlp(kernel_regularizer=L2(0.01))  # half of lam
    oracle = stack((4,), inner, layers.Dense(1, kernel_regularizer=L2(0.01)))
    oracle.compile("sgd", "mse")
    oracle.set_weights(model.get_weights())
    start = model.get_weights()
    report = sh.doctor(model)
    assert report.errors == () and "replaced-inside" in [note.code for note in report.notes]
    fit(model)
    fit(oracle)
    for one, other, before in zip(model.get_weights(), oracle.get_weights(), start, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)  # float32
        assert np.abs(one - before).max() > 1e-4


def test_a_penalty_on_an_inner_model_acts_where_they_train_with_one_optimizer():
    """Which is why the doctor has nothing to say of it."""
    inner = mlp()
    optimizer = keras.optimizers.SGD(0.01)
    inner.compile(optimizer, "mse")
    sh.attach(inner, sh.L2(), lam=50.0)
    model = stack((4,), inner, layers.Dense(1))
    model.compile(optimizer, "mse")
    before = np.linalg.norm(model.get_weights()[0])
    assert sh.doctor(model).errors == ()
    fit(model)
    assert np.linalg.norm(model.get_weights()[0]) < 0.6 * before and sh.doctor(model).errors == ()


def test_a_penalty_on_frozen_weights_acts_on_nothing_until_they_are_unfrozen():
    model = attached_and_all_frozen()
    start = model.get_weights()
    (finding,) = sh.doctor(model).warnings
    assert finding.code == "attached-to-nothing"
    model.compile("sgd", "mse")
    assert model.evaluate(X, Y, verbose=0, return_dict=True)["penalty"] == 0
    model.trainable = True
    model.compile("sgd", "mse")
    fit(model)
    assert model.history.history["penalty"][0] > 0 and np.abs(model.get_weights()[0] - start[0]).max() > 1e-5
