"""Precisions, masks and logits are where Keras looks for them."""

import keras
import numpy as np
import pytest
from keras import layers, ops

from shrinkage._host import _tensors
from tests.host.models import values


def test_the_stored_precision_is_not_that_of_an_autocast_scope():
    layer = layers.Dense(2, dtype="mixed_bfloat16")
    layer.build((None, 3))
    count = keras.Variable(0, dtype="int32", trainable=False)
    plain = keras.Variable(0.0, autocast=False)
    assert [_tensors.is_autocast(v) for v in (layer.kernel, count, plain)] == [True, False, False]
    seen = []

    class Look(layers.Layer):
        def build(self, shape):
            self.w = self.add_weight(shape=(1,))

        def call(self, x):
            seen.append((self.w.dtype, _tensors.get_stored_dtype(self.w)))
            return x

    Look(dtype="mixed_bfloat16")(np.ones((1, 1)))
    assert seen[-1] == ("bfloat16", "float32")


def test_masks_are_where_layers_look_for_them():
    masked = layers.Masking()(np.array([[[1.0], [0.0]]], "float32"))
    assert values(_tensors.get_mask(masked))[0].tolist() == [[True, False]]
    x = ops.ones((1, 2, 1))
    assert _tensors.get_mask(x) is None
    _tensors.set_mask(x, None)
    assert _tensors.get_mask(x) is None
    _tensors.set_mask(x, ops.convert_to_tensor([[True, False]]))
    assert layers.GlobalAveragePooling1D()(x * 1.0).shape == (1, 1)
    rnn = layers.SimpleRNN(1, kernel_initializer="ones", recurrent_initializer="ones", activation=None)
    assert values(rnn(x))[0].item() == 1.0 and values(rnn(ops.ones((1, 2, 1))))[0].item() == 2.0


def test_logits_are_what_the_crossentropy_uses():
    logits = ops.convert_to_tensor([[50.0, 0.0]])
    y = keras.activations.softmax(logits)
    np.testing.assert_array_equal(_tensors.get_logits(y), logits)
    probabilities = ops.convert_to_tensor(values(y)[0])
    assert _tensors.get_logits(probabilities) is None
    target, loss = np.array([[0.0, 1.0]], "float32"), keras.losses.categorical_crossentropy
    clipped = float(loss(target, probabilities)[0])
    _tensors.set_logits(probabilities, None)
    assert float(loss(target, probabilities)[0]) == clipped < 20
    _tensors.set_logits(probabilities, logits)
    assert float(loss(target, probabilities)[0]) == pytest.approx(50, rel=1e-5)
