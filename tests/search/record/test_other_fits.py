"""The record of another fit is refused, in words that say what differs."""

from typing import Any

import keras
import numpy as np
import pytest

import shrinkage as sh
from tests.fit.fitting import X, Y, classifier
from tests.search.record.runs import assert_equal, on_disk, with_learning_curve, without_xla
from tests.zoo.tables import mlp

OTHER: dict[str, tuple[dict[str, Any], str]] = {
    "strengths": ({"lams": [0.3, 0.1, 0.02]}, "`lams` is"),
    "epochs": ({"epochs": 4}, "`epochs` is 4, and was 3"),
    "seed": ({"seed": 1}, "`folds` differs; `seed` is 1, and was 0"),
    "folds": ({"cv": 4}, "`folds` differs"),
    "learning curve": ({"learning_curve": True}, "`learning_curve` is True, and was False"),
    "penalty": ({"penalty": "l1"}, "`penalty` is 'L1()', and was 'L2()'"),
    "where the penalty enters": ({"how": sh.Decoupled()}, "`how` is 'Decoupled()', and was 'Coupled()'"),
    "penalised weights": ({"on": "all"}, "`on` is"),
    "batch size": ({"batch_size": 9}, "`batch_size` is 9, and was 8"),
    "plan": ({"plan": {"chunk": 4}}, "`chunk` is 4, and was 3"),
    "weights of rows": ({"sample_weight": np.arange(58) + 1.0}, "`sample weights` differs"),
}


@pytest.mark.parametrize("name", OTHER)
def test_another_fit_is_refused(name, tmp_path):
    changes, message = OTHER[name]
    first = without_xla(run=tmp_path)
    with pytest.raises(ValueError, match="the record of another fit") as error:
        without_xla(run=tmp_path, **changes)
    assert message in str(error.value)
    assert_equal(without_xla(run=tmp_path), first)


def test_a_fit_without_the_learning_curve_of_the_record_is_another_fit(tmp_path):
    with_learning_curve(run=tmp_path)
    with pytest.raises(ValueError, match="`learning_curve` is False, and was True"):
        with_learning_curve(run=tmp_path, learning_curve=False)


@pytest.mark.parametrize(
    ("model", "x", "y", "message"),
    [
        (classifier(mlp), X + 1, Y, "`x` differs"),
        (classifier(mlp), X, (Y + 1) % 3, "`y` differs"),
        (
            classifier(lambda: keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, "softmax")])),
            X,
            Y,
            "`model` differs",
        ),
    ],
    ids=["inputs", "targets", "model"],
)
def test_other_data_or_another_model_is_refused(model, x, y, message, tmp_path):
    options: dict[str, Any] = {"penalty": "l2", "lams": [0.1], "epochs": 1, "cv": 2, "run": tmp_path}
    sh.fit(classifier(mlp), X, Y, **options)
    with pytest.raises(ValueError, match=message):
        sh.fit(model, x, y, **options)


def test_rows_in_another_order_are_refused(tmp_path, monkeypatch):
    assert on_disk(run=tmp_path).plan["blocks"] > 2
    monkeypatch.setattr("tests.search.record.runs.X", X[::-1])
    with pytest.raises(ValueError, match="`rows of the dataset`"):
        on_disk(run=tmp_path)


@pytest.mark.parametrize("dtype", ["int8", "int32", "uint16"])
def test_labels_of_another_integer_type_are_the_same_data(tmp_path, monkeypatch, dtype):
    path = without_xla(run=tmp_path)
    monkeypatch.setattr("tests.search.record.runs.Y", Y.astype(dtype))
    assert_equal(without_xla(run=tmp_path), path)
