"""The estimators inside scikit-learn's meta-estimators."""

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_diabetes, load_wine
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_score, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import shrinkage as sh
from tests.estimators.test_estimators import small_network

LINEAR = {"model": "linear", "cv": 3, "lams": [0.1, 0.01]}


@pytest.fixture(scope="module")
def wine():
    return load_wine(return_X_y=True)


def test_in_a_pipeline_and_a_cross_validation(wine):
    pipeline = make_pipeline(StandardScaler(), sh.PathClassifier(**LINEAR))
    assert cross_val_score(pipeline, *wine, cv=3).min() > 0.9


@pytest.mark.full
def test_two_processes_give_the_scores_of_one(wine):
    classifier = sh.PathClassifier(**LINEAR)
    alone = cross_val_score(classifier, *wine, cv=2, scoring="neg_log_loss")
    together = cross_val_score(classifier, *wine, cv=2, scoring="neg_log_loss", n_jobs=2)
    np.testing.assert_allclose(together, alone, rtol=1e-6)


def test_after_a_column_transformer():
    data: Any = load_diabetes(return_X_y=True, as_frame=True)
    x, y = data
    x["sex"] = pd.Categorical(np.where(x["sex"] > 0, "a", "b"))
    scale: Any = StandardScaler()
    columns = make_column_transformer((OneHotEncoder(), ["sex"]), remainder=scale)
    assert make_pipeline(columns, sh.PathRegressor(**LINEAR)).fit(x, y).score(x, y) > 0.45


@pytest.mark.full
def test_a_grid_search_over_the_architecture_with_the_strength_inside(wine):
    grid = {"model": ["linear", "mlp", partial(small_network)], "cv": [2]}
    search = GridSearchCV(
        sh.PathClassifier(lams=[0.1, 0.01], epochs=3, batch_size=16), grid, cv=2, scoring="neg_log_loss"
    )
    search.fit(*wine)
    assert len(search.cv_results_["params"]) == 3
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.lam_ in search.best_estimator_.path_.lams


def test_in_a_stack(wine):
    stack = StackingClassifier(
        [("path", sh.PathClassifier(**LINEAR)), ("plain", make_pipeline(StandardScaler(), LogisticRegression()))], cv=2
    )
    assert stack.fit(*wine).score(*wine) > 0.9


def test_calibrated(wine):
    calibrated = CalibratedClassifierCV(sh.PathClassifier(**LINEAR), cv=2).fit(*wine)
    assert calibrated.score(*wine) > 0.9


def test_metadata_is_routed_to_fit(wine):
    x, y = wine
    groups, weight = np.arange(len(y)) // 3, np.linspace(0.5, 2, len(y))
    with sklearn.config_context(enable_metadata_routing=True):
        classifier: Any = sh.PathClassifier(**LINEAR).set_fit_request(sample_weight=True, groups=True)
        result = cross_validate(
            classifier.set_score_request(sample_weight=True), x, y, cv=GroupKFold(2), return_estimator=True,
            return_indices=True, params={"groups": groups, "sample_weight": weight},
        )  # fmt: skip
    for fitted, rows in zip(result["estimator"], result["indices"]["train"], strict=True):
        alone = sh.PathClassifier(**LINEAR).fit(x[rows], y[rows], sample_weight=weight[rows], groups=groups[rows])
        np.testing.assert_array_equal(fitted.path_.cv_loss, alone.path_.cv_loss)
