"""Models with Keras regularizers."""

from typing import Any

import keras
from keras import layers
from keras.regularizers import L2

import shrinkage as sh
from tests.doctor.zoo.small import mlp, stack, trained


def set_after_build() -> keras.Model:
    model = mlp()
    for layer in model.layers:
        layer.kernel_regularizer = L2(0.01)
    return model


def set_after_build_on_a_nested_model() -> keras.Model:
    inner = stack((4,), layers.Dense(3, name="deep"))
    x = keras.Input((4,))
    model = keras.Model(x, layers.Dense(1)(inner(x)))
    inner.kernel_regularizer = L2(0.01)  # pyright: ignore[reportAttributeAccessIssue]
    return model


def set_after_build_on_a_cell() -> keras.Model:
    memory = layers.LSTM(2)
    model = stack((5, 3), layers.Bidirectional(memory), layers.Dense(1))
    model.layers[0].forward_layer.cell.recurrent_regularizer = L2(0.01)
    return model


def set_anew_after_build() -> keras.Model:
    model = mlp(kernel_regularizer=L2(0.01))
    for layer in model.layers:
        layer.kernel_regularizer = L2(0.5)
    return model


def set_on_the_variable() -> keras.Model:
    model = mlp()
    model.layers[0].kernel.regularizer = L2(0.01)
    return model


def strength_changed() -> keras.Model:
    model = trained(mlp(kernel_regularizer=L2(0.01)))
    for layer in model.layers:
        layer.kernel_regularizer.l2 = 0.5
    return model


def half_precision() -> keras.Model:
    return stack(
        (400,), layers.Dense(400, kernel_initializer="ones", kernel_regularizer=L2(1e-3), dtype="float16", name="a")
    )


def frozen_base() -> keras.Model:
    base = layers.Dense(3, kernel_regularizer=L2(0.01), trainable=False)
    return stack((4,), base, layers.Dense(1, name="head"))


def everything_penalised() -> keras.Model:
    both = {"kernel_regularizer": L2(0.01), "bias_regularizer": L2(0.01)}
    norm = layers.BatchNormalization(gamma_regularizer=L2(0.01), name="norm")
    return stack((4,), layers.Dense(3, name="a", **both), norm)


def lstm(**options: Any) -> keras.Model:
    return stack((5, 3), layers.LSTM(4, name="memory", **options), layers.Dense(1, kernel_regularizer=L2(0.01)))


def separable(depthwise: Any = None) -> keras.Model:
    options: Any = {"pointwise_regularizer": L2(0.01), "depthwise_regularizer": depthwise}
    return stack((8, 8, 2), layers.SeparableConv2D(3, 3, name="conv", **options))


def mobile() -> keras.Model:
    conv = layers.Conv2D(3, 3, kernel_regularizer=L2(0.01))
    return stack((8, 8, 2), conv, layers.DepthwiseConv2D(3, name="depthwise"))


def normalized() -> keras.Model:
    dense = layers.Dense(4, use_bias=False, kernel_regularizer=L2(0.01))
    return stack((3,), dense, layers.BatchNormalization(), layers.Dense(1))


def big_table(attached: bool = False) -> keras.Model:
    table = layers.Embedding(40_000, 32, embeddings_regularizer=None if attached else L2(1e-6), name="table")
    model = stack((5,), table, layers.Flatten(), layers.Dense(1), dtype="int32")
    if attached:
        sh.attach(model, sh.L2(), lam=2e-6)
    return model
