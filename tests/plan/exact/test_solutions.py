"""The exact solver against scikit-learn, Keras' own gradients, and long training."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge, RidgeCV

import shrinkage as sh
from shrinkage._plan._exact import _log_loss, _logistic
from tests.plan.exact.heads import CLASSES, LABELS, LAMS, ONE_HOT, WEIGHT, D, N, X, Y, linear

pytestmark = pytest.mark.usefixtures("float64")


def solve(model: keras.Model, y: Any, x: Any = X, **options: Any) -> sh.Path:
    return sh.fit(model, x, y, **{"penalty": sh.L2(), "solver": "exact", "lams": LAMS, "cv": 3, **options})


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
def test_squared_error_is_ridge_regression(weight):
    """Keras' squared error has no ½, so alpha = n lam / 2; weights have a mean of 1."""
    path = solve(linear(), Y, sample_weight=weight)
    share = None if weight is None else weight / weight.mean()
    for s, lam in enumerate(path.lams[:-1]):
        ridge: Any = Ridge(alpha=N * lam / 2).fit(X, Y[:, 0], share)
        kernel, bias = (value[s] for value in path.weights)
        np.testing.assert_allclose(kernel[:, 0], ridge.coef_, rtol=0, atol=1e-8)
        np.testing.assert_allclose(bias[0], ridge.intercept_, rtol=0, atol=1e-8)
    assert np.abs(path.weights[0]).min() > 1e-3


def test_the_choice_is_that_of_ridge_cv():
    """The ridge parameter of a fold is that of all rows, n lam / 2, and so it is in RidgeCV."""
    lams = np.geomspace(10, 1e-4, 25)
    path = solve(linear(), Y, lams=lams, cv=5)
    folds = list(zip(path.folds.train, path.folds.held_out, strict=True))
    search: Any = RidgeCV(alphas=N * lams / 2, cv=folds, scoring="neg_mean_squared_error").fit(X, Y[:, 0])
    assert 0 < path.index_min < len(lams) - 1
    assert path.lam_min == pytest.approx(2 * search.alpha_ / N, rel=1e-12)
    assert path.mean[path.index_min] == pytest.approx(-search.best_score_, rel=1e-10)


def test_the_grid_reaches_1se():
    """The automatic grid ends between `min` and `1se` before it is extended; the grid given by hand is wide."""
    path = solve(linear(), Y, lams="auto", cv=5)
    end = 10**1.75 / N
    assert path.lam_min < end < path.lam_1se < path.lams[0]
    wide = solve(linear(), Y, lams=end * 10.0 ** np.arange(4, -6, -0.25), cv=5)
    assert path.lam_min == pytest.approx(wide.lam_min) and path.lam_1se == pytest.approx(wide.lam_1se)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
@pytest.mark.parametrize(
    ("model", "y"),
    [
        (lambda: linear("binary_crossentropy", 1, "sigmoid"), LABELS[:, 0]),
        (lambda: linear("sparse_categorical_crossentropy", 3, "softmax"), CLASSES),
    ],
    ids=["two classes", "three classes"],
)
def test_log_loss_is_logistic_regression(model, y, weight):
    """The mean log loss plus lam / 2 w² is 1 / (n C) times scikit-learn's objective, with C = 1 / (n lam)."""
    path = solve(model(), y, sample_weight=weight)
    share = None if weight is None else weight / weight.mean()
    for s, lam in enumerate(path.lams[:-1]):
        found: Any = LogisticRegression(C=1 / (N * lam), solver="newton-cholesky", tol=1e-13, max_iter=1000)
        found.fit(X, y, share)
        kernel, bias = (value[s] for value in path.weights)
        np.testing.assert_allclose(kernel.T, found.coef_, rtol=0, atol=1e-8)
        # Softmax does not change if the same number is added to all intercepts.
        np.testing.assert_allclose(bias - bias.mean(), found.intercept_ - found.intercept_.mean(), rtol=0, atol=1e-8)
    assert np.abs(path.weights[0]).max() > 0.5


@pytest.mark.parametrize("units", [1, 2], ids=["two classes", "three classes"])
def test_a_fold_learns_nothing_of_a_column_that_is_constant_in_it(units):
    """Steps in a fold begin at the minima of all rows, and without a penalty nothing draws such a weight to 0."""
    rare = np.zeros(N)
    rare[:15] = 1.0
    y = (CLASSES > 0) * 1 if units == 1 else CLASSES.copy()
    y[:12] = 1
    x, folds = np.column_stack([X, rare]), np.arange(N) // 50
    head = ("binary_crossentropy", 1, "sigmoid") if units == 1 else ("sparse_categorical_crossentropy", 3, "softmax")
    path = solve(linear(*head, columns=D + 1), y, x, cv=folds)
    found: Any = LogisticRegression(C=np.inf, solver="newton-cholesky", tol=1e-13).fit(X[50:], y[50:])
    expected = -np.log(found.predict_proba(X[:50])[np.arange(50), y[:50]]).mean()
    assert path.lams[-1] == 0 and abs(path.weights[0][-1][-1]).max() > 1  # all rows determine the weight
    np.testing.assert_allclose(path.cv_loss[0, -1, 0], expected, rtol=1e-6)


COLUMNS = {
    "as they are": (lambda x: x, {}),
    "far from 0": (lambda x: x + 1e4, {}),
    "tiny units": (lambda x: x * 1e-12, {"lams": [1e-26, 0.0]}),
    "twice": (lambda x: np.concatenate([x, x], axis=1), {"lams": [1e-2, 1e-4]}),
    "nearly twice": (lambda x: np.concatenate([x, x + 1e-4 * np.sin(1e3 * x)], axis=1), {"lams": [1.0, 1e-2]}),
    "in the order of the labels": (lambda x: x, {"order": True}),
    "one label in 50": (lambda x: x, {"rate": -5.0, "is_rare": True}),
    "one label in 500": (lambda x: x, {"rate": -9.0, "is_rare": True}),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_many_rows_begin_at_a_sample_and_share_hessians(name, monkeypatch):
    """The weights of all rows, and the loss of a fold, are those of scikit-learn."""
    make, options = COLUMNS[name]
    rng = np.random.default_rng(2)
    x = rng.normal(size=(4000, 4))
    y = (rng.random(4000) < 1 / (1 + np.exp(-x @ [2.0, -1.0, 0.5, 0.0] - options.get("rate", 0.0)))).astype(int)
    if options.get("order"):
        order = np.argsort(y, kind="stable")
        x, y = x[order], y[order]
    x, lams = make(x), options.get("lams", [1e-2, 1e-4])
    samples, made = [], []
    run, keep = _logistic.run_passes, _log_loss.Curvature
    monkeypatch.setattr(
        _logistic,
        "run_passes",
        lambda *arguments, **options: samples.append(arguments[2:]) or run(*arguments, **options),
    )
    monkeypatch.setattr(_log_loss, "Curvature", lambda *arguments: made.append(1) or keep(*arguments))
    path = solve(linear("binary_crossentropy", 1, "sigmoid", columns=x.shape[1]), y, x, lams=lams)
    assert bool(samples[0]) != bool(options.get("is_rare"))  # the stride of a sample
    assert made and not any("converge" in note for note in path.notes)
    train, held_out = path.folds.train[0], path.folds.held_out[0]
    for s, lam in enumerate(lams):
        c = 1 / (4000 * lam) if lam else np.inf
        unit = x.std(axis=0)
        whole: Any = LogisticRegression(C=c * unit[0] ** 2, solver="newton-cholesky", tol=1e-12, max_iter=1000)
        whole.fit((x - x.mean(axis=0)) / unit[0], y)
        np.testing.assert_allclose(path.weights[0][s, :, 0] * unit[0], whole.coef_[0], rtol=1e-4, atol=1e-5)
        fold = whole.fit((x[train] - x.mean(axis=0)) / unit[0], y[train])
        share = fold.predict_proba((x[held_out] - x.mean(axis=0)) / unit[0])[np.arange(len(held_out)), y[held_out]]
        np.testing.assert_allclose(path.cv_loss[0, s, 0], -np.log(share).mean(), rtol=1e-6)


def test_a_fold_with_few_of_many_rows():
    """Its Hessians are far from those of all rows, and it leaves out nearly all of them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(10_000, 2))
    y = (rng.random(10_000) < 1 / (1 + np.exp(-x @ [1.0, -0.5]))).astype(int)
    folds = [(np.arange(40), np.arange(40, 10_000)), (np.arange(9_000), np.arange(9_000, 10_000))]
    path = solve(linear("binary_crossentropy", 1, "sigmoid", columns=2), y, x, cv=folds)
    assert not any("converge" in note for note in path.notes)
    for f, (train, held_out) in enumerate(folds):
        for s, lam in enumerate(path.lams[:-1]):
            found: Any = LogisticRegression(C=1 / (10_000 * lam), solver="newton-cholesky", tol=1e-13, max_iter=1000)
            share = found.fit(x[train], y[train]).predict_proba(x[held_out])[np.arange(len(held_out)), y[held_out]]
            np.testing.assert_allclose(path.cv_loss[f, s, 0], -np.log(share).mean(), rtol=1e-7)


def logits(loss: Any, **options: Any) -> Any:
    return loss(from_logits=True, **options)


def without_mean(loss: keras.losses.Loss) -> Any:
    return type(loss).from_config(loss.get_config() | {"reduction": None})


SOFT = 0.1 + 0.7 * ONE_HOT
HEADS = {
    "squared error": (lambda: linear(), Y, {}),
    "three targets": (lambda: linear(units=3), LABELS + X[:, :3], {"sample_weight": WEIGHT}),
    "no bias": (lambda: linear(use_bias=False), Y, {}),
    "penalised bias": (lambda: linear(), Y, {"on": "all"}),
    "factors": (lambda: linear(), Y, {"on": {"kernel": 2.0, "bias": 0.3}}),
    "labels": (lambda: linear("binary_crossentropy", 3, "sigmoid"), LABELS, {"sample_weight": WEIGHT}),
    "logits": (lambda: linear(logits(keras.losses.BinaryCrossentropy)), LABELS[:, 0], {"class_weight": {0: 1, 1: 3}}),
    "smoothing": (
        lambda: linear(keras.losses.BinaryCrossentropy(label_smoothing=0.2), 1, "sigmoid"), LABELS[:, :1], {},
    ),
    "soft classes": (lambda: linear("categorical_crossentropy", 3, "softmax"), SOFT, {}),
    "smooth classes": (
        lambda: linear(logits(keras.losses.CategoricalCrossentropy, label_smoothing=0.2), 3), ONE_HOT, {},
    ),
    "class numbers": (
        lambda: linear(logits(keras.losses.SparseCategoricalCrossentropy), 3), CLASSES, {"class_weight": {0: 1, 1: 3}},
    ),
    "classes, penalised bias": (lambda: linear("categorical_crossentropy", 3, "softmax"), ONE_HOT, {"on": "all"}),
    "classes, no bias": (lambda: linear("categorical_crossentropy", 3, "softmax", use_bias=False), ONE_HOT, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", HEADS)
def test_the_gradient_of_the_objective_is_zero(name):
    """The objective by Keras: its loss, and the penalty with the factors of `describe`."""
    make, y, options = HEADS[name]
    path = solve(make(), y, **options)
    weight = options.get("sample_weight", np.ones(N))
    if "class_weight" in options:
        weight = np.array([options["class_weight"].get(int(label), 1) for label in np.ravel(y)], float)
    loss = make().loss
    by_rows = keras.losses.get(loss) if isinstance(loss, str) else without_mean(loss)
    target = y if path.loss_name.startswith("sparse") else y.reshape(N, -1)
    for index in (0, 2, 4):  # the last is without a penalty
        model, lam = path.model(path.lams[index]), path.lams[index]
        variables = [variable.value for variable in model.trainable_variables]
        with tf.GradientTape() as tape:
            losses = by_rows(target, model(X))
            squares = [tf.reduce_sum(v**2) * f for v, f in zip(variables, path.selection.factors, strict=True)]
            objective = tf.reduce_mean(losses * weight / weight.mean()) + lam / 2 * sum(squares)
        for gradient, value in zip(tape.gradient(objective, variables), variables, strict=True):
            assert np.abs(gradient).max() < 1e-8
            assert np.abs(value).max() > 1e-2


@pytest.mark.full
def test_it_is_where_long_training_ends():
    """Full batches of Adam with a rate that falls to 0 stand still within 1e-6 of the minimum after 400 steps."""
    rate = keras.optimizers.schedules.CosineDecay(0.1, 400)
    common: dict[str, Any] = {"penalty": "l2", "lams": LAMS[:2], "cv": 2, "sample_weight": WEIGHT}
    model = linear("sparse_categorical_crossentropy", 3, "softmax", optimizer=keras.optimizers.Adam(rate))
    trained = sh.fit(model, X, CLASSES, epochs=400, batch_size=N, epoch="last", **common)
    exact = sh.fit(model, X, CLASSES, solver="exact", **common)
    for name in ("cv_loss", "train_loss"):
        ends, found = getattr(trained, name)[:, :2, -1:], getattr(exact, name)[:, :2]
        np.testing.assert_allclose(found, ends, rtol=1e-5)
    np.testing.assert_allclose(exact.weights[0][:2], trained.weights[0][:2], atol=1e-5)
    np.testing.assert_allclose(exact.predictions[:, :2], trained.predictions[:, :2], atol=1e-5)
    np.testing.assert_allclose(exact.row_loss[:, :2], trained.row_loss[:, :2], atol=1e-4)
    assert exact.cv_loss.shape == (2, 3, 1) and (exact.epochs == 1).all()


def test_dependent_columns_have_the_solution_of_least_norm():
    x = np.concatenate([X, X[:, :2], np.ones((N, 1))], axis=1)  # two columns twice, and a constant
    path = solve(linear(columns=D + 3), Y, x)
    expected = LinearRegression().fit(x, Y[:, 0])
    np.testing.assert_allclose(path.model("none")(x)[:, 0], expected.predict(x), atol=1e-8)
    assert np.abs(path.weights[0][-1]).max() < 5


@pytest.mark.parametrize("loss", ["squared error", "log loss"])
def test_columns_of_any_unit_and_location(loss):
    """A shift of a column changes the intercept alone; without a penalty, units change nothing."""
    units = 10.0 ** np.arange(-3, D - 3)
    x = (X + [0, 0, 1e4, 0, 0]) * units
    model = linear() if loss == "squared error" else linear("binary_crossentropy", 1, "sigmoid")
    y = Y if loss == "squared error" else LABELS[:, 0]
    plain, moved = solve(model, y), solve(model, y, x)
    np.testing.assert_allclose(moved.weights[0][-1][:, 0] * units, plain.weights[0][-1][:, 0], rtol=1e-5)
    np.testing.assert_allclose(moved.cv_loss[:, -1], plain.cv_loss[:, -1], rtol=1e-7)


def test_the_grid_is_extended_and_the_plan_says_exact():
    clear = X[:, :1] + Y / 10
    path = solve(linear(), clear, lams="auto")
    noise = solve(linear(), np.random.default_rng(5).normal(size=(N, 1)), lams="auto")
    assert (len(path.lams), path.plan["solver"], path.solver) == (21, "exact", "exact")
    assert len(noise.lams) > 21 and noise.lams[0] > path.lams[0]
    again = solve(linear(), clear, lams="auto", plan=path.plan)
    np.testing.assert_array_equal(again.cv_loss, path.cv_loss)


def test_few_strengths_at_a_time_change_nothing():
    model = linear("sparse_categorical_crossentropy", 3, "softmax")
    whole, parts = solve(model, CLASSES), solve(model, CLASSES, plan={"chunk": 2})
    assert (whole.plan["chunk"], parts.plan["chunk"]) == (5, 2)
    np.testing.assert_allclose(parts.cv_loss, whole.cv_loss, rtol=1e-9)
