from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from shrinkage._cv._statistics import (
    compute_row_degrees,
    compute_row_se,
    estimate_gain,
    estimate_optimism,
    estimate_row_gain,
    summarise,
)

losses = st.floats(-100, 100).map(lambda value: round(value, 3))


# --- means and standard errors


def test_summarise_by_hand():
    mean, se = summarise([[1.0, 2.0, np.nan], [4.0, 2.0, 1.0]], [1, 2])
    np.testing.assert_allclose(mean, [3.0, 2.0, np.nan])
    # deviations −2 and 1 with shares ⅓ and ⅔: a weighted variance of 2, over F − 1 = 1
    np.testing.assert_allclose(se, [np.sqrt(2), 0.0, np.nan])


def test_one_fold_has_a_mean_and_no_standard_error():
    mean, se = summarise([[1.0, 2.0]], [7])
    np.testing.assert_array_equal(mean, [1.0, 2.0])
    assert np.isnan(se).all()


def test_row_se_is_that_of_the_mean():
    rows = np.random.default_rng(0).normal(size=(50, 3))
    np.testing.assert_allclose(compute_row_se(rows), stats.sem(rows, axis=0), rtol=1e-12)
    assert np.isnan(compute_row_se([[1.0, 2.0]])).all()


weights = st.lists(st.floats(0.01, 10), min_size=3, max_size=20)


@given(weights, st.integers(0, 3))
def test_the_weighted_standard_error_is_the_jackknife(weight, absent):
    rng, n = np.random.default_rng(len(weight)), len(weight)
    rows, weight = rng.normal(size=(n, 2)), np.array(weight)
    left_out = [np.average(np.delete(rows, i, 0), axis=0, weights=np.delete(weight, i)) for i in range(n)]
    squares = (np.array(left_out) - np.average(rows, axis=0, weights=weight)) ** 2
    expected = np.sqrt((n - 1) / n * squares.sum(axis=0))
    np.testing.assert_allclose(compute_row_se(rows, weight), expected, rtol=1e-9)
    np.testing.assert_allclose(compute_row_se(rows, 7 * weight), expected, rtol=1e-9)  # weights have no unit
    more = np.concatenate([rows, 1e6 * np.ones((absent, 2))])
    np.testing.assert_allclose(compute_row_se(more, np.append(weight, np.zeros(absent))), expected, rtol=1e-9)
    np.testing.assert_allclose(compute_row_se(rows, np.full(n, 0.3)), compute_row_se(rows), rtol=1e-9)
    assert np.isnan(compute_row_se(rows, np.eye(n)[0])).all()


def test_the_weighted_standard_error_is_the_spread_of_weighted_means():
    """Weights that go with the size of the losses, as those of classes do: 4,000 samples of 60 rows."""
    rng = np.random.default_rng(0)
    rare = rng.random((4000, 60)) < 0.2
    loss, weight = rng.normal(loc=rare, scale=1 + 2 * rare), 1 + 9 * rare
    spread = np.std([np.average(a, weights=w) for a, w in zip(loss, weight, strict=True)])
    typical = np.sqrt(np.mean([compute_row_se(a, w) ** 2 for a, w in zip(loss, weight, strict=True)]))
    assert typical == pytest.approx(spread, rel=0.08)  # the jackknife errs upwards by O(1/n), by some 3 % here


def test_a_weighted_gain_of_rows():
    a, b = np.random.default_rng(0).normal(size=(2, 30))
    weight = np.arange(30) % 3
    found = estimate_row_gain(a, b, weight)
    assert found.mean == pytest.approx(np.average(a - b, weights=weight)) and found.low < found.mean < found.high
    kept = weight > 0
    assert found == estimate_row_gain(a[kept], b[kept], weight[kept])
    effective = weight.sum() ** 2 / (weight**2).sum()
    margin = stats.t.ppf(0.975, effective - 1) * compute_row_se((a - b)[:, None], weight)[0]
    assert found.high - found.mean == pytest.approx(margin)
    np.testing.assert_allclose(estimate_row_gain(a, b, np.full(30, 2.0)).low, estimate_row_gain(a, b).low)


@given(st.lists(st.tuples(st.integers(0, 4), st.floats(0.01, 10)), min_size=5, max_size=30))
def test_the_standard_error_over_groups_is_the_jackknife_that_leaves_out_groups(rows):
    groups, weight = np.array([group for group, _ in rows]), np.array([each for _, each in rows])
    loss, names = np.random.default_rng(len(rows)).normal(size=(len(rows), 2)), np.unique(groups)
    found = compute_row_se(loss, weight, groups)
    if len(names) == 1:
        assert np.isnan(found).all()
        return
    left_out = [np.average(loss[groups != name], axis=0, weights=weight[groups != name]) for name in names]
    squares = (np.array(left_out) - np.average(loss, axis=0, weights=weight)) ** 2
    expected = np.sqrt((len(names) - 1) / len(names) * squares.sum(axis=0))
    np.testing.assert_allclose(found, expected, rtol=1e-6)  # differences of means that are nearly equal
    np.testing.assert_allclose(compute_row_se(loss, weight, [f"group {group}" for group in groups]), found)
    np.testing.assert_allclose(compute_row_se(loss, weight, np.arange(len(rows))), compute_row_se(loss, weight))


def test_the_standard_error_over_groups_is_the_spread_of_means():
    """Rows of a group share most of their loss: 2,000 samples of 20 groups with 5 rows on average."""
    rng = np.random.default_rng(0)
    samples = [(sizes := rng.integers(1, 10, 20), np.repeat(rng.normal(size=20), sizes)) for _ in range(2000)]
    losses = [shared + 0.5 * rng.normal(size=len(shared)) for _, shared in samples]
    labels = [np.repeat(np.arange(20), sizes) for sizes, _ in samples]
    spread = np.std([loss.mean() for loss in losses])
    typical = np.sqrt(np.mean([compute_row_se(a, None, g) ** 2 for a, g in zip(losses, labels, strict=True)]))
    assert typical == pytest.approx(spread, rel=0.1)  # the jackknife errs upwards by O(1/20)
    assert np.mean([compute_row_se(loss) for loss in losses]) < 0.6 * spread


@pytest.mark.parametrize(("shared", "above"), [(0, 1.6), (1, 1.1)], ids=["independent rows", "rows of a group alike"])
def test_a_sample_of_rows_gives_the_standard_error_of_all(shared, above):
    """One row in ten of 40 groups with 50 rows; the errors of 200 samples. Few groups hardly show independent rows."""
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(40), 50)
    loss = (shared * rng.normal(size=40)[groups] + rng.normal(size=2000))[:, None]
    rows = [rng.choice(2000, 200, replace=False) for _ in range(200)]
    typical = np.sqrt(np.mean([compute_row_se(loss[some], None, groups[some], 0.1) ** 2 for some in rows]))
    assert 0.9 < typical / compute_row_se(loss, None, groups)[0] < above
    over_rows = [compute_row_se(loss[some], None, None, 0.1) for some in rows]
    assert np.mean(over_rows) == pytest.approx(float(compute_row_se(loss)[0]), rel=0.02)


def test_a_gain_over_groups_is_that_of_their_means():
    a, b = np.random.default_rng(0).normal(size=(2, 30))
    groups = np.arange(30) // 3
    means = (row.reshape(10, 3).mean(axis=1) for row in (a, b))
    np.testing.assert_allclose(astuple(estimate_row_gain(a, b, None, groups)), astuple(estimate_row_gain(*means)))
    assert compute_row_degrees(30, None, groups) == pytest.approx(9) and compute_row_degrees(30) == pytest.approx(29)


# --- comparisons


def test_gain_by_hand():
    # Differences 1, 2, 3: mean 2, s² = 1; (1/3 + 5/10)·1; t(0.975; 2) = 4.3027
    result = estimate_gain([2.0, 4.0, 6.0], [1.0, 2.0, 3.0], [5, 5, 5], n_train=10, n_test=5)
    margin = 4.302652729911275 * np.sqrt(1 / 3 + 1 / 2)
    np.testing.assert_allclose([result.mean, result.low, result.high], [2.0, 2 - margin, 2 + margin])


def test_gain_is_wider_than_the_plain_paired_test():
    a, b = np.random.default_rng(0).normal(size=(2, 5))
    plain = stats.ttest_rel(a, b).confidence_interval(0.95)
    corrected = estimate_gain(a, b, np.ones(5), n_train=80, n_test=20)
    np.testing.assert_allclose(corrected.mean, (plain.low + plain.high) / 2)
    # √((1/5 + 1/4) / (1/5)) = 1.5
    np.testing.assert_allclose(corrected.high - corrected.low, 1.5 * (plain.high - plain.low))


def test_row_gain_is_the_paired_test():
    a, b = np.random.default_rng(0).normal(size=(2, 30))
    plain, ours = stats.ttest_rel(a, b).confidence_interval(0.95), estimate_row_gain(a, b)
    np.testing.assert_allclose([ours.low, ours.high], [plain.low, plain.high])


def test_a_diverged_fold_leaves_no_gain_to_claim():
    result = estimate_gain([np.nan, 1.0], [1.0, 2.0], [1, 1], 1, 1)
    assert np.isnan([result.mean, result.low, result.high]).all()
    with pytest.raises(ValueError, match="at least 2"):
        estimate_gain([1.0], [2.0], [1], 1, 1)


@given(arrays(float, (2, 4), elements=losses))
def test_gain_changes_sign_with_its_sides(losses):
    forward, backward = (estimate_gain(a, b, [1, 2, 3, 4], 30, 10) for a, b in (losses, losses[::-1]))
    np.testing.assert_allclose([forward.low, forward.high], [-backward.high, -backward.low], atol=1e-9)
    assert forward.low <= forward.mean <= forward.high


# --- optimism


def test_optimism_by_hand():
    fold_loss = [[0.5, 0.3, np.nan], [0.1, 0.4, 0.0]]  # own choices 0.3 and 0.1; the NaN strength is no candidate
    assert estimate_optimism(fold_loss, [1, 1], 0) == pytest.approx((0.5 - 0.3) / 2)
    assert estimate_optimism(fold_loss, [3, 1], 0) == pytest.approx(0.75 * (0.5 - 0.3))
    assert np.isnan(estimate_optimism([[0.5, 0.3]], [1], 1))


@given(arrays(float, (3, 5), elements=losses), st.integers(0, 4))
def test_optimism_is_never_negative_and_zero_where_folds_agree(fold_loss, chosen):
    assert estimate_optimism(fold_loss, np.ones(3), chosen) >= 0
    assert estimate_optimism(np.tile(fold_loss[:1], (3, 1)), np.ones(3), int(np.argmin(fold_loss[0]))) == 0
