"""Kernels that a normalization makes scale-invariant: found in the graph, and true of the gradient of a loss."""

from collections.abc import Callable, Iterable

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import shrinkage as sh
from shrinkage._weights._scale import find_scale_invariant_weights

Conv = layers.Conv2D
IMAGE, VECTOR, SEQUENCE = (8, 8, 2), (6,), (6, 3)
DRAWN = keras.initializers.RandomNormal(stddev=1.0, seed=1)


def stack(shape: tuple[int, ...], *parts: keras.Layer, dtype: str = "float32") -> keras.Model:
    return keras.Sequential([keras.Input(shape, dtype=dtype), *parts, layers.Flatten(), layers.Dense(1, name="last")])


def normal(name: str = "free") -> keras.Layer:
    return layers.Dense(5, use_bias=False, name=name)


def block() -> keras.Model:
    return keras.Sequential([layers.Dense(5, use_bias=False, name="free"), layers.LayerNormalization(), layers.ReLU()])


def residual(inside: bool) -> keras.Model:
    x = keras.Input(VECTOR)
    hidden = layers.Dense(6, use_bias=False, name="free" if inside else "bound")(x)
    normalized = layers.BatchNormalization()(hidden if inside else layers.Add()([x, hidden]))
    return keras.Model(x, layers.Dense(1, name="last")(layers.Add()([x, normalized]) if inside else normalized))


def shared(normalized_twice: bool) -> keras.Model:
    x, y = keras.Input(VECTOR), keras.Input(VECTOR)
    dense = normal("free" if normalized_twice else "bound")
    first, second = layers.LayerNormalization()(dense(x)), dense(y)
    second = layers.LayerNormalization()(second) if normalized_twice else second
    return keras.Model([x, y], layers.Dense(1, name="last")(layers.Add()([first, second])))


def seen_outside() -> keras.Model:
    x = keras.Input(VECTOR)
    hidden = normal("bound")(x)
    return keras.Model(x, [layers.Dense(1, name="last")(layers.BatchNormalization()(hidden)), hidden])


def frozen_statistics() -> keras.Model:
    return stack(VECTOR, normal("bound"), layers.BatchNormalization(trainable=False))


def large_epsilon() -> keras.Model:
    return stack(VECTOR, normal("bound"), layers.BatchNormalization(epsilon=1.0))


MODELS: dict[str, Callable[[], keras.Model]] = {
    "batch": lambda: stack(VECTOR, normal(), layers.BatchNormalization(), layers.ReLU()),
    "bias subtracted at once": lambda: stack(VECTOR, layers.Dense(5, name="free"), layers.BatchNormalization()),
    "bias not subtracted": lambda: stack(
        VECTOR, layers.Dense(5, name="bound", bias_initializer=DRAWN), layers.LayerNormalization()
    ),
    "bias before relu": lambda: stack(
        VECTOR, layers.Dense(5, "relu", name="bound", bias_initializer=DRAWN), layers.BatchNormalization()
    ),
    "relu": lambda: stack(VECTOR, layers.Dense(9, "relu", use_bias=False, name="free"), layers.LayerNormalization()),
    "tanh": lambda: stack(VECTOR, layers.Dense(5, "tanh", use_bias=False, name="bound"), layers.BatchNormalization()),
    "relu6": lambda: stack(VECTOR, normal("bound"), layers.ReLU(max_value=0.5), layers.BatchNormalization()),
    "no normalization": lambda: stack(VECTOR, normal("bound"), layers.ReLU()),
    "normalization first": lambda: stack(VECTOR, layers.BatchNormalization(), normal("bound")),
    "convolutions": lambda: stack(
        IMAGE,
        *(Conv(3, 3, name="free"), layers.BatchNormalization(), layers.ReLU()),
        *(layers.SeparableConv2D(4, 3, use_bias=False, name="free_too"), layers.MaxPooling2D(), layers.Dropout(0.1)),
        *(layers.GroupNormalization(2), layers.DepthwiseConv2D(2, use_bias=False, name="free_also")),
        layers.RMSNormalization(),
    ),
    "channels normalized elsewhere": lambda: stack(
        IMAGE, Conv(3, 3, name="bound", bias_initializer=DRAWN), layers.BatchNormalization(axis=1)
    ),
    "tokens": lambda: stack(
        (6,), layers.Embedding(9, 4, DRAWN, name="free"), layers.LayerNormalization(), dtype="int32"
    ),
    "attention": lambda: stack(
        SEQUENCE, layers.EinsumDense("abc,cd->abd", (6, 4), name="free"), layers.UnitNormalization()
    ),
    "a block": lambda: stack(VECTOR, block()),
    "residual, normalized inside": lambda: residual(inside=True),
    "residual, normalized after": lambda: residual(inside=False),
    "used twice": lambda: shared(normalized_twice=True),
    "used twice, normalized once": lambda: shared(normalized_twice=False),
    "also an output": seen_outside,
    "frozen": frozen_statistics,
    "large epsilon": large_epsilon,
}


def found(model: keras.Model) -> set[str]:
    free = find_scale_invariant_weights(model)
    return {v.path for v in model.trainable_variables if id(v) in free}


@pytest.mark.parametrize("name", MODELS)
def test_found_by_structure_and_true_of_the_gradient(name):
    model = MODELS[name]()
    kernels = [v for v in model.trainable_variables if v.name.endswith(("kernel", "embeddings"))]
    assert found(model) == {v.path for v in kernels if "free" in v.path}
    for kernel, alignment in zip(kernels, alignments(model, kernels), strict=True):
        if "free" in kernel.path:
            assert alignment < 0.01, kernel.path  # but for epsilon
        else:
            assert alignment > 0.02, kernel.path


def alignments(model: keras.Model, kernels: Iterable[keras.Variable]) -> list[float]:
    """Return |<g, w>| / (|g| |w|) of each kernel, g the gradient of a loss on random rows; the most of some losses."""
    rng, most = np.random.default_rng(0), []
    x = [
        rng.integers(0, 6, (16, *t.shape[1:])) if t.dtype == "int32" else rng.normal(size=(16, *t.shape[1:]))
        for t in model.inputs
    ]
    for _ in range(8):
        with tf.GradientTape() as tape:
            outputs = keras.tree.flatten(model(x if len(x) > 1 else x[0], training=True))
            loss = sum(tf.reduce_sum(tf.square(y - rng.normal(size=y.shape))) for y in outputs)
        gradients = tape.gradient(loss, [kernel.value for kernel in kernels])
        pairs = [
            (np.ravel(tf.convert_to_tensor(g)), np.ravel(k.numpy())) for g, k in zip(gradients, kernels, strict=True)
        ]
        most.append([abs(g @ w) / (np.linalg.norm(g) * np.linalg.norm(w)) for g, w in pairs])
    return np.max(most, axis=0).tolist()


def test_describe_says_so_of_what_is_penalised():
    model = MODELS["batch"]()
    before = [w.numpy() for w in model.weights]
    table = sh.describe(model)
    assert [weight.reason for weight in table.weights if "scale-invariant" in weight.reason] == [
        "kernel of Dense; scale-invariant: lam acts only through eta * lam"
    ]
    assert "scale-invariant" not in str(sh.describe(model, on="bias"))
    for was, weight in zip(before, model.weights, strict=True):
        np.testing.assert_array_equal(was, weight.numpy())


def test_the_inside_of_a_subclassed_model_is_not_known():
    class Net(keras.Model):
        def __init__(self):
            super().__init__()
            self.inner = MODELS["batch"]()

        def call(self, x):
            return self.inner(x)

    net = Net()
    net(np.ones((2, 6)))
    assert len(found(net)) == 1  # a graph in it is
