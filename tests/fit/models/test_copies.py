"""Copies have the layers' own arguments; models that cannot be copied are refused."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import shrinkage as sh
from tests.daily import some_every_day
from tests.fit.models.fitting import Kept, X, compiled, fit, stack


class Projected(layers.Layer):
    """Random numbers that are drawn in `build`, and kept in no weight."""

    def build(self, input_shape):
        self.matrix = ops.convert_to_tensor(np.random.normal(size=(3, 8)))

    def call(self, x):
        return ops.cos(ops.matmul(x, self.matrix))


class Bagged(layers.Layer):
    """Some of the columns, drawn when the layer is made."""

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.columns = np.random.permutation(30)[:3]

    def call(self, x):
        return ops.take(ops.tile(x, (1, 10)) * np.arange(30), self.columns, axis=1)


class MaskedInTraining(layers.Layer):
    """What it keeps shows in training mode only."""

    def build(self, input_shape):
        self.mask = np.random.uniform(size=3)

    def call(self, x, training=False):
        return x * self.mask if training else x


def bent(x):
    return x / (1.0 + ops.abs(x))


class Tens(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return 10.0 * ops.ones(shape, dtype)


class Above(keras.constraints.Constraint):
    def __call__(self, w):
        return ops.maximum(w, 0.1)


class Ridge(keras.regularizers.L2):
    pass


OWN_ARGUMENTS: dict[str, Callable[[], Any]] = {
    "activation": lambda: layers.Dense(4, activation=bent),
    "inside a wrapper": lambda: layers.TimeDistributed(layers.Dense(2, activation=bent)),
    "activation of a cell": lambda: layers.SimpleRNN(4, activation=bent),
    "layer of a function": lambda: layers.Activation(bent),
    "initializer": lambda: layers.Dense(4, kernel_initializer=Tens()),
    "constraint": lambda: layers.Dense(4, kernel_constraint=Above()),
    "regularizer": lambda: layers.Dense(4, bias_regularizer=Ridge(0.1)),
}


@pytest.mark.parametrize("name", some_every_day(OWN_ARGUMENTS, "layer of a function", "initializer"))
def test_arguments_of_ones_own_need_no_registration(name):
    """The copies have the same class or function, and not another of that name."""

    def make() -> keras.Model:
        layer = OWN_ARGUMENTS[name]()
        steps = isinstance(layer, (layers.TimeDistributed, layers.SimpleRNN))
        return stack(*([layers.Reshape((3, 1)), layer, layers.Flatten()] if steps else [layer]))

    source = make()
    path = fit(source, epochs=1)
    pairs = zip(path.model("none")._flatten_layers(), source._flatten_layers(), strict=True)
    names = ("activation", "kernel_initializer", "kernel_constraint", "bias_regularizer")
    arguments = [(getattr(a, name, None), getattr(b, name, None)) for a, b in pairs for name in names]
    own = [(a, b) for a, b in arguments if __name__ in (type(b).__module__, getattr(b, "__module__", ""))]
    assert own and all(a is b or type(a) is type(b) is not type(bent) for a, b in own)
    np.testing.assert_allclose(path.mean, fit(make, epochs=1).mean, rtol=1e-9)


def test_functions_of_one_name_are_not_mixed_up():
    def power(n: int) -> Callable[[Any], Any]:
        def activation(x):
            return x**n

        return activation

    with pytest.raises(ValueError, match="that can be cloned. Received: .*Give a function"):
        fit(stack(layers.Dense(4, activation=power(2)), layers.Dense(4, activation=power(3))))
    fit(stack(layers.Dense(4, activation=power(2))), epochs=1)


def random_constant() -> keras.Model:
    inputs = keras.Input((3,))
    return compiled(keras.Model(inputs, layers.Dense(1)(inputs * np.random.normal(size=3))))


@pytest.mark.parametrize("layer", [Projected, Bagged, MaskedInTraining])
def test_what_a_layer_keeps_outside_its_weights_is_refused(layer):
    with pytest.raises(ValueError, match=f"custom classes: {layer.__name__}.*trainable=False.*shrinkage.fit\\(lambda"):
        fit(stack(layer()))
    with pytest.raises(ValueError, match="the function returns.*fixed seed inside the function"):
        fit(lambda: stack(layer()))


class Unset(layers.Layer):
    """It computes with what nobody has set in a copy."""

    def call(self, x):
        return x - self.mean


def test_the_reason_for_no_copy_is_the_layers_own():
    layer = Unset()
    layer.mean = np.zeros(3)
    with pytest.raises(ValueError, match=r"Received: Sequential \('Unset' object has no attribute 'mean'\)\. Give"):
        fit(stack(layer))


@pytest.mark.parametrize("is_function", [False, True])
def test_a_penalty_attached_to_an_inner_model_is_not_dropped(is_function):
    def make(frozen: bool = False) -> keras.Model:
        inner = keras.Sequential([keras.Input((3,)), layers.Dense(4)], name="inner")
        sh.attach(inner, sh.L2(), lam=1.0)
        inner.trainable = not frozen
        return stack(inner)

    with pytest.raises(
        ValueError, match="must hold no model with a penalty attached.* the model 'inner' with .*shrinkage.detach"
    ):
        fit(make if is_function else make())
    if not is_function:
        assert np.isfinite(fit(make(frozen=True), init="keep", epochs=1).mean).all()  # it would act on nothing anyway


def test_a_function_must_return_one_model_anew():
    with pytest.raises(ValueError, match="fixed seed inside the function"):
        fit(random_constant)
    fit(random_constant())  # the graph of a model has its constant
    model, units = stack(), iter(range(3, 9))
    with pytest.raises(ValueError, match="build a new model at each call"):
        fit(lambda: model)
    with pytest.raises(ValueError, match=r"same architecture at each call.*\(3, 3\).*\(3, 4\)"):
        fit(lambda: stack(layers.Dense(next(units))))


def test_what_it_keeps_in_a_weight_comes_back():
    source = stack(Kept())
    path = fit(source)
    for model in (path.model("min"), path.model(0.0)):
        np.testing.assert_array_equal(model.layers[0].get_weights()[0], source.layers[0].get_weights()[0])
    assert np.ptp(path.model("min").predict(X, verbose=0)) > 1e-3
