"""What is stored on an object of Keras is found there, and what is stored past Keras acts and leaves no trace."""

import inspect

import keras
import numpy as np
import pytest
from keras import layers

from shrinkage._host import _attributes
from shrinkage._host._layers import list_sublayers
from shrinkage._host._private import UnsupportedVersion
from tests.host.models import Block, functional, values


def test_held_attributes_are_without_keras_records(block):
    held = _attributes.get_attributes(block)
    assert {"parts", "own", "constant"} <= set(held) < set(vars(block))
    lists = [name for name, value in held.items() if isinstance(value, list) and id(block.parts[0]) in map(id, value)]
    assert lists == ["parts"]  # so a path to a layer is the one that the class wrote


@pytest.mark.parametrize("make", [functional, Block, lambda: layers.Dense(1), lambda: keras.Sequential()])
def test_held_attributes_are_without_the_methods_that_keras_wraps(make):
    layer = make()
    methods = {name for name in vars(layer) if inspect.isroutine(getattr(type(layer), name, None))}
    methods -= {"loss"}  # an attribute of each model, and a method of the class
    assert methods == {"build", "quantize"} and methods.isdisjoint(_attributes.get_attributes(layer))


def test_the_optimizer_is_an_attribute_of_the_model_from_compile_on():
    model, optimizer = functional(), keras.optimizers.SGD()
    assert "optimizer" not in _attributes.get_attributes(model)
    assert _attributes.get_stored(model, "optimizer", 5) == 5 and _attributes.get_stored(model, "optimizer") is None
    model.compile(optimizer)
    assert _attributes.get_attributes(model)["optimizer"] is _attributes.get_stored(model, "optimizer") is optimizer


def test_what_is_stored_is_not_tracked_and_past_properties():
    class Net(keras.Sequential):
        @property
        def other(self):
            return 5

    model = Net([keras.Input((3,)), layers.Dense(1)])
    before, inner = set(vars(model)), layers.Dense(1)
    _attributes.store(model, other=inner, kept=[inner])
    assert model.other == 5 and _attributes.get_stored(model, "other") is model.kept[0] is inner
    assert not any(layer is inner for layer in list_sublayers(model)) and type(model.kept) is list
    _attributes.remove_stored(model, "other", "kept", "absent")
    assert set(vars(model)) == before and _attributes.get_stored(model, "kept") is None


def test_a_stored_call_is_what_keras_calls_alone_and_in_a_model():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    (layer,) = model.layers
    x = np.ones((2, 3), "float32")
    plain = values(model(x))[0]
    _attributes.store(layer, call=lambda inputs: type(layer).call(layer, inputs) + 1)
    for call in (layer, model):
        np.testing.assert_allclose(call(x), plain + 1, rtol=1e-6)
    _attributes.remove_stored(layer, "call")
    np.testing.assert_array_equal(model(x), plain)


def test_a_stored_method_is_what_keras_saves_and_loads_by(tmp_path):
    model, called = keras.Sequential([keras.Input((3,)), layers.Dense(1)]), []
    (layer,) = model.layers

    def recorded(name):
        return lambda store: called.append(name) or getattr(type(layer), name)(layer, store)

    names = ("save_own_variables", "load_own_variables")
    _attributes.store(layer, **{name: recorded(name) for name in names})
    model.save_weights(file := tmp_path / "m.weights.h5")
    model.load_weights(file)
    assert called == list(names)


def test_a_loss_is_what_it_holds():
    loss = keras.losses.Huber(delta=2.0)
    copy = keras.losses.Huber.__new__(keras.losses.Huber)
    _attributes.store(copy, **_attributes.get_attributes(loss))
    y, prediction = np.zeros((4, 1)), np.arange(4.0)[:, None]
    assert float(copy(y, prediction)) == float(loss(y, prediction)) > 0 and copy.get_config() == loss.get_config()


@pytest.mark.parametrize(
    "call",
    [
        _attributes.get_attributes,
        lambda thing: _attributes.get_stored(thing, "optimizer"),
        lambda thing: _attributes.store(thing, call=abs),
        lambda thing: _attributes.remove_stored(thing, "call"),
    ],
)
def test_an_object_without_a_dictionary_is_said(call):
    with pytest.raises(
        UnsupportedVersion, match=rf"^shrinkage needs object\.__dict__, which Keras {keras.__version__}"
    ):
        call(object())
