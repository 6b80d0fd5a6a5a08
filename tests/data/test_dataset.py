"""Rows from a dataset: in whatever form it gives them, the path is that of the same rows as arrays."""

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import shrinkage as sh
from shrinkage._data._dataset import read_dataset

N, BATCH = 75, 16
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 6)).astype("float32")
Y = (X @ RNG.normal(size=(6, 1)) + RNG.normal(size=(N, 1))).astype("float32")
WEIGHT = RNG.uniform(0.5, 2, N).astype("float32")
OPTIONS: dict[str, Any] = {"penalty": "l2", "lams": [0.1], "cv": 3, "epochs": 2}
ROWS = tf.data.Dataset.from_tensor_slices((X, Y))


def network(n_inputs: int = 6) -> keras.Model:
    model = keras.Sequential([keras.Input((n_inputs,)), layers.Dense(4, "tanh"), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


class Batches(keras.utils.PyDataset):
    """Batches of `X` and `Y`; without end if it has no number of batches."""

    def __init__(self, n_batches: int | None = math.ceil(N / BATCH)):
        super().__init__()
        self._n_batches = n_batches

    @property
    def num_batches(self) -> int | None:
        return self._n_batches

    def __getitem__(self, index: int) -> Any:
        start = index % math.ceil(N / BATCH) * BATCH
        return X[start : start + BATCH], Y[start : start + BATCH]


def single_rows():
    yield from zip(X, Y, strict=True)


SPEC = (tf.TensorSpec((6,)), tf.TensorSpec((1,)))
WHOLE = {"steps_per_epoch": math.ceil(N / BATCH)}
DATASETS: dict[str, tuple[Any, dict[str, Any]]] = {
    "batches": (ROWS.batch(BATCH), {}),
    "batches read ahead": (ROWS.batch(BATCH).prefetch(2), {}),
    "batches without end": (ROWS.batch(BATCH).repeat(), WHOLE),
    "batches of known size": (
        ROWS.take(64).batch(BATCH, drop_remainder=True).concatenate(ROWS.skip(64).batch(11, drop_remainder=True)),
        {},
    ),
    "rows": (ROWS, {"batch_size": BATCH}),
    "rows of a generator": (tf.data.Dataset.from_generator(single_rows, output_signature=SPEC), {"batch_size": BATCH}),
    "rows of unknown shape": (
        tf.data.Dataset.from_generator(single_rows, output_types=("float32", "float32")),
        {"batch_size": BATCH},
    ),
    "all rows in one batch": (tf.data.Dataset.from_tensors((X, Y)), {"batch_size": BATCH}),
    "a PyDataset": (Batches(), {}),
    "a PyDataset without end": (Batches(None), WHOLE),
}


@pytest.fixture(scope="module")
def expected() -> sh.Path:
    return sh.fit(network(), X, Y, batch_size=BATCH, **OPTIONS)


@pytest.mark.parametrize("form", DATASETS)
def test_a_dataset_gives_the_path_of_its_rows_as_arrays(form, expected):
    dataset, options = DATASETS[form]
    path = sh.fit(network(), dataset, **OPTIONS | options)
    assert path.plan["batch_size"] == BATCH and path.n_rows == N
    np.testing.assert_array_equal(path.cv_loss, expected.cv_loss)  # to the bit
    np.testing.assert_array_equal(path.predictions, expected.predictions)
    assert np.ptp(path.predictions) > 0.1


def test_weights_and_held_out_rows_of_a_dataset():
    weighted = tf.data.Dataset.from_tensor_slices((X, Y, WEIGHT)).batch(BATCH)
    path = sh.fit(network(), weighted.take(3), validation_data=weighted.skip(3), **OPTIONS)
    train, held_out = slice(0, 3 * BATCH), slice(3 * BATCH, N)
    validation = X[held_out], Y[held_out], WEIGHT[held_out]
    arrays = sh.fit(
        network(), X[train], Y[train], sample_weight=WEIGHT[train], validation_data=validation, batch_size=BATCH,
        **OPTIONS,
    )  # fmt: skip
    np.testing.assert_array_equal(path.cv_loss, arrays.cv_loss)
    assert arrays.row_weight is not None and np.ptp(arrays.row_weight) > 0


def test_structures_and_class_weights_of_a_dataset():
    inputs = {"a": keras.Input((6,), name="a"), "b": keras.Input((1,), name="b")}
    model = keras.Model(inputs, layers.Dense(2, "softmax")(layers.Concatenate()(list(inputs.values()))))
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, labels = {"a": X, "b": X[:, 0]}, (Y[:, 0] > 0).astype(int)
    options: dict[str, Any] = OPTIONS | {"class_weight": {0: 1.0, 1: 3.0}}
    path = sh.fit(model, tf.data.Dataset.from_tensor_slices((x, labels)).batch(BATCH), **options)
    arrays = sh.fit(model, x, labels, batch_size=BATCH, **options)
    np.testing.assert_array_equal(path.cv_loss, arrays.cv_loss)
    assert path.folds.kind == "stratified k-fold"


def test_a_dataset_that_shuffles_is_read_once():
    """By position in several passes, folds would hold out rows that they had trained on."""
    passes = []

    def count(x: Any, y: Any) -> Any:
        passes.append(1)
        return x, y

    dataset = ROWS.shuffle(N, seed=0).batch(N).map(lambda x, y: tf.numpy_function(count, [x, y], ["float32"] * 2))
    path = sh.fit(lambda: network(), dataset.map(lambda x, y: (tf.ensure_shape(x, (N, 6)), y)), **OPTIONS)
    assert len(passes) <= 2  # the first batch is looked at before
    assert path.n_rows == N


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_batches_are_read_together(rows):
    """The rows and their order stay; the size of a batch is the dataset's."""
    found = read_dataset("`x`", ROWS.batch(rows), shape=(None, 6), steps=None, limit=10**6)
    np.testing.assert_array_equal(found.x, X)
    np.testing.assert_array_equal(found.y, Y)
    assert found.batch_size == rows and found.sample_weight is None


def failing(x: Any, y: Any) -> Any:
    return tf.debugging.check_numerics(tf.where(tf.range(len(x)) > 3, math.nan, 1.0), "Row is broken"), y


BAD: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "no end": ({"x": ROWS.batch(4).repeat()}, ValueError, "`x` must have an end.* steps_per_epoch=100"),
    "a PyDataset without end": ({"x": Batches(None)}, ValueError, "`x` must have an end.* steps_per_epoch=100"),
    "held-out rows without end": (
        {"x": X, "y": Y, "validation_data": ROWS.batch(4).repeat()},
        ValueError,
        r"`validation_data` must have an end.* dataset.take\(100\)",
    ),
    "too few batches": ({"x": ROWS.batch(25), "steps_per_epoch": 4}, ValueError, "at most the 3 batches of `x`.* 4"),
    "steps of arrays": ({"x": X, "y": Y, "steps_per_epoch": 4}, ValueError, "`x` must be a dataset with `steps_per"),
    "no steps": ({"x": ROWS.batch(4), "steps_per_epoch": 0}, ValueError, "`steps_per_epoch` must be a whole number"),
    "no targets": (
        {"x": tf.data.Dataset.from_tensor_slices(X).batch(4)},
        TypeError,
        r"`x` must give \(x, y\).* autoencoder",
    ),
    "targets in a dictionary": (
        {"x": tf.data.Dataset.from_tensor_slices({"a": X, "y": Y}).batch(4)},
        TypeError,
        r"a dict with keys 'a', 'y'. Take the targets out: dataset.map",
    ),
    "four parts": (
        {"x": tf.data.Dataset.from_tensor_slices((X, X, X, Y)).batch(4)},
        TypeError,
        "tuples of 4. Join the inputs",
    ),
    "no rows": ({"x": ROWS.take(0).batch(4)}, ValueError, "`x` must have rows. Received: a dataset that gives none"),
    "targets twice": ({"x": ROWS.batch(4), "y": Y}, ValueError, "`y` must be left out where `x` is a dataset"),
    "weights twice": (
        {"x": ROWS.batch(4), "sample_weight": WEIGHT},
        ValueError,
        "`sample_weight` must be left out where `x` is a dataset",
    ),
    "a failing pipeline": ({"x": ROWS.batch(15).map(failing)}, ValueError, "`x` must .*at the first rows: .*broken"),
    "a pipeline that fails late": (
        {"x": ROWS.batch(3).concatenate(ROWS.batch(15).map(failing)), "batch_size": 4},
        ValueError,
        "`x` must give rows .*after 75 rows: .*broken",
    ),
    "sparse tensors": (
        {"x": ROWS.batch(4).map(lambda x, y: (tf.sparse.from_dense(x), y))},
        TypeError,
        r"a SparseTensor. Say dataset.map\(lambda x, y: \(tensorflow.sparse.to_dense\(x\), y\)\)",
    ),
    "rows of other shapes": (
        {"x": tf.data.Dataset.from_generator(
            lambda: ((X[:4, :width], Y[:4]) for width in (6, 5)), output_types=("float32", "float32"))},
        ValueError,
        r"rows of one shape.* shape \(6,\) first, and of shape \(5,\) later.*padded_batch",
    ),
    "rows of different lengths, unbatched": (
        {"x": tf.data.Dataset.from_generator(
            lambda: ((X[row, : 5 + row % 2], Y[row]) for row in range(N)),
            output_signature=(tf.TensorSpec((None,)), tf.TensorSpec((1,))))},
        ValueError,
        r"error at the first rows: Cannot batch .* Pad rows of different lengths .* dataset.padded_batch\(32\)",
    ),
    "another shape than the model's": (
        {"x": tf.data.Dataset.from_tensor_slices((X[:, :5], Y)).batch(4)},
        ValueError,
        r"`x` must have the shape of the model's input, \(n, 6\). Received: \(75, 5\)",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_datasets(name):
    given, error, words = BAD[name]
    with pytest.raises(error, match=f"(?s){words}"):
        sh.fit(network(), **OPTIONS | given)
