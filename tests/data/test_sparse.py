"""Sparse matrices are read as the dense ones that they stand for."""

import keras
import numpy as np
import pytest
import scipy.sparse

import shrinkage
from shrinkage._data._sparse import to_dense

KINDS = ["csr_matrix", "csc_matrix", "coo_matrix", "csr_array", "csc_array", "coo_array"]
COUNTS = np.random.default_rng(0).poisson(0.3, (40, 6))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sparse_matrix_is_made_dense(kind):
    found = to_dense("x", {"words": getattr(scipy.sparse, kind)(COUNTS)}, "float32", COUNTS.size * 4)["words"]
    assert found.dtype == np.float32 and np.any(found)
    np.testing.assert_array_equal(found, COUNTS)


def test_a_sparse_matrix_that_is_too_large_is_refused_by_its_dense_size():
    with pytest.raises(ValueError, match=r"`x\[1\]` must fit .* dense 3,814.7 MiB in float32, of 0.0 MiB allowed"):
        to_dense("x", [COUNTS, scipy.sparse.csr_matrix((10**6, 1000))], "float32", 1000)


def test_sparse_rows_give_the_path_of_dense_rows():
    model = keras.Sequential([keras.Input((6,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1), "mean_squared_error")
    y = COUNTS @ np.arange(6) / 5
    x, options = scipy.sparse.csr_matrix(COUNTS), {"penalty": "l2", "epochs": 3, "lams": [0.1], "progress": False}
    expected = shrinkage.fit(model, COUNTS[:30], y[:30], validation_data=(COUNTS[30:], y[30:]), **options)
    found = shrinkage.fit(model, x[:30], y[:30], validation_data=(x[30:], y[30:]), **options)
    assert expected.mean.min() < 0.9 * np.var(y)
    np.testing.assert_array_equal(found.row_loss, expected.row_loss)
