"""Folds: a partition, balanced, stratified, reproducible, and clear about what it cannot do."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shrinkage._cv._folds import Folds, make_validation_folds, select_scored_rows
from shrinkage._cv._row_sets import RowSets
from shrinkage._cv._splits import make_folds

sizes = st.integers(2, 60)
seeds = st.integers(0, 2**32 - 1)


def _check_rows(folds: Folds) -> None:
    for train, held_out in zip(folds.train, folds.held_out, strict=True):
        assert train.size and held_out.size
        assert np.array_equal(np.sort(np.concatenate([train, held_out])), np.arange(folds.n_rows))
        for rows in (train, held_out):
            assert rows.dtype == np.int64 and not rows.flags.writeable
            assert np.all(np.diff(rows) > 0)


@given(n=sizes, k=st.integers(2, 10), seed=seeds)
def test_k_folds_partition_the_rows(n, k, seed):
    assume(n >= k)
    folds = make_folds(n, k, seed=seed)
    _check_rows(folds)
    assert len(folds.train) == k and folds.kind == "k-fold" and folds.notes == ()
    assert np.array_equal(np.sort(np.concatenate(folds.held_out)), np.arange(n))
    held_out = [rows.size for rows in folds.held_out]
    assert max(held_out) - min(held_out) <= 1


@given(labels=st.lists(st.integers(0, 3), min_size=6, max_size=60), k=st.integers(2, 5), seed=seeds)
def test_stratified_folds_spread_every_class(labels, k, seed):
    classes = np.array(labels)
    names, counts = np.unique(classes, return_counts=True)
    assume(counts.max() >= k)
    folds = make_folds(classes.size, k, classes=classes, seed=seed)
    _check_rows(folds)
    assert folds.kind == "stratified k-fold"
    assert np.array_equal(np.sort(np.concatenate(folds.held_out)), np.arange(classes.size))
    for name, count in zip(names, counts, strict=True):
        per_fold = [int(np.sum(classes[rows] == name)) for rows in folds.held_out]
        assert max(per_fold) - min(per_fold) <= 1
        assert bool(folds.notes) == bool(counts.min() < k)
        if count < k:
            assert f"{name} ({count} row" in folds.notes[0]


@given(n=sizes, share=st.floats(0.05, 0.95), seed=seeds)
def test_a_hold_out_is_one_fold_of_that_share(n, share, seed):
    assume(np.ceil(share * n) < n)
    folds = make_folds(n, share, seed=seed)
    _check_rows(folds)
    assert len(folds.train) == 1 and folds.kind == "hold-out"
    assert abs(folds.held_out[0].size - share * n) <= 1


def test_a_hold_out_is_stratified_by_classes():
    classes = np.repeat([0, 1], [90, 10])
    folds = make_folds(100, 0.2, classes=classes)
    _check_rows(folds)
    assert folds.kind == "stratified hold-out" and folds.notes == ()
    assert np.bincount(classes[folds.held_out[0]]).tolist() == [18, 2]


@pytest.mark.parametrize("classes", [[0] * 9 + [1], [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]])
def test_a_hold_out_that_cannot_be_stratified_says_so(classes):
    folds = make_folds(10, 0.2, classes=np.array(classes))
    _check_rows(folds)
    assert folds.kind == "hold-out" and "not stratified" in folds.notes[0]


def test_folds_without_a_class_large_enough_are_plain_and_say_so():
    folds = make_folds(6, 4, classes=np.array([0, 0, 1, 1, 2, 2]))
    _check_rows(folds)
    assert folds.kind == "k-fold" and "not stratified" in folds.notes[0]


@pytest.mark.parametrize("cv", [5, 0.25])
@pytest.mark.parametrize("classes", [None, np.arange(40) % 3])
def test_the_seed_decides_the_split(cv, classes):
    hashes = [make_folds(40, cv, classes=classes, seed=seed).hash for seed in (0, 0, 1)]
    assert hashes[0] == hashes[1] != hashes[2]
    assert len(hashes[0]) == 64


def test_the_hash_sees_where_one_fold_ends():
    rows = np.arange(4)
    one, other = (Folds(RowSets.from_rows([rows[:k]], 4), RowSets.from_rows([rows[k:]], 4), 4, "given") for k in (1, 2))
    assert one.hash != other.hash


def test_given_folds():
    folds = make_validation_folds(3, 2)
    _check_rows(folds)
    assert folds.kind == "given" and folds.held_out[0].tolist() == [3, 4] and folds.n_rows == 5


@pytest.mark.parametrize("cv", [1, 0, -3, 0.0, 1.0, 2.5, float("nan"), True, "5", None])
def test_a_wrong_cv_is_an_error(cv):
    with pytest.raises(ValueError, match=r"^`cv` must be a whole number of 2 or more, .* Received: "):
        make_folds(10, cv)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: make_folds(3, 5), "`cv` must be at most the number of rows, one row per fold. Received: cv=5 for 3"),
        (lambda: make_folds(1, 0.5), "which leaves 0 and holds out 1"),
        (lambda: make_folds(5, 0.99), "which leaves 0 and holds out 5"),
        (lambda: make_folds(5, 2, classes=np.zeros(4)), r"one label per row, shape \(5,\). Received: shape \(4,\)"),
        (lambda: make_validation_folds(0, 3), "`x` must have at least one row"),
        (lambda: make_validation_folds(3, 0), "`validation_data` must have at least one row"),
    ],
)
def test_impossible_splits_are_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_numpy_numbers_are_numbers():
    assert make_folds(10, np.int64(5)).hash == make_folds(10, 5).hash  # pyright: ignore[reportArgumentType]
    assert make_folds(10, np.float32(0.5)).kind == "hold-out"  # pyright: ignore[reportArgumentType]


@given(n=sizes, cv=st.integers(2, 10) | st.floats(0.05, 0.95), seed=seeds)
def test_training_loss_is_of_as_many_rows_of_each_fold_as_are_held_out(n, cv, seed):
    assume(n >= cv if isinstance(cv, int) else np.ceil(cv * n) < n)
    folds = make_folds(n, cv, seed=seed)
    scored = select_scored_rows(folds, np.ones(n), seed)
    for rows, train, held_out in zip(scored, folds.train, folds.held_out, strict=True):
        assert np.isin(rows, train).all() and np.all(np.diff(rows) > 0)
        assert abs(len(rows) - min(len(train), len(held_out))) <= 1
    if len(scored) > 1:
        assert np.array_equal(np.sort(np.concatenate(scored)), np.arange(n))


def test_training_loss_of_one_fold_is_of_rows_with_a_weight():
    folds, weight = make_folds(20, 0.5), np.arange(20) % 2
    (rows,) = select_scored_rows(folds, weight, seed=0)
    counted = [weight[part[0]].sum() for part in (folds.train, folds.held_out)]
    assert len(rows) == min(counted) and (weight[rows] == 1).all()
