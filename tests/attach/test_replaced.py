"""Attached models whose variables Keras replaces, and what Keras makes of their configuration."""

import copy
import json
import pickle
import random
import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from shrinkage._attach._attach import get_attachments
from tests.daily import each_value

LAM = 0.5
X = np.random.default_rng(0).normal(size=(24, 3)).astype("float32")
Y = X[:, 0] - X[:, 1]


def network() -> keras.Sequential:
    keras.utils.set_random_seed(0)
    stack = [keras.Input((3,)), layers.Dense(4, name="first"), layers.Dense(4, name="second")]
    model = keras.Sequential([*stack, layers.Dense(1, name="last")], name="net")
    model.compile(keras.optimizers.SGD(0.05), "mean_squared_error")
    return model


def quantize(model: Any) -> None:
    with warnings.catch_warnings(action="ignore"):
        model.quantize("int8")  # Keras warns of the input


def quantize_one(model: Any) -> None:
    model.layers[0].quantize("int8")


def enable_lora(model: Any) -> None:
    model.layers[0].enable_lora(2)


def replace_head(model: Any) -> None:
    model.pop()
    model.add(layers.Dense(1, name="other"))


def replace_head_by_a_larger(model: Any) -> None:
    model.pop()
    model.add(layers.Dense(2, name="other"))
    model.add(layers.Dense(1, name="more"))


def pop_all(model: Any) -> None:
    for _ in range(3):
        model.pop()


CHANGES = [quantize, quantize_one, enable_lora, replace_head, replace_head_by_a_larger, pop_all]
RULES: dict[str, Callable[[Any], Any]] = {
    "kernels": lambda model: "kernels",
    "variable": lambda model: model.layers[-1].kernel,
    "list": lambda model: [model.layers[0], model.layers[-1]],
    "dictionary": lambda model: {model.layers[0]: 1.0, model.layers[-1]: 0.5},
}
PENALTIES = {"to 0": {}, "to the initial weights": {"toward": "initial"}}


TARGETS = [*(("to 0", rule) for rule in RULES), ("to the initial weights", "kernels")]


@pytest.mark.parametrize(("change", "target"), each_value(CHANGES, TARGETS))
def test_what_keras_replaces_is_a_status_and_can_be_saved(change, target, tmp_path):
    toward, rule = target
    model = network()
    reg = sh.attach(model, sh.L2(**PENALTIES[toward]), lam=LAM, on=RULES[rule](model), how=sh.Coupled())
    first = float(reg.value())
    change(model)
    model.compile(keras.optimizers.SGD(0.05), "mean_squared_error")
    assert f" {len(reg.weights)} of {len(model.trainable_variables)} weights" in repr(reg)
    if toward != "to 0":
        assert first == 0 == float(reg.value())
    assert ("acts on nothing" in repr(sh.describe(model))) == (not reg.weights)
    if change is not pop_all:
        assert ("attached-to-nothing" in [each.code for each in sh.doctor(model).warnings]) == (not reg.weights)
    if change is not pop_all and change is not quantize:
        model.fit(X, Y, epochs=1, verbose=0)
    if change is pop_all:
        return  # Keras does not save a model without layers
    model.save(tmp_path / "model.keras")
    back: Any = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(back.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-5)
    (found,) = get_attachments(back)
    if change is not enable_lora:  # saving merges the factors into the kernel
        assert len(found.weights) == len(reg.weights)
        assert float(found.value()) == pytest.approx(float(reg.value()), rel=1e-5, abs=1e-9)
    if change is not quantize:
        back.fit(X, Y, epochs=1, verbose=0)


def test_new_layers_are_penalised_as_the_rule_says_and_drawn_to_nothing():
    model, drawn = network(), network()
    reg = sh.attach(model, sh.L2(), lam=LAM)
    toward = sh.attach(drawn, sh.L2(toward="initial"), lam=LAM)
    for each in (model, drawn):
        replace_head(each)
        each.compile(keras.optimizers.SGD(0.05), "mean_squared_error")
    kernels = [v for v in model.get_weights() if v.ndim == 2]
    assert float(reg.value()) == pytest.approx(LAM / 2 * sum(np.sum(v**2) for v in kernels), rel=1e-5)
    assert len(reg.weights) == 3 and len(toward.weights) == 2 and toward.toward is not None
    assert [w is None for w in toward.toward] == [False] * 4 + [True] * 2
    (finding,) = [each for each in sh.doctor(drawn).warnings if each.code == "drawn-to-nothing"]
    assert finding.about == ("net/other/kernel",)
    exec(finding.fix, {"model": drawn, "sh": sh})
    assert (
        "drawn-to-nothing" not in [each.code for each in sh.doctor(drawn).warnings] and len(get_attachments(drawn)) == 2
    )


@keras.saving.register_keras_serializable("tests")
class OwnLora(layers.Layer):
    """A layer of the user's own that gets two factors later, of which its configuration does not know."""

    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 4), name="kernel")

    def adapt(self):
        self.kernel.trainable = False
        self._tracker.unlock()
        self.a = self.add_weight(shape=(self.kernel.shape[0], 2), name="a")
        self.b = self.add_weight(shape=(2, 4), name="b", initializer="zeros")
        self._tracker.lock()
        self.adapted = True

    def call(self, x):
        return x @ (self.kernel + self.a @ self.b if hasattr(self, "adapted") else self.kernel)

    def save_own_variables(self, store):
        store["0"] = self.kernel + self.a @ self.b if hasattr(self, "adapted") else self.kernel

    def load_own_variables(self, store):
        self.kernel.assign(store["0"])


@pytest.mark.parametrize(
    "on", ["kernels", lambda layer, variable: layer.name in ("own", "last")], ids=["word", "function"]
)
@pytest.mark.parametrize("toward", PENALTIES)
def test_factors_of_a_layer_of_ones_own_need_not_come_back(toward, on, tmp_path):
    model = keras.Sequential([keras.Input((3,)), OwnLora(name="own"), layers.Dense(1, name="last")])
    model.compile("sgd", "mse")
    reg = sh.attach(model, sh.L2(**PENALTIES[toward]), lam=LAM, on=on)
    model.layers[0].adapt()
    model.compile("sgd", "mse")
    model.fit(X, Y, verbose=0)
    model.save(tmp_path / "model.keras")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Skipping variable loading for optimizer")
        back: Any = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(back.predict(X, verbose=0), model.predict(X, verbose=0), atol=1e-5)
    (found,) = get_attachments(back)
    assert len(reg.weights) == (4 if callable(on) else 3) - (toward != "to 0") * 2
    assert {"kernel", "bias"} >= {w.variable.name for w in found.weights} and len(found.weights) == 3 - (
        on == "kernels"
    )
    if found.toward is not None and reg.toward is not None:
        np.testing.assert_array_equal(found.toward[0], reg.toward[0])
        np.testing.assert_array_equal(found.toward[1], reg.toward[3])


def test_a_file_of_an_earlier_version_is_loaded(tmp_path):
    """Records had no list of weights, and weights to draw towards were complete."""
    model = network()
    sh.attach(model, sh.L2(toward="initial"), lam=LAM, on=lambda layer, variable: variable.path.endswith("last/kernel"))
    config = json.loads(json.dumps(keras.saving.serialize_keras_object(model)))
    for record in config["config"]["attached"]:
        del record["weights"]
    back: Any = keras.saving.deserialize_keras_object(config)
    (found,) = get_attachments(back)
    assert [w.variable.path for w in found.weights] == ["last/kernel"]
    assert found.toward is not None and len(found.toward) == 6


# --- configurations


class Branch(keras.Model):
    def __init__(self, units: int = 2, **options: Any):
        super().__init__(**options)
        self.units, self.inner = units, layers.Dense(units)

    def call(self, x):
        return self.inner(x)

    def get_config(self):
        return {"units": self.units, "name": self.name}


def functional() -> keras.Model:
    inputs = keras.Input((3,))
    return keras.Model(inputs, layers.Dense(1)(network()(layers.Dense(3)(inputs))))


def branch() -> keras.Model:
    model = Branch(3)
    model(X[:1])
    return model


@pytest.mark.parametrize("make", [network, functional, branch])
def test_the_configuration_is_keras_own(make):
    model, bare = make(), make()
    kind, reg = type(model), sh.attach(model, sh.L2(), lam=LAM)
    config = model.get_config()
    assert config.keys() == bare.get_config().keys()
    for cls in (kind, type(model)):  # as written, and as type(model).from_config
        again: Any = cls.from_config(copy.deepcopy(config))  # which Keras empties
        again(X[:1])
        assert type(again) is kind and get_attachments(again) == ()
        assert [tuple(w.shape) for w in again.weights] == [tuple(w.shape) for w in model.weights]
    if make is not branch:
        assert keras.models.model_from_json(model.to_json()) is not None
        with pytest.warns(UserWarning, match="is without its penalty"):
            model.compile("sgd", "mse")
            keras.models.clone_model(model)
    assert get_attachments(model) == (reg,) and len(reg.weights) > 0


def test_what_is_serialized_has_the_penalty():
    model = network()
    sh.attach(model, sh.L2(), lam=LAM)
    objects = [
        keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model)),
        keras.models.model_from_json(model.to_json()),
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
    ]
    assert [len(get_attachments(each)) for each in objects] == [1] * 4
    around = keras.Sequential([keras.Input((3,)), model])
    inner: Any = keras.Sequential.from_config(around.get_config()).layers[0]
    assert len(get_attachments(inner)) == 1


def test_a_clone_of_a_model_around_an_attached_one_warns():
    model = network()
    sh.attach(model, sh.L2(), lam=LAM)
    inputs = keras.Input((3,))
    with pytest.warns(UserWarning, match="clone of model 'net' is without its penalty"):
        keras.models.clone_model(keras.Model(inputs, model(inputs)))


def test_the_wrappers_of_keras_warn_and_take_a_function():
    model = network()
    sh.attach(model, sh.L2(), lam=50.0)
    options = {"epochs": 20, "verbose": 0}
    with pytest.warns(UserWarning, match="give them a function of X and y"):
        keras.wrappers.SKLearnRegressor(model, fit_kwargs=dict(options)).fit(X, Y)

    def make(X, y):
        made = network()
        made.compile(keras.optimizers.SGD(0.01), "mse")
        sh.attach(made, sh.L2(), lam=50.0)
        return made

    wrapper = keras.wrappers.SKLearnRegressor(make, fit_kwargs=dict(options)).fit(X, Y)
    assert np.linalg.norm(wrapper.model_.get_weights()[0]) < 0.01


@pytest.mark.parametrize(
    "save", [keras.saving.save_model, lambda model, path: model.save(path)], ids=["function", "method"]
)
def test_both_ways_to_save_the_old_format_are_the_same(save, tmp_path):
    model = network()
    sh.attach(model, sh.L2(), lam=LAM)
    model.fit(X, Y, verbose=0)
    with pytest.warns(UserWarning, match="has model 'net' without its penalty") as said:
        save(model, tmp_path / "model.h5")
    assert [each.filename for each in said if "penalty" in str(each.message)] == [__file__]
    back: Any = keras.models.load_model(tmp_path / "model.h5")
    assert type(back) is keras.Sequential and get_attachments(back) == ()
    np.testing.assert_array_equal(back.get_weights()[0], model.get_weights()[0])


# --- the strength, and random numbers


def test_a_negative_value_assigned_to_the_variable_is_a_warning_at_the_epochs_end():
    model = network()
    reg: Any = sh.attach(model, sh.L2(), lam=LAM)
    reg.lam.assign(-1.0)  # past `reg.lam = -1.0`, which is refused: a variable cannot refuse
    with pytest.warns(UserWarning, match="lam is -1 at step 0, of L2.*must stay 0 or more"):
        model.fit(X, Y, epochs=1, verbose=0)


def test_pythons_random_state_is_left_alone(tmp_path):
    def make() -> keras.Model:
        model = keras.Sequential([keras.Input((3,)), layers.Dense(4), layers.Dropout(0.1), layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    model = make()
    before = random.getstate()
    path = sh.fit(model, X, Y, penalty=sh.L2(), lams=[0.1], cv=2, epochs=1)
    path.save(tmp_path / "path")
    sh.Path.load(tmp_path / "path").model()
    path.model("min")
    sh.fit(make, X, Y, penalty=sh.L2(), lams=[0.1], cv=2, epochs=1, init="fresh")
    reg = sh.attach(model, sh.L2(), lam=LAM)
    assert repr(reg) and repr(sh.describe(model)) and repr(sh.doctor(model))
    sh.export(model, tmp_path / "plain.keras")
    sh.detach(model)
    assert random.getstate() == before
