"""Parts of the training rows of a learning curve: nested, stratified, of whole groups or the latest, and the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shrinkage._cv._folds import make_validation_folds, to_folds
from shrinkage._cv._series import TimeSeriesSplit
from shrinkage._cv._splits import make_folds
from shrinkage._cv._subsets import SHARES, cut_folds, describe_small_subset


def made(n_rows, cv, kind, repeats, seed):
    rng = np.random.default_rng(seed)
    classes = rng.integers(0, 3, n_rows) if kind == "classes" else None
    classes = rng.integers(0, 2, (n_rows, 4)) if kind == "labels" else classes
    groups = rng.integers(0, n_rows // 4, n_rows) if kind == "groups" else None
    return make_folds(n_rows, cv, classes=classes, groups=groups, repeats=repeats, seed=seed), classes, groups


CASES = st.tuples(
    st.integers(40, 200), st.sampled_from([2, 5, 0.3]), st.sampled_from(["", "classes", "labels", "groups"]),
    st.integers(1, 2), st.integers(0, 2**16),
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(CASES)
def test_a_part_is_in_the_larger_part_and_the_held_out_rows_stay(case):
    folds, classes, groups = made(*case)
    cuts = cut_folds(folds, classes, groups, seed=case[-1])
    again = cut_folds(folds, classes, groups, seed=case[-1])
    for smaller, larger in zip(cuts, [*cuts[1:], folds], strict=True):
        for few, more in zip(smaller.train, larger.train, strict=True):
            assert set(few) <= set(more)
    for cut, same in zip(cuts, again, strict=True):
        assert cut.hash == same.hash
        assert np.array_equal(cut.held_out.bits, folds.held_out.bits)
        assert (cut.kind, cut.repeats, cut.n_rows) == (folds.kind, folds.repeats, folds.n_rows)


@settings(max_examples=60, deadline=None)
@given(CASES)
def test_a_part_has_its_share_of_the_rows_and_whole_groups(case):
    folds, classes, groups = made(*case)
    for share, cut in zip(SHARES, cut_folds(folds, classes, groups, seed=1), strict=True):
        for few, rows in zip(cut.train, folds.train, strict=True):
            if groups is None:
                assert len(few) == round(share * len(rows))
                continue
            kept, left = set(groups[few]), set(groups[np.setdiff1d(rows, few)])
            assert not kept & left
            largest = np.bincount(groups[rows]).max()
            assert abs(len(few) - share * len(rows)) <= largest


@settings(max_examples=60, deadline=None)
@given(st.integers(40, 200), st.integers(0, 2**16))
def test_a_part_has_its_share_of_every_class(n_rows, seed):
    folds, classes, _ = made(n_rows, 4, "classes", 1, seed)
    assert classes is not None
    for share, cut in zip(SHARES, cut_folds(folds, classes, seed=seed), strict=True):
        for few, rows in zip(cut.train, folds.train, strict=True):
            expected = share * np.bincount(classes[rows], minlength=3)
            assert (np.abs(np.bincount(classes[few], minlength=3) - expected) <= 1.5).all()


def test_another_seed_and_another_fold_have_other_rows():
    folds = make_validation_folds(80, 20)
    first, other = (cut_folds(folds, seed=seed)[-1].train[0].tolist() for seed in (0, 1))
    assert first != other
    twice = make_folds(80, 2, seed=0)
    same = type(twice)(twice.train[[0, 0]], twice.held_out[[0, 0]], 80, "pairs of rows")
    left, right = cut_folds(same, seed=0)[-1].train
    assert left.tolist() != right.tolist()


# --- time series

TIME = np.random.default_rng(1).permutation(120)


def in_time(cv):
    """Folds of rows whose place in time is `TIME`."""
    return to_folds(TimeSeriesSplit(cv, np.argsort(TIME)).split(), 120, "TimeSeriesSplit")


@pytest.mark.parametrize("classes", [None, np.arange(120) % 3], ids=["numbers", "classes"])
def test_a_part_of_a_time_series_is_the_latest_rows(classes):
    folds = in_time(4)
    for share, cut in zip(SHARES, cut_folds(folds, classes, seed=0, time=TIME), strict=True):
        for few, rows in zip(cut.train, folds.train, strict=True):
            latest = rows[np.argsort(TIME[rows])][-round(share * len(rows)) :]
            assert few.tolist() == sorted(latest)
        assert np.array_equal(cut.held_out.bits, folds.held_out.bits)


def test_a_part_of_a_time_series_has_the_latest_groups_as_a_whole():
    folds, groups = in_time(4), np.empty(120, int)
    groups[np.argsort(TIME)] = np.random.default_rng(2).permutation(24).repeat(5)  # five rows after each other
    for share, cut in zip(SHARES, cut_folds(folds, groups=groups, seed=0, time=TIME), strict=True):
        for few, rows in zip(cut.train, folds.train, strict=True):
            left = np.setdiff1d(rows, few)
            assert not set(groups[few]) & set(groups[left]) and TIME[few].min() > TIME[left].max()
            assert abs(len(few) - share * len(rows)) <= 2.5


ALL = [np.ones(200, bool)]


def test_a_part_that_is_too_small_is_known():
    folds = make_validation_folds(100, 100)
    half = cut_folds(folds, seed=0)[-1]
    left_out = np.arange(200) == np.setdiff1d(folds.train[0], half.train[0])[0]  # a row that the half does not have
    assert describe_small_subset(half, folds, None, ALL) == ""
    few = np.isin(np.arange(200), half.train[0][:9])
    assert (
        describe_small_subset(half, folds, None, [*ALL, few])
        == "9 rows of weight above 0 in fold 1, of 10 that are needed"
    )
    series = to_folds(TimeSeriesSplit(4, np.arange(60)).split(), 60, "TimeSeriesSplit")
    first = cut_folds(series, seed=0, time=np.arange(60))[-1]
    assert describe_small_subset(first, series, None, [np.ones(60, bool)]) == "6 rows in fold 1, of 10 that are needed"
    lost = "no row of a class in a fold"
    assert describe_small_subset(half, folds, left_out.astype(int), ALL) == lost  # the only row of a class
    assert describe_small_subset(half, folds, left_out[:, None] * [1, 1], ALL) == lost  # of two labels
    assert describe_small_subset(half, folds, np.stack([~left_out, np.arange(200) % 2], 1), ALL) == ""


def test_a_part_with_as_many_groups_is_too_small():
    folds = make_validation_folds(100, 20)
    groups = np.append(np.zeros(100, int), np.ones(20, int))  # one group to train on, which is never cut
    cuts = cut_folds(folds, groups=groups, seed=0)
    assert [cut.train.sizes.tolist() for cut in cuts] == [[100]] * 3
    assert (
        describe_small_subset(cuts[-1], folds, None, [np.ones(120, bool)])
        == "no fewer groups in a fold than with all rows"
    )
