"""Sample weights per output: members, scores and metrics equal plain Keras with the same weights."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import shrinkage as sh
from shrinkage._data import _dataset, _stored
from tests.cohort.test_cohort import assert_member_equals_plain_keras, train_cohort
from tests.cohort.test_structures import (
    assert_evaluation_equals_plain_keras,
    fit,
    likeliest_way,
    problem_of_case,
)
from tests.cohort.zoo_structures import AMOUNT, LABELS, STRUCTURES, A, B, Case
from tests.model.zoo_losses import own_mixes_rows

RNG = np.random.default_rng(7)
SOME = (RNG.uniform(size=40) > 0.4).astype(float)  # rows with a label of an output
WEIGHT = RNG.uniform(0.2, 3, 40)
SEVERAL = {"amount": WEIGHT, "kind": SOME}


def mixing() -> Case:
    inputs = keras.Input((4,))
    outputs = [layers.Dense(1)(inputs), layers.Dense(1)(inputs)]
    return Case(keras.Model(inputs, outputs), {"loss": [own_mixes_rows, "mse"]}, A, [AMOUNT, AMOUNT**2])


CASES: dict[str, tuple[Any, Any]] = {
    "a list": (STRUCTURES["two_outputs"][0], [WEIGHT, SOME]),
    "names": (STRUCTURES["two_outputs"][0], {"kind": SOME, "amount": WEIGHT[:, None]}),
    "one output": (STRUCTURES["dictionaries"][0], {"b": SOME}),
    "a deep structure": (STRUCTURES["deep_structures"][0], {"first": (WEIGHT, SOME), "second": WEIGHT[::-1]}),
    "a loss that mixes rows": (mixing, [WEIGHT, SOME]),
    "rows without a weight": (STRUCTURES["two_outputs"][0], [SOME, SOME * WEIGHT]),
}
DAILY = ("names", "a loss that mixes rows")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in DAILY else pytest.mark.full) for name in CASES]
)
def test_a_member_with_weights_per_output_equals_plain_keras(name, floatx):  # noqa: F811
    make, weight = CASES[name]
    problem = problem_of_case(make(), sample_weight=weight)
    share = problem.training.data.y.share
    assert 0 < share.min(axis=1).mean() < share.max() and share.max(axis=1).max() == 1
    cohort = train_cohort(problem, xla := likeliest_way(problem).xla)
    assert_member_equals_plain_keras(problem, cohort, 1, 1, xla=xla, floatx=floatx)
    assert_evaluation_equals_plain_keras(problem, cohort, 0, 2)


def test_equal_weights_of_all_outputs_are_weights_of_the_rows():
    one = fit(STRUCTURES["two_outputs"][0](), sample_weight=WEIGHT)
    several = fit(STRUCTURES["two_outputs"][0](), sample_weight=[WEIGHT, WEIGHT])
    np.testing.assert_allclose(several.cv_loss, one.cv_loss, rtol=1e-6)
    assert any("divided by their mean" in note for note in one.notes)
    assert any("divided by the mean of each row's largest weight" in note for note in several.notes)
    assert not np.allclose(one.cv_loss, fit(STRUCTURES["two_outputs"][0]()).cv_loss, rtol=1e-3)


def test_a_single_output_may_be_named():
    inputs = keras.Input((4,))
    case = Case(keras.Model(inputs, layers.Dense(1, name="z")(inputs)), {"loss": "mse"}, A, AMOUNT)
    named, plain = (fit(case, sample_weight=weight) for weight in ({"z": WEIGHT}, WEIGHT))
    np.testing.assert_array_equal(named.cv_loss, plain.cv_loss)


def test_metrics_and_the_null_model_have_the_weights_of_their_output():
    metrics: dict[str, Any] = {"weighted_metrics": [["mae"], ["accuracy"]]}
    path = fit(STRUCTURES["two_outputs"][0](), metrics, sample_weight=SEVERAL)
    amount, kind = (value[:, 1] for value in path.predictions)
    error, right = np.abs(amount[:, 0] - AMOUNT[:, 0]), kind.argmax(axis=1) == LABELS
    assert path.metrics["amount_mae"][1] == pytest.approx(np.average(error, weights=WEIGHT), rel=1e-5)
    assert path.metrics["kind_accuracy"][1] == pytest.approx(np.average(right, weights=SOME), rel=1e-5)
    assert path.metrics["kind_accuracy"][1] != pytest.approx(right.mean(), rel=1e-3)
    largest, losses = np.maximum(WEIGHT, SOME), []
    for rows, held in zip(path.folds.train, path.folds.held_out, strict=True):
        share = np.bincount(LABELS[rows], SOME[rows], 3) / SOME[rows].sum()
        squared = (AMOUNT[held, 0] - np.average(AMOUNT[rows, 0], weights=WEIGHT[rows])) ** 2
        whole = 0.5 * WEIGHT[held] @ squared - 2 * SOME[held] @ np.log(share[LABELS[held]])
        losses.append(whole / largest[held].sum())
    assert path.null_loss == pytest.approx(np.average(losses, weights=_fold_weight(path, largest)), rel=1e-5)


def _fold_weight(path: sh.Path, weight: np.ndarray) -> list[float]:
    return [weight[held].sum() for held in path.folds.held_out]


def test_rows_without_a_label_of_an_output_do_not_change_it():
    """Whatever is in their place, the path is the same to the bit."""
    other = [AMOUNT, np.where(SOME > 0, LABELS, (LABELS + 1) % 3)]
    options: dict[str, Any] = {"sample_weight": SEVERAL, "cv": np.arange(40) % 2}
    path = fit(STRUCTURES["two_outputs"][0](), **options)
    changed = fit(STRUCTURES["two_outputs"][0]()._replace(y=other), **options)
    np.testing.assert_array_equal(changed.cv_loss, path.cv_loss)
    assert not np.array_equal(other[1], LABELS)


@pytest.mark.parametrize("weights", [SEVERAL, (None, SOME)], ids=["names", "none in training"])
def test_validation_rows_have_weights_per_output(weights):
    case = STRUCTURES["two_outputs"][0]()
    held, whole = (B[:9], A[:9]), not isinstance(weights, dict)
    validation = {"right": held[0], "left": held[1]}, [AMOUNT[:9], LABELS[:9]], [np.ones(9), SOME[:9]]
    path = fit(case, validation_data=validation, sample_weight=None if whole else weights)
    amount, kind = (value[:, 0] for value in path.predictions)
    losses = 0.5 * ((amount - AMOUNT[:9]) ** 2)[:, 0] - 2 * SOME[:9] * np.log(kind[np.arange(9), LABELS[:9]])
    np.testing.assert_allclose(path.row_loss[:, 0], losses, rtol=1e-5)
    assert SOME[:9].min() == 0 and path.mean[0] == pytest.approx(losses.mean(), rel=1e-5)


def test_a_dataset_may_give_weights_per_output():
    case = STRUCTURES["two_outputs"][0]()
    rows = (A, B), (AMOUNT, LABELS), (WEIGHT, SOME)
    expected = fit(case, sample_weight=[WEIGHT, SOME])
    found = fit(case._replace(x=tf.data.Dataset.from_tensor_slices(rows).batch(7), y=None))
    np.testing.assert_array_equal(found.row_loss, expected.row_loss)


@pytest.mark.full
def test_weights_per_output_of_rows_on_disk(monkeypatch):
    """Held-out losses are close to those of the same rows in memory; batches and folds are drawn otherwise."""
    monkeypatch.setattr(_dataset, "_READ", (500, 2**24))
    monkeypatch.setattr(_stored, "BLOCK_ROWS", 1000)
    rng, n = np.random.default_rng(0), 4000
    x = rng.normal(size=(n, 3)).astype("float32")
    y = [(x @ rng.normal(size=(3, 1))).astype("float32"), (x[:, 1] > 0).astype("float32")]
    weight = rng.uniform(0.5, 2, n).astype("float32"), (rng.uniform(size=n) > 0.5).astype("float32")
    inputs = keras.Input((3,))
    outputs = [layers.Dense(1, name="a")(inputs), layers.Dense(1, "sigmoid", name="b")(inputs)]
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(0.01), ["mse", "binary_crossentropy"])
    options: dict[str, Any] = {"penalty": "l2", "lams": [1e-3], "cv": 2, "epochs": 6, "batch_size": 16}
    data = tf.data.Dataset.from_tensor_slices((x, tuple(y), weight)).batch(16)
    streamed = sh.fit(model, data, max_memory=2e5, **options)
    expected = sh.fit(model, x, y, sample_weight=weight, **options)
    assert streamed.plan["blocks"] > 1 and expected.mean[0] < 0.5 * expected.null_loss
    np.testing.assert_allclose(streamed.mean, expected.mean, rtol=0.1)
