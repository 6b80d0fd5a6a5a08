"""What `path.model` gives out predicts what the member predicted that was trained and scored."""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import shrinkage as sh
from shrinkage._cohort._train import refit
from shrinkage._search import _search

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(40, 6)).astype("float32")
Y = (X[:, :3].sum(axis=1) + 0.1 * GENERATOR.normal(size=40)).astype("float32")


def compiled(model: keras.Model, optimizer: Any = None) -> keras.Model:
    model(X[:1])
    model.compile(optimizer or keras.optimizers.Adam(0.02), "mse")
    return model


def sequential(*inner: Any, **options: Any) -> keras.Model:
    return compiled(keras.Sequential([keras.Input((6,)), *inner, layers.Dense(1)]), **options)


def normalized() -> keras.Model:
    x = keras.Input((6,))
    h = layers.Dropout(0.3)(layers.Dense(8, "relu")(layers.BatchNormalization()(x)))
    return compiled(keras.Model(x, layers.Dense(1)(layers.BatchNormalization()(h))))


class Doubled(keras.Model):
    """A `call` of its own."""

    def __init__(self):
        super().__init__()
        self.hidden, self.norm, self.head = layers.Dense(5, "tanh"), layers.BatchNormalization(), layers.Dense(1)

    def call(self, x, training=None):
        return 2.0 * self.head(self.norm(self.hidden(x), training=training))


class Halved(keras.Model):
    """A graph with a `call` of its own around it."""

    def __init__(self):
        inputs = keras.Input((6,))
        super().__init__(inputs, layers.Dense(4)(layers.Dropout(0.2)(inputs)))

    def call(self, inputs, training=None, mask=None):
        return 0.5 * super().call(inputs, training=training)


class Late(layers.Layer):
    """Its layer has no weights before the first call."""

    def build(self, input_shape):
        self.dense = layers.Dense(4, "tanh")
        super().build(input_shape)

    def call(self, x):
        return self.dense(x)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 4)


class Centred(layers.Layer):
    """It takes off a mean that it keeps beside weights and updates in training."""

    def build(self, input_shape):
        self.mean = self.add_weight(shape=(input_shape[-1],), trainable=False, initializer="zeros")

    def call(self, x, training=False):
        if training:
            self.mean.assign(0.9 * self.mean + 0.1 * ops.mean(x, axis=0))
        return x - self.mean


def recurrent() -> keras.Model:
    return sequential(layers.Reshape((3, 2)), layers.GRU(4, dropout=0.2))


MODELS: dict[str, Callable[[], keras.Model]] = {
    "sequential": lambda: sequential(layers.Dense(8, "relu")),
    "functional": normalized,
    "own call": lambda: compiled(Doubled()),
    "nested": lambda: sequential(Halved()),
    "recurrent": recurrent,
    "state beside weights": lambda: sequential(Centred(), layers.Dense(4, "relu")),
    "late weights": lambda: sequential(Late()),
    "moving averages": lambda: sequential(optimizer=keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.9)),
    "rows mixed": lambda: sequential(layers.Dense(4), layers.Lambda(lambda h: h - ops.mean(h, axis=0))),
}


def fit(model: Any, **options: Any) -> sh.Path:
    given: dict[str, Any] = {"penalty": sh.L2(), "lams": [1.0, 1e-2], "cv": 4, "epochs": 4, "batch_size": 10}
    return sh.fit(model, X, Y, **{**given, **options})


@pytest.mark.parametrize("name", MODELS)
def test_a_model_predicts_what_its_member_did(name, monkeypatch):
    """Of every strength, at the end of the training on all rows."""
    seen = []

    def watched(cohort, lam, epochs, rows, part, tick):
        found = refit(cohort, lam, epochs, rows, part, tick)
        seen.append((rows, cohort.predict(0, rows)))
        return found

    monkeypatch.setattr(_search, "refit", watched)
    with warnings.catch_warnings(action="error", category=UserWarning):
        path = fit(MODELS[name](), epoch="last", plan={"chunk": 3, "xla": name == "functional"})
    assert not any("path.model()" in note for note in path.notes)
    ((rows, predictions),) = seen
    assert len(rows) == 10 and np.ptp(predictions) > 0.1
    for member, lam in zip(predictions, path.lams, strict=True):
        # Float32: XLA sums in another order than the layers do.
        np.testing.assert_allclose(path.model(lam)(X[rows], training=False), member, rtol=1e-4, atol=1e-5)
    assert np.abs(predictions[0] - predictions[-1]).max() > 1e-3, "strengths differ"


class Ruled(layers.Dense):
    """A dense layer with a rule that is wrong where it predicts."""


def wrong(layer: Any, state: Any, x: Any, training: bool) -> Any:
    y = ops.matmul(x, state[layer.kernel]) + state[layer.bias][:, :, None]
    return y if training else 1.5 * y


def test_a_rule_that_predicts_wrong_is_not_used():
    sh.rule(Ruled)(wrong)
    path = fit(sequential(Ruled(4)), epochs=1)
    assert not path.plan["rules"] and any("did not agree" in note for note in path.notes)
    plain = fit(sequential(layers.Dense(4)), epochs=1)
    assert plain.plan["rules"]
    np.testing.assert_allclose(path.mean, plain.mean, rtol=1e-4)


class Third(layers.Layer):
    """The copies after the third are others."""

    made = 0

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        type(self).made += 1
        self.factor = 1.0 if self.made < 4 else 2.0

    def call(self, x):
        return self.factor * x


def test_a_model_that_is_another_is_said(monkeypatch):
    monkeypatch.setattr(Third, "made", 0)
    with pytest.warns(UserWarning, match="predicts differently from the models that were trained") as caught:
        path = fit(sequential(Third()), epochs=1)
    (warning,) = [each for each in caught if "path.model()" in str(each.message)]
    assert warning.filename == __file__ and str(warning.message) in path.notes


def test_rounding_of_inputs_far_from_zero_is_said():
    rows = np.random.default_rng(0).normal(size=(60, 3))
    far, target = 1000 + 0.001 * rows, rows @ [1.0, 2.0, 3.0]
    options = {"penalty": sh.L2(), "lams": [1e-9], "cv": 3, "solver": "exact"}
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    with pytest.warns(UserWarning, match="predicts differently.* standard deviations from 0.*Normalization"):
        sh.fit(model, far, target, **options)
    centred = keras.Sequential([keras.Input((3,)), layers.Normalization(), layers.Dense(1)])
    centred.compile("sgd", "mean_squared_error")
    assert not [note for note in sh.fit(centred, far, target, **options).notes if "predicts differently" in note]


class Noise(layers.Layer):
    """It draws when it predicts, too."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.seeds = keras.random.SeedGenerator(1)

    def call(self, x):
        return x + keras.random.normal(ops.shape(x), seed=self.seeds)


def test_nothing_is_said_of_members_that_diverged_or_draw_random_numbers():
    for model in (
        sequential(optimizer=keras.optimizers.SGD(1e20)),
        sequential(Noise()),
    ):
        with warnings.catch_warnings(action="error", category=UserWarning):
            assert not any("path.model()" in note for note in fit(model, epochs=1).notes)
