"""What `_host/_layers.py` reads of layers is what public routes say."""

import inspect

import keras
import numpy as np
import pytest
from keras import layers, ops

from shrinkage._host import _layers
from tests.host.models import Block, functional, values


def test_sublayers_are_all_and_once(block):
    lstm = block.parts[1]
    expected = [block, *block.parts, lstm.forward_layer, lstm.backward_layer]
    expected += [lstm.forward_layer.cell, lstm.backward_layer.cell]
    found = _layers.list_sublayers(block)
    assert sorted(map(id, found)) == sorted(map(id, expected)) and found[0] is block
    assert _layers.list_sublayers(block, include_self=False) == found[1:]
    model = functional()
    assert set(model.layers) < set(_layers.list_sublayers(model))  # as those of the model inside are in no public list
    assert [w for layer in _layers.list_sublayers(block) for w in _layers.get_direct_trainable_variables(layer)] != []
    assert {w.path for w in block.trainable_weights} == {
        w.path for layer in _layers.list_sublayers(block) for w in _layers.get_direct_trainable_variables(layer)
    }


def test_own_trainable_are_those_of_the_layer_alone_also_frozen():
    block = Block()
    block(np.ones((1, 3, 4), "float32"))
    assert [w.name for w in _layers.get_direct_trainable_variables(block)] == ["own"] and len(
        block.trainable_weights
    ) > 1
    block.trainable = False
    assert [w.name for w in _layers.get_direct_trainable_variables(block)] == ["own"] and not block.trainable_weights


def test_seed_generators_are_those_that_the_layer_draws_from():
    layer = layers.Dropout(0.5)
    (generator,) = _layers.list_seed_generators(layer)
    before = values(generator.state)[0].copy()
    layer(np.ones((2, 3), "float32"), training=True)
    assert generator.state is layer.variables[0] and not np.array_equal(values(generator.state)[0], before)


def test_inbound_nodes_are_the_calls_with_what_they_are_given():
    layer, x = layers.Dense(3), keras.Input((3,))
    keras.Model(x, layer(y := layer(x)))
    assert [node.input_tensors for node in _layers.list_inbound_nodes(layer)] == [[x], [y]]


def test_build_shapes_are_those_of_the_build():
    layer = layers.Dense(2)
    assert _layers.get_build_shapes(layer) == {}
    layer.build((None, 3))
    assert list(_layers.get_build_shapes(layer).values()) == [layer.get_build_config()["input_shape"]] == [(None, 3)]


def test_the_call_signature_is_that_of_call():
    for layer in (layers.Dense(1), layers.MultiHeadAttention(1, 1), layers.LSTM(1)):
        assert _layers.get_call_signature(layer) == inspect.signature(layer.call)


@pytest.mark.parametrize(("axis", "kept"), [(-1, (3,)), (None, ()), ((1, 3), (1, 3))])
def test_the_axes_of_normalization_are_those_of_its_moments(axis, kept):
    x = np.random.default_rng(0).normal(size=(5, 2, 3, 4)).astype("float32")
    layer = layers.Normalization(axis=axis)
    layer.adapt(x)
    assert tuple(a % 4 for a in _layers.get_kept_axes(layer)) == kept
    assert tuple(sorted({0, 1, 2, 3} - set(kept))) == _layers.get_reduced_axes(layer)
    mean = x.mean(axis=_layers.get_reduced_axes(layer))
    np.testing.assert_allclose(mean, np.squeeze(layer.mean), rtol=1e-4, atol=1e-6)  # sums in float32


def test_the_output_shape_of_a_lambda_is_as_given():
    def shape(given):
        return given

    assert _layers.get_lambda_output_shape(layers.Lambda(ops.relu, output_shape=shape)) is shape
    assert _layers.get_lambda_output_shape(layers.Lambda(ops.relu)) is None


def test_the_functions_of_a_lambda_are_replaced():
    layer = layers.Lambda(lambda x: x + 1, output_shape=lambda shape: shape, mask=lambda x, mask: mask)
    _layers.replace_lambdas(layer, lambda function: lambda *given: (2, function))
    assert layer.function(0)[0] == layer.mask(0, 0)[0] == _layers.get_lambda_output_shape(layer)(0)[0] == 2
    plain = layers.Lambda(lambda x: x, output_shape=(4,))
    _layers.replace_lambdas(plain, lambda function: function)
    assert _layers.get_lambda_output_shape(plain) == (4,) and plain.mask is None


def test_the_loop_over_time_is_that_of_the_layers():
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    layer = layers.SimpleRNN(4, return_sequences=True)
    y = layer(x)
    last, outputs, states = _layers.rnn(
        lambda x, states: layer.cell(x, states),
        ops.transpose(x, (1, 0, 2)),
        [ops.zeros((2, 4))],
        go_backwards=False,
        mask=None,
        unroll=True,
        input_length=5,
        time_major=True,
        zero_output_for_mask=False,
        return_all_outputs=True,
    )
    np.testing.assert_allclose(ops.transpose(outputs, (1, 0, 2)), y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(last, y[:, -1], rtol=1e-5, atol=1e-6)
    assert len(states) == 1
