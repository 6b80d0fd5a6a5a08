import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from shrinkage._cv._choice import best_epochs, choose, far_fold, gain, optimism, row_gain, row_se, summarise

GLMNET = json.loads((Path(__file__).parents[1] / "fixtures" / "glmnet_cv.json").read_text())["curves"]

losses = st.floats(-100, 100).map(lambda value: round(value, 3))
maybe_diverged = st.one_of(losses, st.just(np.nan), st.just(np.inf))


# --- glmnet's rule


@pytest.mark.parametrize("name", GLMNET)
def test_the_choice_is_that_of_glmnet(name):
    cv = GLMNET[name]
    sign = -1 if cv["larger_is_better"] else 1
    mean, se = summarise(sign * np.array(cv["fold_loss"]), cv["fold_weight"])
    # The same sums in another order: nothing but rounding may differ.
    np.testing.assert_allclose(sign * mean, cv["cvm"], rtol=1e-12)
    np.testing.assert_allclose(se, cv["cvsd"], rtol=1e-12)
    index_min, index_1se = choose(mean, se)
    assert [index_min + 1, index_1se + 1] == cv["index"]
    assert (cv["lambda"][index_min], cv["lambda"][index_1se]) == (cv["lambda_min"], cv["lambda_1se"])


def test_the_recorded_curves_tell_rules_apart():
    """A fixture in which unweighted folds gave the same choice would prove little."""
    assert any(
        choose(*summarise(cv["fold_loss"], np.ones(5))) != choose(*summarise(cv["fold_loss"], cv["fold_weight"]))
        for cv in GLMNET.values()
    )
    assert all(index_1se < index_min for index_min, index_1se in (cv["index"] for cv in GLMNET.values()))


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
    np.testing.assert_allclose(row_se(rows), stats.sem(rows, axis=0), rtol=1e-12)
    assert np.isnan(row_se([[1.0, 2.0]])).all()


weights = st.lists(st.floats(0.01, 10), min_size=3, max_size=20)


@given(weights, st.integers(0, 3))
def test_the_weighted_standard_error_is_the_jackknife(weight, absent):
    rng, n = np.random.default_rng(len(weight)), len(weight)
    rows, weight = rng.normal(size=(n, 2)), np.array(weight)
    left_out = [np.average(np.delete(rows, i, 0), axis=0, weights=np.delete(weight, i)) for i in range(n)]
    squares = (np.array(left_out) - np.average(rows, axis=0, weights=weight)) ** 2
    expected = np.sqrt((n - 1) / n * squares.sum(axis=0))
    np.testing.assert_allclose(row_se(rows, weight), expected, rtol=1e-9)
    np.testing.assert_allclose(row_se(rows, 7 * weight), expected, rtol=1e-9)  # weights have no unit
    more = np.concatenate([rows, 1e6 * np.ones((absent, 2))])
    np.testing.assert_allclose(row_se(more, np.append(weight, np.zeros(absent))), expected, rtol=1e-9)
    np.testing.assert_allclose(row_se(rows, np.full(n, 0.3)), row_se(rows), rtol=1e-9)
    assert np.isnan(row_se(rows, np.eye(n)[0])).all()


def test_the_weighted_standard_error_is_the_spread_of_weighted_means():
    """Weights that go with the size of the losses, as those of classes do: 4,000 samples of 60 rows."""
    rng = np.random.default_rng(0)
    rare = rng.random((4000, 60)) < 0.2
    loss, weight = rng.normal(loc=rare, scale=1 + 2 * rare), 1 + 9 * rare
    spread = np.std([np.average(a, weights=w) for a, w in zip(loss, weight, strict=True)])
    typical = np.sqrt(np.mean([row_se(a, w) ** 2 for a, w in zip(loss, weight, strict=True)]))
    assert typical == pytest.approx(spread, rel=0.08)  # the jackknife errs upwards by O(1/n), by some 3 % here


def test_a_weighted_gain_of_rows():
    a, b = np.random.default_rng(0).normal(size=(2, 30))
    weight = np.arange(30) % 3
    found = row_gain(a, b, weight)
    assert found.mean == pytest.approx(np.average(a - b, weights=weight)) and found.low < found.mean < found.high
    kept = weight > 0
    assert found == row_gain(a[kept], b[kept], weight[kept])
    effective = weight.sum() ** 2 / (weight**2).sum()
    margin = stats.t.ppf(0.975, effective - 1) * row_se((a - b)[:, None], weight)[0]
    assert found.high - found.mean == pytest.approx(margin)
    np.testing.assert_allclose(row_gain(a, b, np.full(30, 2.0)).low, row_gain(a, b).low)


def test_ties_go_to_the_larger_strength():
    assert choose([3.0, 1.0, 1.0, 2.0], [0.0] * 4) == (1, 1)
    assert choose([2.0, 3.0, 1.0, 1.0], [1.0] * 4) == (2, 0)


def test_equal_losses_are_a_tie_to_the_last_bit():
    """A matrix product would sum some columns in another order: this is where AUC, full of ties, was chosen wrongly."""
    fold_loss = np.repeat(np.random.default_rng(0).random((5, 1)), 61, axis=1)
    weight = [70, 58, 50, 40, 30]
    assert choose(*summarise(fold_loss, weight)) == (0, 0)
    np.testing.assert_array_equal(best_epochs(fold_loss[:, None, :], weight), [1])


def test_without_a_standard_error_the_two_choices_agree():
    assert choose([3.0, 1.0, 2.0], [np.nan] * 3) == (1, 1)


def test_nothing_to_choose_from():
    with pytest.raises(ValueError, match="every strength at least one model diverged"):
        choose([np.nan, np.inf], [0.1, 0.1])


@given(st.lists(st.tuples(maybe_diverged, st.floats(0, 10)), min_size=1))
def test_properties_of_the_choice(rows):
    mean, se = np.array(rows).T
    assume(np.isfinite(mean).any())
    index_min, index_1se = choose(mean, se)
    assert index_1se <= index_min  # strengths descend: lam_1se ≥ lam_min
    assert np.isfinite(mean[[index_min, index_1se]]).all()
    finite = np.where(np.isfinite(mean), mean, np.inf)
    assert mean[index_min] == finite.min() and (finite[:index_min] > mean[index_min]).all()
    assert (finite[:index_1se] > mean[index_min] + se[index_min]).all()


# --- the epoch


def test_the_mean_curve_picks_the_epoch():
    cv_loss = np.array([[[5.0, 1.0, 3.0]], [[5.0, 4.0, 1.0]]])
    assert best_epochs(cv_loss, [1, 1]) == 3  # means 5, 2.5, 2
    assert best_epochs(cv_loss, [3, 1]) == 2  # means 5, 1.75, 2.5


def test_an_epoch_at_which_a_fold_diverged_is_no_candidate():
    cv_loss = np.array([[[3.0, 2.0, 0.1, np.nan], [np.nan] * 4], [[3.0, 2.0, np.inf, 0.1], [1.0] * 4]])
    np.testing.assert_array_equal(best_epochs(cv_loss, [1, 1]), [2, 1])
    np.testing.assert_array_equal(best_epochs(cv_loss, [1, 1], "last"), [2, 1])


def test_a_given_epoch_and_the_last():
    cv_loss = np.array([[[3.0, 1.0, 2.0], [3.0, 1.0, np.nan]]])
    np.testing.assert_array_equal(best_epochs(cv_loss, [1], "last"), [3, 2])
    np.testing.assert_array_equal(best_epochs(cv_loss, [1], 2), [2, 2])


@pytest.mark.parametrize("epoch", [0, 4, -1, True, 1.5, "first", None])
def test_an_epoch_that_is_none(epoch):
    with pytest.raises(ValueError, match='"best", "last" or a number from 1 to 3'):
        best_epochs(np.zeros((1, 2, 3)), [1], epoch)


@given(arrays(float, (2, 3, 4), elements=losses))
def test_the_best_epoch_is_the_first_minimum_of_the_mean(cv_loss):
    chosen = best_epochs(cv_loss, [1, 3]) - 1
    curve = 0.25 * cv_loss[0] + 0.75 * cv_loss[1]
    np.testing.assert_allclose(np.take_along_axis(curve, chosen[:, None], 1)[:, 0], curve.min(axis=1), atol=1e-12)


# --- comparisons


def test_gain_by_hand():
    # Differences 1, 2, 3: mean 2, s² = 1; (1/3 + 5/10)·1; t(0.975; 2) = 4.3027
    result = gain([2.0, 4.0, 6.0], [1.0, 2.0, 3.0], [5, 5, 5], n_train=10, n_test=5)
    margin = 4.302652729911275 * np.sqrt(1 / 3 + 1 / 2)
    np.testing.assert_allclose([result.mean, result.low, result.high], [2.0, 2 - margin, 2 + margin])


def test_gain_is_wider_than_the_plain_paired_test():
    a, b = np.random.default_rng(0).normal(size=(2, 5))
    plain = stats.ttest_rel(a, b).confidence_interval(0.95)
    corrected = gain(a, b, np.ones(5), n_train=80, n_test=20)
    np.testing.assert_allclose(corrected.mean, (plain.low + plain.high) / 2)
    # √((1/5 + 1/4) / (1/5)) = 1.5
    np.testing.assert_allclose(corrected.high - corrected.low, 1.5 * (plain.high - plain.low))


def test_row_gain_is_the_paired_test():
    a, b = np.random.default_rng(0).normal(size=(2, 30))
    plain, ours = stats.ttest_rel(a, b).confidence_interval(0.95), row_gain(a, b)
    np.testing.assert_allclose([ours.low, ours.high], [plain.low, plain.high])


def test_a_diverged_fold_leaves_no_gain_to_claim():
    result = gain([np.nan, 1.0], [1.0, 2.0], [1, 1], 1, 1)
    assert np.isnan([result.mean, result.low, result.high]).all()
    with pytest.raises(ValueError, match="at least 2"):
        gain([1.0], [2.0], [1], 1, 1)


@given(arrays(float, (2, 4), elements=losses))
def test_gain_changes_sign_with_its_sides(losses):
    forward, backward = (gain(a, b, [1, 2, 3, 4], 30, 10) for a, b in (losses, losses[::-1]))
    np.testing.assert_allclose([forward.low, forward.high], [-backward.high, -backward.low], atol=1e-9)
    assert forward.low <= forward.mean <= forward.high


# --- optimism


def test_optimism_by_hand():
    fold_loss = [[0.5, 0.3, np.nan], [0.1, 0.4, 0.0]]  # own choices 0.3 and 0.1; the NaN strength is no candidate
    assert optimism(fold_loss, [1, 1], 0) == pytest.approx((0.5 - 0.3) / 2)
    assert optimism(fold_loss, [3, 1], 0) == pytest.approx(0.75 * (0.5 - 0.3))
    assert np.isnan(optimism([[0.5, 0.3]], [1], 1))


@given(arrays(float, (3, 5), elements=losses), st.integers(0, 4))
def test_optimism_is_never_negative_and_zero_where_folds_agree(fold_loss, chosen):
    assert optimism(fold_loss, np.ones(3), chosen) >= 0
    assert optimism(np.tile(fold_loss[:1], (3, 1)), np.ones(3), int(np.argmin(fold_loss[0]))) == 0


# --- a fold that is far from the others


@pytest.mark.parametrize(
    ("fold_loss", "fold"),
    [
        ([0.45, 0.43, 0.42, 0.49, 3.35], 4),
        ([9.0, 0.1, 0.1], 0),
        ([0.4, 0.5, 1.1], None),  # less than three times the median
        ([0.01, 0.05, 0.09, 0.15], None),  # they all scatter as much
        ([0.0, 0.0, 1.0], None),  # no multiple of 0
        ([0.1, 5.0], None),  # of two, either may be the far one
        ([0.1, 0.1, np.nan, 5.0], None),
    ],
)
def test_a_far_fold(fold_loss, fold):
    found, times = far_fold(fold_loss)
    assert found == fold and np.isnan(times) == (fold is None)
