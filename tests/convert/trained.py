"""A linear model trained in every convention of `shrinkage._convert`, to convergence, on one small set of rows.

A trainer takes a strength, a kind of penalty and a Keras loss, and returns the kernel (inputs, outputs). Of what is no
dependency of the tests (R's glmnet, PyTorch, TensorFlow Addons), the documented algorithm is written out.
"""

import warnings
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import sklearn
import tensorflow as tf
from keras import layers
from scipy.optimize import minimize
from sklearn.linear_model import ElasticNet, Lasso, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor

import shrinkage as sh
from shrinkage._convert import BINARY, CLASSES, SQUARED

N, RHO, SIGMA = 40, 0.5, 0.7
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3))
Y = 3 * (X @ [1.0, -2.0, 0.6] + 0.5 + 0.3 * RNG.normal(size=N))
TARGETS = {SQUARED: Y, BINARY: (Y > 0).astype(float), CLASSES: np.digitize(Y, [-2.0, 3.0])}
SD_Y = Y.std()
STEPS, ETA = 100, {SQUARED: 0.4, BINARY: 6.0, CLASSES: 2.0}  # at which the slowest trainer is within 2e-3
KNOWN = {"n": N, "batch": N, "sd_y": SD_Y, "sigma": SIGMA, "optimizer": "sgd"}

SKLEARN = tuple(map(int, sklearn.__version__.split(".")[:2]))
Trainer = Callable[[float, str, str], np.ndarray]


# --- Keras and TensorFlow


def linear(loss: str, **dense: Any) -> keras.Model:
    """Return a new linear model for a loss, all weights zero."""
    activation = {SQUARED: None, BINARY: "sigmoid", CLASSES: "softmax"}[loss]
    units = 3 if loss == CLASSES else 1
    dense = {"kernel_initializer": "zeros", "activation": activation, **dense}
    return keras.Sequential([keras.Input((3,)), layers.Dense(units, **dense)])


def trained(model: keras.Model, optimizer: Any, loss: str, steps: int = STEPS) -> np.ndarray:
    """Train on all rows at once and return the kernel."""
    name = "sparse_categorical_crossentropy" if loss == CLASSES else loss
    model.compile(optimizer, name, steps_per_execution=steps)
    rows = tf.data.Dataset.from_tensors((X, TARGETS[loss])).repeat(steps)
    model.fit(rows, epochs=1, verbose=0, shuffle=False)  # pyright: ignore[reportArgumentType]
    return model.get_weights()[0]


def keras_penalty(penalty: Callable[[float], Any], steps: int = STEPS) -> Trainer:
    def train(strength: float, kind: str, loss: str) -> np.ndarray:
        eta: Any = (
            keras.optimizers.schedules.PolynomialDecay(ETA[loss], steps, 0.0, power=2) if kind == "L1" else ETA[loss]
        )
        return trained(linear(loss, kernel_regularizer=penalty(strength)), keras.optimizers.SGD(eta), loss, steps)

    return train


class L2Loss(keras.regularizers.Regularizer):
    """TensorFlow's own L2 loss; Keras 3.13 takes no function as a regularizer."""

    def __init__(self, strength: float):
        self._strength = strength

    def __call__(self, w: Any) -> Any:
        return self._strength * tf.nn.l2_loss(tf.convert_to_tensor(w))


def keras_decay(strength: float, kind: str, loss: str) -> np.ndarray:
    return decayed(keras.optimizers.SGD(ETA[loss], weight_decay=strength), loss)


def decayed(optimizer: Any, loss: str, steps: int = STEPS) -> np.ndarray:
    """Train with the optimizer's own decay of the kernel."""
    model = linear(loss)
    optimizer.exclude_from_weight_decay(var_list=[model.weights[1]])
    return trained(model, optimizer, loss, steps)


def hinge(strength: float) -> np.ndarray:
    """Train with the hinge loss for two epochs, one row a step."""
    model = linear(SQUARED, kernel_regularizer=keras.regularizers.L2(strength))
    model.compile(keras.optimizers.SGD(0.05), "hinge", steps_per_execution=N)
    rows = tf.data.Dataset.from_tensor_slices((X, TARGETS[BINARY])).batch(1)
    model.fit(rows, epochs=2, verbose=0, shuffle=False)  # pyright: ignore[reportArgumentType]
    return model.get_weights()[0]


def in_batches(strength: float, batch: int) -> np.ndarray:
    """Train with squared error for two epochs, in batches."""
    model = linear(SQUARED, kernel_regularizer=keras.regularizers.L2(strength))
    model.compile(keras.optimizers.SGD(0.05), "mean_squared_error")
    model.fit(X, Y, batch_size=batch, epochs=2, verbose=0, shuffle=False)  # pyright: ignore[reportArgumentType]
    return model.get_weights()[0]


# --- shrinkage


def ours(penalty: Callable[[], Any], how: Callable[[], Any] | None = None) -> Trainer:
    def train(strength: float, kind: str, loss: str) -> np.ndarray:
        return path(penalty(), strength, loss, keras.optimizers.SGD(ETA[loss]), STEPS, how() if how else None)

    return train


def path(penalty: Any, lam: float, loss: str, optimizer: Any, steps: int, how: Any = None) -> np.ndarray:
    model, y = linear(loss), TARGETS[loss]
    model.compile(optimizer, "sparse_categorical_crossentropy" if loss == CLASSES else loss)
    options: dict[str, Any] = {"batch_size": N, "init": "keep", "epoch": "last", "validation_data": (X, y)}
    return (
        sh.fit(model, X, y, penalty=penalty, how=how, lams=[lam], epochs=steps, **options).model(lam).get_weights()[0]
    )


# --- PyTorch and TensorFlow Addons: the algorithms of their documentation


def slopes(w: np.ndarray, b: np.ndarray, loss: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the slopes of the mean Keras loss: its squared error has no ½."""
    y, f = TARGETS[loss], X @ w + b
    if loss == CLASSES:
        p = np.exp(f - f.max(axis=1, keepdims=True))
        error = p / p.sum(axis=1, keepdims=True) - np.eye(3)[y]
    else:
        error = 2 * (f - y[:, None]) if loss == SQUARED else 1 / (1 + np.exp(-f)) - y[:, None]
    return X.T @ error / N, error.mean(axis=0)


def start(loss: str) -> tuple[np.ndarray, np.ndarray]:
    outputs = 3 if loss == CLASSES else 1
    return np.zeros((3, outputs)), np.zeros(outputs)


def torch_sgd(strength: float, kind: str, loss: str) -> np.ndarray:
    w, b = start(loss)
    w_buffer, b_buffer = np.zeros_like(w), np.zeros_like(b)
    for _ in range(STEPS):
        w_slope, b_slope = slopes(w, b, loss)
        w_buffer, b_buffer = 0.5 * w_buffer + w_slope + strength * w, 0.5 * b_buffer + b_slope
        w, b = w - ETA[loss] / 2 * w_buffer, b - ETA[loss] / 2 * b_buffer
    return w


def adam(shrink: float, steps: int, coupled: float = 0.0, eta: float = 0.2, loss: str = SQUARED) -> np.ndarray:
    """Train with Adam; before each step the kernel loses the share `shrink`, or `coupled` * w is added to its slope."""
    (w, b), beta, eps = start(loss), (0.9, 0.999), 1e-7  # Keras' own
    m, v = (np.zeros((4, w.shape[1])) for _ in range(2))
    for t in range(1, steps + 1):
        w_slope, b_slope = slopes(w, b, loss)
        g = np.vstack([w_slope + coupled * w, b_slope])
        m, v = beta[0] * m + (1 - beta[0]) * g, beta[1] * v + (1 - beta[1]) * g**2
        step = eta * m / (1 - beta[0] ** t) / (np.sqrt(v / (1 - beta[1] ** t)) + eps)
        w, b = w - shrink * w - step[:3], b - step[3]
    return w


# --- scikit-learn


def mixed(kind: str) -> float:
    return {"L2": 0.0, "L1": 1.0, "ElasticNet": RHO}[kind]


def columns(found: Any) -> np.ndarray:
    return np.atleast_2d(found.coef_).T


def elastic_net(strength: float, kind: str, loss: str) -> np.ndarray:
    with warnings.catch_warnings():  # it advises against l1_ratio=0
        warnings.simplefilter("ignore")
        return columns(ElasticNet(alpha=strength, l1_ratio=mixed(kind), tol=1e-14, max_iter=100_000).fit(X, Y))


def logistic(strength: float, kind: str, loss: str) -> np.ndarray:
    solver: Any = "lbfgs" if kind == "L2" else "saga"
    penalty: dict[str, Any] = {"l1_ratio": mixed(kind)}
    if SKLEARN < (1, 8):  # where `penalty` decides what `l1_ratio` means
        penalty = {"L2": {}, "L1": {"penalty": "l1"}, "ElasticNet": {"penalty": "elasticnet", **penalty}}[kind]
    model = LogisticRegression(C=strength, **penalty, solver=solver, tol=1e-10, max_iter=20_000)
    return columns(model.fit(X, TARGETS[loss]))


def sgd(model: Callable[..., Any], **options: Any) -> Trainer:
    def train(strength: float, kind: str, loss: str) -> np.ndarray:
        penalty = {"L2": "l2", "L1": "l1", "ElasticNet": "elasticnet"}[kind]
        schedule = {"learning_rate": "optimal", "max_iter": 50_000}  # its steps go with 1 / (alpha * t)
        found = model(alpha=strength, penalty=penalty, l1_ratio=RHO, tol=None, shuffle=False, **schedule, **options)
        return columns(found.fit(X, TARGETS[loss]))

    return train


def perceptron(model: Callable[..., Any]) -> Trainer:
    def train(strength: float, kind: str, loss: str) -> np.ndarray:
        found = model(
            hidden_layer_sizes=(),
            alpha=strength,
            solver="lbfgs",
            tol=1e-14,
            max_iter=5000,
            max_fun=50_000,
            random_state=0,
        )
        return found.fit(X, TARGETS[loss]).coefs_[0]

    return train


def perceptron_in_batches(alpha: float, batch: int) -> np.ndarray:
    """Train as `in_batches` does: half the loss, so twice the learning rate."""
    steps: dict[str, Any] = {
        "batch_size": batch,
        "solver": "sgd",
        "momentum": 0.0,
        "shuffle": False,
        "learning_rate_init": 0.1,
    }
    model = MLPRegressor(hidden_layer_sizes=(), alpha=alpha, warm_start=True, max_iter=2, **steps)
    with warnings.catch_warnings():  # it has not converged
        warnings.simplefilter("ignore")
        model.fit(X, Y)
        model.coefs_, model.intercepts_ = [np.zeros((3, 1))], [np.zeros(1)]
        return model.fit(X, Y).coefs_[0]


# --- glmnet, and the mode of a posterior


def glmnet(strength: float, kind: str, loss: str) -> np.ndarray:
    return glmnet_gaussian(strength, mixed(kind)) if loss == SQUARED else minimum(strength, mixed(kind), loss)


def glmnet_gaussian(lam: float, alpha: float) -> np.ndarray:
    """Return what the coordinate descent of glmnet finds: it divides y and lambda by the standard deviation of y."""
    x, y, lam = X - X.mean(axis=0), (Y - Y.mean()) / SD_Y, lam / SD_Y
    beta, square = np.zeros(3), (x**2).mean(axis=0)
    for _ in range(500):
        for j in range(3):
            slope = x[:, j] @ (y - x @ beta) / N + square[j] * beta[j]
            beta[j] = np.sign(slope) * max(abs(slope) - lam * alpha, 0) / (square[j] + lam * (1 - alpha))
    return SD_Y * beta[:, None]


def minimum(lam: float, alpha: float, loss: str) -> np.ndarray:
    """Return the minimum of mean loss + lam * (alpha * |w| + (1 - alpha) * w² / 2), by proximal steps."""
    w, b = start(loss)
    for _ in range(5 * STEPS):
        w_slope, b_slope = slopes(w, b, loss)
        u = w - ETA[loss] * (w_slope + lam * (1 - alpha) * w)
        w, b = np.sign(u) * np.maximum(np.abs(u) - ETA[loss] * lam * alpha, 0), b - ETA[loss] * b_slope
    return w


def posterior(precision: float, kind: str, loss: str) -> np.ndarray:
    """Return the mode of the posterior under a Gaussian prior on the kernel and a flat one on the bias."""

    def surprise(flat: np.ndarray) -> float:
        w, b = flat[:-outputs].reshape(3, outputs), flat[-outputs:]
        f, y = X @ w + b, TARGETS[loss]
        if loss == SQUARED:
            of_rows = (f[:, 0] - y) ** 2 / (2 * SIGMA**2)
        elif loss == BINARY:
            of_rows = np.logaddexp(0, f[:, 0]) - y * f[:, 0]
        else:
            of_rows = np.logaddexp.reduce(f, axis=1) - f[np.arange(N), y]
        return float(of_rows.sum() + precision * np.square(w).sum() / 2)

    outputs = 3 if loss == CLASSES else 1
    found = minimize(surprise, np.zeros(4 * outputs), method="BFGS", options={"gtol": 1e-6, "maxiter": 2000})
    return found.x[:-outputs].reshape(3, outputs)


TRAINERS: dict[str, Trainer] = {
    "shrinkage.L2": ours(lambda: sh.L2()),
    "shrinkage.L1": ours(lambda: sh.L1()),
    "shrinkage.ElasticNet": ours(lambda: sh.ElasticNet(RHO)),
    "shrinkage.Decoupled": ours(lambda: sh.L2(), lambda: sh.Decoupled()),
    "keras.L2": keras_penalty(keras.regularizers.L2),
    "keras.L1": keras_penalty(keras.regularizers.L1, steps=4000),  # by gradient, a weight at zero swings by eta * lam
    "keras.weight_decay": keras_decay,
    "tf.nn.l2_loss": keras_penalty(L2Loss),
    "torch.weight_decay": torch_sgd,
    "sklearn.Ridge": lambda strength, kind, loss: columns(Ridge(alpha=strength, tol=1e-12).fit(X, Y)),
    "sklearn.Lasso": lambda strength, kind, loss: columns(Lasso(alpha=strength, tol=1e-14).fit(X, Y)),
    "sklearn.ElasticNet": elastic_net,
    "sklearn.LogisticRegression": logistic,
    "sklearn.SGDRegressor": sgd(SGDRegressor),
    "sklearn.SGDClassifier": sgd(SGDClassifier, loss="log_loss"),
    "sklearn.MLPRegressor": perceptron(MLPRegressor),
    "sklearn.MLPClassifier": perceptron(MLPClassifier),
    "glmnet.L2": glmnet,
    "glmnet.L1": glmnet,
    "glmnet.ElasticNet": glmnet,
    "precision": posterior,
}
