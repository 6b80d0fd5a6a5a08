"""The rung of a search within a budget: its size, cost and rows, and the strengths that are tried."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage._cv._rung import cost_rung, find_next_strength, make_first_strengths, make_rung_folds, size_rung

EPOCHS = st.integers(1, 200)


@given(
    n_rows=st.integers(1200, 10**7),
    budget=st.floats(1.2, 10),
    epochs=EPOCHS,
    epoch=st.sampled_from(["best", "last", 1]),
    batch_size=st.integers(1, 512),
    n_given=st.sampled_from([0, 100, 20_000]),
)
def test_a_search_costs_at_most_the_budget(n_rows, budget, epochs, epoch, batch_size, n_given):
    size = size_rung(n_rows, budget, epochs=epochs, epoch=epoch, batch_size=batch_size, n_validation=n_given)
    if size is None:
        return
    n_train, n_held_out = size
    rung = cost_rung(n_train, n_held_out, n_rows, budget, epochs, epoch)
    assert 3 <= rung.members <= 6 and rung.members * rung.cost <= budget * (1 + 1e-6)
    assert n_train >= 10 * batch_size and rung.scored_epochs[-1] == epochs and n_held_out >= 75
    assert n_train <= max(budget / 6 * n_rows, 10 * batch_size)
    assert n_held_out == n_given or (n_held_out <= 2500 and n_train + n_held_out <= n_rows)
    assert epoch != 1 or 1 in rung.scored_epochs
    if epochs >= 20 and n_given == 0:  # scoring takes little, and a fifth of the rows is enough to choose
        assert n_train >= min(0.75, 0.85 * budget / 6) * n_rows


@pytest.mark.parametrize(
    ("n_rows", "budget", "batch_size", "found"),
    [
        (100_000, 1.5, 64, True),
        (1_200, 1.5, 16, True),
        (1_199, 1.5, 16, False),  # too few rows
        (4_000, 1.5, 190, True),  # ten batches, of which the budget pays three members
        (4_000, 1.5, 260, False),
        (8_000, 3.0, 260, True),
    ],
)
def test_too_few_rows_or_batches_are_no_rung(n_rows, budget, batch_size, found):
    assert (size_rung(n_rows, budget, epochs=20, epoch="last", batch_size=batch_size) is not None) == found


@given(st.integers(0, 1000), st.integers(2, 5), st.booleans())
def test_a_larger_rung_contains_a_smaller_and_has_equal_shares_of_the_classes(seed, n_classes, several):
    random = np.random.default_rng(seed)
    classes = random.integers(0, n_classes, 400)
    labels = np.eye(n_classes, dtype=int)[classes] if several else classes
    counts = random.random(400) > 0.1
    small, large = (make_rung_folds(counts, (size, 80), classes=labels, seed=seed) for size in (100, 200))
    assert small is not None and large is not None
    assert set(small.train[0]) < set(large.train[0]) and small.held_out[0].tolist() == large.held_out[0].tolist()
    assert not set(large.train[0]) & set(large.held_out[0]) and counts[large.train[0]].all()
    assert (small.train.sizes[0], small.held_out.sizes[0]) == (100, 80)
    for rows in (small.train[0], small.held_out[0]):
        expected = len(rows) * np.bincount(classes[counts], minlength=n_classes) / counts.sum()
        assert (np.abs(np.bincount(classes[rows], minlength=n_classes) - expected) < 1.01).all()


@given(st.integers(0, 1000), st.integers(20, 200))
def test_groups_stay_whole(seed, n_groups):
    groups = np.random.default_rng(seed).integers(0, n_groups, 2000)
    folds = make_rung_folds(np.ones(2000, bool), (500, 400), groups=groups, seed=seed)
    assert folds is not None
    train, held_out = (set(groups[rows]) for rows in (folds.train[0], folds.held_out[0]))
    assert not train & held_out and 300 < folds.train.sizes[0] <= 500 and 400 <= folds.held_out.sizes[0] < 700
    assert sum(np.isin(groups, [*train])) == folds.train.sizes[0]
    assert make_rung_folds(np.ones(2000, bool), (500, 400), groups=groups % 2, seed=seed) is None, "two large groups"


@given(st.integers(0, 1000), st.integers(20, 200))
def test_a_larger_rung_of_groups_contains_a_smaller(seed, n_groups):
    random = np.random.default_rng(seed)
    groups, counts = random.integers(0, n_groups, 2000), random.random(2000) > 0.1
    small, large = (make_rung_folds(counts, (size, 400), groups=groups, seed=seed) for size in (300, 900))
    assert small is not None and large is not None
    assert set(small.train[0]) < set(large.train[0]) and small.held_out[0].tolist() == large.held_out[0].tolist()
    for folds in (small, large):
        inside = np.isin(groups, groups[folds.train[0]]) & counts
        assert np.flatnonzero(inside).tolist() == folds.train[0].tolist(), "whole groups"


def test_validation_rows_are_held_out():
    folds = make_rung_folds(np.ones(120, bool), (30, 20), n_validation=20)
    assert folds is not None and folds.held_out[0].tolist() == list(range(100, 120))
    assert folds.train[0].max() < 100 and folds.rows_of_x.tolist() == list(range(100))
    ((part, inside),) = folds.iterate_training_parts()
    assert inside[0].sum() == 30 and np.flatnonzero(inside[1]).tolist() == list(range(100))


def test_the_strengths_that_are_tried():
    np.testing.assert_allclose(make_first_strengths(1000, 6) * 1000, [100, 10**1.5, 10, 0])
    np.testing.assert_allclose(make_first_strengths(1000, 3) * 1000, [10**1.5, 10, 0])
    np.testing.assert_allclose(make_first_strengths(1000, 6, lam_max=0.02) * 1000, [20, 10, 0])
    np.testing.assert_allclose(make_first_strengths(1000, 6, 10.0) * 1000, [10, 10**0.5, 1, 0])
    lams = np.array([1.0, 0.1, 0.0])
    assert find_next_strength(lams, 0) == pytest.approx(10**0.5) and find_next_strength(lams, 0, lam_max=2.0) is None
    assert find_next_strength(lams, 1) == find_next_strength(lams, 2) == pytest.approx(0.1 / 10**0.5)
    assert find_next_strength(np.array([3.0, 1.0, 0.1, 0.0]), 1) is None
