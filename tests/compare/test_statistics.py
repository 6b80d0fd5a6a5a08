"""P-values agree with SciPy and with the interval, and Holm's adjustment with R's `p.adjust`."""

import numpy as np
import pytest
from scipy import stats

from shrinkage._compare._statistics import adjust_p_values, compute_p_value
from shrinkage._cv._statistics import Difference, estimate_gain, estimate_row_gain

FOLDS = np.array([[0.52, 0.61, 0.47, 0.55, 0.58], [0.50, 0.55, 0.46, 0.49, 0.57]])


def test_the_p_value_is_that_of_the_paired_t_test_where_folds_share_no_rows():
    # Without test rows per training row the correction vanishes, and the paired t-test of SciPy remains.
    found = estimate_gain(FOLDS[0], FOLDS[1], np.ones(5), n_train=1e12, n_test=1)
    assert compute_p_value(found, 4) == pytest.approx(stats.ttest_rel(FOLDS[0], FOLDS[1]).pvalue, rel=1e-6)


def test_the_p_value_has_the_correction_of_nadeau_and_bengio():
    difference = FOLDS[0] - FOLDS[1]
    t = difference.mean() / np.sqrt((1 / 5 + 1 / 4) * difference.var(ddof=1))
    found = compute_p_value(estimate_gain(FOLDS[0], FOLDS[1], np.ones(5), n_train=80, n_test=20), 4)
    assert found == pytest.approx(2 * stats.t.sf(t, 4), rel=1e-9)
    assert 0.05 < found < 0.2  # 1.5 times as wide as without the correction, which would give 0.03


def test_the_p_value_over_rows_is_that_of_the_paired_t_test():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 40)) + [[0.4], [0.0]]
    assert compute_p_value(estimate_row_gain(a, b), 39) == pytest.approx(stats.ttest_rel(a, b).pvalue, rel=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.01, 0.05, 0.2])
def test_the_p_value_is_below_5_percent_where_the_interval_excludes_0(shift):
    found = estimate_gain(FOLDS[0] + shift, FOLDS[1], np.ones(5), n_train=80, n_test=20)
    assert (compute_p_value(found, 4) < 0.05) == (found.low > 0)


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        pytest.param(Difference(0.0, 0.0, 0.0), 1.0, id="equal in every fold"),
        pytest.param(Difference(0.1, 0.1, 0.1), 0.0, id="the same difference in every fold"),
        pytest.param(Difference(0.1, np.nan, np.nan), np.nan, id="no interval"),
        pytest.param(Difference(np.nan, np.nan, np.nan), np.nan, id="diverged"),
    ],
)
def test_the_p_value_at_the_ends(difference, expected):
    assert compute_p_value(difference, 4) == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        # p.adjust(c(...), "holm") in R
        pytest.param([0.01, 0.02, 0.03, 0.04], [0.04, 0.06, 0.06, 0.06], id="ascending"),
        pytest.param([0.04, 0.01, 0.03, 0.005], [0.06, 0.03, 0.06, 0.02], id="not in order"),
        pytest.param([0.5, 0.6, 0.9], [1.0, 1.0, 1.0], id="at most 1"),
        pytest.param([0.02], [0.02], id="one test"),
        pytest.param([0.02, np.nan, 0.03], [0.04, np.nan, 0.04], id="a test that was not made is not counted"),
        pytest.param([], [], id="none"),
    ],
)
def test_holm(p, expected):
    assert adjust_p_values(p) == pytest.approx(expected, nan_ok=True)
