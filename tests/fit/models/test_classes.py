"""A model comes back in its class, with its attributes and methods."""

from collections.abc import Callable

import keras
import numpy as np
import pytest
from keras import layers, ops

from tests.fit.models.fitting import X, Y, compiled, fit

Make = Callable[[], keras.Model]


class Tenfold(keras.Model):
    """A functional graph with an overridden `call`. The constructor takes no arguments."""

    def __init__(self):
        inputs = keras.Input((3,))
        super().__init__(inputs, layers.Dense(1)(inputs))

    def call(self, inputs, training=None, mask=None):
        return 10.0 * super().call(inputs)

    def title(self) -> str:
        return "ten"


class Multiple(keras.Model):
    """A graph whose class takes arguments that no configuration has."""

    def __init__(self, factor, units=4):
        inputs = keras.Input((3,))
        super().__init__(inputs, layers.Dense(1)(layers.Dense(units)(inputs)))
        self.factor, self.classes = factor, ["a", "b"]

    def call(self, inputs, training=None, mask=None):
        return self.factor * super().call(inputs)


class Headed(keras.Model):
    """A head on a backbone, with a configuration of its own, as classifiers of model libraries have it."""

    def __init__(self, backbone, units=1, **kwargs):
        super().__init__(backbone.input, layers.Dense(units)(backbone.output), **kwargs)
        self.backbone, self.units = backbone, units

    def get_config(self):
        backbone = keras.saving.serialize_keras_object(self.backbone)
        return {"name": self.name, "backbone": backbone, "units": self.units}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        backbone = keras.saving.deserialize_keras_object(config["backbone"])
        return cls(**{**config, "backbone": backbone})


class Bare(keras.Model):
    """A head on a backbone, without a configuration."""

    def __init__(self, backbone):
        super().__init__(backbone.input, layers.Dense(1)(backbone.output))
        self.backbone = backbone

    def call(self, inputs, training=None, mask=None):
        return super().call(inputs) + ops.sum(self.backbone(inputs), axis=-1, keepdims=True)


class Held(keras.Model):
    """A head on a nested backbone with parts of it as attributes, without a configuration."""

    def __init__(self, backbone):
        super().__init__(backbone.input, layers.Dense(1)(backbone(backbone.input)))
        self.backbone, self.classes = backbone, {"names": ["a", "b"]}


class Stacked(keras.Sequential):
    """A Sequential model that makes its layers itself."""

    def __init__(self):
        super().__init__([keras.Input((3,)), layers.Dense(4), layers.Dense(1)])

    def call(self, inputs, training=None, mask=None):
        return 2.0 * super().call(inputs)


class Set(keras.Model):
    """A subclassed model with a number that is set later."""

    factor: float

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def build(self, input_shape):
        self.dense.build(input_shape)

    def call(self, inputs):
        return self.factor * self.dense(inputs)


def backbone() -> keras.Model:
    inputs = keras.Input((3,))
    return keras.Model(inputs, layers.Dense(4)(inputs))


def nested() -> keras.Model:
    inputs = keras.Input((3,))
    return keras.Model(inputs, layers.Dense(1)(Tenfold()(inputs)))


def set_later() -> keras.Model:
    model = Set()
    model.factor = 4.0
    model(X[:1])
    return model


def partly_frozen() -> keras.Model:
    model = Multiple(2.0)
    model.layers[1].trainable = False
    return model


CLASSES: dict[str, Make] = {
    "own call": Tenfold,
    "own arguments": lambda: Multiple(5.0, units=6),
    "own configuration": lambda: Headed(backbone()),
    "no configuration": lambda: Bare(backbone()),
    "nested, of a class without a configuration": lambda: Held(Multiple(2.0)),
    "sequential": Stacked,
    "nested": nested,
    "set later": set_later,
    "frozen": partly_frozen,
}


@pytest.mark.parametrize("name", CLASSES)
def test_a_model_comes_back_in_its_class(name):
    """The held-out loss is that of Keras, and what comes back is of the class, with its attributes and methods."""
    source = compiled(CLASSES[name](), keras.optimizers.SGD(1e-12))
    expected = source.evaluate(X, Y, verbose=0)
    path = fit(source, init="keep", epochs=1)
    model = path.model("min")
    assert type(model) is type(source) and [v.trainable for v in model.variables] == [
        v.trainable for v in source.variables
    ]
    np.testing.assert_allclose(path.mean, expected, rtol=1e-6)
    np.testing.assert_allclose(model.predict(X, verbose=0), source.predict(X, verbose=0), rtol=1e-6)
    for attribute in ("factor", "classes", "units"):
        assert getattr(model, attribute, None) == getattr(source, attribute, None)
    if isinstance(source, Bare):
        assert getattr(model, "backbone", None) is not source.backbone
    if isinstance(source, Tenfold):
        assert getattr(model, "title", str)() == "ten"
