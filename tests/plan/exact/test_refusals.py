"""What the exact solver refuses before any training: the argument, what was expected and received, and the fix."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from tests.plan.exact.heads import CLASSES, LABELS, ONE_HOT, D, X, Y, linear


def compiled(*inner: Any, loss: Any = "mse", shape: tuple[int, ...] = (D,), **options: Any) -> keras.Model:
    model = keras.Sequential([keras.Input(shape), *inner])
    model.compile("sgd", loss, **options)
    return model


def hard(scores: Any) -> Any:
    return keras.ops.hard_sigmoid(scores)


def two_outputs() -> keras.Model:
    inputs = keras.Input((D,))
    model = keras.Model(inputs, [layers.Dense(1)(inputs), layers.Dense(1)(inputs)])
    model.compile("sgd", ["mse", "mse"])
    return model


def called_twice() -> keras.Model:
    inputs, dense = keras.Input((D,)), layers.Dense(D)
    model = keras.Model(inputs, dense(dense(inputs)))
    model.compile("sgd", "mse")
    return model


class Own(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, inputs: Any) -> Any:
        return self.dense(inputs)


def own() -> keras.Model:
    model = Own()
    model(np.zeros((1, D)))
    model.compile("sgd", "mse")
    return model


def frozen_head() -> keras.Model:
    body, head = layers.Dense(D), layers.Dense(1)
    head.trainable = False
    return compiled(body, head)


BATCHES = layers.BatchNormalization(center=False, scale=False)
CASES: dict[str, tuple[Any, dict[str, Any], str]] = {
    "L1": (linear, {"penalty": "l1"}, r"`penalty` must be L2\(\) for solver=\"exact\". Received: L1\(\). Say solver="),
    "toward": (linear, {"penalty": sh.L2(toward="initial"), "init": "fresh"}, r"`penalty` must be L2\(\) .* than 0"),
    "decoupled": (linear, {"how": sh.Decoupled()}, r"`how` must be Coupled\(\) .* Received: Decoupled\(\)"),
    "body": (lambda: linear(before=[layers.Dense(3)]), {}, "only the last .*kernel is trained too. Set trainable"),
    "batch norm": (lambda: linear(before=[BATCHES]), {}, "adapts its moving averages. Set trainable"),
    "frozen head": (frozen_head, {"on": "all"}, "a model whose last layer, .* is trained .* with frozen weights"),
    "activation layer": (
        lambda: compiled(layers.Dense(1), layers.Activation("tanh")), {},
        "ends in one Dense layer .* of class Activation at the end. Give the activation to Dense, or say solver",
    ),
    "convolution": (
        lambda: compiled(layers.Reshape((D, 1)), layers.Conv1D(1, D), layers.Flatten()), {}, "of class Flatten at",
    ),
    "sequences": (
        lambda: compiled(layers.Dense(1), shape=(4, D)), {"x": np.zeros((150, 4, D)), "y": np.zeros((150, 4, 1))},
        r"on inputs \(rows, columns\) .* Received: inputs \(None, 4, 5\)",
    ),
    "two outputs": (two_outputs, {"y": (Y, Y)}, "a model with one output .* 2 outputs"),
    "called twice": (called_twice, {"y": X}, "called once .* called several times"),
    "subclass": (own, {}, "Sequential or functional .* Own, whose layers are hidden"),
    "absolute error": (lambda: linear("mae"), {}, "`loss` must be mean_squared_error, .* mean_absolute_error"),
    "loss weight": (lambda: compiled(layers.Dense(1), loss_weights=0.5), {}, "without a weight .* a weighted loss"),
    "tanh": (
        lambda: linear(activation="tanh"), {},
        "`activation` must be 'linear' in the last.* activation='linear', or say solver",
    ),
    "hard": (
        lambda: linear("binary_crossentropy", 1, hard), {"y": LABELS[:, 0]},
        "must be 'sigmoid' .* 'hard'.* activation='sigmoid', or",
    ),
    "two sigmoids": (
        lambda: linear("sparse_categorical_crossentropy", 3, "sigmoid"), {"y": CLASSES}, "must be 'softmax'",
    ),
    "logits": (
        lambda: linear(keras.losses.BinaryCrossentropy(from_logits=True), 1, "sigmoid"), {"y": LABELS[:, 0]},
        r"must be 'linear' .* 'sigmoid', with binary_crossentropy\(from_logits=True\). Leave from_logits out, or give",
    ),
    "sums": (
        lambda: linear("categorical_crossentropy", 3, "softmax"), {"y": ONE_HOT / 2}, "`y` must have a sum of 1",
    ),
    "constraint": (lambda: linear(kernel_constraint="non_neg"), {}, "has no kernel_constraint"),
    "bias regularizer": (lambda: linear(bias_regularizer="l2"), {}, "has no bias_regularizer"),
    "activity": (lambda: linear(activity_regularizer="l2"), {}, "has no activity_regularizer"),
    "no kernel": (linear, {"on": "bias"}, "`on` must be a selection with the kernel"),
    "half precision": (lambda: linear(dtype="mixed_bfloat16"), {}, "float32 or float64 .* bfloat16"),
    "unknown": (linear, {"solver": "newton"}, '`solver` must be "gradient" or "exact". Received: \'newton\''),
    "budget": (linear, {"budget": 1.5}, '`budget` must be left out with solver="exact"'),
    "unknown plan": (linear, {"plan": {"chunks": 2}}, "Did you mean 'chunk'"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_it_is_refused(name, monkeypatch):
    make, changes, words = CASES[name]
    monkeypatch.setattr("shrinkage._search._search.Search.run", lambda *_: pytest.fail("it was trained"))
    options: Any = {"x": X, "y": Y, "penalty": "l2", "solver": "exact", **changes}
    with pytest.raises(ValueError, match=words):
        sh.fit(make(), **options)


def test_epochs_are_needed_for_training():
    with pytest.raises(TypeError, match="`epochs` must be given for training. .*Give as many epochs"):
        sh.fit(linear(), X, Y, penalty="l2")


def test_infinite_features_are_refused():
    body = layers.Dense(2, kernel_initializer=keras.initializers.Constant(1e38))
    body.trainable = False
    with pytest.raises(ValueError, match="must give finite values .* Look for extreme numbers"):
        sh.fit(linear(before=[body]), 100 * X, Y, penalty="l2", solver="exact")
