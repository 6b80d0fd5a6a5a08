"""Every kind of array, table and batch gives the same rows, or is refused in a sentence before training."""

import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse
import tensorflow as tf
from keras import layers

from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request

RNG = np.random.default_rng(0)
X = RNG.integers(0, 2, (40, 3)).astype("float32")
Y = (X @ [[1.0], [2.0], [-1.0]] + RNG.normal(size=(40, 1))).astype("float32")
TIMES = pd.date_range("2020", periods=40)
TABLE = pd.DataFrame(X, columns=list("abc"))
ARROW = pa.table({name: X[:, i] for i, name in enumerate("abc")})
POLARS = pl.DataFrame({name: X[:, i] for i, name in enumerate("abc")})
RECORDS = np.zeros(40, [(name, "f4") for name in "abc"])


def network(inputs: int) -> keras.Model:
    if inputs == 1:
        model = keras.Sequential([keras.Input((3,)), layers.Dense(1)])
    else:
        tensors = [keras.Input((1,), name=name) for name in "abc"]
        model = keras.Model(tensors, layers.Dense(1)(layers.Concatenate()(tensors)))
    model.compile("sgd", "mse")
    return model


def read(x: Any, y: Any = Y, inputs: int = 1) -> np.ndarray:
    data = prepare_problem(Request(network(inputs), x, y, penalty="l2", lams=[0.1], cv=2, epochs=1)).training.data
    np.testing.assert_allclose(data.y, Y, rtol=1e-6)
    return np.concatenate(keras.tree.flatten(data.x), axis=-1)


class OnDisk:
    """An array that is read when NumPy asks for it, as in HDF5."""

    shape, dtype, ndim = X.shape, X.dtype, 2

    def __len__(self) -> int:
        return len(X)

    def __getitem__(self, key: Any) -> Any:
        return X[key]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return X.astype(dtype or X.dtype)


def memmap(folder: Any) -> np.ndarray:
    array = np.memmap(folder / "x", "f4", "w+", shape=X.shape)
    array[:] = X
    return array


DTYPES = ["bool", "uint8", "int8", "int64", "uint64", "float16", "float64", "longdouble", "object", ">f4"]
KINDS: dict[str, Callable[[Any], Any]] = {
    **{f"dtype {dtype}": lambda _, dtype=dtype: X.astype(dtype) for dtype in DTYPES},
    "bfloat16": lambda _: tf.cast(X, tf.bfloat16),
    "a memmap": memmap,
    "an array on disk": lambda _: OnDisk(),
    "a variable": lambda _: keras.Variable(X),
    "lists": lambda _: X.tolist(),
    "an array of arrays": lambda _: pd.Series(list(X)).to_numpy(),
    "a column of arrays": lambda _: pd.Series(list(X)),
    "nullable integers": lambda _: TABLE.astype("Int64"),
    "nullable booleans": lambda _: TABLE.astype("boolean"),
    "categories of numbers": lambda _: TABLE.astype("category"),
    "sparse columns": lambda _: TABLE.astype(pd.SparseDtype("float32", 0)),
    "columns of one name": lambda _: pd.DataFrame(X, columns=list("aab")),
    "Polars booleans": lambda _: POLARS.cast(pl.Boolean),
    "Polars decimals": lambda _: POLARS.cast(pl.Decimal(10, 2)),
    "Arrow chunks": lambda _: pa.concat_tables([ARROW[:10], ARROW[10:]]),
    "an Arrow batch": lambda _: ARROW.to_batches()[0],
    "Arrow lists": lambda _: pa.FixedSizeListArray.from_arrays(pa.array(X.ravel()), 3),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_of_array_is_read(kind, tmp_path):
    found = read(KINDS[kind](tmp_path))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, X)


NAMED: dict[str, Any] = {
    "a table": TABLE,
    "Arrow chunks": pa.concat_tables([ARROW[:10], ARROW[10:]]),
    "a dictionary of kinds": {"a": POLARS["a"], "b": ARROW["b"], "c": TABLE["c"]},
    "a list of kinds": [X[:, 0].astype(bool), TABLE["b"].astype("Int64"), tf.constant(X[:, 2])],
    "a dictionary of lists": dict(zip("abc", X.T.tolist(), strict=True)),
}


@pytest.mark.parametrize("kind", NAMED)
def test_inputs_may_be_of_several_kinds(kind):
    np.testing.assert_array_equal(read(NAMED[kind], inputs=3), X)


REFUSED: dict[str, tuple[Any, str]] = {
    "times": (TABLE.assign(a=TIMES), "from column 'a'. Give times and durations as numbers"),
    "durations": (TABLE.assign(a=TIMES - TIMES[0]), "from column 'a'. Give times and durations as numbers"),
    "Polars times": (POLARS.with_columns(pl.Series("a", list(TIMES))), "x.to_pandas() first, and give times"),
    "a lazy frame": (POLARS.lazy(), "Say x.collect()."),
    "missing integers": (
        TABLE.astype("Int64").mask(TABLE.index.to_series() == 3),
        "3 NaN or infinite values in 1 of 40 rows in",
    ),
    "Polars nulls": (POLARS.with_columns(pl.Series("a", [None, *X[1:, 0]])), "1 NaN or infinite value in 1 of 40"),
    "Arrow nulls": (ARROW.set_column(0, "a", pa.array([None, *X[1:, 0]])), "1 NaN or infinite value in 1 of 40 rows"),
    "categories of text": (TABLE.assign(a=pd.Categorical(["u", "v"] * 20)), "for example by pandas.get_dummies(x)"),
    "a structured array": (RECORDS, "Say numpy.lib.recfunctions.structured_to_unstructured(x)."),
    "complex numbers": (X.astype(complex), "Give both parts as columns"),
    "text": (X.astype(str), "It holds numbers as text: say x.astype('float32')."),
    "a list of rows": (list(X), "Say numpy.stack(x) for one array of rows."),
    "a generator": ((row for row in X), "Loaders and generators are not supported."),
    "no rows": (X[:0], "must have"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_kind_of_array_is_refused(kind):
    x, said = REFUSED[kind]
    with pytest.raises((TypeError, ValueError), match=re.escape(said)):
        read(x)


class Batches(keras.utils.PyDataset):
    """Batches of 8 rows, changed by a function; `bad` is a batch that cannot be read."""

    def __init__(self, change: Callable[..., Any] = lambda x, y: (x, y), bad: int = -1, n: int = 5, **options: Any):
        super().__init__(**options)
        self._change, self._bad, self._n = change, bad, n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index: int) -> Any:
        if index == self._bad:
            raise OSError("the file is gone")
        rows = slice(8 * index, 8 * index + 8)
        return self._change(X[rows], Y[rows])


BATCHES: dict[str, Callable[[], Any]] = {
    "two workers": lambda: Batches(workers=2),
    "two processes": lambda: Batches(workers=2, use_multiprocessing=True),
    "no weights": lambda: Batches(lambda x, y: (x, y, None)),
    "tables": lambda: Batches(lambda x, y: (pd.DataFrame(x), y)),
    "sparse matrices": lambda: Batches(lambda x, y: (scipy.sparse.csr_matrix(x), y)),
    "ragged tensors": lambda: Batches(lambda x, y: (tf.RaggedTensor.from_tensor(x), y)),
}


@pytest.mark.parametrize("kind", BATCHES)
def test_a_kind_of_batch_is_read(kind):
    np.testing.assert_array_equal(read(BATCHES[kind](), None), X)


BAD_BATCHES: dict[str, tuple[Callable[[], Any], str]] = {
    "a file that is gone": (
        lambda: Batches(bad=3),
        "without an error. Received: an error after 24 rows: the file is gone",
    ),
    "no batch": (lambda: Batches(n=0), "`x` must have rows. Received: a dataset that gives none."),
    "sparse tensors": (lambda: Batches(lambda x, y: (tf.sparse.from_dense(x), y)), "Say tensorflow.sparse.to_dense(x)"),
    "lists of numbers": (lambda: Batches(lambda x, y: (x.tolist(), y.tolist())), "Give arrays, not lists of numbers."),
    "a list": (lambda: Batches(lambda x, y: [x, y]), "Received: a list. Give tuples: return x, y."),
}


@pytest.mark.parametrize("kind", BAD_BATCHES)
def test_a_kind_of_batch_is_refused(kind):
    make, said = BAD_BATCHES[kind]
    with pytest.raises((TypeError, ValueError), match=re.escape(said)):
        read(make(), None)
