"""The caller's model is left as it was, and the models that come back are plain Keras."""

import subprocess
import sys
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from tests.fit.fitting import X, Y, classifier, fit, three_folds
from tests.zoo.tables import mlp, subclassed


@pytest.mark.parametrize("make", [mlp, subclassed], ids=["sequential", "subclassed"])
def test_the_callers_model_is_left_as_it_was(make):
    def state(model: keras.Model) -> list[Any]:
        optimizer: Any = model.optimizer
        nodes = [len(layer._inbound_nodes) for layer in model._flatten_layers()]
        values = [np.array(v).tolist() for v in (*model.variables, *optimizer.variables)]
        objects = [id(part) for part in (*model.layers, *model.variables, optimizer, *model.metrics)]
        return [nodes, values, objects, model.compiled, model.loss, model.trainable]

    model = classifier(make)
    model.fit(X, Y, verbose=0)
    before = state(model)
    path = fit(model, init="keep", lams=[0.1], cv=2, epochs=1)
    path.model()
    assert state(model) == before
    model.fit(X, Y, verbose=0, epochs=2)  # and it goes on training
    assert state(model)[1] != before[1] and int(model.optimizer.iterations) == 6


def test_models_are_plain_new_and_trained_on_all_rows():
    path = three_folds()
    first, second = path.model("min"), path.model("min")
    assert type(first) is keras.Sequential and first is not second
    assert first.compiled and first.loss == "sparse_categorical_crossentropy"
    assert not first.losses and all(v.regularizer is None for v in first.variables)
    assert int(first.optimizer.iterations) == 0 and type(first.optimizer) is keras.optimizers.Adam
    assert first.optimizer.get_config()["learning_rate"] == pytest.approx(0.02)
    loss, accuracy = first.evaluate(X, Y, verbose=0)
    assert loss < path.null_loss and accuracy > 0.4
    first.fit(X, Y, verbose=0)
    assert not np.array_equal(first.get_weights()[0], second.get_weights()[0])
    np.testing.assert_array_equal(second.get_weights()[0], path.weights[0][path.index_min])


def test_a_saved_model_needs_only_keras(tmp_path):
    model = three_folds().model()
    model.save(tmp_path / "model.keras")
    np.save(tmp_path / "x.npy", X)
    code = (
        "import sys; sys.modules['shrinkage'] = None\n"
        "import keras, numpy as np\n"
        f"model = keras.saving.load_model(r'{tmp_path / 'model.keras'}')\n"
        f"np.save(r'{tmp_path / 'p.npy'}', model.predict(np.load(r'{tmp_path / 'x.npy'}'), verbose=0))\n"
        "model.fit(np.zeros((4, 6)), np.zeros(4), verbose=0)\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    np.testing.assert_allclose(np.load(tmp_path / "p.npy"), model.predict(X, verbose=0), rtol=1e-5)


class NotClonable(keras.Model):
    """A model whose configuration Keras does not know."""

    def __init__(self, hidden: layers.Layer, head: layers.Layer):
        super().__init__()
        self.hidden, self.head = hidden, head

    def call(self, inputs):
        return self.head(self.hidden(inputs))


def not_clonable() -> keras.Model:
    model = NotClonable(layers.Dense(5, "tanh"), layers.Dense(3, "softmax"))
    model(X[:1])
    return classifier(lambda: model)


@pytest.mark.parametrize("model", [lambda: classifier(), not_clonable, lambda: classifier(subclassed)])
def test_a_function_as_model(model):
    path = fit(model, lams=[0.1], cv=2)
    found = path.model()
    assert type(found) is type(model()) and found is not path.model()
    assert found.evaluate(X, Y, verbose=0)[0] < path.null_loss
    np.testing.assert_array_equal(found.get_weights()[0], path.weights[0][path.index_min])


def test_a_subclassed_model_trains_the_same_with_a_function_and_without():
    plain, function = (fit(m, lams=[0.1], cv=2) for m in (classifier(subclassed), lambda: classifier(subclassed)))
    assert plain.cv_loss.tobytes() == function.cv_loss.tobytes() and plain.plan["unrolled"]
    assert set(plain.metrics) == {"accuracy"} and plain.model().evaluate(X, Y, verbose=0)[0] < plain.null_loss
