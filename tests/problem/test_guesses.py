"""What people type by guess works, or is answered with code that does: that code is run."""

import copy
import re
import textwrap
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers
from sklearn.model_selection import KFold

import shrinkage as sh
from tests.synthetic_path import make_path
from tests.unregistered import OwnOptimizer

RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 3)).astype("float32")
Y = (X @ np.array([1.0, 2.0, -1.0]) + 0.1 * RNG.normal(size=48)).astype("float32")


def line() -> keras.Model:
    made = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    made.compile("sgd", "mse")
    return made


def binary() -> keras.Model:
    made = keras.Sequential([keras.Input((3,)), layers.Dense(1, "sigmoid")])
    made.compile("sgd", "binary_crossentropy")
    return made


def said(call: Any, error: type[Exception] = TypeError) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def printed_code(text: str) -> str:
    return textwrap.dedent("\n".join(line for line in text.splitlines() if line.startswith("    ")))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"callbacks": []}, "on_epoch=function.*patience=5.*shrinkage.attach"),
        ({"validation_split": 0.2}, "cv=0.2"),
        ({"monitor": "val_loss"}, "held-out data loss"),
        ({"shuffle": False}, "validation_data"),
        ({"validation_freq": 2}, "after every epoch"),
        ({"lam": 0.1}, r"lams=\[0.1\]"),
        ({"lambda_": 0.1}, r"lams=\[0.1\]"),
        ({"alphas": [1, 0.1]}, r"lams=\[1, 0.1\]"),
        ({"n_folds": 4}, "cv=4"),
        ({"k": 4}, "cv=4"),
        ({"workers": 2}, "all cores"),
        ({"random_state": 3}, "seed=3"),
        ({"learning_rate": 0.1}, r"Adam\(0.1\)"),
        ({"l1_ratio": 0.3}, r"ElasticNet\(0.3\)"),
        ({"batchsize": 3}, "Do you mean `batch_size`"),
        ({"colour": 3}, "The arguments are model, x, y, penalty"),
    ],
)
def test_arguments_of_other_packages(given, words):
    arguments: dict[str, Any] = {"penalty": "l2", "epochs": 1} | given
    text = said(lambda: sh.fit(line(), X, Y, **arguments))
    assert text.startswith(f"Keywords of fit() must be names of its arguments. Received: `{next(iter(given))}`. ")
    assert re.search(words, text), text


def test_what_is_missing_or_by_place():
    fit: Any = sh.fit
    assert "`epochs` must be given" in said(lambda: fit(line(), X, Y, penalty="l2"))
    assert said(lambda: fit(line(), X, Y, epochs=1)).startswith(
        "`penalty` must be given. Received: a call of fit() without it. Say penalty=shrinkage.L2(), or 'l2'"
    )
    assert said(lambda: fit(line(), X, Y, "l2", 3)).startswith(
        "fit() must be called with at most 3 arguments by position (model, x, y). Received: 5. Name the rest: "
        "shrinkage.fit(model, x, y, penalty=shrinkage.L2()"
    )
    several = said(lambda: fit(line(), X, Y, penalty="l2", callbacks=[], seeds=1))
    assert re.search("Received: `callbacks`. All .* Received: `seeds`. Do you mean `seed`", several)


def test_strengths_in_a_penalty():
    penalties: Any = sh
    for call in (lambda: penalties.L2(lam=0.1), lambda: penalties.L1(0.1), lambda: penalties.GroupLasso(alpha=0.1)):
        assert "lams=[0.1]" in said(call)
    for call in (lambda: penalties.L2(0.1), lambda: penalties.GroupLasso(0.1)):
        assert "lams=[0.1]" in said(call, ValueError)
    assert "l1 + 2 * l2" in said(lambda: penalties.ElasticNet(l1=0.1))
    assert "lams=[0.2]" in said(lambda: penalties.fit(line(), X, Y, penalty=keras.regularizers.L2(0.1), epochs=1))


def test_names():
    path = sh.fit(line(), X, Y, penalty="l2", lams=[0.1], cv=3, epochs=2)
    assert path.penalty == sh.L2() and repr(sh.attach(line(), "elastic-net", lam=0.1)).startswith("ElasticNet")
    np.testing.assert_array_equal(path.model("none").get_weights()[0], path.model(0.0).get_weights()[0])
    assert not np.array_equal(path.model("none").get_weights()[0], path.model(0.1).get_weights()[0])


@pytest.mark.parametrize("outputs", ["list", "dict"])
@pytest.mark.parametrize("form", [lambda y: y, lambda y: [y], lambda y: {"a": y}])
def test_targets_for_the_outputs_with_a_loss(outputs, form):
    """As Keras takes them."""
    x = keras.Input((3,))
    hidden = layers.Dense(4, "relu", name="h")(x)
    a = layers.Dense(1, name="a")(hidden)
    made: Any = keras.Model(x, [hidden, a] if outputs == "list" else {"a": a, "h": hidden})
    made.compile("sgd", [None, "mse"] if outputs == "list" else {"a": "mse"})
    path = sh.fit(made, X, form(Y), penalty="l2", lams=[1e-9], cv=3, epochs=1, init="keep", batch_size=48, epoch="last")
    assert np.isfinite(path.mean).all()
    losses = [made.evaluate(X[rows], Y[rows], verbose=0) for rows in path.folds.held_out]
    assert path.mean[0] < np.mean(losses), "one step lowers the loss that Keras gives"


def test_missing_labels_do_not_count_by_the_code_that_is_shown():
    y = Y.copy()
    y[:3] = np.nan
    found: dict[str, Any] = {"numpy": np, "y": y}
    exec(printed_code(said(lambda: sh.fit(line(), X, y, penalty="l2", epochs=1), ValueError)), found)
    assert found["sample_weight"].sum() == 45 and np.isfinite(found["y"]).all()


def penalised(regularizer: Any, second: Any = None) -> keras.Model:
    made = keras.Sequential(
        [
            keras.Input((3,)),
            layers.Dense(6, "tanh", kernel_regularizer=regularizer, name="first"),
            layers.Dense(1, kernel_regularizer=second or regularizer, name="second"),
        ]
    )
    made.compile(keras.optimizers.Adam(0.01), "mse")
    return made


def test_a_regularizer_is_taken_off_by_the_code_that_is_shown():
    made = penalised(keras.regularizers.L2(1e-4))
    text = said(lambda: sh.fit(made, X, Y, penalty="l2", epochs=1), ValueError)
    assert "kernel_regularizer=keras.regularizers.L2(0.0001), name='first'" in text and 'penalty="model"' in text
    exec(printed_code(text[text.index("remove the regularizers") :]), {"model": made})
    path = sh.fit(made, X, Y, penalty="l2", lams=[0.1], cv=3, epochs=1)
    assert path.model().losses == []


def test_the_path_of_a_models_own_regularizer(tmp_path):
    """It is that of the same model without one; the model's own strength is in it, and nothing is added twice."""
    options: dict[str, Any] = {"cv": 3, "epochs": 4}
    path = sh.fit(penalised(keras.regularizers.L2(0.003)), X, Y, penalty="model", lams=[0.1], **options)
    assert path.lam_model == 0.006 and path.lams.tolist() == [0.1, 0.006, 0.0] and path.index_model == 1
    bare = keras.Sequential([keras.Input((3,)), layers.Dense(6, "tanh"), layers.Dense(1)])
    bare.compile(keras.optimizers.Adam(0.01), "mse")
    plain = sh.fit(bare, X, Y, penalty=sh.L2(), lams=[0.1, 0.006], plan=path.plan, **options)
    np.testing.assert_allclose(path.cv_loss, plain.cv_loss, rtol=1e-6)
    assert np.ptp(path.norm) > 1e-3
    best = path.model("model")
    assert best.losses == [] and best.layers[0].get_config()["kernel_regularizer"] is None
    words = str(path)
    assert "\nmodel" in words and "Keras' L2(0.003)" in words and "Keras' L2(0.003)" in path.verdict()
    assert any("model: " in text.get_text() for text in path.plot().legends[0].get_texts())
    path.save(tmp_path / "path")
    loaded = sh.Path.load(tmp_path / "path")
    assert loaded.lam_model == path.lam_model and str(loaded) == words


def test_the_automatic_grid_has_the_models_own_strength():
    path = sh.fit(penalised(keras.regularizers.L1(0.02)), X, Y, penalty="model", cv=3, epochs=1, how=sh.Coupled())
    assert isinstance(path.penalty, sh.L1) and path.lam_model == 0.02 and 0.02 in path.lams


@pytest.mark.parametrize(
    ("regularizers", "words"),
    [
        (("l1", "l2"), r"L1\(0.01\), name='first'.*\n.*L2\(0.01\), name='second'"),
        ((keras.regularizers.OrthogonalRegularizer(), None), r"OrthogonalRegularizer\(...\)"),
        ((None, None), "needs a model with a regularizer on a trainable weight. Received: a model without one"),
    ],
)
def test_regularizers_that_are_not_one_are_listed(regularizers, words):
    with pytest.raises(ValueError, match=words):
        sh.fit(penalised(*regularizers), X, Y, penalty="model", epochs=1)


class Loader:
    """As PyTorch's: it has a `dataset`, and gives lists."""

    dataset = (X, Y)

    def __iter__(self):
        return iter([[X[:40], Y[:40]], [X[40:], Y[40:]]])


class OwnStep(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(1)

    def call(self, x):
        return self.dense(x)

    def train_step(self, data):
        return super().train_step(data)


def own_step() -> keras.Model:
    made = OwnStep()
    made(X[:1])
    made.compile("sgd", "mse")
    return made


def own_optimizer() -> keras.Model:
    made = line()
    made.compile(OwnOptimizer(0.01), "mse")
    return made


def differing() -> keras.Model:
    return penalised(keras.regularizers.L2(1e-4), keras.regularizers.L1(1e-4))


MASKED = np.ma.masked_array(Y, mask=np.arange(48) < 5)
SHOWN: dict[str, tuple[Any, Any, Any, Any, Any]] = {
    "a generator": (line, ((X[i : i + 1], Y[i : i + 1]) for i in range(48)), None, "l2", lambda f: len(f["y"]) == 48),
    "a loader": (line, Loader(), None, "l2", lambda f: np.array_equal(f["x"], X) and np.array_equal(f["y"], Y)),
    "masked targets": (
        line,
        X,
        MASKED,
        "l2",
        lambda f: f["sample_weight"].sum() == 43 and not np.ma.is_masked(f["y"]),
    ),
    "an own train_step": (own_step, X, Y, "l2", lambda f: "penalty" in f["model"].history.history),
    "an own optimizer": (own_optimizer, X, Y, "l2", lambda f: "penalty" in f["model"].history.history),
    "regularizers that differ": (differing, X, Y, "model", lambda f: not f["model"].losses),
    "regularizers beside a penalty": (differing, X, Y, "l2", lambda f: not f["model"].losses),
}


@pytest.mark.parametrize("name", SHOWN)
def test_the_code_of_every_refusal_runs(name):
    """It is run as it is shown, on what was refused, and gives what it says."""
    make, x, y, penalty, is_right = SHOWN[name]
    made = make()
    with pytest.raises((TypeError, ValueError)) as caught:
        sh.fit(made, x, y, penalty=penalty, lams=[0.1], cv=3, epochs=1)
    text = str(caught.value)
    shown = printed_code(text.split("emove the regularizers")[-1])
    assert shown
    found: dict[str, Any] = {"model": made, "dataset": x, "x": x, "y": y, "numpy": np, "keras": keras, "shrinkage": sh}
    exec(shown.replace("epochs=20", "epochs=1, verbose=0"), found)
    assert is_right(found)


LEADING: dict[str, Any] = {
    "a class of splitters": ({"cv": KFold}, r"Say cv=KFold\(5\)"),
    "a splitter with repeats": ({"cv": KFold(4), "repeats": 2}, "Say cv=4, .*RepeatedKFold"),
    "a fraction of folds": ({"cv": 5.0}, "Say cv=5, "),
    "a loader to validate": ({"validation_data": Loader()}, r"x_val, y_val = .*\*dataset"),
    "a class of how": ({"how": sh.Coupled}, r"Call the class: shrinkage.Coupled\(\)"),
    "a penalty of compare": ({"penalty": "decoupled"}, "Say penalty='l2', how='decoupled'."),
    "ridge": ({"penalty": "ridge"}, "'l2' here"),
    "two penalties": ({"penalty": [sh.L1(), sh.L2()]}, "ElasticNet"),
    "a function with an argument": ({"model": lambda units: line()}, "lambda: function"),
    "a file of a model": ({"model": "model.keras"}, "load_model"),
    "a file of a table": ({"x": "t.csv"}, "read_csv"),
    "a name of a column": ({"y": "label"}, r"say y=table\['label'\]"),
    "labels 1 and 2": ({"y": np.arange(48) % 2 + 1.0, "model": binary()}, r"say y=\(y == 2\)"),
    "a set": ({"x": set(range(48))}, r"numpy.array\(list\(x\)\)"),
    "numbers as text": ({"y": Y.astype(str)}, r"numbers as text: say y.astype\('float32'\)"),
    "dates": ({"x": pd.DataFrame({"a": pd.date_range("2020", periods=48), "b": 1, "c": 2.0})}, r"total_seconds\(\)"),
}


@pytest.mark.parametrize(("given", "words"), LEADING.values(), ids=LEADING)
def test_each_refusal_leads_on(given, words):
    arguments: dict[str, Any] = {"model": line(), "x": X, "y": Y, "penalty": "l2", "epochs": 1} | given
    with pytest.raises((TypeError, ValueError), match=words):
        sh.fit(**arguments)


ATTRIBUTES = {
    "predict": r"path.model\(\).predict\(...\)",
    "evaluate": r"path.model\(\).evaluate\(...\)",
    "summary": r"path.model\(\).summary\(\)",
    "layers": r"path.model\(\).layers, ",
    "history": "path.cv_loss of",
    "best_model": r"Say path.model\(\), ",
    "lambda_1se": "Say path.lam_1se.$",
    "lambda_min": "Say path.lam_min.$",
    "alphas_": "Say path.lams.$",
    "coef_": r"path.model\(\).get_weights\(\)",
    "colour": "has no attribute 'colour'$",
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_attributes_of_models_and_other_searches(name):
    path: Any = make_path()
    assert not hasattr(path, name)
    with pytest.raises(AttributeError, match=ATTRIBUTES[name]) as caught:
        getattr(path, name)
    for code in re.findall(r"path\.(\w+)", str(caught.value)):
        assert hasattr(path, code), "what is named exists"
    assert copy.deepcopy(path).lams.tolist() == path.lams.tolist()


def test_a_strength_to_attach_with():
    attach: Any = sh.attach
    assert re.search(
        "^`lam` must be given. Received: a call of attach.. without it. Say lam=1e-4.*path.lam_min",
        said(lambda: attach(line(), sh.L2())),
    )
    assert re.search(
        "^`penalty` and `lam` must be given. Received: .* without them. Say shrinkage.attach",
        said(lambda: attach(line())),
    )


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (keras.Sequential, r"the class Sequential. Create a model: Sequential\(...\)"),
        ("m.keras", "load_model"),
        (lambda: line(), "function. Call the function"),
        (layers.Dense(1), r"Dense. Put the layer into a model"),
        (make_path(), r"Path. For a path say path.model\(\)"),
        (3, "Received: int.$"),
    ],
)
@pytest.mark.parametrize("call", [sh.describe, sh.doctor, lambda model: sh.attach(model, "l2", lam=0.1)])
def test_what_is_no_model(call, given, words):
    with pytest.raises(TypeError, match=words):
        call(given)
