"""Sparse matrices give the path of the dense matrices, and stay sparse where batches of dense rows are enough."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import scipy.sparse
from keras import layers

import shrinkage as sh
from shrinkage._data._sparse import SparseRows, concatenate, to_dense, to_sparse_rows

KINDS = ["csr_matrix", "csc_matrix", "coo_matrix", "csr_array", "csc_array", "coo_array"]
COUNTS = np.random.default_rng(0).poisson(0.3, (90, 6))
COUNTS[7] = 0
Y = COUNTS @ np.arange(6) / 5
OPTIONS: dict[str, Any] = {"penalty": "l2", "epochs": 3, "lams": [0.1], "batch_size": 16}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sparse_matrix_is_read_as_its_dense_matrix(kind):
    matrix = getattr(scipy.sparse, kind)(COUNTS)
    dense = to_dense("x", {"words": matrix}, "float32", COUNTS.size * 4)["words"]
    rows = to_sparse_rows("x", {"words": matrix}, "float32")["words"]
    assert dense.dtype == rows.dtype == np.float32 and np.any(dense)
    np.testing.assert_array_equal(dense, COUNTS)
    for key in ([3, 3, 0], np.array([[1, 2], [3, 7]]), np.arange(90)):
        np.testing.assert_array_equal(rows[key], COUNTS[key])
    for key in (slice(2, 9), COUNTS[:, 0] > 0):
        assert isinstance(rows[key], SparseRows) and len(rows[key]) == len(COUNTS[key])
        np.testing.assert_array_equal(rows[key].matrix.toarray(), COUNTS[key])
    np.testing.assert_array_equal(rows[:, 2], COUNTS[:, 2])
    np.testing.assert_array_equal(
        concatenate([rows, COUNTS[:5]]).matrix.toarray(), np.concatenate([COUNTS, COUNTS[:5]])
    )


def test_a_sparse_matrix_that_is_too_large_is_refused_by_its_dense_size():
    with pytest.raises(ValueError, match=r"`x\[1\]` must fit .* dense 3,815 MiB in float32, of 1,000 bytes allowed"):
        to_dense("x", [COUNTS, scipy.sparse.csr_matrix((10**6, 1000))], "float32", 1000)


def chain(*inner: Any, shape: tuple[int, ...] = (6,)) -> keras.Model:
    model = keras.Sequential([keras.Input(shape), *inner, layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.05), "mean_squared_error")
    return model


def named() -> keras.Model:
    words, number = keras.Input((6,), name="words"), keras.Input((1,), name="number")
    model = keras.Model({"words": words, "number": number}, layers.Dense(1)(layers.Concatenate()([words, number])))
    model.compile(keras.optimizers.SGD(0.05), "mean_squared_error")
    return model


MODELS: dict[str, tuple[Callable[[], keras.Model], bool]] = {
    # name: (the model, whether the rows stay sparse)
    "compiled by XLA": (lambda: chain(layers.Dense(3, "tanh")), True),
    "several inputs": (named, True),
    "unrolled": (lambda: chain(layers.Lambda(lambda x: x * 2, name="twice")), True),
    "Normalization": (lambda: chain(layers.Normalization()), False),
    "an input of three axes": (lambda: chain(layers.Flatten(), shape=(6, 1)), False),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("split", ["folds", "validation"])
def test_sparse_rows_give_the_path_of_dense_rows_to_the_bit(name, split):
    make, _ = MODELS[name]
    if split == "validation" and name != "several inputs":
        pytest.skip("the way of validation rows does not depend on the model")

    def path(matrix: Any) -> sh.Path:
        whole, model = scipy.sparse.csr_matrix(COUNTS) if matrix else COUNTS, make()
        weight = np.arange(90) % 5
        if name != "several inputs":
            return sh.fit(model, whole, Y, cv=3, sample_weight=weight, **OPTIONS)
        x, number = (lambda rows: {"words": whole[rows], "number": Y[rows] ** 2}), slice(60)
        if split == "folds":
            return sh.fit(model, x(slice(None)), Y, cv=3, sample_weight=weight, **OPTIONS)
        return sh.fit(model, x(number), Y[:60], validation_data=(x(slice(60, 90)), Y[60:]), **OPTIONS)

    expected, found = path(False), path(True)
    assert np.ptp(expected.cv_loss) > 0.01 and np.abs(expected.weights[0]).max() > 0.1
    np.testing.assert_array_equal(found.row_loss, expected.row_loss)
    for mine, other in zip(found.weights, expected.weights, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_rows_stay_sparse_in_memory(monkeypatch):
    """A thousandth of the values is stored, and at most two million values at a time are made dense for checks."""
    made, select = [], SparseRows.__getitem__

    def spy(rows: SparseRows, key: Any) -> Any:
        made.append(np.size(found) if isinstance(found := select(rows, key), np.ndarray) else 0)
        return found

    monkeypatch.setattr(SparseRows, "__getitem__", spy)
    n, width = 3000, 2000
    x = scipy.sparse.csr_matrix((np.random.default_rng(0).uniform(size=(n, width)) < 0.001).astype("float32"))
    path = sh.fit(chain(shape=(width,)), x, x @ np.ones(width), cv=3, **OPTIONS)
    assert 0 < max(made) <= 2_000_000 < n * width and np.isfinite(path.mean).all()
    assert path.plan["evaluated_rows"] <= 2**21 // width
    dense = sh.fit(chain(shape=(width,)), x.toarray(), x @ np.ones(width), cv=3, **OPTIONS)
    assert path.plan["memory"] < dense.plan["memory"] - 0.9 * 4 * n * width


def test_a_matrix_of_zeros_trains():
    path = sh.fit(chain(), scipy.sparse.csr_matrix((90, 6)), Y, cv=3, **OPTIONS)
    expected = sh.fit(chain(), np.zeros((90, 6)), Y, cv=3, **OPTIONS)
    np.testing.assert_array_equal(path.row_loss, expected.row_loss)


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (scipy.sparse.csr_matrix(np.where(COUNTS > 1, np.nan, COUNTS)), "`x` must be finite in float32. Received: "),
        (scipy.sparse.csr_matrix(COUNTS[:, :5]), "`x` must have the shape of the model's input"),
        (scipy.sparse.csr_matrix(COUNTS[:50]), "`x` and `y` must have the same number of rows"),
        (scipy.sparse.coo_array(COUNTS[:, 0]), "`x` must have rows and columns. Received: a sparse array of shape"),
    ],
)
def test_sparse_rows_that_do_not_fit_are_refused(x, said):
    with pytest.raises(ValueError, match=said):
        sh.fit(chain(), x, Y, **OPTIONS)
