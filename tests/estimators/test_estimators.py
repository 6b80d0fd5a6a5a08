"""The estimators against `sh.fit` and scikit-learn, on arrays and data frames."""

import pickle
from typing import Any

import joblib
import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from scipy import sparse
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_wine
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

import shrinkage as sh
from tests.daily import each_value

pytestmark = pytest.mark.filterwarnings("ignore:`fit` does not use these columns of `X`. name")
LAMS = [0.1, 0.01]


def small_network(input_shape, output_shape):
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(4, "relu")(keras.layers.Normalization()(inputs))
    activation = "softmax" if output_shape[0] > 1 else "sigmoid"
    model = keras.Model(inputs, keras.layers.Dense(output_shape[0], activation)(hidden))
    loss = "sparse_categorical_crossentropy" if output_shape[0] > 1 else "binary_crossentropy"
    model.compile(keras.optimizers.Adam(0.01), loss)
    return model


def line(input_shape, output_shape):
    model = keras.Sequential([keras.Input(input_shape), keras.layers.Dense(*output_shape)])
    model.compile(keras.optimizers.Adam(0.1), "mean_squared_error")
    return model


def diabetes() -> Any:
    return load_diabetes(return_X_y=True)


@pytest.fixture(scope="module")
def wine() -> Any:
    return load_wine(return_X_y=True)


@pytest.fixture(scope="module")
def table() -> Any:
    """Rows with a category, missing cells and a column of text that says nothing."""
    rng = np.random.default_rng(0)
    n = 240
    frame: Any = pd.DataFrame(
        {
            "size": rng.normal(50, 10, n),
            "city": rng.choice(["Bern", "Oslo", "Rome"], n),
            "new": rng.random(n) < 0.5,
            "name": [f"house {i}" for i in range(n)],
        }
    )
    price = frame["size"] + frame["city"].map({"Bern": 30.0, "Oslo": 10.0, "Rome": 0.0}) + rng.normal(0, 1, n)
    frame.loc[::10, "size"] = np.nan
    frame.loc[::15, "city"] = None
    return frame, price.rename("price")


def test_a_linear_classifier_is_scikit_learns_at_the_chosen_strength(wine):
    x, y = StandardScaler().fit_transform(wine[0]), wine[1]
    ours = sh.PathClassifier(model="linear", cv=3, lams=LAMS).fit(x, y)
    theirs = LogisticRegression(C=1 / (len(y) * ours.lam_), tol=1e-10, max_iter=10_000).fit(x, y)
    assert ours.path_.solver == "exact" and ours.lam_ in LAMS
    # Theirs standardises as well: by the population's deviation, as ours.
    np.testing.assert_allclose(ours.predict_proba(x), theirs.predict_proba(x), atol=1e-3)


def test_a_linear_regressor_is_ridge_in_the_units_of_the_target():
    x, y = diabetes()
    x = StandardScaler().fit_transform(x)
    ours = sh.PathRegressor(model="linear", cv=3, lams=LAMS, choose="1se").fit(x, 1e6 + y)
    theirs = Ridge(alpha=len(y) * ours.lam_ / 2).fit(x, 1e6 + y)
    assert ours.lam_ == ours.path_.lam_1se
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), atol=0.5)  # of 77, the deviation: clipped cells
    assert np.abs(ours.path_.predictions.mean() - 1e6 - y.mean()) < 5


def test_it_is_the_path_of_fit(wine):
    x, y = wine
    options: dict[str, Any] = {"cv": 2, "lams": LAMS, "epochs": 3, "penalty": sh.L1(), "seed": 3}
    classifier = sh.PathClassifier(model=small_network, **options).fit(x, y)
    path = sh.fit(small_network((13,), (3,)), x, y, **options, plan=classifier.path_.plan)
    np.testing.assert_allclose(classifier.path_.cv_loss, path.cv_loss, rtol=1e-6)  # float32, compiled twice
    np.testing.assert_allclose(
        classifier.predict_proba(x), path.model().predict(x.astype("float32"), verbose=0), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_allclose(classifier.model_(x), classifier.predict_proba(x), rtol=1e-6)


@pytest.mark.parametrize("epochs", [None, 3], ids=["computed", "trained"])
def test_a_table_with_categories_and_missing_cells(table, epochs):
    frame, price = table
    regressor = sh.PathRegressor(model="linear", cv=3, lams=[0.01], epochs=epochs).fit(frame, price)
    assert regressor.n_features_in_ == 4
    assert regressor.feature_names_in_.tolist() == ["size", "city", "new", "name"]
    assert regressor.score(frame, price) > (0.9 if epochs is None else -10)
    new = frame.iloc[[3, 0]].assign(city=["Paris", "Oslo"])
    columns = {name: tf.constant(new[[name]].to_numpy(float)) for name in ("size", "new")}
    columns["city"] = tf.constant(new[["city"]].to_numpy(str))
    np.testing.assert_allclose(np.asarray(regressor.model_(columns))[:, 0], regressor.predict(new), rtol=1e-5)


def test_missing_numbers_of_an_array_are_the_mean():
    x, y = diabetes()
    x = x + 5
    x[::7, 2] = np.nan
    filled = np.where(np.isnan(x), np.nanmean(x, axis=0), x)
    regressor = sh.PathRegressor(model="linear", cv=3, lams=[0.001]).fit(x, y)
    np.testing.assert_allclose(regressor.predict(x), regressor.predict(filled), rtol=1e-4)


@pytest.mark.parametrize("kind", ["polars", "pyarrow"])
def test_tables_of_other_libraries(table, kind):
    frame, price = table
    regressor = sh.PathRegressor(model="linear", cv=3, lams=[0.01]).fit(frame, price)
    if kind == "polars":
        other = pytest.importorskip("polars").from_pandas(frame)
    else:
        other = pytest.importorskip("pyarrow").Table.from_pandas(frame)
    again = sh.PathRegressor(model="linear", cv=3, lams=[0.01]).fit(other, price.to_numpy())
    np.testing.assert_allclose(again.predict(other), regressor.predict(frame))


@pytest.mark.parametrize("build", ["function", "model", "logits", "one-hot"])
def test_a_model_of_the_user(wine, build):
    x, y = wine
    if build == "function":
        model = small_network
    else:
        activation = None if build == "logits" else "softmax"
        layers = [keras.Input((13,)), keras.layers.Normalization(), keras.layers.Dense(3, activation)]
        model = keras.Sequential(layers)
        losses = {
            "model": "sparse_categorical_crossentropy",
            "logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "one-hot": "categorical_crossentropy",
        }
        model.compile(keras.optimizers.Adam(0.1), losses[build])
    labels = np.array(["red", "rosé", "white"])[y]
    classifier = sh.PathClassifier(model=model, cv=2, lams=LAMS, epochs=10).fit(x, labels)
    assert classifier.classes_.tolist() == ["red", "rosé", "white"]
    assert classifier.score(x, labels) > 0.85
    np.testing.assert_allclose(classifier.predict_proba(x).sum(axis=1), 1, rtol=1e-5)
    copy: Any = clone(classifier)
    again = pickle.loads(pickle.dumps(copy.fit(x, labels)))
    np.testing.assert_array_equal(again.predict_proba(x), classifier.predict_proba(x))


def test_images_go_to_a_model_of_the_user_as_they_are():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4, 4, 1)), np.arange(60) % 2
    x[y == 1] += 1

    def build(input_shape, output_shape):
        assert (input_shape, output_shape) == ((4, 4, 1), (1,))
        layers = [keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(1, "sigmoid")]
        model = keras.Sequential(layers)
        model.compile(keras.optimizers.Adam(0.1), "binary_crossentropy")
        return model

    assert sh.PathClassifier(model=build, cv=2, lams=[0.01], epochs=5).fit(x, y).score(x, y) > 0.9


@pytest.mark.parametrize("how", ["pickle", "joblib"])
@pytest.mark.parametrize("rows", ["array", "frame"])
def test_a_fitted_estimator_is_written_and_read(tmp_path, table, how, rows):
    frame, price = table
    x = frame if rows == "frame" else frame[["size"]].to_numpy()
    regressor = sh.PathRegressor(model="mlp", hidden=(3,), cv=2, lams=[0.01], epochs=2).fit(x, price)
    if how == "pickle":
        again = pickle.loads(pickle.dumps(regressor))
    else:
        joblib.dump(regressor, tmp_path / "it")
        again = joblib.load(tmp_path / "it")
    np.testing.assert_array_equal(again.predict(x), regressor.predict(x))
    assert again.lam_ == regressor.lam_ and again.model_.count_params() == regressor.model_.count_params()


def test_weights_and_groups_of_rows_reach_fit(wine):
    x, y = wine
    groups = np.arange(len(y)) // 3
    weight = np.where(y == 0, 5.0, 1.0)
    classifier = sh.PathClassifier(model="linear", cv=3, lams=LAMS).fit(x, y, sample_weight=weight, groups=groups)
    for held_out in classifier.path_.folds.held_out:
        assert not np.isin(groups[held_out], np.delete(groups, held_out)).any()
    by_class = sh.PathClassifier(model="linear", cv=3, lams=LAMS, class_weight={0: 5.0, 1: 1.0, 2: 1.0})
    by_class.fit(x, y, groups=groups)
    np.testing.assert_allclose(by_class.path_.cv_loss, classifier.path_.cv_loss, rtol=1e-5)


def test_a_budget_chooses_by_its_own_rule(wine):
    x, y = np.tile(wine[0], (8, 1))[:1300], np.tile(wine[1], 8)[:1300]
    found = sh.PathClassifier(model=small_network, epochs=2, budget=1.5).fit(x, y)
    assert found.path_.budget == 1.5 and found.path_.folds.is_rung and found.lam_ == found.path_.lam
    np.testing.assert_array_equal(found.predict_proba(x[:9]), found.path_.model().predict(x[:9], verbose=0))


def test_nothing_to_choose_is_said(wine):
    def wild(input_shape, output_shape):
        model = line(input_shape, output_shape)
        model.compile(keras.optimizers.SGD(1e9), "mean_squared_error")
        return model

    regressor = sh.PathRegressor(model=wild, cv=2, lams=[0.01], epochs=5)
    with pytest.raises(sh.NothingToChoose):
        regressor.fit(wine[0] * 1e3, wine[1])
    assert regressor.path_.failed.all()
    with pytest.raises(NotFittedError):
        regressor.predict(wine[0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"model": "deep"}, '`model` must be "linear", "mlp"'),
        ({"model": 3}, '`model` must be "linear", "mlp"'),
        ({"model": lambda: 3}, "`model` must return a compiled keras.Model. Received: int"),
        ({"model": lambda: small_network((13,), (4,))}, r"output shape \(None, 3\).* Received: \(None, 4\)"),
        ({"hidden": (3,), "model": "linear"}, '`model` must be "mlp" with `hidden`'),
        *[({"hidden": hidden}, "`hidden` must be a tuple") for hidden in (32, "a", (-3,), (2.5,), [(3,)], (True,))],
        ({"choose": "best"}, '`choose` must be "min" or "1se"'),
        ({"choose": "1se", "budget": 1.5}, '`choose` must be "min" with `budget`'),
        ({"class_weight": {"two": 5}}, "`class_weight` must name classes of `y`, which are 0, 1, 2. Received: .* two"),
        ({"lams": [-1.0]}, "`lams` must be finite"),
        ({"cv": 1}, "`cv`"),
    ],
)
def test_bad_parameters(wine, parameters, message):
    with pytest.raises((TypeError, ValueError), match=message):
        sh.PathClassifier(**{"epochs": 2, **parameters}).fit(*wine)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"random_state": 3}, "Say seed=3"),
        ({"groups": [1]}, r"say estimator.fit\(X, y, groups=...\)"),
        ({"hidden_layer_sizes": (8,)}, r"Say hidden=\(8,\)"),
        ({"learning_rate": 0.1}, "Say model=build"),
    ],
)
def test_wrong_arguments_are_answered(arguments, message):
    with pytest.raises(TypeError, match=message):
        sh.PathClassifier(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.assign(size=np.inf), "`X` must hold finite numbers. Received: infinite numbers in size"),
        (lambda f: f[["name"]], "`X` must have a column to predict from"),
        (lambda f: f.rename(columns={"city": "size"}), "different names"),
        (lambda f: f.rename(columns={"city": "a/b", "new": "a_b"}), "differ by more than a slash"),
    ],
    ids=["infinite", "no column", "the same name", "the same input"],
)
def test_bad_tables(table, change, message):
    with pytest.raises(ValueError, match=message) as error:
        sh.PathRegressor(model="linear").fit(change(table[0]), table[1])
    assert "--" not in str(error.value)


def network(units, activation, loss, n_inputs=13):
    model = keras.Sequential([keras.Input((n_inputs,)), keras.layers.Dense(units, activation)])
    model.compile("adam", loss)
    return model


@pytest.mark.parametrize(
    ("units", "activation", "loss"),
    [(1, None, "mse"), (1, "tanh", "hinge"), (2, None, "mse"), (2, "sigmoid", "mse"), (2, None, "mae")],
)
def test_a_classifier_without_probabilities_is_refused(wine, units, activation, loss):
    last = "sigmoid'.*BinaryCrossentropy" if units == 1 else "softmax'.*SparseCategoricalCrossentropy"
    message = f"`model` must give the probabilities of the classes. Received: outputs .*activation='{last}"
    with pytest.raises(ValueError, match=message):
        sh.PathClassifier(model=network(units, activation, loss), epochs=1).fit(wine[0], wine[1] == 1)


@pytest.mark.parametrize(
    ("units", "activation", "loss"),
    [
        (1, "sigmoid", "mse"),
        (2, "softmax", "mse"),
        (1, None, [keras.losses.BinaryCrossentropy(from_logits=True)]),  # a list of one loss
        (2, None, keras.losses.CategoricalCrossentropy(from_logits=True)),
    ],
)
def test_a_classifier_predicts_probabilities(wine, units, activation, loss):
    x = StandardScaler().fit_transform(wine[0])
    options: dict[str, Any] = {"epochs": 2, "cv": 2, "lams": [0.01]}
    classifier = sh.PathClassifier(model=network(units, activation, loss), **options).fit(x, wine[1] == 1)
    given = classifier.predict_proba(x)
    assert given.min() >= 0 and given.max() <= 1
    np.testing.assert_allclose(given.sum(axis=1), 1, rtol=1e-5)


@pytest.mark.parametrize("loss", ["poisson", "mae", keras.losses.Huber()])
def test_a_regressor_says_how_to_take_another_loss(wine, loss):
    model = network(1, "exponential", loss)
    with pytest.raises(ValueError, match=r"mean_squared_error.*Say standardize_target=False"):
        sh.PathRegressor(model=model, epochs=1).fit(*wine)
    x = StandardScaler().fit_transform(wine[0])
    options: dict[str, Any] = {"standardize_target": False, "epochs": 1, "cv": 2, "lams": [0.01]}
    assert np.isfinite(sh.PathRegressor(model=model, **options).fit(x, wine[1]).predict(x)).all()


def test_a_frame_for_a_model_with_another_number_of_inputs(table):
    frame = table[0][["size", "city"]]
    with pytest.raises(ValueError, match=r"`model` must have the input shape \(None, \d\): a data frame is encoded"):
        sh.PathRegressor(model=network(1, None, "mse", 2), epochs=1).fit(frame, table[1])


def test_unused_columns_are_said(table):
    frame, price = table
    regressor = sh.PathRegressor(model="linear", cv=3, lams=[0.01])
    with pytest.warns(UserWarning, match=r"does not use these columns of `X`: name \(most of the .* constant \(it is"):
        regressor.fit(frame.assign(constant=1), price)
    assert set(regressor.left_out_) == {"name", "constant"}
    assert pickle.loads(pickle.dumps(regressor)).left_out_ == regressor.left_out_
    assert regressor.fit(frame[["size"]].to_numpy(), price).left_out_ == {}


@pytest.mark.parametrize(
    ("kind", "model"),
    each_value([sparse.csr_matrix, sparse.csr_array, sparse.coo_matrix], ["linear", "mlp", small_network, "own"]),
)
def test_sparse_rows_give_the_results_of_dense_ones(wine, kind, model):
    x, y = wine[0].round(0), wine[1]
    x[x < 3] = 0
    model = network(3, "softmax", "sparse_categorical_crossentropy") if model == "own" else model
    options: dict[str, Any] = {"cv": 2, "lams": [0.1, 0.01]} | ({} if model == "linear" else {"epochs": 2})
    dense = sh.PathClassifier(model=model, **options).fit(x, y)
    ours = sh.PathClassifier(model=model, **options).fit(kind(x), y)
    np.testing.assert_allclose(ours.path_.cv_loss, dense.path_.cv_loss, rtol=1e-5)
    np.testing.assert_allclose(ours.predict_proba(kind(x)), dense.predict_proba(x), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(ours.predict_proba(x), dense.predict_proba(x), rtol=1e-4, atol=1e-6)


def test_sparse_rows_with_missing_numbers(wine):
    x, y = wine[0].copy(), wine[1]
    x[x < 1], x[::9, 0] = 0, np.nan
    options: dict[str, Any] = {"model": "linear", "cv": 2, "lams": [0.1, 0.01]}
    dense = sh.PathClassifier(**options).fit(x, y).predict_proba(x)
    np.testing.assert_allclose(sh.PathClassifier(**options).fit(sparse.csr_array(x), y).predict_proba(x), dense)


def test_a_number_that_becomes_text_is_refused(table):
    frame, price = table
    regressor = sh.PathRegressor(model="linear", cv=3, lams=[0.01]).fit(frame, price)
    with pytest.raises(ValueError, match="column size must hold numbers"):
        regressor.predict(frame.assign(size="big"))


def test_an_epoch_that_is_kept_is_trained(wine):
    """The default `patience` may end the training before it, and is left out."""
    x, y = wine
    path = sh.PathClassifier(hidden=(), lams=LAMS, epoch=3, cv=2).fit(x, y).path_
    assert set(path.epochs.tolist()) == {3}
