"""Every split and weight: losses of the exact solver are those of Keras on models of the fold's training rows."""

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import TimeSeriesSplit

import shrinkage as sh
from shrinkage._plan._exact import _rows
from tests.daily import each_value
from tests.fit.fitting import small_blocks
from tests.plan.exact.heads import CLASSES, LAMS, WEIGHT, D, N, X, Y, linear

DAYS = np.arange(N) // 7
OTHER = np.random.default_rng(3)
X_NEW, Y_NEW = OTHER.normal(1.0, 2.0, size=(40, D)), OTHER.normal(3.0, 1.0, size=(40, 1))
SPLITS: dict[str, dict[str, Any]] = {
    "folds": {"cv": 4},
    "repeats": {"cv": 3, "repeats": 2},
    "hold-out": {"cv": 0.3},
    "groups": {"cv": 3, "groups": DAYS},
    "time": {"cv": TimeSeriesSplit(3)},
    "numbers": {"cv": np.where(np.arange(N) < 30, -1, np.arange(N) % 3)},
    "validation data": {"validation_data": (X_NEW, Y_NEW, np.linspace(0.5, 2, 40))},
}


@pytest.mark.parametrize("name", SPLITS)
def test_losses_are_those_of_ridge_regressions_of_the_folds(name, float64):
    path = sh.fit(
        linear(), X, Y, penalty="l2", solver="exact", lams=LAMS, sample_weight=WEIGHT, **SPLITS[name]
    )  # fmt: skip
    x, y, weight = X, Y[:, 0], WEIGHT / WEIGHT.mean()
    if name == "validation data":
        x, y = np.concatenate([X, X_NEW]), np.append(y, Y_NEW)
        weight = np.append(weight, np.linspace(0.5, 2, 40))
    predictions, times = np.zeros(len(y)), np.zeros(len(y))
    for f, (train, held_out) in enumerate(zip(path.folds.train, path.folds.held_out, strict=True)):
        model = Ridge(alpha=N * LAMS[1] / 2).fit(x[train], y[train], weight[train])
        found = model.predict(x[held_out])
        loss = np.average((found - y[held_out]) ** 2, weights=weight[held_out])
        np.testing.assert_allclose(path.cv_loss[f, 1, 0], loss, rtol=1e-9)
        predictions[held_out] += found
        times[held_out] += 1
    rows = path.held_out_rows
    assert times[rows].min() >= 1 and path.train_loss.min() > 0
    np.testing.assert_allclose(path.predictions[:, 1, 0], (predictions / np.maximum(times, 1))[rows], rtol=1e-8)


def test_losses_are_those_of_training_by_epochs():
    """One step at rate 0 keeps the minima: the held-out and training losses of the engine are the same."""
    exact = sh.fit(
        linear("sparse_categorical_crossentropy", 3, "softmax"), X, CLASSES, penalty="l2", solver="exact", lams=[0.1],
        cv=3, repeats=2, class_weight={0: 2.0, 1: 1.0},
    )  # fmt: skip
    model = exact.model(0.1)
    model.optimizer.learning_rate = 0.0
    x_new, y_new = X[::3], CLASSES[::3]
    options: dict[str, Any] = {"penalty": "l2", "lams": [0.1], "validation_data": (x_new, y_new)}
    kept = sh.fit(model, X, CLASSES, init="keep", epochs=1, **options)
    solved = sh.fit(linear("sparse_categorical_crossentropy", 3, "softmax"), X, CLASSES, solver="exact",
                    class_weight={0: 2.0, 1: 1.0}, **options)  # fmt: skip
    np.testing.assert_allclose(solved.predictions[:, 0], kept.predictions[:, 0], atol=1e-5)
    keras_loss = keras.losses.sparse_categorical_crossentropy(y_new, kept.predictions[:, 0])
    np.testing.assert_allclose(solved.row_loss[:, 0], np.asarray(keras_loss), atol=1e-5)


# --- rows on disk


@pytest.fixture
def _small(monkeypatch, tmp_path):
    yield from small_blocks(monkeypatch, tmp_path, block=1000, sample=500, read=500)


ROWS = np.random.default_rng(4).normal(2.0, 3.0, size=(4000, 6)).astype("float32")
TARGETS = (ROWS @ np.arange(6.0)[:, None] / 5 + np.random.default_rng(5).normal(size=(4000, 1))).astype("float32")
SHARES = np.random.default_rng(6).uniform(0, 2, 4000).astype("float32")


# name: (loss, activation, targets, options)
ON_DISK: dict[str, tuple[str, Any, np.ndarray, dict[str, Any]]] = {
    "squared error": ("mean_squared_error", None, TARGETS, {}),
    "standardised target": ("mean_squared_error", None, TARGETS, {"standardize_target": True}),
    "repeats": ("mean_squared_error", None, TARGETS, {"repeats": 2}),
    "labels": ("binary_crossentropy", "sigmoid", (TARGETS > 6).astype("float32"), {}),
    "classes": ("sparse_categorical_crossentropy", "softmax", np.digitize(TARGETS, [3, 8]), {}),
}


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(("name", "normalized"), each_value([*ON_DISK], [False, True]))
def test_rows_on_disk_give_the_same_path(name, normalized):
    loss, activation, targets, options = ON_DISK[name]
    before = [keras.layers.Normalization()] if normalized else []
    units = 3 if name == "classes" else 1
    model = linear(loss, units, activation, columns=6, before=before, metrics=[loss])
    common: dict[str, Any] = {"penalty": "l2", "solver": "exact", "lams": [*LAMS, 0.0], "cv": 3, **options}
    dataset = tf.data.Dataset.from_tensor_slices((ROWS, targets, SHARES)).batch(32)
    stored = sh.fit(model, dataset, max_memory=2.5e5, **common)
    memory = sh.fit(model, ROWS, targets, sample_weight=SHARES, **common)
    assert stored.plan["blocks"] > 1 and len(stored.held_out_rows) < len(memory.held_out_rows)
    for field in ("cv_loss", "train_loss", "norm"):
        np.testing.assert_allclose(getattr(stored, field), getattr(memory, field), rtol=1e-4)
    rows = np.searchsorted(memory.held_out_rows, stored.held_out_rows)
    np.testing.assert_allclose(stored.predictions, memory.predictions[rows], rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(stored.row_loss, memory.row_loss[rows], rtol=1e-2, atol=1e-4)
    np.testing.assert_allclose(stored.metrics[loss], memory.metrics[loss], rtol=0.02)


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize("is_full", [False, True], ids=["", "disk full"])
def test_layers_before_the_head_run_once_for_rows_on_disk(is_full, monkeypatch):
    before = keras.layers.Dense(5, "tanh")
    before.trainable = False
    model = linear("binary_crossentropy", 1, "sigmoid", columns=6, before=[before])
    labels = (TARGETS[:, 0] > 6).astype("float32")
    common: dict[str, Any] = {"penalty": "l2", "solver": "exact", "lams": LAMS, "cv": 3}
    memory = sh.fit(model, ROWS, labels, **common)
    called, features = [], _rows.ExactRows._compute_features
    monkeypatch.setattr(
        _rows.ExactRows, "_compute_features", lambda self, x, f: called.append(len(x)) or features(self, x, f)
    )

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    if is_full:
        monkeypatch.setattr(_rows.np, "save", fail)
    monkeypatch.setattr(_rows, "_BLOCK_ROWS", 300)  # a block on disk is several blocks of the solver
    dataset = tf.data.Dataset.from_tensor_slices((ROWS, labels)).batch(32)
    stored = sh.fit(model, dataset, max_memory=2.5e5, **common)
    # Once for Newton's method, once for the scores of each chunk, and for a few rows at the end.
    times = sum(called) / len(ROWS) - 1 - math.ceil(len(stored.lams) / stored.plan["chunk"])
    assert stored.plan["blocks"] > 1 and (times > 1 if is_full else 0 <= times < 0.01)
    np.testing.assert_allclose(stored.cv_loss, memory.cv_loss, rtol=1e-4)


@pytest.mark.usefixtures("_small")
def test_folds_share_the_passes_over_rows_on_disk(monkeypatch):
    """More folds need no more passes, and all strengths are solved together: memory holds a block, and not all rows."""
    read, small = list[int](), _rows.ExactRows.read_small_blocks
    monkeypatch.setattr(_rows.ExactRows, "read_small_blocks", lambda self: read.append(1) or small(self))
    labels = (TARGETS[:, 0] > 6).astype("float32")

    def passes(folds: int) -> int:
        read.clear()
        dataset = tf.data.Dataset.from_tensor_slices((ROWS, labels)).batch(32)
        model = linear("binary_crossentropy", 1, "sigmoid", columns=6)
        common: dict[str, Any] = {"penalty": "l2", "solver": "exact", "max_memory": 3.5e5}
        path = sh.fit(model, dataset, lams=np.logspace(-1, -4, 3), cv=folds, **common)
        assert path.plan["blocks"] > 1 and path.plan["chunk"] == len(path.lams) == 4
        assert 24 * len(ROWS) * path.plan["chunk"] > 3.5e5 / 2, "rows in memory would be solved in smaller chunks"
        return len(read)

    few, many = passes(2), passes(6)
    assert 10 < many < 1.3 * few


@pytest.mark.usefixtures("_small")
@pytest.mark.parametrize(("max_memory", "is_short"), [(1e5, True), (3.5e5, False)])
def test_a_note_names_the_memory_in_which_all_strengths_are_solved_together(max_memory, is_short):
    labels = (TARGETS[:, 0] > 6).astype("float32")
    dataset = tf.data.Dataset.from_tensor_slices((ROWS, labels)).batch(32)
    model = linear("binary_crossentropy", 1, "sigmoid", columns=6)
    path = sh.fit(model, dataset, penalty="l2", solver="exact", lams=LAMS[:3], cv=3, max_memory=max_memory)
    notes = [note for note in path.notes if "are solved together" in note]
    assert len(notes) == is_short == (path.plan["chunk"] < len(path.lams))


@pytest.mark.parametrize("seed", [773, 481, 817, 26])
@pytest.mark.parametrize("units", [1, 3], ids=["two classes", "three classes"])
def test_log_losses_of_float32_models_are_those_of_logistic_regressions_of_the_folds(units, seed):
    """At every strength of a list: a strength does not depend on the others."""
    rng = np.random.default_rng(seed)
    n, d, classes = int(rng.choice([100, 200, 600])), int(rng.choice([3, 5])), max(2, units)
    x = rng.normal(size=(n, d)).astype("float32")
    scores = 2 * x @ rng.normal(size=(d, classes))
    y, folds = np.argmax(scores + rng.gumbel(size=scores.shape), axis=1), rng.permutation(n) % 4
    head = ("binary_crossentropy", 1, "sigmoid") if units == 1 else ("sparse_categorical_crossentropy", 3, "softmax")
    lams = [1, 0.1, 0.03, 0.01, 0.003, 1e-4]
    path = sh.fit(linear(*head, columns=d), x, y, penalty="l2", solver="exact", lams=lams, cv=folds)
    for f in range(4):
        train, rows = folds != f, np.flatnonzero(folds == f)
        for s, lam in enumerate(lams):
            model = LogisticRegression(C=1 / (n * lam), solver="newton-cholesky", tol=1e-12, max_iter=1000)
            model.fit(x[train].astype(float), y[train])
            loss = -model.predict_log_proba(x[rows].astype(float))[np.arange(len(rows)), y[rows]].mean()
            np.testing.assert_allclose(path.cv_loss[f, s, 0], loss, rtol=5e-6)  # weights are rounded to float32
