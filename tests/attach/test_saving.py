"""An attached model comes back whole from a file, from a copy, and as plain Keras where it is cloned."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

import shrinkage as sh
from shrinkage._attach._attach import get_attachments
from tests.attach.models import LAM, X, compiled, functional, network, train
from tests.daily import full


@keras.saving.register_keras_serializable("tests")
class Pair(keras.Model):
    def __init__(self, **options: Any):
        super().__init__(**options)
        self.one, self.two = layers.Dense(4, "tanh"), layers.Dense(1)

    def call(self, inputs):
        return self.two(self.one(inputs))


@keras.saving.register_keras_serializable("tests")
def warm_up(step):
    return LAM * ops.minimum(ops.cast(step, "float32") / 5, 1.0)


def pair() -> keras.Model:
    model = Pair()
    model(X[:1].astype("float32"))
    return model


def again(model: keras.Model, tmp_path: Any) -> keras.Model:
    model.save(tmp_path / "model.keras")
    return keras.models.load_model(tmp_path / "model.keras")


@pytest.mark.parametrize("make", [network, functional, pair])
def test_it_comes_back_with_everything(make, tmp_path):
    model = compiled(make(), "adam", metrics=["mean_absolute_error"])
    reg = sh.attach(model, sh.L1(), lam=LAM)
    train(model)
    reg.lam = 0.5
    back = again(model, tmp_path)
    (found,) = get_attachments(back)
    assert (found.penalty, found.how, found.on, float(found.lam)) == (sh.L1(), sh.Proximal(), "kernels", 0.5)
    assert float(found.value()) == pytest.approx(float(reg.value()), rel=1e-6) and float(found.value()) > 0.1
    logs, more = train(model), train(back)
    for name, values in logs.items():
        np.testing.assert_allclose(more[name], values, rtol=1e-5, err_msg=name)
    for a, b in zip(model.get_weights(), back.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)  # float32, and the optimizer's state is in the file


@pytest.mark.parametrize(
    "on",
    [
        {"net/hidden/*": 1.0, "net/output/kernel": 0.5},
        {"kernel": 0.5, "bias": 2.0},
        ["*hidden/kernel", "bias"],
        lambda layer, variable: "hidden" in variable.path,
        layers.Dense,
    ],
)
def test_rules_come_back(on, tmp_path):
    model = network()
    reg = sh.attach(model, sh.L2(), lam=LAM, on=on, how=sh.Coupled())
    (found,) = get_attachments(again(model, tmp_path))
    assert [one.factors for one in (found.selection, reg.selection)] == [reg.selection.factors] * 2
    again(found.model, tmp_path)  # once more


@pytest.mark.parametrize("lam", [keras.optimizers.schedules.CosineDecay(0.2, 100), warm_up], ids=["cosine", "function"])
def test_strengths_come_back(lam, tmp_path):
    model = compiled(network(), "adam")
    sh.attach(model, sh.L2(), lam=lam)
    train(model)
    back = again(model, tmp_path)
    assert float(get_attachments(back)[0].value()) == pytest.approx(float(get_attachments(model)[0].value()), rel=1e-6)


def test_weights_to_draw_towards_come_back(tmp_path):
    model = compiled(network(), "adam")
    first = model.get_weights()
    sh.attach(model, sh.L2(toward="initial"), lam=LAM)
    train(model)
    back = again(model, tmp_path)
    (mine,), (found,) = get_attachments(model), get_attachments(back)
    assert float(found.value()) == pytest.approx(float(mine.value()), rel=1e-5) and float(mine.value()) > 1e-6
    assert found.toward is not None
    np.testing.assert_array_equal(found.toward[0], first[0])


def test_a_nameless_function_cannot_be_saved(tmp_path):
    model = network()
    sh.attach(model, sh.L2(), lam=lambda step: 0.1)
    with pytest.raises(ValueError, match="register_keras_serializable"):
        model.save(tmp_path / "model.keras")
    assert type(model) is not keras.Sequential  # its class is as it was


def test_what_a_file_of_weights_holds_is_not_changed(tmp_path):
    bare, model = compiled(network()), compiled(network())
    sh.attach(model, sh.L2(), lam=LAM)
    model.save_weights(tmp_path / "model.weights.h5")
    bare.load_weights(tmp_path / "model.weights.h5")
    bare.save_weights(tmp_path / "bare.weights.h5")
    model.load_weights(tmp_path / "bare.weights.h5")


def test_compile_arguments_are_plain_keras():
    model, bare = compiled(network(), "adam"), compiled(network(), "adam")
    sh.attach(model, sh.L2(), lam=LAM)
    mine, theirs = model.get_compile_config(), bare.get_compile_config()
    for config in (mine, theirs):
        config["optimizer"]["config"].pop("name")
    assert mine == theirs


def test_copies_and_clones():
    model = compiled(network(), "adam")
    sh.attach(model, sh.L2(), lam=LAM)
    train(model)
    copied = copy.deepcopy(model)
    with pytest.warns(UserWarning, match="clone of model 'net' is without its penalty"):
        clone = keras.models.clone_model(model)
    assert float(get_attachments(copied)[0].lam) == LAM and get_attachments(copied)[0].model is copied
    assert type(clone) is keras.Sequential and type(clone.optimizer) is keras.optimizers.Adam
    train(copied)
    train(clone)


def test_an_attached_model_inside_another(tmp_path):
    part = network()
    sh.attach(part, sh.L2(), lam=LAM)
    inputs = keras.Input((5,))
    whole = compiled(keras.Model(inputs, layers.Dense(1)(part(inputs))))
    back = again(whole, tmp_path)
    assert len(get_attachments(back.layers[1])) == 1
    np.testing.assert_allclose(back.predict(X, verbose=0), whole.predict(X, verbose=0), rtol=1e-5)


FINDING = (
    "import shrinkage, importlib.util; importlib.util.find_spec('keras'); from keras import layers; "
    "import keras, sys; assert not [each for each in sys.meta_path if 'shrinkage' in type(each).__module__]"
)
PRIVATE = "import shrinkage._weights._kinds, shrinkage._host._layers; shrinkage.L2; import keras"


@pytest.mark.parametrize(
    ("imports", "ends"),
    [
        full("import keras, shrinkage", "Sequential 0.25"),
        full("import shrinkage; shrinkage.L2(); import keras", "Sequential 0.25"),
        ("import shrinkage, keras", "Sequential 0.25"),
        full(FINDING, "Sequential 0.25"),
        full(PRIVATE, "Sequential 0.25"),
        full("import keras", "Could not locate class"),
    ],
)
def test_a_process_that_has_keras_and_this_package_in_any_order(imports, ends, tmp_path):
    model = compiled(network())
    sh.attach(model, sh.L2(), lam=LAM)
    model.save(tmp_path / "model.keras")
    code = f"{imports}; model = keras.models.load_model('model.keras'); "
    code += "print(type(model).__name__, float(model._shrinkage.attachments[0].lam))"
    options = {"cwd": tmp_path, "env": {**os.environ, "PYTHONPATH": str(Path(sh.__file__).parents[1])}}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, **options)
    assert ends in run.stdout + run.stderr
