"""The record of another model or of other rows is refused: frozen weights, custom layers, groups, weights."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from sklearn.model_selection import KFold

import shrinkage as sh
from tests.daily import full
from tests.fit.fitting import N, X, Y, classifier
from tests.search.record.runs import assert_equal, on_disk

OPTIONS: dict[str, Any] = {"penalty": "l2", "lams": [0.1], "epochs": 1, "cv": 2, "plan": {"xla": False}}


@keras.saving.register_keras_serializable("record")
class Scaled(layers.Layer):
    """A layer of a user."""

    def __init__(self, factor: float, **options: Any):
        super().__init__(**options)
        self.factor = factor

    def call(self, inputs: Any) -> Any:
        return inputs * self.factor

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "factor": self.factor}


def with_frozen_layer(value: float, *, trainable: bool = False) -> keras.Model:
    frozen = layers.Dense(4, kernel_initializer=keras.initializers.Constant(value), trainable=trainable)
    return keras.Sequential([keras.Input((6,)), frozen, layers.Dropout(0.1), layers.Dense(3, "softmax")])


def custom(activation: str = "relu", rate: float = 0.3, factor: float = 2.0) -> keras.Model:
    inner = [layers.Dense(4, activation), layers.Dropout(rate), Scaled(factor)]
    return keras.Sequential([keras.Input((6,)), *inner, layers.Dense(3, "softmax")])


def fit(make: Any, **options: Any) -> sh.Path:
    return sh.fit(classifier(make), X, Y, **{**OPTIONS, **options})


@pytest.mark.parametrize(
    ("make", "other", "message"),
    [
        (lambda: with_frozen_layer(0.1), lambda: with_frozen_layer(0.2), "`frozen weights` differs"),
        (custom, lambda: custom("tanh"), "`model` differs"),
        full(custom, lambda: custom(rate=0.5), "`model` differs"),
        (custom, lambda: custom(factor=3.0), "`model` differs"),
    ],
    ids=["frozen weights", "activation beside a custom layer", "dropout rate", "argument of a custom layer"],
)
def test_another_model_is_refused(make, other, message, tmp_path):
    first = fit(make, run=tmp_path)
    with pytest.raises(ValueError, match=message):
        fit(other, run=tmp_path)
    assert_equal(fit(make, run=tmp_path), first)


def test_other_groups_are_refused(tmp_path):
    """Groups enter the standard errors, even where the folds are the same."""
    half, folds = np.arange(N) // (N // 2), KFold(2)
    groups = 2 * (np.arange(N) % 7) + half
    first = fit(custom, cv=folds, groups=groups, run=tmp_path)
    with pytest.raises(ValueError, match="`groups` differs"):
        fit(custom, cv=folds, groups=half, run=tmp_path)
    assert_equal(fit(custom, cv=folds, groups=groups, run=tmp_path), first)


@pytest.mark.full
def test_other_weights_of_rows_on_disk_are_refused(tmp_path):
    weighted = on_disk(class_weight={0: 1.0, 1: 2.0, 2: 1.0}, run=tmp_path)
    with pytest.raises(ValueError, match="`rows of the dataset` differs"):
        on_disk(class_weight={0: 2.0, 1: 1.0, 2: 1.0}, run=tmp_path)
    assert_equal(on_disk(class_weight={0: 1.0, 1: 2.0, 2: 1.0}, run=tmp_path), weighted)


def test_datasets_are_compared_with_their_weights(tmp_path):
    rows = np.resize(np.arange(N), 2000)

    def dataset(weight: np.ndarray) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices((X[rows].astype("float32"), Y[rows], weight)).batch(100)

    options = {**OPTIONS, "max_memory": 4e4, "batch_size": 64}
    sh.fit(classifier(custom), dataset(1 + np.arange(2000) % 2), run=tmp_path, **options)
    with pytest.raises(ValueError, match="`rows of the dataset` differs"):
        sh.fit(classifier(custom), dataset(1 + np.arange(2000) % 3), run=tmp_path, **options)
