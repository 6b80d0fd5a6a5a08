"""Cases of `x`."""

from typing import Any

import keras
import numpy as np
import pandas as pd
import scipy.sparse
import tensorflow as tf
from keras import layers

from tests.problem.bad_input.good import N, X, Y, with_bad


def token_model(rows: int, column: int | None = None, dtype: str = "int32") -> keras.Model:
    """Embed both columns of `x`, or one, in a table of so many rows."""
    x = keras.Input((2,), dtype=dtype)
    vectors = layers.Embedding(rows, 2, name="words")(x if column is None else x[:, column : column + 1])
    made = keras.Model(x, layers.Dense(3, activation="softmax")(layers.Flatten()(vectors)))
    made.compile("sgd", "sparse_categorical_crossentropy")
    return made


def frame() -> pd.DataFrame:
    return pd.DataFrame(with_bad(X, {(0, 2): np.nan, (5, 2): np.inf, (5, 4): np.nan}), columns=list("abcdef"))


def of_objects(rows: np.ndarray) -> np.ndarray:
    made = np.empty(len(rows), object)
    made[:] = list(rows)
    return made


# name: (what differs from a good call; a function is called to make the model), the error, and what it must say
CASES: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "NaN in x": (
        {"x": with_bad(X, {(0, 2): np.nan, (5, 2): np.nan, (5, 4): np.inf})},
        ValueError,
        r"`x` must be finite.* 3 NaN or infinite values in 2 of 40 rows in columns 2 \(2\), 4 \(1\).* Drop or impute",
    ),
    "NaN in a data frame": ({"x": frame()}, ValueError, r"`x` must be finite.* columns 'c' \(2\), 'e' \(1\)"),
    "too large for float32": (
        {"x": with_bad(X, {(3, 1): 1e300})},
        ValueError,
        r"`x` must be finite in float32.* column 1",
    ),
    "a fraction among integer tokens": (
        {"x": [[0, 1]] * (N - 1) + [[1, 1.5]], "function": lambda: token_model(5)},
        ValueError,
        "`x` must have whole numbers for an input of type int32. Received: values such as 1.5, in 1 of 40 rows. Corr",
    ),
    "a fraction among tokens of type float": (
        {"x": with_bad(np.ones((N, 2), "float32"), {(7, 1): 0.5}), "function": lambda: token_model(5, dtype="float32")},
        ValueError,
        "`x` must have whole numbers for the layer words, which takes tokens. Received: values such as 0.5, in 1 of 40",
    ),
    "a text among numbers in a list": (
        {"x": [*X[:-1].tolist(), [1, 2, "oops", 4, 5, 6]]},
        TypeError,
        "`x` must be an array of real numbers.* It holds numbers, and 'oops' in row 39: correct this row",
    ),
    "a text in lists of different lengths": (
        {"x": [[1, 2], [1, 2, 3]] * (N // 2 - 1) + [[1], [1, "oops"]]},
        TypeError,
        "`x` must be an array of real numbers.* It holds numbers, and 'oops' in row 39: correct this row",
    ),
    "strings in x": ({"x": np.full((N, 6), "a")}, TypeError, "`x` must be an array of real numbers.* Encode text"),
    "objects in x": (
        {"x": np.array([[None] * 6] * N)},
        TypeError,
        "`x` must be an array of real numbers.* dtype object",
    ),
    "complex x": ({"x": X + 1j}, TypeError, "`x` must be an array of real numbers"),
    "a dataset as y": ({"y": tf.data.Dataset.from_tensor_slices((X, Y))}, TypeError, "`y` must be an array.*, dataset"),
    "generator": ({"x": (row for row in X)}, TypeError, "`x` must be an array.* generator"),
    "a number as x": ({"x": 1.0}, TypeError, "`x` must be an array with rows"),
    "no rows": ({"x": X[:0], "y": Y[:0]}, ValueError, "`x` must have rows. Received: none"),
    "too few columns": ({"x": X[:, :4]}, ValueError, r"`x` must have the shape .*\(n, 6\). Received: \(40, 4\)"),
    "one axis too few": ({"x": X[:, 0]}, ValueError, r"`x` must have the shape .*\(n, 6\). Received: \(40,\)"),
    "sparse targets that are large": (
        {"y": scipy.sparse.csr_matrix(Y[:, None]), "max_memory": 100},
        ValueError,
        r"`y` must fit into memory as a dense array. Received: a csr_matrix of shape \(40, 1\), dense .* max_memory",
    ),
    "sparse weights": (
        {"sample_weight": scipy.sparse.csr_matrix(Y[:, None])},
        TypeError,
        r"`sample_weight` must be a dense array. Received: a csr_matrix. Say sample_weight.toarray\(\)",
    ),
    "a masked array": (
        {"x": np.ma.masked_greater(X, 1.5)},
        ValueError,
        r"`x` must have no masked values, .* \d+ masked values in \d+ of 40 rows. Say x.filled\(value\)",
    ),
    "ragged lists": ({"x": [[1, 2], [3]] * 20}, TypeError, r"rows have different lengths: say keras.utils.pad_seq"),
    "an array of arrays": (
        {"y": of_objects(Y[:, None])},
        TypeError,
        r"dtype object. Say numpy.stack\(list\(y\)\), as its rows have equal shapes",
    ),
    "a list of parts of the rows": (
        {"x": [X[:10], X[10:]]},
        ValueError,
        r"10 and 30 rows. .* inputs. Say numpy.concatenate\(x\)",
    ),
    "the inputs twice": ({"x": [X, X]}, ValueError, "Received: a list of 2. Give one of them, or a model of 2 inputs"),
    "no inputs": ({"x": None}, TypeError, "`x` must be an array. Received: None.$"),
    "a number of inputs": ({"x": 3}, TypeError, "`x` must be an array with rows. Received: int."),
    "a list of rows": ({"x": list(X)}, ValueError, r"number of rows. Received: 6 and 40 rows. .*numpy.stack\(x\)"),
    "times": ({"x": X.astype("datetime64[s]")}, TypeError, r"numpy.timedelta64\(1, 'D'\) in days"),
    "a column of text": (
        {"x": pd.DataFrame(X).assign(town="a")},
        TypeError,
        "dtype object, from column 'town'. Encode text",
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
}
