"""Models for the doctor: one or more that are ill with each finding, and well-made ones."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from keras.regularizers import L1, L1L2, L2

import shrinkage as sh

X, Y = np.random.default_rng(0).normal(size=(32, 4)).astype("float32"), np.ones((32, 1), "float32")


def stack(shape: tuple[int, ...], *rest: keras.Layer, **options: Any) -> keras.Sequential:
    return keras.Sequential([keras.Input(shape, **options), *rest], name="net")


def mlp(optimizer: Any = "sgd", norm: bool = False, **options: Any) -> keras.Sequential:
    """Two dense layers, with a normalization between them or not."""
    between = [layers.LayerNormalization(name="norm")] if norm else []
    model = stack((4,), layers.Dense(3, name="a", **options), *between, layers.Dense(1, name="b", **options))
    model.compile(optimizer, "mse")
    return model


def trained(model: keras.Model) -> keras.Model:
    model.fit(X, Y, batch_size=16, verbose=0)  # pyright: ignore[reportArgumentType]
    return model


# --- ill ones


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


def excluding_everything() -> keras.Model:
    optimizer = keras.optimizers.AdamW(weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["kernel", "bias"])
    return mlp(optimizer)


def excluding_by_layer_names() -> keras.Model:
    optimizer = keras.optimizers.AdamW(weight_decay=0.1)
    optimizer.exclude_from_weight_decay(var_names=["LayerNorm", "bias"])
    return mlp(optimizer, norm=True)


def strength_changed() -> keras.Model:
    model = trained(mlp(kernel_regularizer=L2(0.01)))
    for layer in model.layers:
        layer.kernel_regularizer.l2 = 0.5
    return model


def decay_changed() -> keras.Model:
    model = trained(mlp(keras.optimizers.SGD(0.1, weight_decay=0.01)))
    model.optimizer.weight_decay = 0.5
    return model


class Forgetful(keras.Sequential):
    """The training step that one writes first."""

    def train_step(self, data):  # pyright: ignore[reportIncompatibleMethodOverride]
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = keras.ops.mean(keras.losses.mean_squared_error(y, self(x, training=True)))
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        return {"loss": loss}


class Mindful(Forgetful):
    """The same with the penalty."""

    def train_step(self, data):
        import tensorflow as tf

        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x, training=True))
        self.optimizer.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"loss": loss}


def own_step(kind: type = Forgetful) -> keras.Model:
    model = kind([keras.Input((4,)), layers.Dense(1, kernel_regularizer=L2(0.0123))])
    model.compile("sgd", "mse")
    return trained(model)


def half_precision() -> keras.Model:
    return stack(
        (400,), layers.Dense(400, kernel_initializer="ones", kernel_regularizer=L2(1e-3), dtype="float16", name="a")
    )


def tiny_steps() -> keras.Model:
    return mlp(keras.optimizers.SGD(1e-5, weight_decay=1e-4))


def half_precision_decay() -> keras.Model:
    model = stack((4,), layers.Dense(3, dtype="float16", name="a"))
    model.compile(keras.optimizers.SGD(1e-3, weight_decay=1e-2), "mse")
    return model


def frozen_base() -> keras.Model:
    base = layers.Dense(3, kernel_regularizer=L2(0.01), trainable=False)
    return stack((4,), base, layers.Dense(1, name="head"))


def everything_penalised() -> keras.Model:
    both = {"kernel_regularizer": L2(0.01), "bias_regularizer": L2(0.01)}
    norm = layers.BatchNormalization(gamma_regularizer=L2(0.01), name="norm")
    return stack((4,), layers.Dense(3, name="a", **both), norm)


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


def lstm(**options: Any) -> keras.Model:
    return stack((5, 3), layers.LSTM(4, name="memory", **options), layers.Dense(1, kernel_regularizer=L2(0.01)))


def adamw_and_regularizers() -> keras.Model:
    return mlp(keras.optimizers.AdamW(weight_decay=0.1), kernel_regularizer=L2(0.01))


def fine_tuning(optimizer: Any = None) -> keras.Model:
    optimizer = optimizer or keras.optimizers.SGD(2e-5, weight_decay=0.01)
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return mlp(optimizer)


def cosine() -> keras.Model:
    return fine_tuning(keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(2e-5, 3000), weight_decay=0.01))


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


def attached(optimizer: Any = "sgd", penalty: Any = None, lam: Any = 0.01, **options: Any) -> keras.Model:
    model = mlp(optimizer)
    sh.attach(model, penalty or sh.L2(), lam=lam, **options)
    return model


def attached_inside(around: Any = None, optimizer: Any = "sgd", **options: Any) -> keras.Model:
    """A model inside another with a penalty attached, and one attached to the other too if `around` names weights."""
    inner = mlp()
    sh.attach(inner, sh.L2(), **{"lam": 0.01, **options})
    model = stack((4,), inner, layers.Dense(1, name="out"))
    model.compile(optimizer, "mse")
    if around is not None:
        sh.attach(model, sh.L2(), lam=0.02, on=around)
    return model


def attached_inside_twice() -> keras.Model:
    model = attached_inside(on="*a/kernel")
    sh.attach(model.layers[0], sh.L1(), lam=0.03, on={"bias": 0.5, lambda layer, v: v.path.endswith("b/kernel"): 2})
    return model


def attached_to_frozen(**options: Any) -> keras.Model:
    model = attached(**{"on": lambda layer, variable: layer.name == "a", **options})
    model.layers[0].trainable = False
    return model


def attached_twice_and_frozen() -> keras.Model:
    model = attached(on="*a/kernel")
    sh.attach(model, sh.L1(), lam=0.1, on="*b/kernel")
    model.layers[0].trainable = False
    return model


def attached_and_all_frozen() -> keras.Model:
    model = attached()
    model.trainable = False
    return model


class SteppedElsewhere(keras.Model):
    """Its training step uses an optimizer that it does not hold."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = mlp()

    def call(self, inputs):
        return self.inner(inputs)

    def train_step(self, data):
        x, y = data
        with tf.GradientTape() as tape:
            loss = self.compute_loss(x, y, self(x))
        OUTSIDE.apply(tape.gradient(loss, self.trainable_variables), self.trainable_variables)
        return {"mine": loss}


OUTSIDE = keras.optimizers.SGD(0.1)


def stepped_elsewhere() -> keras.Model:
    global OUTSIDE
    OUTSIDE = keras.optimizers.SGD(0.1)
    model = SteppedElsewhere()
    model(X)
    model.compile("sgd", "mse")
    sh.attach(model, sh.L2(), lam=0.01)
    with warnings.catch_warnings(action="ignore"):
        model.fit(X, Y, verbose=0)
    return model


def attached_and_quantized() -> keras.Model:
    model = attached()
    for layer in model.layers:
        layer.quantize("int8")
    return model


def new_head(toward: Any = "initial") -> Any:
    model: Any = attached(penalty=sh.L2(toward=toward))
    model.pop()
    model.add(layers.Dense(1, name="c"))
    model.compile("sgd", "mse")
    return model


stopping = keras.callbacks.EarlyStopping
ILL: dict[str, list[tuple[Callable[[], keras.Model], dict[str, Any]]]] = {
    "regularizer-ignored": [
        (set_after_build, {}),
        (set_anew_after_build, {}),
        (set_after_build_on_a_nested_model, {}),
        (set_after_build_on_a_cell, {}),
    ],
    "nothing-decayed": [(excluding_everything, {})],
    "attached-inside": [
        (attached_inside, {}),
        (lambda: attached_inside("*a/kernel"), {}),
        (lambda: attached_inside(on="all", rows="touched"), {}),
        (lambda: attached_inside(optimizer=keras.optimizers.AdamW(weight_decay=0.01)), {}),
        (attached_inside_twice, {}),
    ],
    "stepped-elsewhere": [(stepped_elsewhere, {})],
    "strength-changed-after-tracing": [(strength_changed, {}), (decay_changed, {})],
    "train-step-without-penalty": [(own_step, {})],
    "float16-overflow": [(half_precision, {})],
    "decay-rounds-away": [(tiny_steps, {}), (half_precision_decay, {})],
    "attached-to-nothing": [
        (attached_to_frozen, {}),
        (attached_twice_and_frozen, {}),
        (attached_and_all_frozen, {}),
        (attached_and_quantized, {}),
    ],
    "drawn-to-nothing": [(new_head, {})],
    "regularizer-lost-on-save": [(set_on_the_variable, {})],
    "only-frozen-penalised": [(frozen_base, {})],
    "bias-penalised": [(everything_penalised, {})],
    "bias-decayed": [(adamw_as_it_comes, {}), (excluding_by_layer_names, {})],
    "exclusion-catches-kernel": [(excluding_too_much, {})],
    "recurrent-kernel-free": [(lambda: lstm(kernel_regularizer=L2(0.01)), {})],
    "coupled-and-decoupled": [(adamw_and_regularizers, {})],
    "l1-by-gradient": [
        (lambda: mlp(kernel_regularizer=L1(0.01)), {}),
        (lambda: mlp(kernel_regularizer=L1L2(0.01, 0.02)), {}),
    ],
    "strength-too-small": [
        (fine_tuning, {"steps": 3000}),
        (cosine, {}),
        (lambda: mlp(keras.optimizers.SGD(1e-3, momentum=0.9), kernel_regularizer=L2(1e-4)), {"steps": 100}),
        (lambda: attached(lam=1e-4), {"steps": 100}),
        (lambda: trained(attached("adam", lam=1e-9)), {"steps": 40}),
        (lambda: attached(lam=1e-4, how=sh.Decoupled()), {"steps": 100}),
    ],
    "strength-too-large": [(lambda: trained(attached("adam", lam=1e6)), {})],
    "penalised-loss-monitored": [
        (lambda: mlp(kernel_regularizer=L2(0.01)), {"callbacks": [stopping()]}),
        (lambda: mlp(kernel_regularizer=L2(0.01)), {"callbacks": [keras.callbacks.ReduceLROnPlateau("loss")]}),
        (attached, {"callbacks": [stopping()]}),
    ],
    "depthwise-kernel-free": [(separable, {}), (mobile, {})],
    "adaptive-and-coupled": [(lambda: mlp("adam", kernel_regularizer=L2(0.01)), {})],
    "loss-contains-penalty": [
        (lambda: mlp(kernel_regularizer=L2(0.01)), {}),
        (lambda: mlp(activity_regularizer=L2(0.01)), {}),
    ],
    "keras-l2-has-no-half": [(lambda: mlp(kernel_regularizer=L2(0.01)), {})],
    "scale-invariant-kernel": [(normalized, {})],
    "dense-embedding-gradient": [(big_table, {}), (lambda: big_table(attached=True), {})],
}
"""Models with each finding, and what `doctor` is told beside them."""


# --- well-made ones


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
