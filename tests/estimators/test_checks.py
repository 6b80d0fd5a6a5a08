"""All checks of scikit-learn for estimators, with linear models, two folds and two strengths.

Models that are trained, not computed, need twenty epochs: the checks ask for an accuracy. A regressor needs two
hundred: after twenty, its intercept is what Adam makes of a gradient that is rounding error, and differs between plans.
Their plan is given: on a busy machine, two fits may time the ways, take different ones, and differ in the last bits.
"""

import pytest
from sklearn.utils.estimator_checks import parametrize_with_checks

import shrinkage as sh

_SMALL = {"model": "linear", "cv": 2, "lams": [0.01, 0.001]}
_TRAINED = {**_SMALL, "plan": {"rules": True, "xla": True}}
_EXPECTED = dict.fromkeys(
    ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data"),
    "rows and outputs are float32, and statistics of repeated rows round otherwise: predictions differ by 2e-9, and "
    "1e-9 is allowed",
)


@parametrize_with_checks(
    [sh.PathClassifier(**_SMALL), sh.PathRegressor(**_SMALL)], expected_failed_checks=lambda estimator: _EXPECTED
)
def test_computed(estimator, check):
    check(estimator)


@pytest.mark.full
@parametrize_with_checks(
    [sh.PathClassifier(**_TRAINED, epochs=20), sh.PathRegressor(**_TRAINED, epochs=200)],
    expected_failed_checks=lambda estimator: _EXPECTED,
)
def test_trained(estimator, check):
    check(estimator)
