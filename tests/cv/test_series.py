"""Which folds are those of a time series, and the order of their rows in time."""

import numpy as np
import pytest
import sklearn.model_selection as sk

from shrinkage._cv._folds import make_validation_folds
from shrinkage._cv._given import read_folds
from shrinkage._cv._series import TimeSeriesSplit, is_series, rank_rows_by_time
from shrinkage._cv._splits import make_folds

N = 60
ORDER = np.random.default_rng(0).permutation(N)
BY_DAY = [(np.arange(0, 6 * day), np.arange(6 * day, 6 * day + 6)) for day in range(2, 9)]
SERIES = {
    "expanding": sk.TimeSeriesSplit(4),
    "sliding": sk.TimeSeriesSplit(4, max_train_size=15),
    "with a gap": sk.TimeSeriesSplit(4, gap=3),
    "with a gap longer than a fold": sk.TimeSeriesSplit(5, test_size=6, gap=8),
    "two folds": sk.TimeSeriesSplit(2),
    "pairs": BY_DAY,
    "not sorted": TimeSeriesSplit(4, ORDER),
}
OTHERS = {
    "k-fold": make_folds(N, 5, seed=0),
    "two folds": make_folds(N, 2, seed=0),
    "repeats": make_folds(N, 3, repeats=2, seed=0),
    "hold-out": make_folds(N, 0.3, seed=0),
    "repeated hold-outs": make_folds(N, 0.3, repeats=4, seed=0),
    "in blocks": read_folds(sk.KFold(4), N, None),
    "some rows only train": read_folds(np.repeat([-1, 0, 1], N // 3), N, None),
    "validation data": make_validation_folds(40, 20),
    "one pair": read_folds(BY_DAY[:1], N, None),
    "the same rows held out": read_folds([(np.arange(n), np.arange(40, 60)) for n in (30, 40)], N, None),
}  # fmt: skip


@pytest.mark.parametrize("name", SERIES)
def test_a_series_trains_on_earlier_rows(name):
    folds = read_folds(SERIES[name], N, None)
    time = rank_rows_by_time(folds, SERIES[name])
    assert is_series(folds) and time is not None
    assert sorted(time) == list(range(N))
    for train, held_out in zip(folds.train, folds.held_out, strict=True):
        assert time[train].max() < time[held_out].min()


def test_rows_of_a_series_are_in_the_order_of_their_numbers_unless_the_split_has_another():
    for name, cv in SERIES.items():
        time = rank_rows_by_time(read_folds(cv, N, None), cv)
        assert time is not None
        trained = read_folds(cv, N, None).train.union
        expected = np.argsort(ORDER)[trained] if name == "not sorted" else trained
        assert np.array_equal(np.argsort(time[trained]), np.argsort(expected)), name


def test_rows_of_a_series_in_another_order_are_later_if_a_later_fold_trains_on_them_first():
    pairs = [(ORDER[train], ORDER[held_out]) for train, held_out in BY_DAY]
    time = rank_rows_by_time(read_folds(pairs, N, None), pairs)
    assert time is not None
    day = np.clip(np.argsort(ORDER) // 6, 1, 8)  # the first fold trains on two days, and none on the last two
    assert (np.diff(day[np.argsort(time)]) >= 0).all()


@pytest.mark.parametrize("name", OTHERS)
def test_no_other_split_is_a_series(name):
    assert not is_series(OTHERS[name]) and rank_rows_by_time(OTHERS[name], 5) is None
