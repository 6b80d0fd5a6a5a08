"""Models of tables: dense layers, normalization, dropout, graphs, and layers of a user."""

import keras
import numpy as np
from keras import layers


def mlp() -> keras.Model:
    return keras.Sequential(
        [keras.Input((6,)), layers.Dense(5, "relu"), layers.Dense(4, "tanh"), layers.Dense(3, "softmax")]
    )


def batch_normalized() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(5, use_bias=False),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Dense(3, "softmax"),
        ]
    )


def batch_normalized_input() -> keras.Model:
    return keras.Sequential(
        [keras.Input((6,)), layers.BatchNormalization(scale=False), layers.Dense(4, "tanh"), layers.Dense(3, "softmax")]
    )


def layer_normalized() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.LayerNormalization(),
            layers.Dense(5, use_bias=False),
            layers.LayerNormalization(center=False, scale=False),
            layers.Dense(3, "softmax"),
        ]
    )


def normalized() -> keras.Model:
    return keras.Sequential(
        [keras.Input((6,)), layers.Normalization(), layers.Dense(4, "tanh"), layers.Dense(3, "softmax")]
    )


def dropped_out() -> keras.Model:
    shared = layers.Dropout(0.4)
    return keras.Sequential(
        [keras.Input((6,)), layers.Dropout(0.2), layers.Dense(8, "relu"), shared, layers.Dense(3, "softmax")]
    )


def same_dropout_twice() -> keras.Model:
    inputs = keras.Input((6,))
    dropout = layers.Dropout(0.3)
    hidden = dropout(layers.Dense(8, "relu")(dropout(inputs)))
    return keras.Model(inputs, layers.Dense(3, "softmax")(hidden))


def residual() -> keras.Model:
    inputs = keras.Input((6,))
    hidden = layers.Dense(6, "tanh")(inputs)
    added = layers.Add()([inputs, hidden])
    joined = layers.Concatenate()([added, layers.Dense(2)(inputs)])
    return keras.Model(inputs, layers.Dense(3, "softmax")(joined))


def shared_layer() -> keras.Model:
    inputs = keras.Input((6,))
    square = layers.Dense(6, "tanh")
    return keras.Model(inputs, layers.Dense(3, "softmax")(square(square(inputs))))


def nested() -> keras.Model:
    inner = keras.Sequential([keras.Input((6,)), layers.Dense(5, "tanh"), layers.Dropout(0.2)])
    inputs = keras.Input((6,))
    return keras.Model(inputs, layers.Dense(3, "softmax")(inner(inputs)))


def frozen() -> keras.Model:
    model = mlp()
    model.layers[0].trainable = False
    return model


def operations() -> keras.Model:
    inputs = keras.Input((6,))
    hidden = layers.Dense(4)(inputs)
    return keras.Model(
        inputs, layers.Dense(3, "softmax")(keras.ops.tanh(hidden) * 2.0 + keras.ops.mean(hidden, axis=1, keepdims=True))
    )


def activity_regularized() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(5, "relu", activity_regularizer=keras.regularizers.L2(0.05)),
            layers.Dense(3, "softmax", bias_regularizer=keras.regularizers.L1(0.03)),
        ]
    )


@keras.saving.register_keras_serializable("zoo")
class Scaled(layers.Layer):
    """A user's own layer with a weight, a random part and a counter."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.dropout = layers.Dropout(0.2)

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones")
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, inputs, training=None):
        if training:
            self.calls.assign_add(1)
        return self.dropout(inputs, training=training) * self.scale


def own_layer() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), layers.Dense(5, "relu"), Scaled(), layers.Dense(3, "softmax")])


@keras.saving.register_keras_serializable("zoo")
class Subclassed(keras.Model):
    """A model that Keras sees as one layer."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.hidden, self.head = layers.Dense(5, "relu"), layers.Dense(3, "softmax")
        self.dropout = layers.Dropout(0.3)

    def call(self, inputs, training=None):
        return self.head(self.dropout(self.hidden(inputs), training=training))


def subclassed() -> keras.Model:
    model = Subclassed()
    model(np.zeros((1, 6)))
    return model


def mixes_rows() -> keras.Model:
    centred = layers.Lambda(lambda x: x - keras.ops.mean(x, axis=0, keepdims=True), output_shape=(6,))
    return keras.Sequential([keras.Input((6,)), centred, layers.Dense(4, "tanh"), layers.Dense(3, "softmax")])


def noisy() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.GaussianNoise(0.1),
            layers.Dense(8),
            layers.PReLU(),
            layers.AlphaDropout(0.2),
            layers.Dense(4, use_bias=False),
            layers.GroupNormalization(2),
            layers.GaussianDropout(0.2),
            layers.Dense(3, "softmax"),
        ]
    )


def root_mean_squares() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6,)),
            layers.Dense(5, use_bias=False),
            layers.RMSNormalization(),
            layers.UnitNormalization(),
            layers.Dense(3, "softmax"),
        ]
    )
