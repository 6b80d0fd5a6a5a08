"""Splits of every kind: by groups, by several labels, repeated, and those that the user gives."""

from typing import Any

import numpy as np
import pytest
import sklearn.model_selection as sk
from hypothesis import assume, given
from hypothesis import strategies as st

from shrinkage._cv._folds import Folds, add_zero_weight_rows, select_scored_rows
from shrinkage._cv._given import read_folds
from shrinkage._cv._labels import spread_labels
from shrinkage._cv._splits import make_folds
from shrinkage._cv._statistics import summarise

SEED = 7
N = 36
GROUPS = np.random.default_rng(0).integers(9, size=N)
CLASSES = np.random.default_rng(1).integers(3, size=N)
LABELS = np.random.default_rng(2).random((N, 4)) < [0.5, 0.3, 0.2, 0.1]


def assert_pairs(folds: Folds, pairs: Any) -> None:
    """Compare with (train, held_out) pairs in any order of rows."""
    pairs = list(pairs)
    assert len(folds.train) == len(pairs) > 0
    for train, held_out, pair in zip(folds.train, folds.held_out, pairs, strict=True):
        assert [train.tolist(), held_out.tolist()] == [sorted(map(int, rows)) for rows in pair]
        assert not train.flags.writeable and train.dtype == np.int64


# --- groups


@given(sizes=st.lists(st.integers(1, 7), min_size=4, max_size=12), cv=st.sampled_from([2, 3, 0.4]), data=st.data())
def test_groups_never_straddle(sizes, cv, data):
    groups = np.repeat(np.arange(len(sizes)), sizes)
    shuffled = np.random.default_rng(len(groups)).permutation(groups)
    classes = data.draw(st.none() | st.just(shuffled % 2) | st.just(np.arange(len(groups)) % 3))
    folds = make_folds(len(groups), cv, classes=classes, groups=shuffled, repeats=2, seed=SEED)
    for train, held_out in zip(folds.train, folds.held_out, strict=True):
        assert len(held_out) and not np.intersect1d(shuffled[train], shuffled[held_out]).size
        assert np.array_equal(np.sort(np.concatenate([train, held_out])), np.arange(len(groups)))
    if cv != 0.4:
        for repeat in (folds.held_out[: len(folds.train) // 2], folds.held_out[len(folds.train) // 2 :]):
            assert np.array_equal(np.sort(np.concatenate(repeat)), np.arange(len(groups)))


def test_folds_of_groups_are_those_of_scikit_learn():
    plain, by_classes = make_folds(N, 3, groups=GROUPS, seed=SEED), make_folds(N, 3, classes=CLASSES, groups=GROUPS)
    splitter = sk.StratifiedGroupKFold(3, shuffle=True, random_state=0)
    assert_pairs(by_classes, splitter.split(np.zeros(N), CLASSES, GROUPS))
    assert by_classes.kind == "stratified group k-fold" and plain.kind == "group k-fold"
    held_out = make_folds(N, 0.3, groups=GROUPS, seed=SEED)
    assert_pairs(held_out, sk.GroupShuffleSplit(1, test_size=0.3, random_state=SEED).split(np.zeros(N), None, GROUPS))
    try:
        shuffled = sk.GroupKFold(3, shuffle=True, random_state=SEED)  # from scikit-learn 1.6 on
    except TypeError:
        return
    assert_pairs(plain, shuffled.split(np.zeros(N), None, GROUPS))


def test_groups_of_different_sizes_are_said():
    (note,) = make_folds(20, 2, groups=np.repeat([0, 1, 2], [16, 2, 2])).notes
    assert "hold out from 2 to 18 rows" in note or "hold out from 4 to 16 rows" in note
    assert make_folds(20, 2, groups=np.arange(20) // 2).notes == ()


def test_repeats_that_are_equal_are_said():
    (note,) = make_folds(9, 3, groups=np.arange(9) // 3, repeats=2).notes
    assert "only the random numbers of training differ" in note
    assert make_folds(9, 3, groups=np.arange(9) // 3).notes == make_folds(9, 3, repeats=2).notes == ()


@pytest.mark.parametrize("cv", [3, 0.4])
def test_rows_that_do_not_count_stay_with_their_group(cv):
    weight = (np.arange(N) % 3 > 0).astype(float)
    weight[GROUPS == 4] = 0  # a group of which no row counts
    counts = weight > 0
    folds = make_folds(int(counts.sum()), cv, groups=GROUPS[counts], repeats=2, seed=SEED)
    whole = add_zero_weight_rows(folds, weight, SEED, GROUPS)
    assert len(whole.train) == len(folds.train) == 2 * whole.per_repeat and whole.repeats == 2
    for few, train, held_out in zip(folds.held_out, whole.train, whole.held_out, strict=True):
        assert not np.intersect1d(GROUPS[train], GROUPS[held_out]).size
        assert np.array_equal(np.flatnonzero(counts)[few], held_out[counts[held_out]])
        assert np.array_equal(np.sort(np.concatenate([train, held_out])), np.arange(N))


# --- several labels


@given(st.integers(0, 1000), st.integers(2, 5))
def test_labels_are_spread_over_parts_of_equal_size(seed, k):
    labels = np.random.default_rng(seed).random((60, 4)) < [0.6, 0.4, 0.2, 0.08]
    assume(labels.any(axis=0).all())
    folds = make_folds(60, k, classes=labels, seed=seed)
    assert folds.kind == "stratified k-fold"
    assert np.array_equal(np.sort(np.concatenate(folds.held_out)), np.arange(60))
    sizes = [len(rows) for rows in folds.held_out]
    assert max(sizes) - min(sizes) <= 1
    counts = np.array([labels[rows].sum(axis=0) for rows in folds.held_out])
    rarest = labels.sum(axis=0).argmin()  # the one that is dealt first, with nothing in its way
    assert np.ptp(counts[:, rarest]) <= 1


def test_labels_are_spread_better_than_by_chance():
    gaps = {"labels": 0, "chance": 0}
    for seed in range(20):
        labels = np.random.default_rng(seed).random((200, 6)) < np.geomspace(0.05, 0.5, 6)
        for name, classes in (("labels", labels), ("chance", None)):
            folds = make_folds(200, 5, classes=classes, seed=seed)
            counts = np.array([labels[rows].sum(axis=0) for rows in folds.held_out])
            gaps[name] += int(np.ptp(counts, axis=0).sum())
    assert 0 < 4 * gaps["labels"] < gaps["chance"]


def test_a_hold_out_of_labels_has_its_size():
    folds = make_folds(N, 0.25, classes=LABELS)
    assert folds.kind == "stratified hold-out" and len(folds.held_out[0]) == 9
    parts = spread_labels(LABELS, [N - 9, 9], 0)
    assert np.array_equal(np.flatnonzero(parts == 1), folds.held_out[0])
    shares = LABELS[folds.held_out[0]].mean(axis=0)
    assert np.abs(shares - LABELS.mean(axis=0)).max() < 0.1


def test_rare_labels_are_said():
    labels = np.zeros((20, 2), bool)
    labels[:2, 0], labels[5:15, 1] = True, True
    (note,) = make_folds(20, 5, classes=labels).notes
    assert "Fewer rows than the 5 folds with label 0 (2 rows): some" in note and "1 (" not in note


# --- repeats


@pytest.mark.parametrize("cv", [3, 0.3])
@pytest.mark.parametrize("labels", [{}, {"classes": CLASSES}, {"groups": GROUPS}, {"classes": LABELS}])
def test_the_first_repeat_is_the_split_without_repeats(cv, labels):
    once, thrice = (make_folds(N, cv, **labels, repeats=repeats, seed=SEED) for repeats in (1, 3))
    k = len(once.train)
    assert (len(thrice.train), thrice.per_repeat, thrice.repeats, thrice.kind) == (3 * k, k, 3, once.kind)
    assert_pairs(once, zip(thrice.train[:k], thrice.held_out[:k], strict=True))
    held_out = {tuple(rows.tolist()) for rows in thrice.held_out}
    assert len(held_out) == 3 * k  # every repeat is another
    weight = np.random.default_rng(3).integers(3, size=N)
    scored = [select_scored_rows(folds, weight, SEED) for folds in (once, thrice)]
    assert all(np.array_equal(a, b) for a, b in zip(scored[0], scored[1], strict=False))


def test_the_standard_error_of_repeats_by_hand():
    loss, weight = np.random.default_rng(0).random((6, 2)), np.array([3.0, 3, 4, 4, 3, 3])
    mean, se = summarise(loss, weight, repeats=2)
    one, two = (summarise(loss[part], weight[part])[1] for part in (slice(3), slice(3, 6)))
    np.testing.assert_allclose(mean, np.average(loss, axis=0, weights=weight))
    np.testing.assert_allclose(se, np.sqrt((one**2 + two**2) / 2))
    # Twice the same repeat knows no more than one of them.
    np.testing.assert_allclose(summarise(np.tile(loss[:3], (2, 1)), np.tile(weight[:3], 2), repeats=2)[1], one)
    np.testing.assert_allclose(summarise(np.tile(loss[:3], (2, 1)), np.tile(weight[:3], 2), overlap=2)[1], one)


def test_overlapping_hold_outs_have_no_error_where_they_are_one():
    mean, se = summarise([[1.0], [2.0]], [1, 1], overlap=2.0)
    assert mean == 1.5 and np.isnan(se).all()


# --- the user's own

TIME = np.arange(N)
SPLITTERS = [
    (sk.KFold(4, shuffle=True, random_state=1), True),
    (sk.RepeatedKFold(n_splits=3, n_repeats=2, random_state=1), False),
    (sk.StratifiedKFold(3), True),
    (sk.RepeatedStratifiedKFold(n_splits=3, n_repeats=2, random_state=1), False),
    (sk.TimeSeriesSplit(4), False),
    (sk.TimeSeriesSplit(3, max_train_size=9, gap=2), False),
    (sk.ShuffleSplit(3, test_size=0.3, random_state=1), False),
    (sk.GroupKFold(3), True),
    (sk.LeaveOneGroupOut(), True),
    (sk.LeavePGroupsOut(2), False),
    (sk.PredefinedSplit(np.arange(N) % 4 - 1), True),
    (sk.LeaveOneOut(), True),
]


@pytest.mark.parametrize(("splitter", "paired"), SPLITTERS, ids=lambda part: str(part).split("(")[0])
def test_a_splitter_splits_as_it_does(splitter, paired):
    groups = GROUPS if "Group" in type(splitter).__name__ else None
    folds = read_folds(splitter, N, CLASSES, groups)
    assert_pairs(folds, splitter.split(np.zeros(N), CLASSES, groups))
    assert folds.kind == type(splitter).__name__ and folds.repeats == 1
    assert (folds.next_folds is not None) == paired
    scored = select_scored_rows(folds, np.ones(N), SEED)
    for rows, train, held_out in zip(scored, folds.train, folds.held_out, strict=True):
        assert np.isin(rows, train).all() and len(np.unique(rows)) == len(rows) > 0
        if not paired:
            assert len(rows) == min(len(train), len(held_out))
    assert np.array_equal(folds.held_out_rows, np.unique(np.concatenate(folds.held_out)))


@given(st.lists(st.integers(-1, 3), min_size=4, max_size=30))
def test_fold_numbers_hold_out_rows_of_one_number(numbers):
    names = sorted({number for number in numbers if number >= 0})
    assume(len(names) > 1 or (names and -1 in numbers))
    folds = read_folds(numbers, len(numbers), np.zeros(len(numbers)))
    numbers = np.array(numbers)
    assert_pairs(folds, ((np.flatnonzero(numbers != f), np.flatnonzero(numbers == f)) for f in names))


def test_what_holds_fold_numbers_or_pairs():
    numbers = np.arange(N) % 3
    pairs = [(np.flatnonzero(numbers != f), np.flatnonzero(numbers == f)) for f in range(3)]
    for cv in (numbers, numbers.tolist(), numbers[:, None], numbers.astype(float), numbers + 1, numbers.astype(object)):
        assert_pairs(read_folds(cv, N, CLASSES), pairs)
    masks = [(numbers != f, numbers == f) for f in range(3)]
    lists = [[a.tolist(), b.tolist()] for a, b in pairs]
    equal = np.array([[[0, 1], [2, 3]], [[2, 3], [0, 1]]])
    for cv in (pairs, iter(pairs), (pair for pair in pairs), lists, masks, tuple(pairs)):
        assert_pairs(read_folds(cv, N, CLASSES), pairs)
    assert_pairs(read_folds(equal, N, CLASSES), equal)


def exhausted() -> Any:
    pairs = iter([([0], [1])])
    list(pairs)
    return pairs


class Broken:
    def split(self, x, y, groups):
        raise KeyError("column")


class Empty:
    def split(self, x, y, groups):
        return []


BAD = {
    "both sides": ([([0, 1, 2], [2, 3])], "fold 1, must not train on rows that it holds out.*1 rows.*row 2"),
    "no training rows": ([([], [2])], "fold 1, training rows must not be empty"),
    "no held-out rows": ([([1], [2]), ([1], [])], "fold 2, held-out rows must not be empty"),
    "beyond the rows": ([([0], [N])], f"from 0 to {N - 1}, each once. Received: {N}. There are {N} rows"),
    "from the end": ([([0], [-1])], "Received: -1."),
    "floats": ([([0.5], [1])], "whole numbers.*type float64"),
    "twice": ([([0, 0], [1])], "row 0 more than once. For rows that count more say sample_weight"),
    "three parts": ([([0], [1], [2])], "must be a pair"),
    "no pairs": ([], "Received: none. Give at least one pair, or say cv=5"),
    "an exhausted generator": (exhausted(), "A generator can be read only once: say cv=list"),
    "one fold": (np.zeros(N, int), "Received: 0 in every row, one fold that holds out all rows"),
    "only -1": (np.full(N, -1), "Received: -1 in every row"),
    "below -1": (np.arange(N) - 2, "Received: -2, and 1 such values"),
    "halves": (np.arange(N) / 2, "Received: 0.5"),
    "missing": (np.where(np.arange(N), 1.0, np.nan), "Received: nan, and 1 such"),
    "infinite": (np.where(np.arange(N), 1.0, np.inf), "Received: inf, and 1 such"),
    "names": (["a", "b"] * (N // 2), "Received: values such as .*'a'.* say cv=5, groups="),
    "names and numbers": ([0, "b"] * (N // 2), "Received: values such as '"),
    "no value": ([0, None] * (N // 2), "Received: nan, and 18 such"),
    "no dimension": (np.array(5), "Say cv=5, or cv=0.2"),
    "a mask": (np.arange(N) > 3, r"say cv=numpy.where\(cv, 0, -1\)"),
    "too short": ([0, 1, 0], "Received: 3 values"),
    "a class": (sk.KFold, r"Say cv=KFold\(5\)"),
    "text": ("KFold", "Received: 'KFold'. Say cv=5"),
    "nothing": (None, "Received: None. Say cv=5"),
    "a dictionary": ({0: 1}, "Received: {0: 1}"),
    "too few rows in time": (
        sk.TimeSeriesSplit(N),
        rf"`cv` must be able to split the {N} rows. .*TimeSeriesSplit, which",
    ),
    "needs groups": (sk.GroupKFold(3), "Give `groups`, one label a row"),
    "fails": (Broken(), "`cv` must be able to split .* Received: Broken, which fails"),
    "yields nothing": (Empty(), r"`cv` \(Empty\) must yield at least one pair"),
}


@pytest.mark.parametrize(("cv", "message"), BAD.values(), ids=BAD)
def test_a_split_that_cannot_be_used_is_refused(cv, message):
    with pytest.raises(ValueError, match=f"^(?=`cv`).*{message}"):
        read_folds(cv, N, CLASSES)


@pytest.mark.parametrize("cv", [np.arange(N) % 3, [([0], [1])]])
def test_groups_need_something_that_can_heed_them(cv):
    with pytest.raises(ValueError, match="^`cv` must be a number of folds.* with `groups`.*Leave `groups` out"):
        read_folds(cv, N, CLASSES, GROUPS)


def test_a_splitter_that_takes_no_notice_of_the_groups_is_refused():
    with pytest.raises(
        ValueError, match=r"^`groups` must not .*cv=KFold, of which fold 1 .* group 0 .*GroupKFold\(5\)"
    ):
        read_folds(sk.KFold(3), N, CLASSES, GROUPS)
    in_order = np.arange(N) // 12
    assert (
        read_folds(sk.KFold(3), N, CLASSES, in_order).hash
        == read_folds(sk.GroupKFold(3), N, CLASSES, 2 - in_order).hash
    )


@pytest.mark.parametrize(
    ("cv", "n_groups", "message"),
    [
        (5, 3, "at least cv=5 different values, one per fold. Received: 3. Give a smaller `cv`"),
        (2, 1, "Received: 1. Give more groups, or leave `groups` out"),
        (0.9, 2, "of 2 groups, which leaves 0 and holds out 2. Give more groups, or another share"),
        (0.5, 1, r"cv=0.5 of 1 group, which leaves 0 and holds out 1. Give more groups\."),
    ],
)
def test_too_few_groups_are_refused(cv, n_groups, message):
    with pytest.raises(ValueError, match=message):
        make_folds(12, cv, groups=np.arange(12) % n_groups)
