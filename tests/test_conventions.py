"""Every line of docs/conventions.md, each by the test that the line names."""

import re
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge

import shrinkage as sh
from shrinkage._cv._choice import choose, summarise
from shrinkage._cv._strengths import extension
from shrinkage._data._data import batch_rows, batches_of
from shrinkage._problem._prepare import prepare
from shrinkage._problem._problem import Problem
from shrinkage._problem._request import Request

PAGE = Path(__file__).parents[1] / "docs" / "conventions.md"

N, ETA, LAM = 40, 0.1, 0.5
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3)).astype("float32")
Y = (X @ [1.0, -2.0, 0.0] + 0.5 + 0.1 * RNG.normal(size=N)).astype("float32")
CLASSES = np.digitize(Y, [-0.5, 1.0])  # 0, 1 or 2
REGULARIZERS = (None, keras.regularizers.L2(LAM / 2))
W0 = np.array([[0.3], [-0.4], [0.02]], "float32")
B0 = np.array([0.2], "float32")


# --- small models, and what is trained of them


def line(optimizer: Any, **dense: Any) -> keras.Model:
    """Return a linear model with known first weights."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, **dense)])
    model.set_weights([W0, B0])
    model.compile(optimizer, "mean_squared_error")
    return model


def fit(model: Any, y: Any = Y, *, x: np.ndarray = X, **options: Any) -> sh.Path:
    """Train with full batches, keep the last epoch; the rows are also the held-out ones, unless `cv` is given."""
    data = {} if "cv" in options else {"validation_data": (x, y)}
    defaults = {"penalty": sh.L2(), "lams": [LAM], "epochs": 1, "batch_size": N, "init": "keep", "epoch": "last"}
    return sh.fit(model, x, y, **{**defaults, **data, **options})


def first_weights(path: sh.Path, index: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return kernel and bias of the model trained on all rows at `path.lams[index]`."""
    return path.weights[0][index], path.weights[1][index]


def slopes(w: np.ndarray = W0, b: np.ndarray = B0) -> tuple[np.ndarray, np.ndarray]:
    """Return ∂L/∂w and ∂L/∂b of the mean squared error on all rows."""
    error = X @ w + b - Y[:, None]
    return 2 * X.T @ error / N, 2 * error.mean(axis=0)


def soft_threshold(u: np.ndarray, t: Any) -> np.ndarray:
    return np.sign(u) * np.maximum(np.abs(u) - t, 0)


def prepared(model: keras.Model, x: np.ndarray = X, y: Any = Y, **options: Any) -> Problem:
    """Return what `fit` is about to train, with its own defaults."""
    return prepare(Request(model, x, y, **{"penalty": sh.L2(), "epochs": 1, "init": "keep", **options}))


def classifier(n_classes: int = 3) -> keras.Model:
    model = keras.Sequential([keras.Input((3,)), layers.Dense(n_classes, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


@cache
def ridge() -> sh.Path:
    """Train L2 to convergence on all rows."""
    return fit(line(keras.optimizers.SGD(0.2)), epochs=200)


@cache
def folds() -> sh.Path:
    """Train L2 to convergence in two folds of 20 training rows each."""
    return fit(line(keras.optimizers.SGD(0.2)), cv=2, epochs=150, batch_size=N // 2)


@cache
def dropped_out(seed: int = 0) -> sh.Path:
    """Train with dropout, at two strengths that are too small to matter."""
    model = keras.Sequential([keras.Input((3,)), layers.Dropout(0.5), layers.Dense(1)])
    model.set_weights([W0, B0])
    model.compile(keras.optimizers.SGD(ETA), "mean_squared_error")
    return fit(model, lams=[1e-12], batch_size=7, epochs=2, seed=seed)


# --- the page


def lines_of_the_page() -> list[str]:
    """Return its bullets and table rows; a table's head and rule are no lines."""
    text = PAGE.read_text("utf-8")
    return [line for line in text.splitlines() if re.match(r"- |\| (?!here)", line)]


def test_every_line_of_the_page_has_a_test_and_every_test_a_line():
    named = [re.findall(r"`(test_\w+)`", line) for line in lines_of_the_page()]
    assert len(named) > 40 and all(len(names) == 1 for names in named)
    here = {name for name in globals() if name.startswith("test_")}
    meta = "test_every_line_of_the_page_has_a_test_and_every_test_a_line"
    assert sorted(name for (name,) in named) == sorted(here - {meta})


# --- the objective


def test_the_objective():
    w, b = first_weights(ridge())
    w_slope, b_slope = slopes(w, b)
    np.testing.assert_allclose(w_slope + LAM * w, 0, atol=1e-5)  # float32; at a minimum of J its slope is 0
    np.testing.assert_allclose(b_slope, 0, atol=1e-5)
    assert np.abs(LAM * w).max() > 0.1


def test_l2_has_a_half():
    assert float(sh.L2().value(np.array([3.0, -4.0]), 0.1)) == pytest.approx(0.1 * 0.5 * 25)


def test_l1_has_none():
    assert float(sh.L1().value(np.array([3.0, -4.0]), 0.1)) == pytest.approx(0.1 * 7)


def test_the_elastic_net_is_that_of_glmnet():
    value = float(sh.ElasticNet(rho=0.25).value(np.array([3.0, -4.0]), 0.1))
    assert value == pytest.approx(0.1 * (0.25 * 7 + 0.75 * 0.5 * 25))


def test_the_group_lasso_weighs_groups_by_their_size():
    w = np.array([[3.0, 0.0], [-4.0, 2.0]])  # two inputs, two units
    assert float(sh.GroupLasso().value(w, 0.1)) == pytest.approx(0.1 * 2**0.5 * (5 + 2))
    assert float(sh.GroupLasso("inputs").value(w, 0.1)) == pytest.approx(0.1 * 2**0.5 * (3 + 20**0.5))
    assert float(sh.GroupLasso((-2, -1)).value(w, 0.1)) == pytest.approx(0.1 * 4**0.5 * 29**0.5)
    terms = [prepared(line("sgd"), penalty=sh.GroupLasso(groups)).training.terms for groups in ("units", "inputs")]
    spanned = [term.penalty.groups for (term, none) in terms if term is not None and none is None]
    assert spanned == [(-2,), (-1,)]
    kernel, bias = prepared(line("sgd"), penalty=sh.GroupLasso(), on="all").training.terms
    assert kernel is not None and bias is not None
    assert (kernel.penalty.groups, bias.penalty.groups) == ((-2,), ())  # a bias has no inputs


W1 = np.array([[1.0], [1.0], [-1.0]], "float32")


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (sh.Coupled(), lambda slope: W0 - ETA * (slope + LAM * (W0 - W1))),
        (sh.Decoupled(), lambda slope: W0 - ETA * LAM * (W0 - W1) - ETA * slope),
        (sh.Proximal(), lambda slope: W1 + (W0 - ETA * slope - W1) / (1 + ETA * LAM)),
    ],
    ids=lambda value: type(value).__name__ if not callable(value) else "",
)
def test_l2_towards_other_weights(how, expected):
    elsewhere = fit(line(keras.optimizers.SGD(ETA)), penalty=sh.L2(toward=[-W1, B0]), how=how)
    path = fit(line(keras.optimizers.SGD(ETA)), penalty=sh.L2(toward=[W1, B0]), how=how)  # compiled as the one before
    assert np.abs(first_weights(path)[0] - first_weights(elsewhere)[0]).min() > 0.05
    w, b = first_weights(path)
    np.testing.assert_allclose(w, expected(slopes()[0]), atol=1e-6)
    np.testing.assert_allclose(b, B0 - ETA * slopes()[1], atol=1e-6)
    assert np.abs(ETA * LAM * (W0 - W1)).max() > 0.01
    held = fit(line(keras.optimizers.SGD(ETA)), penalty=sh.L2(toward="initial"), how=sh.Proximal(), lams=[1e6])
    np.testing.assert_allclose(first_weights(held)[0], W0, atol=1e-4)


@cache
def one_step(name: str, penalty: Any, how: Any = None, momentum: float = 0.0, lam: float = LAM) -> sh.Path:
    if name == "SGD":
        optimizer = keras.optimizers.SGD(ETA, momentum=momentum)
    else:
        optimizer = keras.optimizers.Adam(ETA)
    return fit(line(optimizer), penalty=penalty, how=how, lams=[lam])


def test_gradient_descent():
    w, b = first_weights(one_step("SGD", sh.L2()))
    w_slope, b_slope = slopes()
    np.testing.assert_allclose(w, W0 - ETA * (w_slope + LAM * W0), atol=1e-6)
    np.testing.assert_allclose(b, B0 - ETA * b_slope, atol=1e-6)
    assert np.abs(ETA * LAM * W0).max() > 0.01


def test_reported_losses_leave_the_penalty_out():
    path = ridge()
    data_loss = np.mean((path.predictions[:, 0, 0] - Y) ** 2)
    assert path.cv_loss[0, 0, -1] == pytest.approx(data_loss, rel=1e-5)
    assert path.train_loss[0, 0, -1] == pytest.approx(data_loss, rel=1e-5)  # here the same rows
    assert float(sh.L2().value(first_weights(path)[0], LAM)) > 0.1 * data_loss


def test_own_penalties_train_and_are_not_reported():
    path = fit(line(keras.optimizers.SGD(ETA), bias_regularizer=keras.regularizers.L2(2.0)))
    np.testing.assert_allclose(first_weights(path)[1], B0 - ETA * (slopes()[1] + 2 * 2.0 * B0), atol=1e-6)
    data_loss = np.mean((path.predictions[:, 0, 0] - Y) ** 2)
    assert path.train_loss[0, 0, 0] == pytest.approx(data_loss, rel=1e-5)


# --- where the penalty enters


def test_coupled_is_before_the_optimizer():
    lam = 50.0  # turns signs
    together = slopes()[0] + lam * W0
    w, _ = first_weights(one_step("Adam", sh.L2(), lam=lam))
    np.testing.assert_allclose(w, W0 - ETA * np.sign(together), atol=1e-5)  # Adam's first step is eta * g / (|g| + eps)
    assert (np.sign(together) != np.sign(slopes()[0])).any()


def test_decoupled_is_beside_the_step():
    w, b = first_weights(one_step("Adam", sh.L2(), sh.Decoupled()))
    np.testing.assert_allclose(w, W0 - ETA * LAM * W0 - ETA * np.sign(slopes()[0]), atol=1e-5)
    np.testing.assert_allclose(b, B0 - ETA * np.sign(slopes()[1]), atol=1e-5)
    assert np.abs(ETA * LAM * W0).max() > 0.01
    with pytest.raises(ValueError, match=r"weight decay, a form of L2 alone.* Say how=shrinkage.Proximal"):
        prepared(line("sgd"), penalty=sh.L1(), how=sh.Decoupled())


def test_proximal_is_after_the_step():
    w, _ = first_weights(one_step("SGD", sh.L2(), sh.Proximal()))
    stepped = W0 - ETA * slopes()[0]
    np.testing.assert_allclose(w, stepped / (1 + ETA * LAM), atol=1e-6)
    assert np.abs(stepped - w).max() > 0.01


def test_proximal_uses_the_optimizers_step_sizes():
    lam = 3.0
    w, _ = first_weights(one_step("Adam", sh.L1(), lam=lam))
    slope = slopes()[0]  # Adam's first v̂ is its square
    expected = soft_threshold(W0 - ETA * np.sign(slope), ETA / np.abs(slope) * lam)
    np.testing.assert_allclose(w, expected, atol=1e-5)
    assert (w == 0).any() and (w != 0).any()


def test_momentum_lengthens_the_proximal_step():
    momentum = 0.5
    w, _ = first_weights(one_step("SGD", sh.L1(), momentum=momentum))
    np.testing.assert_allclose(w, soft_threshold(W0 - ETA * slopes()[0], ETA / (1 - momentum) * LAM), atol=1e-6)
    assert (w != 0).any()


def test_default_how():
    assert sh.L2().default_how == sh.Coupled() == prepared(line("sgd"), penalty=sh.L2()).training.how
    for penalty in (sh.L1(), sh.ElasticNet(), sh.GroupLasso()):
        assert penalty.default_how == sh.Proximal() == prepared(line("sgd"), penalty=penalty).training.how


# --- attached penalties


def test_attached_is_as_keras_own():
    options = {"clipnorm": 0.5, "gradient_accumulation_steps": 2}
    mine, theirs = (line(keras.optimizers.Adam(ETA, **options), kernel_regularizer=reg) for reg in REGULARIZERS)
    sh.attach(mine, sh.L2(), lam=LAM)
    for _ in range(4):
        mine.train_on_batch(X, Y)
        theirs.train_on_batch(X, Y)
    np.testing.assert_allclose(mine.get_weights()[0], theirs.get_weights()[0], atol=1e-6)
    assert not np.allclose(mine.get_weights()[0], W0, atol=0.05)


def test_attached_losses_are_logged_apart():
    model = line(keras.optimizers.SGD(ETA))
    sh.attach(model, sh.L2(), lam=LAM)
    logs = model.fit(X, Y, batch_size=N, verbose=0).history
    assert logs["loss"][0] == pytest.approx(logs["data_loss"][0] + logs["penalty"][0], rel=1e-6)
    assert logs["penalty"][0] == pytest.approx(float(sh.L2().value(model.get_weights()[0], LAM)), rel=1e-6)


def test_attached_strengths_are_read_at_every_step():
    models = [line(keras.optimizers.SGD(ETA)) for _ in range(2)]
    reg = sh.attach(models[0], sh.L2(), lam=0.0)
    sh.attach(models[1], sh.L2(), lam=lambda step: LAM * keras.ops.cast(step, "float32"))
    for step in range(3):
        reg.lam = LAM * step
        for model in models:
            model.train_on_batch(X, Y)
    np.testing.assert_allclose(models[0].get_weights()[0], models[1].get_weights()[0], atol=1e-6)


def test_attached_frozen_weights_are_left_out():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dense(1)])
    model.layers[0].trainable = False
    model.compile("sgd", "mean_squared_error")
    reg = sh.attach(model, sh.L2(), lam=LAM)
    one = float(reg.value())
    model.layers[0].trainable = True
    model.compile("sgd", "mean_squared_error")
    assert float(reg.value()) > one > 0


def test_attached_rows():
    model = keras.Sequential([keras.Input((2,)), layers.Embedding(4, 3), layers.Flatten(), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(ETA), "mean_squared_error")
    before = model.get_weights()[0]
    model.layers[-1].kernel.assign(np.zeros((6, 1)))  # no gradient of the data loss
    sh.attach(model, sh.L2(), lam=LAM, on="embedding", rows="touched")
    model.train_on_batch(np.array([[1, 1]]), np.array([1.0]))
    np.testing.assert_allclose(model.get_weights()[0][1], (1 - ETA * LAM) * before[1], rtol=1e-6)
    np.testing.assert_array_equal(model.get_weights()[0][[0, 2, 3]], before[[0, 2, 3]])


def test_lazy_rows_are_all_rows():
    model = keras.Sequential([keras.Input((2,)), layers.Embedding(4, 3), layers.Flatten(), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(ETA), "mean_squared_error")
    before = model.get_weights()[0]
    sh.attach(model, sh.L2(), lam=LAM, on="embedding", rows="lazy")
    for _ in range(3):
        model.train_on_batch(np.array([[1, 1]]), np.array([1.0]))
    np.testing.assert_array_equal(np.array(model.weights[0])[[0, 2, 3]], before[[0, 2, 3]])  # as it is stored
    np.testing.assert_allclose(model.get_weights()[0][[0, 2, 3]], (1 - ETA * LAM) ** 3 * before[[0, 2, 3]], rtol=1e-6)


# --- strengths


def test_a_model_was_trained_with_its_lam():
    model = ridge().model(LAM)
    w, b = (keras.ops.convert_to_numpy(v) for v in model.trainable_variables)
    np.testing.assert_allclose(slopes(w, b)[0], -LAM * w, atol=1e-5)
    assert np.abs(w).max() > 0.1


def closed_form(x: np.ndarray, y: np.ndarray, lam: float) -> tuple[np.ndarray, float]:
    """Return w and b that minimise mean (x·w + b - y)² + lam·½Σw²."""
    centred, target = (x - x.mean(axis=0)).astype(float), (y - y.mean()).astype(float)
    w = np.linalg.solve(centred.T @ centred / len(x) + lam / 2 * np.eye(x.shape[1]), centred.T @ target / len(x))
    return w, float(y.mean() - x.mean(axis=0) @ w)


def test_a_fold_keeps_delta():
    path = folds()
    for train, held_out in zip(path.folds.train, path.folds.held_out, strict=True):
        assert len(train) == N // 2
        found = path.predictions[np.isin(path.held_out_rows, held_out), 0, 0]
        w, b = closed_form(X[train], Y[train], LAM * N / len(train))
        np.testing.assert_allclose(found, X[held_out] @ w + b, atol=1e-4)  # float32, and 150 steps
        w, b = closed_form(X[train], Y[train], LAM)
        assert np.abs(found - (X[held_out] @ w + b)).max() > 0.1


def test_a_decay_is_the_same_in_every_fold():
    path = fit(line(keras.optimizers.SGD(ETA)), how=sh.Decoupled(), cv=2, batch_size=N // 2)
    for train, held_out in zip(path.folds.train, path.folds.held_out, strict=True):
        error = X[train] @ W0 + B0 - Y[train, None]
        w, b = W0 - ETA * 2 * X[train].T @ error / len(train), B0 - ETA * 2 * error.mean(axis=0)
        found = path.predictions[np.isin(path.held_out_rows, held_out), 0]
        np.testing.assert_allclose(found, X[held_out] @ (w - ETA * LAM * W0) + b, atol=1e-5)
        assert np.abs(X[held_out] @ (ETA * LAM * W0)).max() > 0.01


def test_lams_descend_to_zero():
    problem = prepared(line("sgd"), lams=[0.1, 1.0, 0.1])
    assert problem.lams.tolist() == [1.0, 0.1, 0.0]
    assert len(problem.notes) == 3 and all("lams" in note for note in problem.notes)
    assert ridge().lams.tolist() == [LAM, 0.0]


def test_the_automatic_grid():
    delta = N * prepared(classifier(), y=CLASSES).lams
    np.testing.assert_allclose(delta[:-1], 10 ** np.arange(1.75, -3.01, -0.25))
    assert len(delta) == 21 and delta[-1] == 0


def chain(depth: int) -> keras.Model:
    hidden = [layers.Dense(2, "relu", use_bias=False) for _ in range(depth - 1)]
    model = keras.Sequential([keras.Input((3,)), *hidden, layers.Dense(1)])
    model.compile("sgd", "mean_squared_error")
    return model


def test_the_automatic_grid_has_the_units_of_the_loss():
    """With the target times c, L homogeneous layers train alike at lam times c**(2 - d / L), d = 2 for L2, 1 for L1."""
    sd = np.std(Y)
    for penalty, degree in ((sh.L2(), 2), (sh.L1(), 1), (sh.ElasticNet(1.0), 1), (sh.GroupLasso("inputs"), 1)):
        for depth in (1, 2, 3):
            lams, tenfold = (prepared(chain(depth), y=c * Y, penalty=penalty).lams for c in (1, 10))
            assert N * lams[0] == pytest.approx(10**1.75 * sd ** (2 - degree / depth), rel=1e-5)
            np.testing.assert_allclose(tenfold, 10 ** (2 - degree / depth) * lams, rtol=1e-5)
    np.testing.assert_allclose(
        prepared(chain(1)).lams, prepared(classifier(), y=CLASSES).lams
    )  # a linear L2: not at all
    free = prepared(chain(2), on=lambda layer, variable: variable.shape == (2, 1)).lams
    assert N * free[0] == pytest.approx(10**1.75 * sd**2, rel=1e-5)  # the first layer takes the scale up for nothing


def test_a_target_far_from_unit_size_is_said():
    notes = prepared(line("sgd"), y=100 * Y).notes
    assert "standardize_target=True" in notes[-1] and "variance is 3.7e+04" in notes[-1]
    assert prepared(line("sgd")).notes == prepared(line("sgd"), y=100 * Y, standardize_target=True).notes == ()


def test_the_automatic_grid_of_a_decay():
    halved = keras.optimizers.schedules.PiecewiseConstantDecay([39], [0.2, 0.1])
    problem = prepared(line(keras.optimizers.Adam(halved)), how=sh.Decoupled(), epochs=40, batch_size=N // 2)
    total = 40 * 0.2 + 40 * 0.1  # two steps an epoch
    delta = 10 ** np.arange(1.75, -3.01, -0.25)
    expected = np.append(delta[delta / total <= 1 / 0.2] / total, 0)
    np.testing.assert_allclose(problem.lams, expected, rtol=1e-6)  # Keras rounds the rates to float32
    assert problem.grid.most == pytest.approx(1 / 0.2) and len(expected) == 21
    short = prepared(line(keras.optimizers.Adam(0.2)), how=sh.Decoupled(), epochs=4, batch_size=N // 2)
    assert short.lams[0] <= 1 / 0.2 < short.lams[0] * 10**0.25 and len(short.lams) < 21


def test_the_automatic_grid_grows():
    lams, falling = np.array([1.0, 0.1, 0.0]), np.array([0.1, 0.2, 0.3])
    more = extension(lams, falling, decades_up=2, decades_down=0)
    assert more is not None and more[0] == pytest.approx(10.0)
    assert extension(lams, falling, decades_up=3, decades_down=0) is None
    smallest = extension(lams, np.array([0.3, 0.1, 0.2]), decades_up=0, decades_down=2)
    assert smallest is not None and smallest[-1] == pytest.approx(0.01)
    assert extension(lams, np.array([0.3, 0.1, 0.1]), decades_up=0, decades_down=0) is None
    unlike, alike = np.array([np.nan, 0.4, 0.2]), np.array([np.nan, 0.201, 0.2])
    assert extension(lams, unlike, decades_up=0, decades_down=0) is not None  # strengths above 0 diverged
    assert extension(lams, alike, decades_up=0, decades_down=0) is None
    no_nan = np.array([0.5, 0.4, 0.2])
    assert extension(lams, no_nan, decades_up=0, decades_down=0) is None
    assert extension(lams, no_nan, decades_up=0, decades_down=0, far=True) is not None
    assert prepared(line("sgd")).grid.most == np.inf and prepared(line("sgd"), lams=[1.0]).grid.most is None


# --- which weights


def penalised_names(model: keras.Model, on: Any = "kernels") -> set[str]:
    return {weight.path.rpartition("/")[2] for weight in sh.describe(model, on).weights if weight.penalised}


def test_kernels_are_penalised():
    tokens, image, sequence = keras.Input((4,), dtype="int32"), keras.Input((6, 6, 2)), keras.Input((4, 3))
    query = layers.Embedding(5, 3)(tokens)
    attended = layers.MultiHeadAttention(2, 3, name="attention")(query, query)
    model = keras.Model(
        [tokens, image, sequence],
        [
            layers.GRU(2)(attended),
            layers.Conv2D(3, 3)(image),
            layers.DepthwiseConv2D(3)(image),
            layers.LSTM(2)(sequence),
        ],
    )
    assert penalised_names(model) == {"embeddings", "kernel", "recurrent_kernel"}
    covered = [weight for weight in sh.describe(model).weights if weight.penalised]
    assert {"query", "key", "value"} <= {weight.layer.rpartition("/")[2] for weight in covered}
    assert {type(layer).__name__ for layer in model.layers if layer.weights} == {
        "Embedding", "MultiHeadAttention", "GRU", "Conv2D", "DepthwiseConv2D", "LSTM"
    }  # fmt: skip


def test_biases_and_normalizations_are_not():
    model = keras.Sequential(
        [keras.Input((3,)), layers.Dense(2), layers.BatchNormalization(), layers.LayerNormalization()]
    )
    others = {weight.path.rpartition("/")[2] for weight in sh.describe(model).weights if not weight.penalised}
    assert others == {"bias", "gamma", "beta"} and penalised_names(model) == {"kernel"}


class Own(layers.Layer):
    def build(self, input_shape):
        self.matrix = self.add_weight(shape=(3, 2), name="matrix")
        self.vector = self.add_weight(shape=(2,), name="vector")

    def call(self, inputs):
        return inputs @ self.matrix + self.vector


def test_own_layers_go_by_axes_and_names():
    model = keras.Sequential([keras.Input((3,)), Own()])
    assert sh.describe(model).mask == (True, False)
    own = type("Own", (layers.Layer,), {})()
    own.add_weight(shape=(2, 2), name="matrix")
    own.add_weight(shape=(2, 2), name="attention_bias")
    own.add_weight(shape=(1, 2), name="token")
    model = keras.Sequential([own])
    model.built = own.built = True
    assert sh.describe(model).mask == (True, False, False)


def test_on_all():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.BatchNormalization()])
    assert sh.describe(model, on="all").mask == (True,) * 4


def test_on_a_function():
    model = line("sgd")
    assert sh.describe(model, on=lambda layer, variable: variable.name == "bias").mask == (False, True)
    with pytest.raises(ValueError, match="matches none"):
        sh.describe(model, on=lambda layer, variable: False)


def test_on_kinds():
    model = keras.Sequential([keras.Input((4, 3)), layers.GRU(2), layers.Dense(1)])
    last = model.layers[-1]
    for on in (
        "kernel",
        ["kernel"],
        [layers.Dense, "*/gru_cell*/kernel"],
        [last, lambda _, v: "cell" in v.path and v.name == "kernel"],
    ):
        assert sh.describe(model, on=on).mask == (True, False, False, True, False)
    assert sh.describe(model, on="recurrent").mask == (False, True, False, False, False)
    assert sh.describe(model, on=last.bias).mask == (False, False, False, False, True)


def test_on_factors():
    path = fit(line(keras.optimizers.SGD(ETA)), on={"kernel": 2, "bias": 0.5})
    dw, db = slopes()
    w, b = first_weights(path)
    np.testing.assert_allclose(w, W0 - ETA * (dw + 2 * LAM * W0), rtol=1e-5)
    np.testing.assert_allclose(b, B0 - ETA * (db + 0.5 * LAM * B0), rtol=1e-5)
    with pytest.raises(ValueError, match="names these weights twice"):
        sh.describe(line("sgd"), on={"kernel": 1, "all": 2})


def test_a_second_penalty_is_refused():
    with pytest.raises(ValueError, match="already carries a penalty"):
        prepared(line("sgd", kernel_regularizer="l2"))
    with pytest.raises(ValueError, match="already decays"):
        prepared(line(keras.optimizers.AdamW(weight_decay=0.01)))
    assert prepared(line("sgd")).selection.n_penalised == 3


def test_the_models_own_regularizer_is_taken_over():
    problem = prepared(line("sgd", kernel_regularizer=keras.regularizers.L2(0.01)), penalty="model")
    assert (problem.training.penalty, problem.lam_model) == (sh.L2(), 0.02) and 0.02 in problem.lams
    assert problem.training.template.model(problem.training.template.kept_values()).losses == []


# --- the choice


def test_the_curve_picks_the_epoch():
    too_fast = keras.optimizers.SGD(1.2)  # the loss grows
    best, second = (fit(line(too_fast), epochs=3, epoch=epoch) for epoch in ("best", 2))
    assert best.epochs.tolist() == (1 + best.cv_loss[0].argmin(axis=1)).tolist() == [1, 1]
    assert second.epochs.tolist() == [2, 2] and ridge().epochs.tolist() == [200, 200]
    assert best.mean[0] == best.cv_loss[0, 0, 0] != best.cv_loss[0, 0, 2]


def test_min_and_1se():
    index_min, index_1se = choose([0.9, 0.45, 0.4, 0.4, 0.6], [0.1] * 5)
    assert (index_min, index_1se) == (2, 1)
    path = folds()
    assert (path.lam_min, path.lam_1se) == tuple(path.lams[list(choose(path.mean, path.se))])


def test_mean_and_standard_error():
    loss, weight = np.array([[1.0], [2.0], [4.0]]), np.array([2.0, 1.0, 1.0])
    mean, se = summarise(loss, weight)
    assert mean[0] == pytest.approx(2.0)
    assert se[0] == pytest.approx(np.sqrt((0.5 * 1 + 0.25 * 0 + 0.25 * 4) / 2))


def test_one_split_has_the_standard_error_of_its_rows():
    path = ridge()
    np.testing.assert_allclose(path.se, path.row_loss.std(axis=0, ddof=1) / np.sqrt(N))
    assert path.single_split and (path.se > 0).all() and not folds().single_split
    weight = np.arange(N) % 4 / 1.5  # 10 rows of weight 0
    path = fit(line(keras.optimizers.SGD(ETA)), validation_data=(X, Y, weight))
    loss = path.row_loss - np.average(path.row_loss, axis=0, weights=weight)
    left_out = [weight[i] * loss[i] / (weight.sum() - weight[i]) for i in range(N) if weight[i]]
    np.testing.assert_allclose(path.se, np.sqrt(29 / 30 * np.sum(np.square(left_out), axis=0)), rtol=1e-6)
    assert path.gain.mean == pytest.approx(path.mean[-1] - path.mean[path.index_min], abs=1e-12)


def test_patience_is_of_each_strength():
    """At lam = 3 the rate is too fast, so that the loss grows from the first epoch on."""
    model = line(keras.optimizers.SGD(0.3))
    path = fit(model, lams=[3.0, 0.1], epochs=9, patience=2, epoch="best")
    trained = (~np.isnan(path.cv_loss[0])).sum(axis=1)
    assert path.epochs.tolist()[0] == 1 and trained[0] == 3 and trained[2] == 9 and not path.failed.any()


def test_folds_of_classes_are_stratified():
    assert prepared(classifier(), y=CLASSES).folds.kind == "stratified k-fold"
    assert prepared(line("sgd")).folds.kind == "k-fold"
    folds = prepared(two_outputs(), y=[Y, CLASSES]).folds
    assert folds.kind == "stratified k-fold"
    shares = [np.bincount(CLASSES[rows], minlength=3) for rows in folds.held_out]
    assert (np.ptp(shares, axis=0) <= 1).all()


def two_outputs() -> keras.Model:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [layers.Dense(1)(inputs), layers.Dense(3, "softmax")(inputs)])
    model.compile("sgd", ["mse", "sparse_categorical_crossentropy"], loss_weights=[0.5, 2.0])
    return model


def test_the_losses_of_outputs_add_up():
    path = fit(two_outputs(), y=[Y, CLASSES])
    amount, kind = (predicted[:, 0] for predicted in path.predictions)
    squared, log = ((amount[:, 0] - Y) ** 2).mean(), -np.log(kind[np.arange(N), CLASSES]).mean()
    assert path.mean[0] == pytest.approx(0.5 * squared + 2 * log, rel=1e-5)


def test_losses_that_mix_rows_are_scored_in_batches():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, "sigmoid")])
    model.compile("sgd", "dice")
    y = (Y > 0).astype("float32")[:, None]
    path = fit(model, y=y, batch_size=15)
    probability = path.predictions[:, 0]
    batches = [slice(start, min(start + 15, N)) for start in range(0, N, 15)]
    losses = [1 - 2 * (y[b] * probability[b]).sum() / (y[b].sum() + probability[b].sum()) for b in batches]
    assert path.mean[0] == pytest.approx(np.average(losses, weights=[15, 15, 10]), rel=1e-5)
    assert path.single_split and np.isnan(path.se).all() and any("mixes the rows" in note for note in path.notes)


# --- rows and weights


def untrained(x: np.ndarray, model: keras.Model, **options: Any) -> sh.Path:
    """Train with a learning rate of 0, which shows the first weights."""
    model.compile(keras.optimizers.SGD(0.0), "mean_squared_error")
    return fit(model, x=x, cv=2, batch_size=5, **options)


def test_fresh_weights():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    path = untrained(np.ones_like(X), model, init="fresh")  # all rows alike: a prediction is its fold's weights
    by_fold = [path.predictions[np.isin(path.held_out_rows, rows), :, 0] for rows in path.folds.held_out]
    values = [float(np.unique(prediction).item()) for prediction in by_fold]  # one value, at every λ
    assert values[0] != values[1]
    np.testing.assert_array_equal(path.weights[0][0], path.weights[0][1])
    assert not np.allclose(path.weights[0][0], keras.ops.convert_to_numpy(model.weights[0]))


def test_kept_weights():
    path = untrained(X, line("sgd"), init="keep")
    for index in (0, 1):
        np.testing.assert_array_equal(first_weights(path, index)[0], W0)
        np.testing.assert_allclose(path.predictions[:, index], X @ W0 + B0, atol=1e-6)


def test_a_trained_model_must_say_which():
    with pytest.raises(ValueError, match='init="keep".*init="fresh"'):
        prepared(line("sgd"), init=None)  # its bias is not what an initializer gives
    new = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    new.compile("sgd", "mean_squared_error")
    assert prepared(new, init=None).training.init == "fresh"


@cache
def frozen() -> tuple[keras.Model, list[np.ndarray], sh.Path]:
    """Return a model whose first layer is frozen, its weights before, and its path."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2, "tanh"), layers.Dense(1)])
    model.layers[0].trainable = False
    model.compile(keras.optimizers.SGD(ETA), "mean_squared_error")
    before = model.get_weights()
    return model, before, fit(model, init="fresh", epochs=2)


def test_frozen_weights_are_kept():
    _, before, path = frozen()
    of = dict(zip([v.path for v in path.model(LAM).variables], path.model(LAM).get_weights(), strict=True))
    kernels = [value for name, value in of.items() if name.endswith("kernel")]
    np.testing.assert_array_equal(kernels[0], before[0])
    assert not np.allclose(kernels[1], before[2])


def test_the_model_is_left_as_it_was():
    model, before, _ = frozen()
    for mine, old in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, old)
    assert int(keras.ops.convert_to_numpy(model.optimizer.iterations)) == 0


def test_models_are_plain():
    first, second = ridge().model(LAM), ridge().model(LAM)
    assert type(first) is keras.Sequential and first is not second
    assert first.losses == [] and first.compiled and first.loss == "mean_squared_error"
    assert int(keras.ops.convert_to_numpy(first.optimizer.iterations)) == 0
    np.testing.assert_allclose(first.predict(X, verbose=0)[:, 0], ridge().predictions[:, 0, 0], atol=0.2)


def test_normalization_is_fitted_in_each_fold():
    x = X * [1, 5, 20] + [0, 3, 100]
    model = keras.Sequential([keras.Input((3,)), layers.Normalization(), layers.Dense(1)])
    model.layers[0].adapt(x)
    model.layers[1].set_weights([W0, B0])
    path = untrained(x.astype("float32"), model, init="keep")
    for train, rows in zip(path.folds.train, path.folds.held_out, strict=True):
        expected = (x[rows] - x[train].mean(axis=0)) / x[train].std(axis=0) @ W0 + B0
        np.testing.assert_allclose(path.predictions[np.isin(path.held_out_rows, rows), 0], expected, atol=1e-4)
        of_all = (x[rows] - x.mean(axis=0)) / x.std(axis=0) @ W0 + B0
        assert np.abs(expected - of_all).max() > 0.01


def batches(epoch: int, **options: Any) -> np.ndarray:
    return batch_rows(np.arange(10, 20), seed=0, fold=0, epoch=epoch, steps=3, batch_size=4, **options)


def test_batches_are_equal():
    stream = np.concatenate([batches(epoch) for epoch in range(5)]).ravel()
    assert batches(0).shape == (3, 4) and len(stream) == 60
    assert set(np.bincount(stream)[10:]) == {6}  # each of ten rows, equally often
    for k in range(6):
        assert sorted(stream[10 * k : 10 * k + 10]) == list(range(10, 20))


def test_steps_and_batches_are_of_each_fold():
    path = fit(line(keras.optimizers.SGD(ETA)), cv=3, batch_size=27)  # of 26 or 27 training rows
    assert sorted(len(rows) for rows in path.folds.train) == [26, 27, 27]
    check_full_steps(path)
    assert [batches_of(n, 10) for n in (9, 14, 16, 40)] == [(1, 9), (1, 10), (2, 10), (4, 10)]


def check_full_steps(path: sh.Path) -> None:
    """One step without a penalty on all rows of each fold."""
    for train, rows in zip(path.folds.train, path.folds.held_out, strict=True):
        error = X[train] @ W0 + B0 - Y[train, None]
        w, b = W0 - ETA * 2 * X[train].T @ error / len(train), B0 - ETA * 2 * error.mean(axis=0)
        np.testing.assert_allclose(path.predictions[np.isin(path.held_out_rows, rows), 1], X[rows] @ w + b, atol=1e-5)


def test_a_batch_size_above_the_rows_is_lowered():
    path = fit(line(keras.optimizers.SGD(ETA)), cv=2, batch_size=N)
    np.testing.assert_allclose(first_weights(path, 1)[0], W0 - ETA * slopes()[0], atol=1e-6)  # all rows: one step
    check_full_steps(path)
    assert not any("batch_size" in note for note in path.notes)  # as many as there are rows: full batches are meant


def test_sample_weights_have_mean_one():
    weight = np.arange(N, dtype=float)
    problem = prepared(classifier(), y=CLASSES, sample_weight=weight)
    np.testing.assert_allclose(problem.training.data.weight, weight / weight.mean(), rtol=1e-6)
    assert any("sample_weight was divided by its mean" in note for note in problem.notes)


def test_class_weights_are_weights_of_rows():
    weight = np.arange(1.0, N + 1)
    both = prepared(classifier(), y=CLASSES, sample_weight=weight, class_weight={1: 3.0})
    expected = weight * np.where(CLASSES == 1, 3.0, 1.0)
    np.testing.assert_allclose(both.training.data.weight, expected / expected.mean(), rtol=1e-6)


# --- randomness


def test_the_same_call_gives_the_same_bits():
    first, other = dropped_out(), dropped_out(seed=1)
    dropped_out.cache_clear()
    again = dropped_out()
    np.testing.assert_array_equal(first.cv_loss, again.cv_loss)
    np.testing.assert_array_equal(first.model().get_weights()[0], again.model().get_weights()[0])
    assert (first.cv_loss != other.cv_loss).any()
    assert (batches(0) != batches(1)).any()


def test_lams_share_their_randomness():
    tiny, zero = (dropped_out().model(lam).get_weights() for lam in dropped_out().lams)
    for a, b in zip(tiny, zero, strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.allclose(tiny[0], W0)


# --- axes and names


def test_axes():
    path = folds()
    assert path.cv_loss.shape == path.train_loss.shape == (2, 2, 150)
    assert path.status.shape == (2, 2) and path.predictions.shape == (N, 2, 1)
    assert ridge().cv_loss.shape == (1, 2, 200)


def test_norm():
    path = ridge()
    np.testing.assert_allclose(path.norm, np.linalg.norm(path.weights[0], axis=(1, 2)), rtol=1e-6)
    for toward, origin in (("initial", W0), ([W1, B0], W1)):
        path = fit(line(keras.optimizers.SGD(ETA)), penalty=sh.L2(toward=toward))
        np.testing.assert_allclose(path.norm, np.linalg.norm(path.weights[0] - origin, axis=(1, 2)), rtol=1e-5)
        assert path.norm.min() > 0.1 and "||w - w0||" in str(path)


def test_zero_groups():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2)])
    model.compile(keras.optimizers.SGD(0.2), "mean_squared_error")
    y = np.stack([Y, 0.02 * X[:, 0]], axis=1)
    units = fit(model, y=y, penalty=sh.GroupLasso(), init="fresh", epochs=40, lams=[0.3])
    inputs = fit(model, y=y, penalty=sh.GroupLasso("inputs"), init="fresh", epochs=40, lams=[0.3])
    for path, axis, title in ((units, 1, "zero units"), (inputs, 2, "zero inputs")):
        assert path.zero_groups is not None and title in str(path)
        np.testing.assert_array_equal(path.zero_groups, (path.weights[0] == 0).all(axis=axis).sum(axis=1))
        assert path.zero_groups.tolist() == [1, 0] == path.table()["zero_groups"].tolist()
    assert ridge().zero_groups is None


def test_indices():
    path = ridge()
    assert path.lams[path.index_min] == path.lam_min and path.lams[path.index_1se] == path.lam_1se
    assert path.table()["index"].tolist() == [1, 2]
    row = next(line.split() for line in str(path).splitlines() if line.startswith("none"))
    assert row[1:3] == ["0", "2"]


def test_train_loss_is_of_the_end_of_the_epoch():
    path = dropped_out()  # held out are the rows trained on
    np.testing.assert_allclose(path.train_loss, path.cv_loss, rtol=1e-6)
    assert path.cv_loss[0, 0, -1] == pytest.approx(np.mean((path.predictions[:, 0, 0] - Y) ** 2), rel=1e-5)


def test_train_loss_is_of_as_many_rows_as_are_held_out():
    path = fit(line(keras.optimizers.SGD(1e-12)), cv=4, batch_size=10)  # as good as not trained
    squares = np.square(X @ W0 + B0 - Y[:, None])[:, 0]
    for fold in range(4):
        rows = path.folds.held_out[(fold + 1) % 4]
        assert path.train_loss[fold, 0, 0] == pytest.approx(squares[rows].mean(), rel=1e-5)
        assert path.train_loss[fold, 0, 0] != pytest.approx(squares[path.folds.train[fold]].mean(), rel=1e-3)
    weight = RNG.lognormal(size=N)
    path = fit(line(keras.optimizers.SGD(1e-12)), cv=4, batch_size=10, sample_weight=weight)
    assert path.train_mean[0] == pytest.approx(path.mean[0], rel=1e-5)  # means over the same rows
    assert path.mean[0] == pytest.approx(np.average(squares, weights=weight), rel=1e-5)


# --- the same strength elsewhere


def test_keras_l2():
    assert float(keras.regularizers.L2(LAM / 2)(W0)) == pytest.approx(float(sh.L2().value(W0, LAM)), rel=1e-6)


def test_keras_l1():
    assert float(keras.regularizers.L1(LAM)(W0)) == pytest.approx(float(sh.L1().value(W0, LAM)), rel=1e-6)


def test_pytorch_sgd():
    momentum, w, b = 0.9, W0, B0
    w_buffer, b_buffer = np.zeros_like(W0), np.zeros_like(B0)
    for _ in range(3):  # the algorithm in the documentation of torch.optim.SGD
        w_slope, b_slope = slopes(w, b)
        w_buffer, b_buffer = momentum * w_buffer + w_slope + LAM * w, momentum * b_buffer + b_slope
        w, b = w - ETA * w_buffer, b - ETA * b_buffer
    path = fit(line(keras.optimizers.SGD(ETA, momentum=momentum)), epochs=3)
    np.testing.assert_allclose(first_weights(path)[0], w, atol=1e-5)
    assert not np.allclose(first_weights(path, 1)[0], w, atol=0.05)  # λ = 0


def keras_step(optimizer: Any) -> np.ndarray:
    """Return the kernel after one step of plain Keras."""
    model = line(optimizer)
    model.optimizer.exclude_from_weight_decay(var_list=[model.weights[1]])
    model.train_on_batch(X, Y)
    return model.get_weights()[0]


def test_keras_weight_decay():
    w, _ = first_weights(one_step("SGD", sh.L2()))
    np.testing.assert_allclose(keras_step(keras.optimizers.SGD(ETA, weight_decay=LAM)), w, atol=1e-6)
    w, _ = first_weights(one_step("Adam", sh.L2()))
    assert not np.allclose(keras_step(keras.optimizers.Adam(ETA, weight_decay=LAM)), w, atol=1e-3)


def test_keras_weight_decay_is_decoupled():
    for name, optimizer in (("SGD", keras.optimizers.SGD), ("Adam", keras.optimizers.AdamW)):
        w, _ = first_weights(one_step(name, sh.L2(), sh.Decoupled()))
        np.testing.assert_allclose(keras_step(optimizer(ETA, weight_decay=LAM)), w, atol=1e-6)
        assert not np.allclose(keras_step(optimizer(ETA, weight_decay=0.0)), w, atol=1e-3)


def assert_stationary(penalty: Any, w: np.ndarray, slope: np.ndarray, lam: float) -> None:
    """J has a minimum at `w` for this λ, and not for twice as much."""
    assert np.max(np.asarray(penalty.residual(w, slope, lam))) < 1e-4
    assert np.max(np.asarray(penalty.residual(w, slope, 2 * lam))) > 1e-2


def test_ridge():
    found = Ridge(alpha=N * LAM / 2, tol=1e-10).fit(X, Y)
    w, b = found.coef_[:, None], np.atleast_1d(found.intercept_)
    assert_stationary(sh.L2(), w, slopes(w, b)[0], LAM)
    np.testing.assert_allclose(first_weights(ridge())[0], w, atol=1e-4)


def test_lasso():
    found = Lasso(alpha=LAM / 2, tol=1e-10).fit(X.astype(float), Y.astype(float))
    w, b = found.coef_[:, None], np.atleast_1d(found.intercept_)
    assert (w == 0).any() and (w != 0).any()
    assert_stationary(sh.L1(), w, slopes(w, b)[0], LAM)


def test_elastic_net():
    found = ElasticNet(alpha=LAM / 2, l1_ratio=0.7, tol=1e-10).fit(X.astype(float), Y.astype(float))
    w, b = found.coef_[:, None], np.atleast_1d(found.intercept_)
    assert (w == 0).any() and (w != 0).any()
    assert_stationary(sh.ElasticNet(rho=0.7), w, slopes(w, b)[0], LAM)


def test_logistic_regression():
    found = LogisticRegression(C=1 / (N * LAM), tol=1e-10, max_iter=1000).fit(X, CLASSES)
    probabilities = found.predict_proba(X)
    slope = X.T @ (probabilities - np.eye(3)[CLASSES]) / N  # of the mean log loss
    assert_stationary(sh.L2(), found.coef_.T, slope, LAM)
