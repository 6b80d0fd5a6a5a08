"""Sequences of different lengths are padded as by `pad_sequences(padding="post")`, or refused."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import tensorflow as tf
from keras import layers

import shrinkage as sh
from shrinkage._data import _dataset
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request

RNG = np.random.default_rng(0)
ROWS = [RNG.integers(1, 9, size).tolist() for size in RNG.integers(1, 7, 40)]
Y = np.array([sum(token > 4 for token in row) for row in ROWS], "float32")
PADDED = keras.utils.pad_sequences(ROWS, padding="post")
OPTIONS: dict[str, Any] = {"penalty": "l2", "lams": [0.1], "cv": 2, "epochs": 2, "batch_size": 8}


def network(*inner: Any, mask: bool = True, shape: tuple[Any, ...] = (None,)) -> keras.Model:
    inner = inner or (layers.GRU(3),)
    embedding = layers.Embedding(9, 2, mask_zero=mask)
    model = keras.Sequential([keras.Input(shape, dtype="int32", name="tokens"), embedding, *inner, layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.05), "mean_squared_error")
    return model


def read(x: Any, model: keras.Model | None = None, **options: Any) -> Any:
    return prepare_problem(Request(model or network(), x, Y, **OPTIONS | options))


def objects(rows: list[Any]) -> np.ndarray:
    array = np.empty(len(rows), object)
    array[:] = rows
    return array


KINDS: dict[str, Callable[[], Any]] = {
    "lists": lambda: ROWS,
    "a list of arrays": lambda: [np.array(row) for row in ROWS],
    "a tuple of arrays": lambda: tuple(np.array(row, np.int16) for row in ROWS),
    "an array of lists": lambda: objects(ROWS),
    "a ragged tensor": lambda: tf.ragged.constant(ROWS),
    "a column of pandas": lambda: pd.Series(ROWS),
    "a column of Polars": lambda: pl.Series(ROWS),
    "a column of Arrow": lambda: pa.array(ROWS),
    "a dictionary": lambda: {"tokens": ROWS},
    "an empty row": lambda: [[] if i == 3 else row for i, row in enumerate(ROWS)],
}


@pytest.mark.parametrize("kind", KINDS)
def test_rows_of_different_lengths_are_padded(kind):
    found = read(KINDS[kind]())
    expected = PADDED * (np.arange(40) != 3)[:, None] if kind == "an empty row" else PADDED
    np.testing.assert_array_equal(keras.tree.flatten(found.training.data.x)[0], expected)
    assert any("shorter rows were padded with zeros at the end" in note for note in found.notes)


def test_the_path_is_that_of_the_padded_rows():
    """Also with validation rows of another length."""
    options: dict[str, Any] = OPTIONS | {"cv": 5}
    held = [i for i in range(30, 40) if len(ROWS[i]) < PADDED.shape[1]]
    short = [ROWS[i] for i in held]
    ragged = sh.fit(network(), ROWS[:30], Y[:30], validation_data=(short, Y[held]), **options)
    padded = sh.fit(network(), PADDED[:30], Y[:30], validation_data=(PADDED[held], Y[held]), **options)
    assert len({*map(len, short)}) > 1 and np.ptp(padded.cv_loss) > 1e-3
    np.testing.assert_array_equal(ragged.row_loss, padded.row_loss)


DATASETS: dict[str, Callable[[], Any]] = {
    "batches": lambda: tf.data.Dataset.from_tensor_slices((tf.ragged.constant(ROWS), Y)).batch(7),
    "rows": lambda: tf.data.Dataset.from_tensor_slices((tf.ragged.constant(ROWS), Y)),
    "one batch": lambda: tf.data.Dataset.from_tensors((tf.ragged.constant(ROWS), Y)),
}


@pytest.mark.parametrize("kind", DATASETS)
def test_a_dataset_may_give_ragged_tensors(kind):
    found = prepare_problem(Request(network(), DATASETS[kind](), None, **OPTIONS)).training.data
    np.testing.assert_array_equal(found.x, PADDED)
    np.testing.assert_array_equal(found.y[:, 0], Y)


def test_ragged_tensors_of_one_length_are_arrays():
    data = tf.data.Dataset.from_tensor_slices((tf.RaggedTensor.from_tensor(PADDED), Y)).batch(7)
    found = prepare_problem(Request(network(shape=(6,)), data, None, **OPTIONS))
    np.testing.assert_array_equal(found.training.data.x, PADDED)
    assert not any("padded" in note for note in found.notes)


def test_ragged_tensors_that_do_not_fit_into_memory_are_refused(monkeypatch):
    monkeypatch.setattr(_dataset, "_READ", (7, 2**24))
    with pytest.raises(ValueError, match="must give rows of one length where the rows do not fit into memory"):
        prepare_problem(Request(network(), DATASETS["rows"](), None, max_memory=2000, **OPTIONS))


def test_sequences_of_vectors_are_padded_for_a_masking_layer():
    rows = [RNG.normal(size=(len(row), 2)) for row in ROWS]
    model = keras.Sequential([keras.Input((None, 2)), layers.Masking(), layers.SimpleRNN(3), layers.Dense(1)])
    model.compile("sgd", "mse")
    found = read(rows, model).training.data.x
    assert found.shape == (40, 6, 2)
    np.testing.assert_array_equal(found[5, : len(rows[5])], rows[5].astype("float32"))
    assert not found[5, len(rows[5]) :].any()


def test_one_of_several_inputs_may_be_ragged():
    tokens, number = keras.Input((None,), name="tokens"), keras.Input((1,), name="number")
    hidden = layers.GRU(2)(layers.Embedding(9, 2, mask_zero=True)(tokens))
    model = keras.Model([tokens, number], layers.Dense(1)(layers.Concatenate()([hidden, number])))
    model.compile("sgd", "mse")
    for x in ([ROWS, Y], {"number": Y, "tokens": tf.ragged.constant(ROWS)}):
        first, second = read(x, model).training.data.x
        np.testing.assert_array_equal(first, PADDED)
        np.testing.assert_array_equal(second[:, 0], Y)


def test_arrays_of_another_length_are_not_padded():
    with pytest.raises(ValueError, match=r"`validation_data` must have rows of one shape with `x`, \(6,\). Received: "):
        read(PADDED, cv=5, validation_data=(PADDED[:, :4], Y))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (lambda: network(mask=False), "a model that predicts otherwise for a row with zeros at its end. Give its Emb"),
        (lambda: network(layers.Conv1D(2, 2), layers.GlobalMaxPooling1D()), "must ignore the zeros after a shorter"),
        (lambda: network(layers.Bidirectional(layers.GRU(2)), mask=False), "must ignore the zeros after a shorter row"),
        (lambda: network(shape=(6,)), "Its rows have different lengths: say keras.utils.pad_sequences"),
    ],
    ids=["no mask", "a layer that drops the mask", "no mask in both directions", "a fixed length"],
)
@pytest.mark.filterwarnings("ignore:Layer .* does not support masking")
def test_a_model_that_padding_would_change_is_refused(model, said):
    with pytest.raises((TypeError, ValueError), match=said):
        read(ROWS, model())


def test_a_row_without_values_that_has_no_prediction_is_refused():
    rows = [[] if i in (3, 7) else row for i, row in enumerate(ROWS)]
    mean = network(layers.GlobalAveragePooling1D())  # 0 / 0 for a row that is all padding
    with pytest.raises(ValueError, match=r"no value in row 3 \(2 of the 40 rows\). Leave these rows out"):
        read(rows, mean)
    assert read(ROWS, mean).training.data.is_padded
