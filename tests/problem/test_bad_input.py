"""Bad input to `sh.fit`: one clear sentence before any training, and the caller's model as it was."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import tensorflow as tf
from keras import layers

import shrinkage as sh
from tests.zoo import mlp, rows

X, Y = rows("table")
N = len(X)
LOSS = "sparse_categorical_crossentropy"


def model(
    make: Callable[[], keras.Model] = mlp, optimizer: Any = "sgd", loss: Any = LOSS, **options: Any
) -> keras.Model:
    made = make()
    made.compile(optimizer, loss, **options)
    return made


def regression() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), layers.Dense(1)])


def linear_three() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), layers.Dense(3)])


def binary() -> keras.Model:
    return keras.Sequential([keras.Input((6,)), layers.Dense(1, "sigmoid")])


def dense(**options: Any) -> Callable[[], keras.Model]:
    return lambda: keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax", **options)])


def token_model(rows: int, column: int | None = None) -> keras.Model:
    """Embed both columns of `x`, or one, in a table of so many rows."""
    x = keras.Input((2,), dtype="int32")
    vectors = layers.Embedding(rows, 2, name="words")(x if column is None else x[:, column : column + 1])
    made = keras.Model(x, layers.Dense(3, activation="softmax")(layers.Flatten()(vectors)))
    made.compile("sgd", "sparse_categorical_crossentropy")
    return made


def with_bad(values: np.ndarray, places: dict[Any, float]) -> np.ndarray:
    changed = values.astype(float)
    for place, value in places.items():
        changed[place] = value
    return changed


def frame() -> pd.DataFrame:
    return pd.DataFrame(with_bad(X, {(0, 2): np.nan, (5, 2): np.inf, (5, 4): np.nan}), columns=list("abcdef"))


def trained() -> keras.Model:
    made = model()
    made.fit(X, Y, verbose=0)
    return made


def loaded(tmp_path: Any) -> keras.Model:
    trained().save_weights(tmp_path / "some.weights.h5")
    made = mlp()
    made.load_weights(tmp_path / "some.weights.h5")
    made.compile("sgd", LOSS)
    return made


class OwnStep(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


class OwnLoss(keras.Sequential):
    def compute_loss(self, *args, **kwargs):
        return super().compute_loss(*args, **kwargs)


class NeedsArgument(keras.Model):
    """A model that Keras cannot clone: its configuration is not known."""

    def __init__(self, hidden: layers.Layer):
        super().__init__()
        self.hidden = hidden

    def call(self, inputs):
        return self.hidden(inputs)


def not_clonable() -> keras.Model:
    made = NeedsArgument(layers.Dense(3, "softmax"))
    made(X[:1])
    return made


def unbuilt() -> keras.Model:
    return keras.Sequential([layers.Dense(3, "softmax")])


def frozen() -> keras.Model:
    made = mlp()
    made.trainable = False
    return made


def stateful() -> keras.Model:
    return keras.Sequential(
        [keras.Input((5, 4), batch_size=4), layers.GRU(3, stateful=True), layers.Dense(3, "softmax")]
    )


def masked() -> keras.Model:
    tokens = layers.Embedding(7, 4, mask_zero=True)
    return keras.Sequential(
        [keras.Input((5,), dtype="int32"), tokens, layers.LSTM(3, return_sequences=True), layers.Dense(3, "softmax")]
    )


def mixed(policy: str) -> Callable[[], keras.Model]:
    return lambda: keras.Sequential([keras.Input((6,)), layers.Dense(3, "softmax", dtype=policy)])


def constrained_by_hand() -> keras.Model:
    made = model()
    made.trainable_variables[0].constraint = keras.constraints.NonNeg()
    return made


def sgd(**options: Any) -> Callable[[], keras.Model]:
    return lambda: model(optimizer=keras.optimizers.SGD(0.1, **options))


def of_objects(rows: np.ndarray) -> np.ndarray:
    made = np.empty(len(rows), object)
    made[:] = list(rows)
    return made


ONE_HOT = np.eye(3)[Y]

# name: (what differs from a good call; a function is called to make the model), the error, and what it must say
CASES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    # the model
    "no model": ({"model": lambda: "a model"}, TypeError, "`model` must be a compiled keras.Model .* Received: str"),
    "a layer": ({"model": lambda: layers.Dense(3)}, TypeError, "`model` must be a compiled keras.Model or a function"),
    "not built": ({"model": lambda: model(unbuilt)}, ValueError, r"`model` .* must be built.* Add keras.Input"),
    "not compiled": ({"model": mlp}, ValueError, r"`model` .* must be compiled .* Call model.compile"),
    "no loss": ({"model": lambda: model(loss=None)}, ValueError, r"`model` .* must be compiled with a loss"),
    "all frozen": (
        {"model": lambda: model(frozen)},
        ValueError,
        "`model` .* trainable weights.*layer.trainable = True",
    ),
    "own train_step": (
        {"model": lambda: model(lambda: OwnStep([keras.Input((6,)), layers.Dense(3)]))},
        ValueError,
        r"(?s)`model` .* overrides `train_step`.* shrinkage.attach\(model, shrinkage.L2\(\), lam=1e-4\)",
    ),
    "own compute_loss": (
        {"model": lambda: model(lambda: OwnLoss([keras.Input((6,)), layers.Dense(3)]))},
        ValueError,
        r"(?s)`model` .* overrides `compute_loss`.* shrinkage.attach\(model, shrinkage.L2\(\), lam=1e-4\)",
    ),
    "run_eagerly": ({"model": lambda: model(run_eagerly=True)}, ValueError, "`model` .* run_eagerly=True.* without it"),
    "mixed_float16": (
        {"model": lambda: model(mixed("mixed_float16"))},
        ValueError,
        "`model` .* mixed_float16.* loss scale .* dtype='mixed_bfloat16' or 'float32'",
    ),
    "bfloat16": (
        {"model": lambda: model(mixed("bfloat16"))},
        ValueError,
        "`model` .* in bfloat16.* lose small steps.* dtype='mixed_bfloat16' or 'float32'",
    ),
    "constraint that the layer does not know": (
        {"model": lambda: constrained_by_hand()},
        ValueError,
        "`model` has a constraint on .*kernel that is not in the configuration .* kernel_constraint=constraint",
    ),
    "stateful": (
        {"model": lambda: model(stateful), "x": rows("series")[0], "y": rows("series")[1]},
        ValueError,
        "`model` .* stateful layer .* stateful=False",
    ),
    "not clonable": (
        {"model": lambda: model(not_clonable)},
        ValueError,
        r"`model` of class NeedsArgument cannot be cloned .* Give a function",
    ),
    "function of no model": (
        {"function": lambda: None},
        TypeError,
        "`model` is a function and must return a keras.Model",
    ),
    "function, not compiled": ({"function": mlp}, ValueError, "`model` .* must be compiled"),
    "already penalised": (
        {"model": lambda: model(dense(kernel_regularizer="l2"))},
        ValueError,
        r"(?s)`model` already carries a penalty .*kernel_regularizer=keras.regularizers.L2\(0.01\).*penalty=.model",
    ),
    "trained": ({"model": trained}, ValueError, '`model` has been trained .* 2 steps.*init="keep".*init="fresh"'),
    # its loss and optimizer
    "weight decay": (
        {"model": sgd(weight_decay=1e-4)},
        ValueError,
        r"weight_decay=0.0001.* keras.optimizers.SGD\(...\)\. .*penalty=shrinkage.L2\(\), how=shrinkage.Decoupled\(\)",
    ),
    "AdamW": (
        {"model": lambda: model(optimizer="adamw")},
        ValueError,
        r"weight_decay=.* or with keras.optimizers.Adam\. .*how=shrinkage.Decoupled\(\)",
    ),
    "Muon": (
        {"model": lambda: model(optimizer="muon")},
        ValueError,
        r"weight_decay=0.004.* keras.optimizers.Muon\(..., weight_decay=0.0, adam_weight_decay=0.0\)",
    ),
    "scaled loss": (
        {"model": lambda: model(optimizer=keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1)))},
        ValueError,
        "one of SGD, Adam.* Received: optimizer LossScaleOptimizer",
    ),
    "no metric for L1": (
        {"model": lambda: model(optimizer="lion"), "penalty": sh.L1()},
        ValueError,
        r"Proximal\(\) needs .* Received: Lion.* how=shrinkage.Coupled",
    ),
    "averages of L1": (
        {"model": sgd(use_ema=True), "penalty": sh.L1()},
        ValueError,
        r"Proximal\(\) gives exact zeros, .* use_ema=True.* without it, or use how=shrinkage.Coupled",
    ),
    "unknown loss": (
        {"model": lambda: model(loss="no loss")},
        ValueError,
        "`loss` .* does not fit .* Could not interpret",
    ),
    "a loss that fails": (
        {"model": lambda: model(loss=lambda y, p: y - p)},
        ValueError,
        r"`loss` \(.*lambda.*\) failed on the first rows: .* targets of shape \(32,\) for an output of shape \(32, 3\)",
    ),
    "too many loss_weights": (
        {"model": lambda: model(loss_weights=[2.0, 1.0])},
        ValueError,
        "`loss` or `loss_weights` does not fit .* must match the number of losses",
    ),
    "a class to ignore": (
        {"model": lambda: model(loss=keras.losses.SparseCategoricalCrossentropy(ignore_class=0))},
        ValueError,
        "`loss` must count every row. Received: ignore_class=0. Drop",
    ),
    "masked output": (
        {"model": lambda: model(masked), "x": rows("tokens")[0], "y": rows("tokens")[0] % 3},
        ValueError,
        "`model` puts a mask on its output .* without mask_zero",
    ),
    "sum of losses": (
        {"model": lambda: model(loss=keras.losses.SparseCategoricalCrossentropy(reduction="sum"))},
        ValueError,
        "`loss` must average over rows .* Received: reduction='sum'",
    ),
    # x
    "NaN in x": (
        {"x": with_bad(X, {(0, 2): np.nan, (5, 2): np.nan, (5, 4): np.inf})},
        ValueError,
        r"`x` must be finite.* 3 NaN or infinite values in 2 of 40 rows in column 2 \(2\), 4 \(1\).* Drop or impute",
    ),
    "NaN in a data frame": ({"x": frame()}, ValueError, r"`x` must be finite.* column 'c' \(2\), 'e' \(1\)"),
    "too large for float32": (
        {"x": with_bad(X, {(3, 1): 1e300})},
        ValueError,
        r"`x` must be finite in float32.* column 1",
    ),
    "strings in x": ({"x": np.full((N, 6), "a")}, TypeError, "`x` must be an array of real numbers.* Encode text"),
    "objects in x": (
        {"x": np.array([[None] * 6] * N)},
        TypeError,
        "`x` must be an array of real numbers.* dtype object",
    ),
    "complex x": ({"x": X + 1j}, TypeError, "`x` must be an array of real numbers"),
    "Dataset": ({"x": tf.data.Dataset.from_tensor_slices((X, Y))}, TypeError, "`x` must be an array.* Streams are not"),
    "generator": ({"x": (row for row in X)}, TypeError, "`x` must be an array.* generator"),
    "a number as x": ({"x": 1.0}, TypeError, "`x` must be an array with rows"),
    "no rows": ({"x": X[:0], "y": Y[:0]}, ValueError, "`x` must have rows. Received: none"),
    "too few columns": ({"x": X[:, :4]}, ValueError, r"`x` must have the shape .*\(n, 6\). Received: \(40, 4\)"),
    "one axis too few": ({"x": X[:, 0]}, ValueError, r"`x` must have the shape .*\(n, 6\). Received: \(40,\)"),
    "a sparse matrix": ({"x": scipy.sparse.csr_matrix(X)}, TypeError, r"`x` must be a dense .* Say x.toarray\(\)"),
    "a masked array": (
        {"x": np.ma.masked_greater(X, 1.5)},
        ValueError,
        r"`x` must have no masked values, .* \d+ masked values in \d+ of 40 rows. Say x.filled\(value\)",
    ),
    "ragged lists": ({"x": [[1, 2], [3]] * 20}, TypeError, r"rows have different lengths: say keras.utils.pad_seq"),
    "an array of arrays": (
        {"x": of_objects(X)},
        TypeError,
        r"dtype object. Say numpy.stack\(list\(x\)\), as its rows have equal shapes",
    ),
    "a list of rows": ({"x": list(X)}, ValueError, r"as many rows. Received: 6 and 40 rows. .*numpy.stack\(x\)"),
    "times": ({"x": X.astype("datetime64[s]")}, TypeError, r"numpy.timedelta64\(1, 'D'\) in days"),
    "a column of text": (
        {"x": pd.DataFrame(X).assign(town="a")},
        TypeError,
        "dtype object, from column 'town'. Encode text",
    ),
    # y
    "no y": ({"y": None}, TypeError, "`y` must be an array. Received: None. For an autoencoder y is x"),
    "lengths differ": ({"y": Y[:-1]}, ValueError, "`x` and `y` must have as many rows. Received: 40 and 39"),
    "NaN in y": ({"y": with_bad(Y, {(7,): np.nan})}, ValueError, "`y` must be finite.* 1 NaN .* in 1 of 40 rows. Drop"),
    "strings in y": (
        {"y": np.array(list("abcd") * 10)},
        TypeError,
        "`y` must be an array of real numbers.* Number the classes: .* numpy.unique",
    ),
    "labels too high": ({"y": Y + 1}, ValueError, "`y` must hold class labels 0 to 2 .* values from 1 to 3"),
    "labels negative": ({"y": Y - 1}, ValueError, "`y` must hold class labels 0 to 2 .* values from -1 to 1"),
    "labels not whole": ({"y": Y / 2}, ValueError, "`y` must hold whole numbers"),
    "one-hot for labels": (
        {"y": ONE_HOT},
        ValueError,
        "`y` must hold one class label .* loss='categorical_crossentropy'",
    ),
    "labels for one-hot": (
        {"model": lambda: model(loss="categorical_crossentropy")},
        ValueError,
        r"`y` must have the shape .*\(n, 3\).* loss='sparse_categorical_crossentropy'",
    ),
    "output too wide": ({"model": lambda: model(loss="mse")}, ValueError, r"`y` must have the shape .*\(n, 3\)"),
    "y too wide": (
        {"model": lambda: model(regression, loss="mse"), "y": ONE_HOT},
        ValueError,
        r"`y` must have the shape .*\(n, 1\).* Received: shape \(40, 3\)",
    ),
    "not 0 to 1": (
        {"model": lambda: model(binary, loss="binary_crossentropy")},
        ValueError,
        "`y` must lie between 0 and 1 .* values from 0 to 2",
    ),
    "negative counts": (
        {"model": lambda: model(regression, loss="poisson"), "y": Y - 1.0},
        ValueError,
        "`y` must not be negative for poisson",
    ),
    "negative amounts": (
        {"model": lambda: model(regression, loss="mean_squared_logarithmic_error"), "y": Y - 1.0},
        ValueError,
        "`y` must not be negative for mean_squared_logarithmic_error",
    ),
    "margins of three classes": (
        {"model": lambda: model(regression, loss="hinge")},
        ValueError,
        "`y` must hold classes -1 and 1, or 0 and 1, for hinge. Received: values from 0 to 2",
    ),
    "margins of labels": (
        {"model": lambda: model(loss="categorical_hinge"), "y": ONE_HOT * 2},
        ValueError,
        "`y` must hold one-hot rows of 0 and 1 for categorical_hinge",
    ),
    "no shares": (
        {"model": lambda: model(loss="kl_divergence"), "y": ONE_HOT * 2},
        ValueError,
        "`y` must hold probabilities, from 0 to 1, for kl_divergence",
    ),
    "outputs that are no shares": (
        {"model": lambda: model(linear_three, loss="kl_divergence"), "y": ONE_HOT},
        ValueError,
        "`model` must give probabilities for kl_divergence.*activation='softmax'[.]$",
    ),
    "outputs that are no rates": (
        {"model": lambda: model(regression, loss="poisson")},
        ValueError,
        "`model` must give rates, which are not negative.*activation='exponential' or 'softplus'",
    ),
    "a loss in NumPy": (
        {"model": lambda: model(regression, loss=lambda y_true, y_pred: np.mean((y_true - y_pred) ** 2))},
        ValueError,
        r"`loss` .* must be written with keras.ops",
    ),
    "a loss of each row in NumPy": (
        {"model": lambda: model(regression, loss=lambda y_true, y_pred: np.mean((y_true - y_pred) ** 2, axis=-1))},
        ValueError,
        r"`loss` .* must be written with keras.ops",
    ),
    "a class that no row has": (
        {"class_weight": {0: 1, 5: 2}},
        ValueError,
        "`class_weight` must name classes of `y`, which are 0, 1, 2. Received: a weight for 5",
    ),
    "a count of strengths": ({"lams": 20}, ValueError, r"geomspace\(1e-1, 1e-6, 20\); .* say lams=\[20.0\]"),
    "a single class": ({"y": np.zeros(N)}, ValueError, "`y` must hold at least two classes. Received: only class 0"),
    "a single binary class": (
        {"model": lambda: model(binary, loss="binary_crossentropy"), "y": np.ones(N)},
        ValueError,
        "`y` must hold at least two classes",
    ),
    "a single one-hot class": (
        {"model": lambda: model(loss="categorical_crossentropy"), "y": ONE_HOT[np.zeros(N, int)]},
        ValueError,
        "`y` must hold at least two classes",
    ),
    # folds
    "fewer rows than folds": (
        {"x": X[:3], "y": Y[:3] * 0 + [0, 1, 2]},
        ValueError,
        "cv=5 needs at least 5 rows.* Give a smaller",
    ),
    "one fold": ({"cv": 1}, ValueError, "whole number of 2 or more, the folds"),
    "no folds": ({"cv": 0}, ValueError, "Received: 0. Say cv=5"),
    "a share above one": ({"cv": 1.5}, ValueError, "Received: 1.5. Say cv=5"),
    "cv is text": ({"cv": "5"}, ValueError, "Received: '5'. Say cv=5"),
    "validation_data": ({"validation_data": X}, ValueError, r"`validation_data` must be .*\(x, y\).* Received"),
    "validation_data of other shape": ({"validation_data": (X[:, :2], Y)}, ValueError, "`validation_data`.*shape"),
    "NaN in validation_data": (
        {"validation_data": (with_bad(X, {(0, 2): np.nan}), Y)},
        ValueError,
        "`validation_data`.* finite.* column 2",
    ),
    "labels of validation_data": (
        {"validation_data": (X, Y + 1)},
        ValueError,
        "`validation_data`.* class labels 0 to 2",
    ),
    "a token above the table": (
        {"model": lambda: token_model(4), "x": X[:, :2] * 0 + 4},
        ValueError,
        "`x` must have tokens from 0 to 3 for the layer words, .* Received: tokens from 4 to 4. Give",
    ),
    "a token below zero, in a column of others": (
        {"model": lambda: token_model(4, column=1), "x": np.stack([9 + np.arange(N), np.arange(N) % 4 - 1], axis=1)},
        ValueError,
        "Received: tokens from -1 to 2",
    ),
    # weights
    "weights of another length": (
        {"sample_weight": np.ones(3)},
        ValueError,
        r"`sample_weight` must be 40 weights.*\(3,\)",
    ),
    "negative weight": ({"sample_weight": with_bad(np.ones(N), {(0,): -1})}, ValueError, "`sample_weight` .* least -1"),
    "a fold without weight": (
        {"sample_weight": with_bad(np.zeros(N), {(0,): 1})},
        ValueError,
        r"`sample_weight` must leave enough rows with a weight above 0 for `cv`. Received: 1 of 40 rows. cv=\d needs",
    ),
    "weights of 0, and another argument at fault": (
        {"sample_weight": with_bad(np.ones(N), {(0,): 0}), "cv": 1},
        ValueError,
        "^`cv` must be",
    ),
    "no weight": ({"sample_weight": np.zeros(N)}, ValueError, "`sample_weight` .* not all zero"),
    "NaN weight": (
        {"sample_weight": with_bad(np.ones(N), {(0,): np.nan})},
        ValueError,
        "`sample_weight` must be finite",
    ),
    # strengths and penalty
    "negative lam": ({"lams": [0.1, -1.0]}, ValueError, "lams must be finite and not negative, and -1.0 is among them"),
    "NaN lam": ({"lams": [0.1, np.nan]}, ValueError, "lams must be finite and not negative, and nan is among them"),
    "infinite lam": ({"lams": [np.inf]}, ValueError, "lams must be finite"),
    "no lams": ({"lams": []}, ValueError, "lams must be"),
    "lams are text": ({"lams": "all"}, ValueError, '`lams` must be "auto" or a list'),
    "penalty by another name": ({"penalty": "ridge"}, ValueError, "'l2', 'l1', 'elastic-net', 'group-lasso'.* 'ridge'"),
    "Keras' penalty": ({"penalty": keras.regularizers.L2(0.1)}, TypeError, r"`penalty` must be shrinkage.L2\(\)"),
    "the class": ({"penalty": sh.L2}, TypeError, r"`penalty` must be shrinkage.L2\(\)"),
    "how": ({"how": "proximal"}, TypeError, r"`how` must be shrinkage.Coupled\(\)"),
    "decoupled L1": (
        {"penalty": sh.L1(), "how": sh.Decoupled()},
        ValueError,
        r"Decoupled\(\) is weight decay.* Received: L1\(\).* Say how=shrinkage.Proximal\(\)",
    ),
    "a decay without a learning rate": (
        {"model": lambda: model(optimizer=keras.optimizers.SGD(0.0)), "how": sh.Decoupled()},
        ValueError,
        "no step has a learning rate above 0. Compile .*, train for longer, or give `lams`",
    ),
    "weights of another model": (
        {"penalty": sh.L2(toward=[np.zeros((6, 5))])},
        ValueError,
        r"`penalty`: L2\(toward=...\) must be finite weights as model.get_weights\(\).* Received: \[\(6, 5\)\]",
    ),
    "axes that a weight does not have": (
        {"penalty": sh.GroupLasso((-3,))},
        ValueError,
        r"`groups`=\(-3,\) spans axes that .*kernel of shape \(6, 5\) does not have",
    ),
    "selects nothing": ({"on": lambda layer, variable: False}, ValueError, "matches none of the 6 .* Give on="),
    "on by another name": ({"on": "weights"}, ValueError, 'on="weights" is no kind of weight'),
    # numbers
    "no epochs": ({"epochs": 0}, ValueError, "`epochs` must be a whole number of at least 1. Received: 0"),
    "half an epoch": ({"epochs": 1.5}, ValueError, "`epochs` must be a whole number"),
    "True epochs": ({"epochs": True}, ValueError, "`epochs` must be a whole number"),
    "no batch": ({"batch_size": 0}, ValueError, "`batch_size` must be a whole number of at least 1"),
    "no seed": ({"seed": -1}, ValueError, "`seed` must be a whole number of at least 0"),
    "no patience": ({"patience": 0}, ValueError, "`patience` must be None or a whole number of at least 1"),
    "an epoch too late": ({"epoch": 3}, ValueError, "`epoch` must be .* 1 to epochs=2. Received: 3"),
    "another epoch": ({"epoch": "first"}, ValueError, '`epoch` must be "best", "last"'),
    "init": ({"init": "zeros"}, ValueError, '`init` must be "fresh" or "keep"'),
    "standardised classes": (
        {"standardize_target": True},
        ValueError,
        "`standardize_target` needs loss='mean_squared_error'",
    ),
    "standardised columns": (
        {"model": lambda: model(linear_three, loss="mse"), "y": ONE_HOT, "standardize_target": True},
        ValueError,
        r"`standardize_target` needs .* Divide y yourself: y = \(y - y.mean\(axis=0\)\) / y.std\(axis=0\)",
    ),
    "a constant target": (
        {"model": lambda: model(regression, loss="mse"), "y": np.ones(N), "standardize_target": True},
        ValueError,
        "`y` must vary",
    ),
}


@pytest.fixture(autouse=True)
def nothing_is_trained(monkeypatch):
    def began(*args, **kwargs):
        raise AssertionError("training began")

    monkeypatch.setattr("shrinkage._fit.Search", began)


def snapshot(made: Any) -> Any:
    if not isinstance(made, keras.Model):
        return made
    optimizer = getattr(made, "optimizer", None)
    steps = int(optimizer.iterations) if optimizer is not None else None
    nodes = [len(layer._inbound_nodes) for layer in made.layers]
    return steps, nodes, made.compiled, [np.array(variable).tolist() for variable in made.variables]


def call(made: Any, changes: dict[str, Any]) -> None:
    arguments = {"x": X, "y": Y, "penalty": sh.L2(), "epochs": 2} | changes
    sh.fit(made, arguments.pop("x"), arguments.pop("y"), **arguments)


def refused(made: Any, changes: dict[str, Any], error: type[Exception], message: str) -> None:
    before = snapshot(made)
    with pytest.raises(error, match=message):
        call(made, changes)
    assert snapshot(made) == before


def test_the_call_that_all_cases_change_is_good():
    with pytest.raises(AssertionError, match="training began"):
        call(model(), {})


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused(name):
    changes, error, message = CASES[name]
    changes = dict(changes)
    made = changes.pop("function") if "function" in changes else changes.pop("model", model)()
    refused(made, changes, error, message)


def test_loaded_weights_need_init(tmp_path):
    made = loaded(tmp_path)
    refused(
        made,
        {},
        ValueError,
        '`model` has been trained or loaded: .*bias does not come from the initializer.*init="keep".*init="fresh"',
    )
    for init in ("keep", "fresh"):
        with pytest.raises(AssertionError, match="training began"):
            call(made, {"init": init})


def test_a_small_class_is_a_warning_before_training():
    y = np.array([0, 1] * 19 + [2, 2])
    with pytest.warns(UserWarning, match=r"Fewer rows than the 5 folds in class 2 \(2 rows\)") as caught:
        with pytest.raises(AssertionError, match="training began"):
            call(model(), {"y": y})
    said = [warning for warning in caught if warning.category is UserWarning]
    assert [warning.filename for warning in said] == [__file__], "it points to the caller's line"


def test_other_backends_are_refused():
    code = "import os; os.environ['KERAS_BACKEND'] = 'jax'; import shrinkage; shrinkage.fit"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 1
    assert "RuntimeError: shrinkage needs Keras on TensorFlow, and Keras' backend is 'jax'. Set" in run.stderr
