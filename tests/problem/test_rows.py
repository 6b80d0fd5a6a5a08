"""Rows are taken in the forms in which Keras takes them, and what does not fit is named."""

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

import shrinkage as sh
from shrinkage._model._template import Template
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request
from shrinkage._problem._rows import read_rows

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 1)).astype("float32")
Y = 2 * X[:, 0]


def line(**options: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((1,), name="a"), layers.Dense(1, **options)])
    model.compile("sgd", "mse")
    return model


def two_outputs(loss: Any) -> keras.Model:
    x = keras.Input((1,))
    model = keras.Model(x, {name: layers.Dense(1, name=name)(x) for name in ("a", "b")})
    model.compile("sgd", loss)
    return model


def prepared(model: Any = line, **options: Any) -> Any:
    defaults: dict[str, Any] = {"x": X, "y": Y, "penalty": sh.L2(), "epochs": 1, "cv": 2}
    return prepare_problem(Request(model=model if isinstance(model, keras.Model) else model(), **defaults | options))


@pytest.mark.parametrize("x", [X[:, 0], [X], {"a": X}], ids=["without its axis of one", "in a list", "by its name"])
def test_one_input_is_taken_as_keras_takes_it(x):
    data, _ = read_rows(Template(line()), x, Y)
    (found,) = keras.tree.flatten(data.x)
    np.testing.assert_array_equal(found, X)


def test_targets_of_an_output_without_a_loss_are_not_checked():
    words = np.full(24, 7.5)
    data, _ = read_rows(Template(two_outputs({"a": "mse"})), X, {"a": Y, "b": words})
    assert data.y["a"][:, 0].tolist() == Y.tolist() and data.y["b"].tolist() == words.tolist()


def test_validation_rows_need_the_targets_of_every_loss():
    model, y = two_outputs({"a": "mse", "b": "mse"}), {"a": Y, "b": Y}
    with pytest.raises(ValueError, match=r"`validation_data`: `y\['b'\]` must be given, as that output has a loss"):
        prepared(model, y=y, validation_data=(X[:8], {"a": Y[:8]}))


def test_validation_rows_must_count():
    with pytest.raises(ValueError, match="`validation_data`: `sample_weight` must be 8 weights, .* not all zero"):
        prepared(validation_data=(X[:8], Y[:8], np.zeros(8)))


def test_weights_of_classes_leave_both_parts_of_every_fold_rows_that_count():
    labels = np.arange(24) % 2
    model = line(activation="sigmoid")
    model.compile("sgd", "binary_crossentropy")
    found = prepared(model, y=labels, class_weight={0: 0.0, 1: 3.0}, cv=4)
    weight, folds = found.training.data.weight, found.folds
    assert (weight == 0).sum() == 12
    assert min(weight[rows].sum() for rows in (*folds.train, *folds.held_out)) == 6  # of 3 rows of weight 2
    with pytest.raises(ValueError, match="`validation_data`: `class_weight` must give some rows a weight above 0"):
        prepared(model, y=labels, class_weight={0: 0.0, 1: 3.0}, validation_data=(X[:4], np.zeros(4)))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"on": "all"}, '`on` must be left out with penalty="model"'),
        ({"how": sh.Decoupled()}, "`how` must not be weight decay with .*Decoupled"),
    ],
)
def test_a_models_own_penalty_says_where_and_how_it_acts(options, words):
    with pytest.raises(ValueError, match=words):
        prepared(line(kernel_regularizer=keras.regularizers.L2(0.1)), penalty="model", **options)


def test_tokens_for_a_model_inside_are_looked_at_in_the_whole():
    """The embedding's own input is a tensor of the inner model, which the outer one does not lead to."""
    inside = keras.Sequential([keras.Input((2,), dtype="int32"), layers.Embedding(5, 2), layers.Flatten()])
    model = keras.Sequential([keras.Input((2,), dtype="int32"), inside, layers.Dense(1)])
    model.compile("sgd", "mse")
    tokens = RNG.integers(0, 5, (24, 2))
    assert prepared(model, x=tokens).training.data.n_rows == 24


def test_inputs_that_a_layer_makes_infinite_are_not_called_far_from_unit_size():
    """The first trained layer gets -inf, of which there is no size to tell."""
    x = keras.Input((1,))
    model = keras.Model(x, layers.Dense(1)(keras.ops.log(x)))
    model.compile("sgd", "mse")
    notes = prepared(model, x=np.zeros((24, 1), "float32")).notes
    assert not any("unit size" in note for note in notes)
