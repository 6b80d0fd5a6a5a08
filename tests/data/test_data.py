"""Rows in: streams of batches that use every row equally often, and arrays that are checked and never guessed at."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage._data._data import (
    as_tree,
    join_validation,
    make_data,
    make_random_seeds,
    scale_weights,
    select_batch_rows,
    size_batches,
)
from shrinkage._problem._targets import as_classes

STREAMS = st.fixed_dictionaries(
    {
        "n": st.integers(1, 40),
        "batch_size": st.integers(1, 50),
        "steps": st.integers(1, 6),
        "fold": st.integers(0, 5),
        "seed": st.integers(0, 2**31),
    }
)


def epoch_of(number: int, *, n: int, **options: int) -> np.ndarray:
    return select_batch_rows(100 + 3 * np.arange(n), epoch=number, **options)  # row numbers of a fold have gaps


@given(STREAMS)
def test_every_row_is_used_equally_often(options):
    stream = np.concatenate([epoch_of(number, **options) for number in range(4)])
    assert stream.shape == (4 * options["steps"], options["batch_size"])
    used = np.bincount((stream.ravel() - 100) // 3, minlength=options["n"])
    assert len(used) == options["n"] and used.max() - used.min() <= 1
    whole = stream.ravel()[: stream.size // options["n"] * options["n"]].reshape(-1, options["n"])
    assert (np.sort(whole, axis=1) == 100 + 3 * np.arange(options["n"])).all(), "one permutation after the other"


@given(STREAMS, st.integers(0, 7))
def test_an_epoch_does_not_need_those_before_it(options, number):
    """Cut differently, the stream is the same: what an epoch holds depends on its place alone."""
    longer = options | {"steps": options["steps"] * (number + 1)}
    tail = epoch_of(0, **longer)[number * options["steps"] :]
    np.testing.assert_array_equal(epoch_of(number, **options), tail)


@given(st.lists(st.integers(1, 40), min_size=1, max_size=5), st.integers(1, 50), st.integers(1, 8))
def test_unequal_folds_have_streams_of_their_own(sizes, batch_size, epochs):
    """A fold takes the steps that its own rows ask for; one with fewer rows than a batch sees all of them in each."""
    for fold, n in enumerate(sizes):
        steps, size = size_batches(n, batch_size)
        assert steps == max(1, round(n / batch_size)) and size == min(n, batch_size)
        options = {"n": n, "fold": fold, "seed": 1, "steps": steps, "batch_size": size}
        stream = np.concatenate([epoch_of(number, **options) for number in range(epochs)])
        used = np.bincount((stream.ravel() - 100) // 3, minlength=n)
        assert used.max() - used.min() <= 1 and used.sum() == epochs * steps * size
        if batch_size >= n:
            assert steps == 1 and (np.sort(stream, axis=1) == 100 + 3 * np.arange(n)).all()


def test_streams_differ_by_seed_fold_and_permutation():
    options = {"n": 30, "batch_size": 30, "steps": 1, "fold": 0, "seed": 0}
    streams = [epoch_of(0, **options), epoch_of(0, **options | {"seed": 1}), epoch_of(0, **options | {"fold": 1})]
    streams.append(epoch_of(1, **options))
    assert len({stream.tobytes() for stream in streams}) == 4


@given(st.integers(0, 2**31), st.integers(0, 9), st.integers(0, 99), st.integers(0, 4))
def test_random_seeds(seed, fold, epoch, count):
    seeds = make_random_seeds(seed=seed, fold=fold, epoch=epoch, count=count)
    assert seeds.shape == (count,) and (seeds >= 0).all() and (seeds < 2**31).all()
    np.testing.assert_array_equal(seeds, make_random_seeds(seed=seed, fold=fold, epoch=epoch, count=count))
    if count:
        assert not np.array_equal(seeds, make_random_seeds(seed=seed, fold=fold, epoch=epoch + 1, count=count))
        assert not np.array_equal(seeds, make_random_seeds(seed=seed, fold=fold + 1, epoch=epoch, count=count))


def test_arrays_of_many_kinds_are_taken():
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]})
    for x in (frame, frame.to_numpy(), frame.to_numpy().tolist()):
        data = make_data(as_tree(x), pd.Series([True, False, True]), None, "float32")
        assert data.x.dtype == data.y.dtype == data.weight.dtype == np.float32
        np.testing.assert_array_equal(data.x, [[1, 0.5], [2, 1.5], [3, 2.5]])
        np.testing.assert_array_equal(data.y, [1, 0, 1])
    assert make_data(as_tree([[1], [2]]), as_tree([0, 1]), None, "float32").x.dtype == np.int64, (
        "tokens stay whole numbers"
    )


def test_the_callers_arrays_are_left_alone():
    x, y, weight = np.ones((3, 2)), np.arange(3.0), np.array([1.0, 2.0, 3.0])
    before = [array.copy() for array in (x, y, weight)]
    found, _ = scale_weights(make_data(x, y, weight, "float64").weight)
    for array, was in zip((x, y, weight), before, strict=True):
        np.testing.assert_array_equal(array, was)
    np.testing.assert_allclose(found, [0.5, 1, 1.5])


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=20))
def test_weights_have_mean_one(weights):
    found, notes = scale_weights(np.array(weights))
    assert found.mean() == pytest.approx(1)
    np.testing.assert_allclose(found * np.mean(weights), weights)
    assert bool(notes) == (not np.isclose(np.mean(weights), 1))


@pytest.mark.parametrize(
    ("shape", "said"), [((4,), r"rows\. Drop"), ((4, 1), r"rows\. Drop"), ((4, 2, 3), r"rows\. Drop")]
)
def test_places_are_named_only_where_there_are_columns(shape, said):
    x = np.zeros(shape)
    x[1] = np.nan
    with pytest.raises(ValueError, match=f"`x` must be finite.* {x[1].size} NaN or infinite values? in 1 of 4 {said}"):
        make_data(x, np.zeros(4), None, "float32")


def test_the_worst_three_columns_are_named():
    x = np.zeros((5, 6))
    for column, count in ((1, 2), (2, 5), (4, 1), (5, 3)):
        x[:count, column] = np.inf
    with pytest.raises(
        ValueError, match=r"11 NaN .* in 5 of 5 rows in columns 2 \(5\), 5 \(3\), 1 \(2\) and others\. Drop"
    ):
        make_data(x, np.zeros(5), None, "float32")


def test_joined_rows_come_last():
    train, validation = (make_data(np.full((n, 2), n), np.full(n, n), None, "float32") for n in (3, 2))
    both = join_validation(train, validation)
    assert both.n_rows == 5
    np.testing.assert_array_equal(both.y, [3, 3, 3, 2, 2])
    np.testing.assert_array_equal(both.x[:, 1], [3, 3, 3, 2, 2])


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.array([2, 0, 1]), [2, 0, 1]),
        (np.array([[1.0], [0.0]]), [1, 0]),
        (np.eye(3)[[2, 1, 1]], [2, 1, 1]),
        (np.array([0.5, 1.0]), None),  # probabilities
        (np.array([[1, 1, 0], [0, 0, 1]]), [[1, 1, 0], [0, 0, 1]]),  # several labels
        (np.zeros((2, 3, 1)), None),  # one label a time step
    ],
)
def test_classes_to_stratify_by(y, expected):
    found = as_classes(y)
    assert (found is None) if expected is None else found is not None and found.tolist() == expected


def test_nullable_numbers_of_a_data_frame():
    frame = pd.DataFrame({"a": [1, 2, 3], "b": [0.5, 1.5, 2.5]}).convert_dtypes()
    assert str(frame["b"].dtype) == "Float64"
    np.testing.assert_array_equal(make_data(frame, np.arange(3), None, "float32").x, [[1, 0.5], [2, 1.5], [3, 2.5]])
    frame.loc[1, "b"] = pd.NA
    with pytest.raises(ValueError, match=r"must be finite.*1 of 3 rows in column 'b'"):
        make_data(frame, np.arange(3), None, "float32")
