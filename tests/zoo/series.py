"""Models of series and of tokens: recurrent layers, convolutions, attention and embeddings."""

import keras
import numpy as np
from keras import layers


def embedded() -> keras.Model:
    return keras.Sequential(
        [
            keras.Input((5,), dtype="int32"),
            layers.Embedding(7, 4, mask_zero=True),
            layers.LSTM(3),
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
