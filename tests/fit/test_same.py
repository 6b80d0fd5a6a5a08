"""The same call gives the same path, also saved and loaded, and in chunks."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from tests.daily import full
from tests.fit.fitting import TARGET, X, Y, arrays, classifier, fit, three_folds
from tests.unregistered import own_metric
from tests.zoo import rows
from tests.zoo.series import recurrent
from tests.zoo.tables import mlp


def test_the_same_call_gives_the_same_bits():
    path = fit(classifier(), seed=1)
    first, again, other = arrays(three_folds()), arrays(fit(classifier())), arrays(path)
    assert first.keys() == again.keys() and len(first) > 20
    for name, value in first.items():
        assert value.tobytes() == again[name].tobytes(), name
    assert not np.array_equal(first["cv_loss"], other["cv_loss"])
    assert not np.array_equal(first["weights[0]"], other["weights[0]"])
    assert three_folds().folds.hash != path.folds.hash


def test_saved_and_loaded_it_is_the_same(tmp_path):
    path = three_folds()
    path.save(tmp_path / "path")
    loaded = sh.Path.load(tmp_path / "path")
    for name, value in arrays(path).items():
        assert arrays(loaded)[name].tobytes() == value.tobytes(), name
    assert repr(loaded) == repr(path) and loaded.folds.hash == path.folds.hash
    assert {name: loaded.plan[name] for name in ("xla", "chunk", "versions")}.items() <= path.plan.items()
    for lam in ("min", "1se", 0.3):
        np.testing.assert_array_equal(loaded.model(lam).predict(X, verbose=0), path.model(lam).predict(X, verbose=0))


class Unregistered(layers.Dense):
    """A layer that Keras finds only where it is told of it."""


@pytest.mark.parametrize(
    ("layer", "metric", "name"),
    [
        (Unregistered, "mae", "class Unregistered"),
        (layers.Dense, own_metric, "function own_metric"),
    ],
)
def test_what_keras_cannot_read_back_is_said_when_saved_and_when_loaded(tmp_path, layer, metric, name):
    model = keras.Sequential([keras.Input((6,)), layer(1)])
    model.compile("sgd", "mse", metrics=[metric])
    path = fit(model, y=TARGET, lams=[0.1], epochs=1)
    with pytest.warns(UserWarning, match=f"saved, but .* the {name}, which is not registered with Keras"):
        path.save(tmp_path / "run")
    with pytest.raises(ValueError, match=f"Received: .*, with the {name}.*register_keras_serializable"):
        sh.Path.load(tmp_path / "run")
    with keras.saving.custom_object_scope({name.split()[1]: layer if layer is Unregistered else metric}):
        assert sh.Path.load(tmp_path / "run").model().count_params() == 7


class Argumentless(keras.Model):
    """Its class takes nothing, and so not the configuration that Keras writes."""

    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.003))

    def call(self, inputs):
        return self.dense(inputs)


def test_what_is_left_when_a_class_is_found_is_said(tmp_path):
    """A class that cannot be made again is no damaged file, and no scope mends it."""
    model = Argumentless()
    model(X[:1])
    model.compile("sgd", "mse")
    path = sh.fit(model, X, Y.astype(float), penalty="model", lams=[0.1], cv=3, epochs=1)
    words = "class Argumentless, which Keras cannot create from its configuration. Let get_config"
    with pytest.warns(UserWarning, match=f"not registered with Keras.*It also has the {words}"):
        path.save(tmp_path / "path")
    with (
        pytest.raises(ValueError, match=f"Received: .*, with the {words}"),
        keras.saving.custom_object_scope({"Argumentless": Argumentless}),
    ):
        sh.Path.load(tmp_path / "path")


def test_a_lambda_is_not_read_from_a_file(tmp_path):
    model = keras.Sequential([keras.Input((6,)), layers.Lambda(lambda x: 2 * x), layers.Dense(1)])
    model.compile("sgd", "mse")
    with pytest.warns(UserWarning, match="it has a Python lambda, which Keras does not load from a file"):
        fit(model, y=TARGET, lams=[0.1], epochs=1).save(tmp_path / "run")
    with pytest.raises(ValueError, match="Received: .*, with a Python lambda"):
        sh.Path.load(tmp_path / "run")


@pytest.mark.parametrize("make", [mlp, full(recurrent)], ids=["together", "unrolled"])
def test_chunks_give_the_same_path(make):
    """Few strengths at a time, the last of a chunk repeated: only rounding and the order of work change."""
    x, y = (X, Y) if make is mlp else rows("series", 30)
    options: dict[str, Any] = {"lams": [1.0, 0.3, 0.1, 0.03], "epochs": 1, "cv": 2, "x": x, "y": y}
    whole = fit(classifier(make), **options)
    parts = fit(classifier(make), **options, plan={"chunk": 2})
    assert (whole.plan["chunk"], parts.plan["chunk"]) == (5, 2)
    numbers = {name: value for name, value in arrays(whole).items() if value.dtype != object}
    for name, value in numbers.items():
        np.testing.assert_allclose(arrays(parts)[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
