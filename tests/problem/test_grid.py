"""The automatic grid in the units of the target: how deep a chain is, and that equal problems get equal paths."""

import math
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from shrinkage._problem._grid import compute_depth
from shrinkage._weights._selection import select

RNG = np.random.default_rng(2)
X = RNG.normal(size=(40, 5))
Y = np.maximum(X[:, 0], 0) - 0.5 * X[:, 1] + 0.3 * RNG.normal(size=40)


def stack(*parts: keras.Layer) -> keras.Model:
    return keras.Sequential([keras.Input((5,)), *parts])


def residual() -> keras.Model:
    x = keras.Input((5,))
    inside = layers.Dense(5)(layers.Dense(4, "relu")(x))
    return keras.Model(x, layers.Dense(1)(keras.ops.tanh(layers.Add()([x, inside]))))


def used_twice() -> keras.Model:
    x, shared = keras.Input((5,)), layers.Dense(5)
    return keras.Model(x, layers.Dense(1)(shared(shared(x))))


def frozen() -> keras.Model:
    model = stack(layers.Dense(4), layers.Dense(3), layers.Dense(1))
    model.layers[0].trainable = False
    return model


def tokens() -> keras.Model:
    x = keras.Input((6,), dtype="int32")
    return keras.Model(x, layers.Dense(1)(layers.LSTM(3)(layers.Embedding(9, 4)(x))))


class Two(keras.Model):
    def __init__(self):
        super().__init__()
        self.first, self.last = layers.Dense(3), layers.Dense(1)

    def call(self, x):
        return self.last(self.first(x))


def subclassed() -> keras.Model:
    model = Two()
    model(X[:2])
    return model


MODELS: dict[str, tuple[Any, Any, float]] = {
    "linear": (lambda: stack(layers.Dense(1)), "kernels", 1),
    "three": (
        lambda: stack(layers.Dense(4, "relu"), layers.Dropout(0.1), layers.Dense(3), layers.Dense(1)),
        "kernels",
        3,
    ),
    "nested": (lambda: stack(stack(layers.Dense(5), layers.Dense(5)), layers.Dense(1)), "kernels", 3),
    "residual": (residual, "kernels", 3),
    "used twice": (used_twice, "kernels", 3),
    "frozen": (frozen, "kernels", 2),
    "tokens": (tokens, "kernels", 3),
    "subclassed": (subclassed, "kernels", 2),
    "everything": (lambda: stack(layers.Dense(4), layers.LayerNormalization(), layers.Dense(1)), "all", 3),
    "a free gain": (lambda: stack(layers.Dense(4), layers.LayerNormalization(), layers.Dense(1)), "kernels", math.inf),
    "a free kernel": (lambda: stack(layers.Dense(4), layers.Dense(1)), layers.Embedding, math.inf),
    "biases": (lambda: stack(layers.Dense(1, name="a")), "bias", math.inf),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_depth_of_a_network(name):
    make, on, expected = MODELS[name]
    model = make()
    on = (lambda layer, variable: variable is model.trainable_variables[0]) if on is layers.Embedding else on
    assert compute_depth(model, select(model, on).mask) == expected


def network(n_layers: int, unit: float) -> keras.Model:
    """A chain without biases, its first weights and rate those of unit 1, scaled to targets `unit` times as large.

    With s = unit**(1 / L): weights times s, and gradients of the loss times unit² / s, so that a rate times s² / unit²
    steps by s times as much. The penalty's own gradient then does too if the strength goes by unit**(2 - degree / L).
    """
    s = unit ** (1 / n_layers)
    hidden = [layers.Dense(4, "relu", use_bias=False) for _ in range(n_layers - 1)]
    model = stack(*hidden, layers.Dense(1, use_bias=False))
    rng = np.random.default_rng(1)
    model.set_weights([s * rng.normal(size=w.shape) / np.sqrt(w.shape[0]) for w in model.weights])
    model.compile(keras.optimizers.SGD(0.03 * (s / unit) ** 2), "mean_squared_error")
    return model


@pytest.mark.parametrize("n_layers", [1, 2, 3])
@pytest.mark.parametrize(("penalty", "degree"), [(sh.L2(), 2), (sh.L1(), 1)])
def test_another_unit_of_the_target_gives_the_same_path(n_layers, penalty, degree, float64):
    """An exact symmetry of gradient descent: to the last digits the predictions are those of unit 1, times the unit."""
    unit = 1000.0
    options: dict[str, Any] = {"penalty": penalty, "cv": 3, "epochs": 25, "batch_size": 9, "init": "keep"}
    one, many = (sh.fit(network(n_layers, c), X, c * Y, **options) for c in (1.0, unit))
    shared = min(len(one.lams), len(many.lams))  # the larger unit may look further down
    assert shared >= 21
    np.testing.assert_allclose(many.lams[:20], unit ** (2 - degree / n_layers) * one.lams[:20], rtol=1e-9)
    np.testing.assert_allclose(many.mean[:20], unit**2 * one.mean[:20], rtol=1e-6)
    np.testing.assert_allclose(many.predictions[:, :20], unit * one.predictions[:, :20], rtol=1e-5, atol=1e-6 * unit)
    np.testing.assert_array_equal(many.epochs[:20], one.epochs[:20])
    assert np.ptp(one.mean[:20]) > 0.01 and len(set(one.epochs)) > 1
    assert not one.failed.any() and any("standardize_target=True" in note for note in many.notes)


@pytest.mark.full
@pytest.mark.parametrize("epoch", ["best", "last"])
def test_strengths_that_diverged_are_not_concluded_from(epoch):
    """The rate is too large for most of the grid, which a factor makes too strong: no penalty is called best only once
    smaller strengths have been tried. Their first epochs, before the losses overflow, prove nothing.
    """
    rng = np.random.default_rng(5)
    x = rng.normal(size=(12, 4))
    y = x @ [1.0, 0.5, -1.0, 0.5] + 0.01 * rng.normal(size=12)
    model = keras.Sequential([keras.Input((4,)), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mean_squared_error")
    options: dict[str, Any] = {"on": {"kernel": 1e5}, "cv": 3, "epochs": 120, "batch_size": 12, "epoch": epoch}
    with np.errstate(all="ignore"):
        path = sh.fit(model, x, y, penalty=sh.L2(), **options)
    failed, loss = path.failed[:-1], path.mean[~path.failed]
    assert failed[:15].all() and len(path.lams) == 21 + 12 and not failed[-13:].any()
    assert loss[0] > 20 * loss[-1] and loss[-2] < 1.1 * loss[-1]  # the grid alone had nothing between these
    assert any(f"{failed.sum()} of the {len(failed)} strengths above 0 diverged" in note for note in path.notes)
