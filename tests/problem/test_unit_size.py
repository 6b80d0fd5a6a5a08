"""Inputs and targets far from unit size are named before any training; ordinary ones are not."""

import re
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from keras import layers, ops
from sklearn import datasets as sklearn_datasets

import shrinkage as sh
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request
from shrinkage._problem._unit_size import describe_input_scale

datasets: Any = sklearn_datasets  # whose loaders are annotated as what they return only at times

RNG = np.random.default_rng(0)


def scaled(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-9)


LOADED: Any = datasets  # scikit-learn's hints do not know what its loaders return
WINE, DIABETES, DIGITS = (load().data for load in (LOADED.load_wine, LOADED.load_diabetes, LOADED.load_digits))
PIXELS = RNG.integers(0, 256, size=(60, 8, 8, 3)).astype("float32")
HEAVY = np.exp(2.5 * RNG.normal(size=(500, 4)))
ONE_HOT = np.eye(2000)[RNG.integers(0, 2000, 300)]


def net(shape: Any, *first: keras.Layer) -> keras.Model:
    return keras.Sequential([keras.Input(shape), *first, layers.Flatten(), layers.Dense(3)])


def dense(n: int) -> keras.Model:
    return keras.Sequential([keras.Input((n,)), layers.Dense(3)])


def of_operations(shape: Any, operation: Any) -> keras.Model:
    inputs = keras.Input(shape)
    return keras.Model(inputs, layers.Dense(2)(layers.Flatten()(operation(inputs))))


class Own(keras.Model):
    """Whose graph is not known."""

    def __init__(self, before: Any = None):
        super().__init__()
        self.before, self.inner = before or (lambda x: x), layers.Dense(3)
        self.head = layers.Dense(2)

    def call(self, x):
        return self.head(self.inner(self.before(x)))


def own(n: int, before: Any = None) -> keras.Model:
    model = Own(before)
    model(np.ones((1, n)))
    return model


def nested(n: int, *first: keras.Layer, trainable: bool = True) -> keras.Model:
    inner = keras.Sequential([keras.Input((n,)), layers.Dense(3)])
    inner.trainable = trainable
    return keras.Sequential([keras.Input((n,)), *first, inner, layers.Dense(1)])


def two_inputs() -> keras.Model:
    a, b = keras.Input((10,), name="a"), keras.Input((13,), name="b")
    return keras.Model({"a": a, "b": b}, layers.Add()([layers.Dense(2)(a), layers.Dense(2)(b)]))


def tokens() -> keras.Model:
    inputs = keras.Input((5,), dtype="int32")
    return keras.Model(inputs, layers.Dense(1)(layers.Flatten()(layers.Embedding(5000, 4)(inputs))))


FAR_INPUTS: dict[str, Any] = {
    "array": (dense(13), WINE, r"up to 1,680 \(column 12\).*Standardise them, or put keras.layers.Normalization\(\)"),
    "table": (dense(13), pd.DataFrame(WINE, columns=LOADED.load_wine().feature_names), r"\(column 'proline'\)"),
    "a column named as a term": (dense(1), pd.DataFrame({"$loss": WINE[:, 12]}), r"\(column '\$loss'\)"),
    "breast cancer": (dense(30), LOADED.load_breast_cancer().data, r"up to 4,254 \(column 23\)"),
    "a negative column": (
        dense(10),
        DIABETES * np.where(np.arange(10) == 2, -1e6, 1),
        r"down to -170,555 \(column 2\)",
    ),
    "small inputs": (dense(10), DIABETES * 1e-3, "up to 0.0001[0-9]*: networks"),
    "pixels": (net((8, 8, 3), layers.Conv2D(2, 3)), PIXELS, r"up to 255: .*layers.Rescaling\(1 / 255\) first"),
    "a layer before": (net((8, 8, 3), layers.RandomFlip()), PIXELS, "at the layer dense.*Rescaling"),
    "sequences": (
        keras.Sequential([keras.Input((20, 2)), layers.LSTM(3)]),
        100 * RNG.random((50, 20, 2)),
        "up to 99.9: ",
    ),
    "two inputs": (two_inputs(), {"a": DIABETES[:20], "b": WINE[:20]}, r"up to 1,\d+ \(`x\['b'\]`, column 12\)"),
    "subclassed": (own(13), WINE, r"up to 1,680 \(column 12\)"),
    "nested": (nested(13), WINE, r"up to 1,680 \(column 12\)"),
}


@pytest.mark.parametrize(("model", "x", "said"), FAR_INPUTS.values(), ids=FAR_INPUTS)
def test_inputs_far_from_unit_size_are_named(model, x, said):
    arrays = keras.tree.map_structure(np.asarray, x)
    note = describe_input_scale(model, arrays, x)
    assert note.startswith("Inputs range ") and re.search(said, note), note


ORDINARY_INPUTS: dict[str, Any] = {
    "diabetes": (dense(10), DIABETES),
    "digits": (dense(64), DIGITS),
    "standardised": (dense(13), scaled(WINE)),
    "standardised heavy tails": (dense(HEAVY.shape[1]), scaled(HEAVY)),
    "one-hot": (dense(ONE_HOT.shape[1]), ONE_HOT),
    "iris": (dense(4), LOADED.load_iris().data),
    "digits to 1": (dense(64), DIGITS / 16),
    "counts": (dense(50), RNG.poisson(0.3, size=(300, 50)).astype(float)),
    "Normalization": (net((13,), layers.Normalization()), WINE),
    "BatchNormalization": (net((13,), layers.BatchNormalization()), WINE),
    "Rescaling": (net((8, 8, 3), layers.Rescaling(1 / 255), layers.Conv2D(2, 3)), PIXELS),
    "Rescaling after a layer": (
        net((8, 8, 3), layers.RandomFlip(), layers.Rescaling(1 / 255), layers.Conv2D(2, 3)),
        PIXELS,
    ),
    "division in a graph": (of_operations((8, 8, 3), lambda x: x / 255.0), PIXELS),
    "logarithm in a graph": (of_operations((13,), lambda x: ops.log(x + 1)), WINE),
    "subclassed with LayerNormalization": (own(13, layers.LayerNormalization()), WINE),
    "subclassed with a division": (own(13, lambda x: x / 1000.0), WINE),
    "subclassed": (own(10), DIABETES),
    "nested with Normalization": (nested(13, layers.Normalization()), WINE),
    "nested with Rescaling": (nested(13, layers.Rescaling(1 / 1000)), WINE),
    "nested and frozen": (nested(13, trainable=False), WINE),
    "tokens": (tokens(), RNG.integers(0, 5000, size=(60, 5))),
}


@pytest.mark.parametrize(("model", "x"), ORDINARY_INPUTS.values(), ids=ORDINARY_INPUTS)
def test_ordinary_inputs_and_those_that_the_model_scales_are_not(model, x):
    assert describe_input_scale(model, x, x) == ""


def test_the_note_and_what_it_explains_are_in_the_path(tmp_path):
    model = keras.Sequential([keras.Input((13,)), layers.Dense(16, "relu"), layers.Dense(3, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    path = sh.fit(model, WINE, LOADED.load_wine().target, penalty="l2", lams=[0.1, 0.01], cv=3, epochs=5)
    assert path.mean[path.index_min] > path.null_loss  # as such inputs make it
    assert path.verdict().startswith("Standardise the inputs") and "predict worse than a constant" in path.verdict()
    assert any(note.startswith("Inputs range up to 1,680 (column 12)") for note in path.notes)
    path.save(tmp_path / "path")
    assert sh.Path.load(tmp_path / "path").verdict() == path.verdict()


Y = LOADED.load_diabetes().target


TARGETS: dict[str, Any] = {
    "large variance": ("mse", Y, "variance is 5.93e.03.*: say standardize_target=True."),
    "large mean": ("mse", scaled(Y) + 100, "mean is 100.*: say standardize_target=True."),
    "two outputs": (
        "mse",
        np.stack([Y, Y], axis=1),
        r"variance is .*divide y yourself, y = \(y - y.mean\(axis=0\)\) / y.std\(axis=0\)",
    ),
    "absolute error": ("mae", Y, r"variance is .*divide y yourself, y = \(y - y.mean\(\)\) / y.std\(\)"),
    "unit size": ("mse", scaled(Y) + 3, None),
    "Poisson": ("poisson", Y, None),
}


@pytest.mark.parametrize("y", [np.ones(442), np.full((442, 1), -300.0), np.zeros(442)], ids=["1", "-300", "0"])
@pytest.mark.parametrize("standardize", [True, False])
def test_a_constant_target_is_not_to_be_standardised(y, standardize):
    """A constant is refused with `standardize_target`, which no note and no verdict may then advise."""
    model = keras.Sequential([keras.Input((10,)), layers.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    options = {"penalty": "l2", "epochs": 3, "lams": [0.1], "cv": 2}
    if standardize:
        with pytest.raises(ValueError, match="`y` must vary"):
            sh.fit(model, DIABETES, y, **options, standardize_target=True)
        return
    path = sh.fit(model, DIABETES, y, **options)
    assert any("a constant predicts it, and there is nothing to learn" in note for note in path.notes)
    assert "standardize_target" not in repr(path) + repr(path.diagnose())


@pytest.mark.parametrize("lams", ["auto", [0.1]])
@pytest.mark.parametrize(("loss", "y", "said"), TARGETS.values(), ids=TARGETS)
def test_targets_far_from_unit_size_are_named_whatever_the_strengths(lams, loss, y, said):
    activation = "softplus" if loss == "poisson" else None
    units = y.shape[1] if y.ndim > 1 else 1
    model = keras.Sequential([keras.Input((10,)), layers.Dense(units, activation)])
    model.compile("sgd", loss)
    notes = prepare_problem(Request(model, DIABETES, y, penalty="l2", epochs=1, lams=lams)).notes
    found = [note for note in notes if note.startswith("The target's ")]
    assert len(found) == (said is not None)
    assert said is None or re.search(said, found[0])


EQUAL: dict[str, Any] = {
    "a constant": (1, None, "mse", np.full(442, 3.0), "`y` is the same 3 in every row"),
    "constant counts": (1, "softplus", "poisson", np.full(442, 3.0), "`y` is the same 3 in every row"),
    "constants": (2, None, "mae", np.ones((442, 2)) * [1, 2], "`y` is the same in every row"),
    "one of two varies": (2, None, "mse", np.stack([Y, np.ones(442)], axis=1) / 100, None),
    "a loss of the user, to which targets may mean nothing": (
        1,
        None,
        lambda t, p: ops.mean(p**2),
        np.zeros(442),
        None,
    ),
    "absent labels": (5, "softmax", "sparse_categorical_crossentropy", np.arange(442) % 2 * 2, "class 1 (0 rows), 3"),
    "absent columns": (4, "softmax", "categorical_crossentropy", np.eye(4)[np.arange(442) % 2], "class 2 (0 rows), 3"),
    "all classes": (3, "softmax", "sparse_categorical_crossentropy", np.arange(442) % 3, None),
    "two classes": (1, "sigmoid", "binary_crossentropy", np.arange(442) % 2, None),
}


@pytest.mark.parametrize(("units", "activation", "loss", "y", "said"), EQUAL.values(), ids=EQUAL)
def test_targets_that_say_nothing_are_named(units, activation, loss, y, said):
    model = keras.Sequential([keras.Input((10,)), layers.Dense(units, activation)])
    model.compile("sgd", loss)
    notes = prepare_problem(Request(model, DIABETES, y, penalty="l2", epochs=1)).notes
    found = [note for note in notes if "the same" in note or "does not have" in note]
    assert len(found) == (said is not None) and all(said in note for note in found)
    assert not (found and any("standardize_target" in note for note in notes))  # which refuses a constant


def test_a_constant_target_does_not_lead_to_standardising_it():
    model = keras.Sequential([keras.Input((10,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    path = sh.fit(model, DIABETES, np.full(442, 3.0), penalty="l2", epochs=2, lams=[0.1], cv=2)
    assert "the same 3 in every row" in str(path) and "standardize_target" not in str(path)


def test_words_of_a_vocabulary_that_no_row_has_are_ordinary():
    model = keras.Sequential([keras.Input((7,)), layers.Embedding(50, 3), layers.Dense(50, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    words = RNG.integers(0, 9, size=(40, 7))
    notes = prepare_problem(Request(model, words, words, penalty="l2", epochs=1)).notes
    assert not [note for note in notes if "does not have" in note]


XC, YC = scaled(WINE), LOADED.load_wine().target


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        (130, {"validation_data": (XC[100:], YC[100:])}, "rows of class 2 (48 rows), and `x` has none"),
        (131, {}, "All rows of class 2 (1 row) fall into one fold"),
        (178, {}, None),
        (178, {"validation_data": (XC[100:], YC[100:])}, None),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_classes_that_are_held_out_and_not_trained_on_are_named(rows, options, said):
    model = keras.Sequential([keras.Input((13,)), layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    notes = prepare_problem(Request(model, XC[:rows], YC[:rows], penalty="l2", epochs=1, **options)).notes
    assert any(said in note for note in notes) if said else not [note for note in notes if "class" in note]


@pytest.mark.parametrize(
    ("options", "said"), [({"cv": 10}, True), ({"cv": 0.2}, True), ({"cv": 5}, False), ({}, False)]
)
def test_folds_asked_for_beside_validation_data_are_said_not_to_be_used(options, said):
    model = keras.Sequential([keras.Input((13,)), layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    notes = prepare_problem(Request(model, XC, YC, penalty="l2", epochs=1, validation_data=(XC, YC), **options)).notes
    assert any("was not used: `validation_data`" in note for note in notes) == said


@pytest.mark.parametrize("weights", [{0: 1.0}, {1: 2.0}, {0: 1, 1: 2, 2: 3}])
def test_weights_of_classes_that_only_the_validation_data_have_are_taken(weights):
    model = keras.Sequential([keras.Input((13,)), layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    held_out = (XC[100:], YC[100:])
    with pytest.warns(UserWarning, match="class 2"):
        prepare_problem(
            Request(model, XC[:130], YC[:130], penalty="l2", epochs=1, validation_data=held_out, class_weight=weights)
        )


def test_losses_that_are_nan_on_both_sides_agree():
    """A Poisson loss of outputs that are negative only for weights a little off is no sign of a wrong rule."""
    model = keras.Sequential([keras.Input((10,)), layers.Dense(1, bias_initializer="ones", kernel_initializer="zeros")])
    model.compile("sgd", "poisson")
    counts = RNG.poisson(3, size=len(DIABETES))
    path = sh.fit(model, scaled(DIABETES), counts, penalty="l2", lams=[0.1], cv=2, epochs=2)
    assert not [note for note in path.notes if "did not agree" in note]
    assert path.failed.all() == ("activation='exponential'" in path.verdict())


@pytest.mark.parametrize(
    ("loss", "activation", "said"),
    [
        ("msle", None, True),
        (keras.losses.MeanSquaredLogarithmicError(), "tanh", True),
        ("msle", "softplus", False),
        ("msle", "relu", False),
        ("mse", None, False),
    ],
)
def test_predictions_below_0_that_the_loss_takes_for_0_are_named(loss, activation, said):
    model = keras.Sequential([keras.Input((10,)), layers.Dense(1, activation)])
    model.compile("sgd", loss)
    x, y = scaled(DIABETES), Y / 100
    notes = [note for note in prepare_problem(Request(model, x, y, penalty="l2", epochs=1)).notes if "below 0" in note]
    assert len(notes) == said
    if said:  # as the note says: no gradient of a row below 0
        low = ops.convert_to_numpy(model(x))[:, 0] < 0
        variables = tf.Variable(-ops.ones((1, 1)))
        with tf.GradientTape() as tape:
            value = keras.losses.MeanSquaredLogarithmicError()(ops.ones((1, 1)), variables)
        assert low.any() and not np.any(tape.gradient(value, variables))
