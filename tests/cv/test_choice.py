import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from shrinkage._cv._choice import choose_epochs, choose_strengths, find_far_fold
from shrinkage._cv._statistics import summarise

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
    index_min, index_1se = choose_strengths(mean, se)
    assert [index_min + 1, index_1se + 1] == cv["index"]
    assert (cv["lambda"][index_min], cv["lambda"][index_1se]) == (cv["lambda_min"], cv["lambda_1se"])


def test_the_recorded_curves_tell_rules_apart():
    """A fixture in which unweighted folds gave the same choice would prove little."""
    assert any(
        choose_strengths(*summarise(cv["fold_loss"], np.ones(5)))
        != choose_strengths(*summarise(cv["fold_loss"], cv["fold_weight"]))
        for cv in GLMNET.values()
    )
    assert all(index_1se < index_min for index_min, index_1se in (cv["index"] for cv in GLMNET.values()))


def test_ties_go_to_the_larger_strength():
    assert choose_strengths([3.0, 1.0, 1.0, 2.0], [0.0] * 4) == (1, 1)
    assert choose_strengths([2.0, 3.0, 1.0, 1.0], [1.0] * 4) == (2, 0)


def test_equal_losses_are_a_tie_to_the_last_bit():
    """A matrix product would sum some columns in another order: this is where AUC, full of ties, was chosen wrongly."""
    fold_loss = np.repeat(np.random.default_rng(0).random((5, 1)), 61, axis=1)
    weight = [70, 58, 50, 40, 30]
    assert choose_strengths(*summarise(fold_loss, weight)) == (0, 0)
    np.testing.assert_array_equal(choose_epochs(fold_loss[:, None, :], weight), [1])


def test_without_a_standard_error_the_two_choices_agree():
    assert choose_strengths([3.0, 1.0, 2.0], [np.nan] * 3) == (1, 1)


def test_nothing_to_choose_from():
    with pytest.raises(ValueError, match="every strength at least one model diverged"):
        choose_strengths([np.nan, np.inf], [0.1, 0.1])


@given(st.lists(st.tuples(maybe_diverged, st.floats(0, 10)), min_size=1))
def test_properties_of_the_choice(rows):
    mean, se = np.array(rows).T
    assume(np.isfinite(mean).any())
    index_min, index_1se = choose_strengths(mean, se)
    assert index_1se <= index_min  # strengths descend: lam_1se ≥ lam_min
    assert np.isfinite(mean[[index_min, index_1se]]).all()
    finite = np.where(np.isfinite(mean), mean, np.inf)
    assert mean[index_min] == finite.min() and (finite[:index_min] > mean[index_min]).all()
    assert (finite[:index_1se] > mean[index_min] + se[index_min]).all()


# --- the epoch


def test_the_mean_curve_picks_the_epoch():
    cv_loss = np.array([[[5.0, 1.0, 3.0]], [[5.0, 4.0, 1.0]]])
    assert choose_epochs(cv_loss, [1, 1]) == 3  # means 5, 2.5, 2
    assert choose_epochs(cv_loss, [3, 1]) == 2  # means 5, 1.75, 2.5


def test_an_epoch_at_which_a_fold_diverged_is_no_candidate():
    cv_loss = np.array([[[3.0, 2.0, 0.1, np.nan], [np.nan] * 4], [[3.0, 2.0, np.inf, 0.1], [1.0] * 4]])
    np.testing.assert_array_equal(choose_epochs(cv_loss, [1, 1]), [2, 1])
    np.testing.assert_array_equal(choose_epochs(cv_loss, [1, 1], "last"), [2, 1])


def test_a_given_epoch_and_the_last():
    cv_loss = np.array([[[3.0, 1.0, 2.0], [3.0, 1.0, np.nan]]])
    np.testing.assert_array_equal(choose_epochs(cv_loss, [1], "last"), [3, 2])
    np.testing.assert_array_equal(choose_epochs(cv_loss, [1], 2), [2, 2])


@pytest.mark.parametrize("epoch", [0, 4, -1, True, 1.5, "first", None])
def test_an_epoch_that_is_none(epoch):
    with pytest.raises(ValueError, match='"best", "last" or a number from 1 to 3'):
        choose_epochs(np.zeros((1, 2, 3)), [1], epoch)


@given(arrays(float, (2, 3, 4), elements=losses))
def test_the_best_epoch_is_the_first_minimum_of_the_mean(cv_loss):
    chosen = choose_epochs(cv_loss, [1, 3]) - 1
    curve = 0.25 * cv_loss[0] + 0.75 * cv_loss[1]
    np.testing.assert_allclose(np.take_along_axis(curve, chosen[:, None], 1)[:, 0], curve.min(axis=1), atol=1e-12)


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
    found, times = find_far_fold(fold_loss)
    assert found == fold and np.isnan(times) == (fold is None)
