"""Which weights."""

import keras
import pytest
from keras import layers

import shrinkage as sh
from tests.attach.models import LAM, X, Y, assert_same, compiled, network, train
from tests.versions import float64_l1


def test_factors_multiply_the_strength(float64):
    mine, theirs = compiled(network()), network()
    sh.attach(mine, sh.L2(), lam=LAM, on={"*hidden/kernel": 0.5, "*output/kernel": 2.0})
    for layer, factor in zip(theirs.layers, (0.5, 2.0), strict=True):
        layer.kernel.regularizer = keras.regularizers.L2(factor * LAM / 2)
    train(compiled(theirs))
    train(mine)
    assert_same(mine, theirs)


@float64_l1
def test_several_attachments(float64):
    mine, theirs = compiled(network()), network()
    first = sh.attach(mine, sh.L2(), lam=LAM, on="*hidden/kernel")
    second = sh.attach(mine, sh.L1(), lam=0.125, on="*output/kernel", how=sh.Coupled())
    theirs.layers[0].kernel.regularizer = keras.regularizers.L2(LAM / 2)
    theirs.layers[1].kernel.regularizer = keras.regularizers.L1(0.125)
    logs, _ = train(mine), train(compiled(theirs))
    assert_same(mine, theirs)
    assert logs["penalty"][-1] == pytest.approx(float(first.value() + second.value()))
    sh.detach(first)
    assert mine.evaluate(X, Y, verbose=0, return_dict=True)["penalty"] == pytest.approx(float(second.value()))


def test_a_layer_used_twice_is_penalised_once():
    shared = layers.Dense(3, use_bias=False)
    inputs = keras.Input((3,))
    model = keras.Model(inputs, shared(shared(inputs)))
    assert float(sh.attach(model, sh.L2(), lam=2.0).value()) == pytest.approx(
        (model.get_weights()[0] ** 2).sum(), rel=1e-6
    )


def test_describe_tells_the_strength_of_each_weight():
    model = network()
    assert "attached" not in str(sh.describe(model))
    reg = sh.attach(model, sh.L2(), lam=0.5, on={"*hidden/kernel": 1.0, "*output/kernel": 0.25})
    sh.attach(model, sh.L2(), lam=lambda step: 0.75, on="*hidden/bias")
    assert [weight.lam for weight in sh.describe(model).weights] == [0.5, 0.75, 0.125, None]
    reg.lam = 2.0
    line = str(sh.describe(model)).splitlines()[1]
    assert line.endswith("yes: kernel of Dense; attached with lam = 2")
