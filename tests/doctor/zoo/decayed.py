"""Models with the weight decay of an optimizer."""

from typing import Any

import keras
from keras import layers
from keras.regularizers import L2

from tests.doctor.zoo.small import mlp, stack, trained


def excluding_everything() -> keras.Model:
    optimizer = keras.optimizers.AdamW(weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["kernel", "bias"])
    return mlp(optimizer)


def excluding_by_layer_names() -> keras.Model:
    optimizer = keras.optimizers.AdamW(weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["LayerNorm", "bias"])
    return mlp(optimizer, norm=True)


def decay_changed() -> keras.Model:
    model = trained(mlp(keras.optimizers.SGD(0.1, weight_decay=0.01)))
    model.optimizer.weight_decay = 0.5
    return model


def tiny_steps() -> keras.Model:
    return mlp(keras.optimizers.SGD(1e-5, weight_decay=1e-4))


def half_precision_decay() -> keras.Model:
    model = stack((4,), layers.Dense(3, dtype="float16", name="a"))
    model.compile(keras.optimizers.SGD(1e-3, weight_decay=1e-2), "mse")
    return model


class Unbiased(layers.Layer):
    """A layer of the user's own with an unlucky name."""

    def build(self, input_shape):
        self.scale = self.add_weight(shape=(input_shape[-1], 2), name="unbiased_kernel")

    def call(self, x):
        return keras.ops.matmul(x, self.scale)


def excluding_too_much() -> keras.Model:
    optimizer = keras.optimizers.AdamW(0.01, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model = stack((4,), Unbiased(name="own"), layers.Dense(1))
    model.compile(optimizer, "mse")
    return model


def adamw_as_it_comes() -> keras.Model:
    return mlp(keras.optimizers.AdamW(), norm=True)


def adamw_and_regularizers() -> keras.Model:
    return mlp(keras.optimizers.AdamW(weight_decay=0.1), kernel_regularizer=L2(0.01))


def fine_tuning(optimizer: Any = None) -> keras.Model:
    optimizer = optimizer or keras.optimizers.SGD(2e-5, weight_decay=0.01)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return mlp(optimizer)


def cosine() -> keras.Model:
    return fine_tuning(keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(2e-5, 3000), weight_decay=0.01))
