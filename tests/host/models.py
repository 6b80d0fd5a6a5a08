"""Models, and their values, for the tests of several files here."""

import keras
from keras import layers, ops


def values(*tensors):
    return [ops.convert_to_numpy(tensor) for tensor in tensors]


class Bare:
    """An object without the private attributes of Keras."""

    use_ema, gradient_accumulation_steps = True, 2


class Block(layers.Layer):
    """A layer with layers in a list and in another layer, and a frozen weight."""

    def __init__(self):
        super().__init__()
        self.parts = [layers.Dense(2), layers.Bidirectional(layers.LSTM(2))]

    def build(self, shape):
        self.own = self.add_weight(shape=(1,), name="own")
        self.constant = self.add_weight(shape=(1,), name="constant", trainable=False)
        self.parts[0].build(shape)
        self.parts[1].build((*shape[:-1], 2))

    def call(self, x):
        return self.parts[1](self.parts[0](x)) * self.own


def functional():
    """A graph whose nodes are not in the order of their making, with a bare operation and a model inside."""
    one, two = keras.Input((3,), name="one"), keras.Input((4,), name="two")
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3)])
    return keras.Model([two, one], layers.Dense(1)(ops.relu(inner(two) + one)))
