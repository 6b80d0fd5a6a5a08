"""Well-made models."""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers
from keras.regularizers import L2

import shrinkage as sh
from tests.doctor.zoo.attachments import attached, attached_inside
from tests.doctor.zoo.ill import stopping
from tests.doctor.zoo.own_steps import Mindful, own_step
from tests.doctor.zoo.regularized import separable
from tests.doctor.zoo.small import mlp, stack, trained


def frozen_inside() -> keras.Model:
    model = attached_inside()
    model.layers[0].trainable = False
    return model


def convolutional() -> keras.Model:
    conv = {"kernel_regularizer": L2(1e-4), "use_bias": False}
    body = [layers.Conv2D(4, 3, **conv), layers.BatchNormalization(), layers.ReLU()] * 1
    more = [layers.Conv2D(4, 3, **conv), layers.BatchNormalization(), layers.ReLU(), layers.GlobalAveragePooling2D()]
    model = stack((8, 8, 3), *body, *more, layers.Dense(2, kernel_regularizer=L2(1e-4)))
    model.compile(keras.optimizers.SGD(0.1, momentum=0.9), "mse")
    return model


def recurrent() -> keras.Model:
    both = {"kernel_regularizer": L2(1e-3), "recurrent_regularizer": L2(1e-3)}
    return stack((5, 3), layers.Bidirectional(layers.GRU(4, return_sequences=True, **both)), layers.LSTM(4, **both))


def transformer() -> keras.Model:
    x = keras.Input((5,), dtype="int32")
    h = layers.Embedding(11, 8)(x)
    h = layers.LayerNormalization()(h + layers.MultiHeadAttention(2, 4)(h, h))
    h = layers.LayerNormalization()(h + layers.Dense(8)(layers.Dense(16, "gelu")(h)))
    model = keras.Model(x, layers.Dense(11)(h), name="transformer")
    optimizer = keras.optimizers.AdamW(1e-3, weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    model.compile(optimizer, "mse")
    return model


def recommender() -> keras.Model:
    user, item = keras.Input((1,), dtype="int32", name="user"), keras.Input((1,), dtype="int32", name="item")
    vectors = [layers.Embedding(50, 4, embeddings_regularizer=L2(1e-5))(each) for each in (user, item)]
    return keras.Model([user, item], layers.Dot(-1)(vectors))


def mobilenet() -> keras.Model:
    model = keras.applications.MobileNetV2((32, 32, 3), alpha=0.35, weights=None, classes=4)
    model.compile("adam", "mse")
    return model


def frozen_then_tuned() -> keras.Model:
    base = keras.Sequential([keras.Input((4,)), layers.Dense(8), layers.BatchNormalization()], name="base")
    base.trainable = False
    optimizer = keras.optimizers.AdamW(1e-3, weight_decay=0.01)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    model = stack((4,), base, layers.Dense(1))
    model.compile(optimizer, "mse")
    return model


def low_rank() -> keras.Model:
    dense = layers.Dense(8, kernel_regularizer=L2(1e-3))
    model = stack((4,), dense, layers.Dense(1, kernel_regularizer=L2(1e-3)))
    dense.enable_lora(2)
    model.compile("sgd", "mse")
    return model


class Scale(layers.Layer):
    """A layer of the user's own, which takes a regularizer as Keras' own do."""

    def __init__(self, kernel_regularizer=None, **options):
        super().__init__(**options)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 2), name="kernel", regularizer=self.kernel_regularizer)

    def call(self, x):
        return keras.ops.matmul(x, self.kernel)


class ByAddLoss(Scale):
    """The same, which adds its penalty by itself."""

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], 2), name="kernel")

    def call(self, x):
        self.add_loss(self.kernel_regularizer(self.kernel))
        return super().call(x)


def own_layer() -> keras.Model:
    return stack((4,), Scale(L2(0.01)), ByAddLoss(L2(0.01)), layers.Dense(1, kernel_regularizer=L2(0.01)))


def mixed() -> keras.Model:
    keep = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_float16")
    try:
        return mlp("sgd", kernel_regularizer=L2(0.01))
    finally:
        keras.config.set_dtype_policy(keep)


def warming_up() -> keras.Model:
    """Its learning rate begins so small that a step's decay is rounded away."""
    optimizer = keras.optimizers.AdamW(keras.optimizers.schedules.PolynomialDecay(1e-9, 5000, 1e-2), weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return mlp(optimizer)


WELL: dict[str, tuple[Callable[[], keras.Model], dict[str, Any]]] = {
    "mlp": (lambda: trained(mlp(kernel_regularizer=L2(0.01))), {"callbacks": [stopping("val_mse")], "steps": 1000}),
    "plain mlp": (lambda: trained(mlp("adam")), {"callbacks": [stopping()]}),
    "cnn": (convolutional, {"callbacks": [keras.callbacks.ModelCheckpoint("f.keras")]}),
    "attached": (lambda: trained(attached("adam")), {"callbacks": [stopping("val_data_loss")], "steps": 1000}),
    "attached inside and around": (lambda: attached_inside("kernels"), {}),
    "attached inside and frozen": (lambda: frozen_inside(), {}),
    "attached L1": (lambda: trained(attached("adam", sh.L1())), {}),
    "attached decay": (lambda: trained(attached("adam", how=sh.Decoupled())), {}),
    "recurrent": (recurrent, {}),
    "transformer": (lambda: transformer(), {"steps": 10_000}),
    "recommender": (recommender, {}),
    "mobilenet": (mobilenet, {}),
    "fine-tuning": (lambda: trained(frozen_then_tuned()), {}),
    "low rank": (lambda: trained(low_rank()), {}),
    "own layer": (own_layer, {}),
    "own step": (lambda: own_step(Mindful), {}),
    "mixed precision": (lambda: trained(mixed()), {}),
    "warm-up": (warming_up, {}),
    "separable": (lambda: separable(L2(0.01)), {}),
}
