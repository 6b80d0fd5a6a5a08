"""Targets, weights and arrays that the estimators refuse."""

import keras
import numpy as np
import pytest

import shrinkage as sh

BAD_TARGETS = {
    "a missing label": (sh.PathClassifier, ["a", None, "b"], "`y` must have no missing values.* 1 of 3 rows"),
    "missing and a number": (sh.PathClassifier, np.array([1, np.nan, 2], object), "`y` must have no missing values"),
    "several outputs": (sh.PathRegressor, np.zeros((3, 2)), "one target.*MultiOutputRegressor"),
    "several labels": (sh.PathClassifier, np.eye(3, dtype=int), "one target.*MultiOutputClassifier"),
    "labels": (sh.PathRegressor, ["a", "b", "a"], "`y` must be numbers.*PathClassifier"),
    "a constant": (sh.PathRegressor, [2, 2, 2], "`y` must vary. Received: 2 in every row"),
    "one class": (sh.PathClassifier, [2, 2, 2], "at least two classes"),
}


@pytest.mark.parametrize(("estimator", "y", "message"), BAD_TARGETS.values(), ids=BAD_TARGETS)
def test_bad_targets(estimator, y, message):
    with pytest.raises(ValueError, match=message):
        estimator(model="linear").fit(np.arange(3.0)[:, None], y)


@pytest.mark.parametrize("estimator", [sh.PathClassifier, sh.PathRegressor])
@pytest.mark.parametrize(
    ("weight", "message"),
    [
        ([1, -1, 1], "be negative"),
        ([-1, -1, -1], "be negative"),
        ([0, 0, 0], "only zeros"),
        ([1], "shape"),
    ],
)
def test_bad_weights_are_named(estimator, weight, message):
    with pytest.raises(ValueError, match=f"`sample_weight` must .*{message}"):
        estimator(model="linear").fit(np.arange(3.0)[:, None], [0, 1, 0], sample_weight=weight)


@pytest.mark.parametrize("x", [np.array([["a"], ["b"]], object), np.array([["a"], ["b"]]), [["a"], ["b"]]])
def test_text_in_an_array_leads_to_a_data_frame(x):
    with pytest.raises(ValueError, match="data frame.*pandas.DataFrame"):
        sh.PathClassifier(model="linear").fit(x, [0, 1])


BAD_PARAMETERS = {
    "epochs": ({"epochs": 0}, "`epochs` must be a whole number of at least 1. Received: 0"),
    "epochs as text": ({"epochs": "9"}, "`epochs` must be a whole number of at least 1. Received: '9'"),
    "class_weight": ({"class_weight": "even"}, "`class_weight` must be None, .balanced., or .* Received: 'even'"),
    "a negative weight": ({"class_weight": {0: -1.0}}, "`class_weight` must give .* not negative. Received: -1.0"),
    "no class that counts": ({"class_weight": {0: 0, 1: 0}}, "^`class_weight` must give some rows a weight above 0"),
    "not built": ({"model": keras.Sequential()}, r"^`model` must be built.* Start it with keras.Input\(\(1,\)\)"),
    "a function of three": ({"model": lambda a, b, c: None}, r"`model` must be .* Received: <lambda>\(a, b, c\)"),
}


@pytest.mark.parametrize(("parameters", "message"), BAD_PARAMETERS.values(), ids=BAD_PARAMETERS)
def test_bad_parameters_are_named(parameters, message):
    with pytest.raises((TypeError, ValueError), match=message):
        sh.PathClassifier(**{"model": "linear", **parameters}).fit(np.arange(4.0)[:, None], [0, 1, 0, 1])
