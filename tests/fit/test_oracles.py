"""A path trained to convergence equals what scikit-learn, or a formula, finds at the matching strength.

All models are convex, and trained by full batches in float64 until they stand still: heavy-ball momentum takes a few
hundred steps to a gradient of about 1e-9. Solved tight, compared loose: 1e-6, as the error in a weight is the gradient
over the smallest curvature (about 0.01 here), and scikit-learn's own solvers stop at about 1e-8.
"""

import keras
import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, MultiTaskLasso, Ridge
from sklearn.preprocessing import scale

import shrinkage as sh

pytestmark = pytest.mark.usefixtures("float64")

CLOSE = {"rtol": 0, "atol": 1e-6}
LAMS = [1.0, 0.1, 0.01]


def diabetes(n_rows: int = 300) -> tuple[np.ndarray, np.ndarray]:
    x, y = map(np.asarray, load_diabetes(return_X_y=True))
    return scale(x[:n_rows]), scale(y[:n_rows]) + 0.5  # a mean that the bias must find


def iris() -> tuple[np.ndarray, np.ndarray]:
    x, y = map(np.asarray, load_iris(return_X_y=True))
    rows = np.random.default_rng(0).permutation(len(x))
    return scale(x)[rows], y[rows]


def linear(inputs: int, momentum: float = 0.9) -> keras.Model:
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.2, momentum=momentum), "mean_squared_error")
    return model


def softmax(inputs: int, classes: int) -> keras.Model:
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(classes, "softmax")])
    model.compile(keras.optimizers.SGD(0.4, momentum=0.9), "sparse_categorical_crossentropy")
    return model


def converged(model: keras.Model, x, y, penalty, *, lams=LAMS, cv=2, epochs=400, **options) -> sh.Path:
    return sh.fit(
        model, x, y, penalty=penalty, lams=lams, cv=cv, epochs=epochs, batch_size=len(x), epoch="last", **options
    )


def mean_squared_gradient(x: np.ndarray, y: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """Return ∂L/∂kernel for the mean of (x·w + b - y)²."""
    return 2 * x.T @ (x @ kernel + bias - y[:, None]) / len(x)


def log_loss_gradient(x: np.ndarray, y: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    scores = x @ kernel + bias
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return x.T @ (odds / odds.sum(axis=1, keepdims=True) - np.eye(kernel.shape[1])[y]) / len(x)


def assert_stationary(path: sh.Path, x, y, gradient, lams: int = 4) -> None:
    """Certify by λ∂P alone, without any other solver, that no weight of the all-rows models can move."""
    for lam, kernel, bias in list(zip(path.lams, *path.weights, strict=True))[:lams]:
        slope = gradient(x, y, kernel, bias)
        residual = np.asarray(path.penalty.residual(kernel, slope, lam))
        # Keras rounds momentum to float32, and so 1/(1 - 0.9), which L1's step has as a factor, by 2e-7.
        np.testing.assert_allclose(residual, 0, atol=1e-6)
        assert lam == 0 or np.abs(slope).max() > 1e-3, "the penalty must pull, or stationarity shows nothing"


@pytest.mark.full
def test_l2_path_is_ridge():
    x, y = diabetes()
    path = converged(linear(10), x, y, sh.L2())
    for lam, kernel, bias in zip(path.lams, *path.weights, strict=True):
        ridge = Ridge(alpha=len(x) * lam / 2).fit(x, y)  # Keras' mean squared error has no ½
        assert np.abs(ridge.coef_).max() > 0.1
        np.testing.assert_allclose(kernel[:, 0], ridge.coef_, **CLOSE)
        np.testing.assert_allclose(bias, ridge.intercept_, **CLOSE)
    assert_stationary(path, x, y, mean_squared_gradient)
    assert (np.diff(path.norm) > 0.01).all()


def test_l2_path_is_ridge_in_closed_form():
    """(XᵀX + nλ/2·I) w = Xᵀy on centred columns, and so by the proximal way, which is another algorithm."""
    x, y = diabetes()
    path = converged(linear(10), x, y, sh.L2(), how=sh.Proximal())
    for lam, kernel in zip(path.lams, path.weights[0], strict=True):
        solution = np.linalg.solve(x.T @ x + len(x) * lam / 2 * np.eye(10), x.T @ (y - y.mean()))
        np.testing.assert_allclose(kernel[:, 0], solution, **CLOSE)


@pytest.mark.full
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_l1_path_is_lasso(optimizer):
    x, y = diabetes()
    model, close, lams = linear(10), 1e-6, [0.5, 0.2, 0.02]
    if optimizer == "adam":  # it stands still where its schedule ends, and not quite where the gradient does
        rate = keras.optimizers.schedules.CosineDecay(0.05, 500)
        model.compile(keras.optimizers.Adam(rate), "mean_squared_error")
        close, lams = 1e-3, [0.5, 0.2]
    path = converged(model, x, y, sh.L1(), lams=lams, epochs=500)
    for lam, kernel, bias, nonzero in zip(
        path.lams[:-1], *(w[:-1] for w in path.weights), path.nonzero[:-1], strict=True
    ):
        lasso = Lasso(alpha=lam / 2, tol=1e-12, max_iter=100_000).fit(x, y)
        np.testing.assert_allclose(kernel[:, 0], lasso.coef_, rtol=0, atol=close)
        np.testing.assert_allclose(bias, lasso.intercept_, rtol=0, atol=close)
        np.testing.assert_array_equal(kernel[:, 0] == 0, lasso.coef_ == 0)
        assert nonzero == (lasso.coef_ != 0).sum() and 0 < nonzero < 10
    assert path.nonzero[-1] == 10
    if optimizer == "momentum":
        assert_stationary(path, x, y, mean_squared_gradient)


def test_elastic_net_path_is_that_of_scikit_learn():
    x, y = diabetes()
    path = converged(linear(10), x, y, sh.ElasticNet(rho=0.7), lams=[0.5, 0.2, 0.1], epochs=500)
    for lam, kernel, bias, nonzero in zip(
        path.lams[:-1], *(w[:-1] for w in path.weights), path.nonzero[:-1], strict=True
    ):
        elastic = ElasticNet(alpha=lam / 2, l1_ratio=0.7, tol=1e-12, max_iter=100_000).fit(x, y)
        np.testing.assert_allclose(kernel[:, 0], elastic.coef_, **CLOSE)
        np.testing.assert_allclose(bias, elastic.intercept_, **CLOSE)
        np.testing.assert_array_equal(kernel[:, 0] == 0, elastic.coef_ == 0)
        assert nonzero == (elastic.coef_ != 0).sum() and 0 < nonzero < 10
        lasso = Lasso(alpha=lam / 2, tol=1e-12, max_iter=100_000).fit(x, y)
        assert np.abs(lasso.coef_ - elastic.coef_).max() > 1e-3
    assert_stationary(path, x, y, mean_squared_gradient)


def two_targets() -> tuple[np.ndarray, np.ndarray]:
    x, y = diabetes()
    return x, np.stack([y, np.tanh(y + x[:, 0])], axis=1)


def two_outputs(optimizer) -> keras.Model:
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(2)])
    model.compile(optimizer, "mean_squared_error")
    return model


@pytest.mark.full
@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_group_lasso_path_is_multi_task_lasso(optimizer):
    """A group is a feature's two weights, of size √2; over two outputs Keras' mean has the ½ of scikit-learn."""
    x, y = two_targets()
    model, close, lams = two_outputs(keras.optimizers.SGD(0.4, momentum=0.9)), 1e-6, [0.25, 0.1, 0.03]
    if optimizer == "adam":  # each weight has a step size of its own: its prox has no closed form
        rate = keras.optimizers.schedules.CosineDecay(0.05, 500)
        model, close, lams = two_outputs(keras.optimizers.Adam(rate)), 1e-3, [0.25, 0.1]
    path = converged(model, x, y, sh.GroupLasso("inputs"), lams=lams, epochs=500)
    assert path.zero_groups is not None and path.zero_groups[-1] == 0
    for lam, kernel, bias, zero in zip(
        path.lams[:-1], *(w[:-1] for w in path.weights), path.zero_groups[:-1], strict=True
    ):
        lasso = MultiTaskLasso(alpha=lam * 2**0.5, tol=1e-12, max_iter=100_000).fit(x, y)
        np.testing.assert_allclose(kernel.T, lasso.coef_, rtol=0, atol=close)
        np.testing.assert_allclose(bias, lasso.intercept_, rtol=0, atol=close)
        np.testing.assert_array_equal(kernel.T == 0, lasso.coef_ == 0)
        assert zero == (lasso.coef_ == 0).all(axis=0).sum() and 0 < zero < 10


def test_lam_max_of_a_group_lasso():
    """At the bias alone, the largest ‖∂L/∂w_g‖ / √|g| is the strength that holds all groups at 0."""
    x, y = two_targets()
    slope = x.T @ (y - y.mean(axis=0)) / len(x)
    lam_max = np.linalg.norm(slope, axis=1).max() / 2**0.5
    model = two_outputs(keras.optimizers.SGD(0.4, momentum=0.9))
    path = converged(model, x, y, sh.GroupLasso("inputs"), lams=lam_max * np.array([1 + 1e-6, 0.99]), epochs=200)
    assert path.zero_groups is not None and path.zero_groups.tolist() == [10, 9, 0]


def test_softmax_l2_path_is_logistic_regression():
    x, y = iris()
    path = converged(softmax(4, 3), x, y, sh.L2())
    for lam, kernel, bias in zip(path.lams[:-1], *(w[:-1] for w in path.weights), strict=True):
        logistic = LogisticRegression(C=1 / (len(x) * lam), tol=1e-10, max_iter=10_000).fit(x, y)
        assert np.abs(logistic.coef_).max() > 0.1
        np.testing.assert_allclose(
            kernel.T, logistic.coef_, rtol=0, atol=1e-5
        )  # L-BFGS stops on the loss, whose root this is
        shifted = logistic.intercept_ - logistic.intercept_.mean()  # biases are determined up to a constant
        np.testing.assert_allclose(bias - bias.mean(), shifted, rtol=0, atol=1e-5)
    assert_stationary(
        path, x, y, log_loss_gradient, lams=3
    )  # at λ = 0 there is no minimum: the classes can be separated


@pytest.mark.parametrize(
    ("penalty", "solver"), [(sh.L2(), Ridge), pytest.param(sh.L1(), Lasso, marks=pytest.mark.full)]
)
def test_fold_members_are_fitted_to_their_own_rows(penalty, solver):
    """A fold's strength is λn/n_f: the same on the sum of the losses as on all rows."""
    x, y = diabetes()
    path = converged(linear(10), x, y, penalty, lams=[0.2, 0.05], cv=5)
    for fold, (train, held_out) in enumerate(zip(path.folds.train, path.folds.held_out, strict=True)):
        for s, lam in enumerate(path.lams[:-1]):
            own = lam * len(x) / len(train)
            options = (
                {"alpha": len(train) * own / 2}
                if solver is Ridge
                else {"alpha": own / 2, "tol": 1e-12, "max_iter": 100_000}
            )
            fitted = solver(**options).fit(x[train], y[train])
            error = np.mean((fitted.predict(x[held_out]) - y[held_out]) ** 2)
            assert path.cv_loss[fold, s, -1] == pytest.approx(error, abs=1e-6)
            mine = np.isin(path.held_out_rows, held_out)
            np.testing.assert_allclose(path.predictions[mine, s, 0], fitted.predict(x[held_out]), **CLOSE)
            unscaled = solver(**options | {"alpha": options["alpha"] * len(train) / len(x)}).fit(x[train], y[train])
            assert np.abs(unscaled.predict(x[held_out]) - fitted.predict(x[held_out])).max() > 1e-4


@pytest.mark.full
@pytest.mark.parametrize(("penalty", "rho"), [(sh.L1(), 1.0), (sh.ElasticNet(0.5), 0.5)])
def test_lam_max_gives_exact_zeros_and_slightly_less_does_not(penalty, rho):
    """With the bias alone, the gradient is -2xᵀ(y - ȳ)/n, and its largest entry is the L1 part that holds all at 0."""
    x, y = diabetes()
    lam_max = np.abs(2 * x.T @ (y - y.mean()) / len(x)).max() / rho
    path = converged(linear(10), x, y, penalty, lams=lam_max * np.array([1.2, 1 + 1e-6, 0.99]))
    assert path.nonzero.tolist() == [0, 0, 1, 10]
    np.testing.assert_array_equal(path.weights[0][:2], 0)
    np.testing.assert_allclose(path.weights[1][:2, 0], y.mean(), **CLOSE)


def test_coupled_l1_gives_no_zeros():
    """Why `Proximal` is the default: a gradient step on |w| leaves weights near 0, and never at it."""
    x, y = diabetes()
    path = converged(linear(10, momentum=0.0), x, y, sh.L1(), lams=[0.5], how=sh.Coupled(), epochs=100)
    assert path.nonzero.tolist() == [10, 10]
    assert np.abs(path.weights[0][0]).min() < 0.1


@pytest.mark.full
def test_weight_two_is_a_row_twice():
    x, y = diabetes(100)
    weight = np.where(np.arange(100) < 30, 2.0, 1.0)
    twice = np.concatenate([np.arange(100), np.arange(30)])
    path = converged(linear(10), x, y, sh.L2(), sample_weight=weight)
    for lam, kernel in zip(path.lams[:-1], path.weights[0], strict=False):
        once, doubled = (Ridge(alpha=len(rows) * lam / 2).fit(x[rows], y[rows]) for rows in (twice[:100], twice))
        np.testing.assert_allclose(kernel[:, 0], doubled.coef_, **CLOSE)
        assert np.abs(doubled.coef_).max() > 0.1 and np.abs(once.coef_ - doubled.coef_).max() > 1e-2
    assert "The weights of the rows were divided by their mean, 1.3." in path.notes
