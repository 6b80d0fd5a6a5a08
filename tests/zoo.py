"""Small models of every kind that the cohort must train as plain Keras does, with data that fits them.

No model has a bias in front of a normalization: its gradient is zero but for rounding, which Adam magnifies.
"""

from collections.abc import Callable

import keras
import numpy as np
from keras import layers

Rows = tuple[np.ndarray, np.ndarray]


def rows(kind: str, count: int = 40) -> Rows:
    """Return inputs of a kind ("table", "tokens", "images", "series") and labels 0, 1, 2 that depend on them."""
    generator = np.random.default_rng(1)
    shape = {"table": (6,), "tokens": (5,), "images": (6, 6, 2), "series": (5, 4)}[kind]
    if kind == "tokens":
        x = generator.integers(0, 7, (count, *shape))
        score = np.stack([(x == k).sum(axis=1) for k in (0, 1, 2)], axis=1) + generator.normal(size=(count, 3))
    else:
        x = generator.normal(size=(count, *shape)) * 2 + 1
        score = x.reshape(count, -1) @ generator.normal(size=(x[0].size, 3))
    return x, score.argmax(axis=1)


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


def embedded() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            layers.Embedding(7, 4, mask_zero=True),
            layers.LSTM(3),
            layers.Dense(3, "softmax"),
        ]
    )


def convolved() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(3, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )


def convolved_without_xla() -> keras.Model:
    """A layer that must be unrolled, so that XLA compiles nothing and all convolutions are."""
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(3, 3, activation="tanh", activity_regularizer=keras.regularizers.L2(0.05)),
            layers.MaxPooling2D(),
            layers.Conv2D(3, 2, activation="relu"),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )


def convolved_series() -> keras.Model:
    """A causal and a depthwise convolution, average pooling, and a transposed convolution that goes back."""
    return keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.Conv1D(4, 2, padding="causal", dilation_rate=2, activation="tanh"),
            layers.DepthwiseConv1D(2, padding="same", depth_multiplier=2),
            layers.AveragePooling1D(2, padding="same"),
            layers.Conv1DTranspose(3, 3, strides=2, padding="same", activation="relu"),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )


def separably_convolved() -> keras.Model:
    """Strides, groups, a separable convolution, and one in front of a normalization, without a bias."""
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, strides=2, padding="same", groups=2, use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.SeparableConv2D(3, 2, depth_multiplier=2, activation="tanh"),
            layers.MaxPooling2D(2, strides=1, padding="same"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3, "softmax"),
        ]
    )


def convolved_images_of_images() -> keras.Model:
    """Convolutions in three dimensions, and a frozen one in front, which all strengths share."""
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.Conv2D(4, 3, activation="relu", trainable=False),
            layers.Reshape((4, 4, 4, 1)),
            layers.Conv3D(3, (2, 3, 2), activation="tanh"),
            layers.Conv3DTranspose(2, 2, activation="tanh"),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )


def recurrent() -> keras.Model:
    return keras.Sequential([keras.Input((5, 4)), layers.GRU(3), layers.Dense(3, "softmax")])


def recurrent_dropped_out() -> keras.Model:
    """Random parts of every kind that a recurrent layer has, and layers of one upon the other."""
    return keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.LSTM(4, return_sequences=True, dropout=0.2, recurrent_dropout=0.3),
            layers.GRU(4, return_sequences=True, dropout=0.3, go_backwards=True),
            layers.SimpleRNN(3, dropout=0.2, recurrent_dropout=0.2, activation="relu"),
            layers.Dense(3, "softmax"),
        ]
    )


def bidirectional() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.Bidirectional(layers.GRU(3, dropout=0.2, reset_after=False), merge_mode="ave"),
            layers.Dense(3, "softmax"),
        ]
    )


def encoder_decoder() -> keras.Model:
    inputs = keras.Input((5, 4))
    _, h, c = layers.LSTM(3, return_state=True)(inputs)
    decoded = layers.LSTM(3, return_sequences=True)(inputs, initial_state=[h, c])
    cells = layers.RNN([layers.GRUCell(3, recurrent_dropout=0.2), layers.SimpleRNNCell(3)])(decoded)
    return keras.Model(inputs, layers.Dense(3, "softmax")(cells))


def masked_series() -> keras.Model:
    return keras.Sequential(
        [keras.Input((5, 4)), layers.Masking(), layers.GRU(3), layers.Dense(3, "softmax")],
    )


def dense_on_series() -> keras.Model:
    return keras.Sequential(
        [keras.Input((5, 4)), layers.Dense(3, "relu"), layers.Flatten(), layers.Dense(3, "softmax")]
    )


def time_distributed() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((5, 4)),
            layers.TimeDistributed(layers.Reshape((2, 2))),
            layers.TimeDistributed(layers.Dense(3, "tanh")),
            layers.TimeDistributed(layers.Dropout(0.2)),
            layers.TimeDistributed(layers.Flatten()),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
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


def transformer() -> keras.Model:
    """Two blocks of an encoder: attention, residual adds, layer normalization, and a Dense and an EinsumDense."""
    inputs = keras.Input((5, 4))
    hidden = layers.Dense(6)(inputs) + np.linspace(-1, 1, 30).reshape(5, 6)  # positions
    for attention in (layers.MultiHeadAttention(2, 3, dropout=0.2), layers.GroupQueryAttention(3, 2, 1)):
        normal = layers.LayerNormalization()(hidden)
        hidden = hidden + attention(normal, normal)
        inner = layers.Dense(8, "relu")(layers.LayerNormalization()(hidden))
        hidden = layers.Add()([hidden, layers.EinsumDense("abc,cd->abd", (5, 6), bias_axes="d")(inner)])
    pooled = keras.ops.mean(hidden, axis=1)
    return keras.Model(inputs, layers.Dense(3, "softmax")(pooled))


def masked_attention() -> keras.Model:
    inputs = keras.Input((5,), dtype="int32")
    tokens = layers.Embedding(7, 6, mask_zero=True)(inputs)
    hidden = layers.MultiHeadAttention(2, 3, use_bias=False)(tokens, tokens, use_causal_mask=True)
    hidden = layers.BatchNormalization()(layers.Dense(4, use_bias=False)(hidden))
    return keras.Model(inputs, layers.Dense(3, "softmax")(layers.GlobalAveragePooling1D()(hidden)))


def two_tables() -> keras.Model:
    inputs = keras.Input((5,), dtype="int32")
    found = [layers.Embedding(7, 3)(inputs[:, place]) for place in (0, 3)]
    hidden = layers.Dense(5, "relu")(layers.Concatenate()([*found, found[0] * found[1]]))
    return keras.Model(inputs, layers.Dense(3, "softmax")(hidden))


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


def augmented() -> keras.Model:
    """Random changes of the images: the same for all strengths, that before the first weights and that behind them."""
    return keras.Sequential(
        [
            keras.Input((6, 6, 2)),
            layers.RandomFlip(),
            layers.RandomTranslation(0.2, 0.2),
            layers.Dense(2),
            layers.RandomContrast(0.3, value_range=(-5, 5)),
            layers.Flatten(),
            layers.Dense(3, "softmax"),
        ]
    )


MODELS: dict[str, tuple[Callable[[], keras.Model], str, bool]] = {
    # name: (how to make it, the rows it takes, whether some layer is unrolled)
    "mlp": (mlp, "table", False),
    "batch_normalized": (batch_normalized, "table", False),
    "batch_normalized_input": (batch_normalized_input, "table", False),
    "layer_normalized": (layer_normalized, "table", False),
    "normalized": (normalized, "table", False),
    "dropped_out": (dropped_out, "table", False),
    "same_dropout_twice": (same_dropout_twice, "table", False),
    "residual": (residual, "table", False),
    "shared_layer": (shared_layer, "table", False),
    "nested": (nested, "table", False),
    "frozen": (frozen, "table", False),
    "dense_on_series": (dense_on_series, "series", False),
    "time_distributed": (time_distributed, "series", False),
    "recurrent": (recurrent, "series", False),
    "recurrent_dropped_out": (recurrent_dropped_out, "series", False),
    "bidirectional": (bidirectional, "series", False),
    "encoder_decoder": (encoder_decoder, "series", False),
    "operations": (operations, "table", False),
    "transformer": (transformer, "series", False),
    "masked_attention": (masked_attention, "tokens", False),
    "two_tables": (two_tables, "tokens", False),
    "noisy": (noisy, "table", False),
    "root_mean_squares": (root_mean_squares, "table", False),
    "augmented": (augmented, "images", True),
    "activity_regularized": (activity_regularized, "table", True),
    "embedded": (embedded, "tokens", False),
    "convolved": (convolved, "images", False),
    "convolved_series": (convolved_series, "series", False),
    "separably_convolved": (separably_convolved, "images", False),
    "convolved_images_of_images": (convolved_images_of_images, "images", False),
    "convolved_without_xla": (convolved_without_xla, "images", True),
    "masked_series": (masked_series, "series", False),
    "own_layer": (own_layer, "table", True),
    "subclassed": (subclassed, "table", True),
    "mixes_rows": (mixes_rows, "table", True),
}

# XLA takes long to compile them: they are compared in the full tests only.
SLOW = {
    "convolved_series", "separably_convolved", "convolved_images_of_images",
    "recurrent_dropped_out", "bidirectional", "encoder_decoder", "time_distributed",
    "transformer", "noisy", "root_mean_squares",
}  # fmt: skip
