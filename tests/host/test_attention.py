"""The parts of an attention layer make the whole."""

import inspect
from functools import partial

import keras
import numpy as np
import pytest
from keras import layers, ops

from shrinkage._host import _attention


def attention_layers():
    makes = partial(layers.MultiHeadAttention, 2, 3, value_dim=4), partial(layers.GroupQueryAttention, 3, 4, 2)
    plain = [make() for make in makes]
    if "use_gate" not in inspect.signature(layers.GroupQueryAttention).parameters:  # from Keras 3.14 on
        return plain
    return [*plain, *(make(use_gate=True) for make in makes)]


@pytest.mark.parametrize("layer", attention_layers(), ids=lambda layer: f"{layer.name}")
@pytest.mark.parametrize("causal", [False, True])
def test_the_parts_of_attention_make_the_whole(layer, causal):
    rng = np.random.default_rng(0)
    query, value = (ops.convert_to_tensor(rng.normal(size=(2, 5, 6)).astype("float32")) for _ in range(2))
    expected, weights = layer(query, value, return_attention_scores=True, use_causal_mask=causal)
    parts = _attention.get_attention(layer)
    assert isinstance(parts, _attention.Attention) and parts.is_grouped == isinstance(layer, layers.GroupQueryAttention)
    q, k, v = parts.query(query), parts.key(value), parts.value(value)
    if parts.is_grouped:
        k, v = (ops.repeat(t, layer.num_repeats, axis=2) for t in (k, v))
    mask = parts.make_mask(q, v, None, None, None, None, causal)
    assert (mask is not None) == causal
    y, found = parts.attend(q, k, v, mask, True)
    np.testing.assert_allclose(found, weights, rtol=1e-5, atol=1e-6)
    scores = ops.einsum("btnd,bund->bntu", q * ops.cast(parts.scale, q.dtype), k)
    np.testing.assert_allclose(parts.softmax(scores, mask), weights, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ops.einsum(parts.combine, weights, v), y, rtol=1e-5, atol=1e-6)
    gate = 1.0 if parts.gate is None else parts.gate(query)
    assert (parts.gate is not None) == layer.get_config().get("use_gate", False)
    np.testing.assert_allclose(parts.output(y * gate), expected, rtol=1e-5, atol=1e-6)
    assert isinstance(parts.dropout, layers.Dropout)


@pytest.mark.parametrize("layer", attention_layers()[:2], ids=lambda layer: f"{layer.name}")
def test_attention_is_saved_with_the_regularizer_of_its_projections(layer):
    setattr(layer, _attention.get_regularizer_attribute(layer), keras.regularizers.L2(0.5))
    copy = type(layer).from_config(layer.get_config())
    copy(np.ones((1, 2, 3), "float32"), np.ones((1, 2, 3), "float32"))
    assert [w.regularizer.l2 for w in copy.weights if w.name == "kernel"] == [0.5] * 4
