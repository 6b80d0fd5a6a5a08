"""`TableNormalization` in a cohort: each fold has the statistics of its training rows, in memory and on disk."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from shrinkage._cohort._stream import StreamCohort
from shrinkage._data import _dataset, _stored
from shrinkage._model._table_normalization import TableNormalization
from shrinkage._plan._runner import Runner
from shrinkage._problem import _stream
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request

N, FOLDS = 1200, 3
RNG = np.random.default_rng(0)
X = RNG.normal([5.0, -1.0, 0.0], [2.0, 0.1, 30.0], size=(N, 3)).astype("float32")
X[RNG.uniform(size=N) < 0.2, 1] = np.nan
X[::400, 0] = 1e6  # far outside
Y = RNG.normal(size=(N, 1)).astype("float32")
WEIGHT = RNG.choice([0.0, 1.0, 3.0], N).astype("float32")


def linear(clip: bool) -> keras.Model:
    """A model whose members keep their first weights."""
    model = keras.Sequential([keras.Input((3,)), TableNormalization(clip), layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    return model


def runner(rows: tuple[Any, ...], clip: bool, **options: Any) -> Runner:
    request = Request(
        linear(clip), *rows, penalty="l2", lams=[0.1], cv=FOLDS, epochs=1, plan={"rules": True, "xla": False}, **options
    )
    return Runner(prepare_problem(request), request.plan, request.max_memory)


def expected(x: np.ndarray, weight: np.ndarray, clip: bool) -> np.ndarray:
    """Low, high, mean and deviation of each column, (4, 3)."""
    found = []
    for column in x.T.astype(np.float64):
        known, w = (part[~np.isnan(column) & (weight > 0)] for part in (column, weight.astype(np.float64)))
        low, high = np.finfo("float32").min, np.finfo("float32").max
        if clip:
            first, last = np.quantile(known, 0.01, method="higher"), np.quantile(known, 0.99, method="lower")
            low, high = first - 3 * (last - first), last + 3 * (last - first)
        values = np.clip(known, low, high)
        mean = np.average(values, weights=w)
        found.append((low, high, mean, np.sqrt(np.average((values - mean) ** 2, weights=w))))
    return np.array(found).T


@pytest.mark.parametrize("clip", [True, False])
def test_members_score_by_the_statistics_of_their_training_rows(clip):
    made = runner((X, Y), clip, sample_weight=WEIGHT)
    cohort, folds = made.make_cohort(2), made.problem.folds
    cohort.start(np.array([[0.1, 0.0]] * FOLDS))
    found = cohort.evaluate().cv_loss
    for f in range(FOLDS):
        *statistics, kernel, bias = cohort.get_values(f, 0)
        train, held_out = folds.train[f], folds.held_out[f]
        # float32 statistics, and sums in another order
        np.testing.assert_allclose(statistics, expected(X[train], WEIGHT[train], clip), rtol=1e-5)
        low, high, mean, deviation = statistics
        standardised = (np.clip(np.nan_to_num(X[held_out]), low, high) - mean) / deviation
        standardised[np.isnan(X[held_out])] = 0.0
        losses = (standardised @ kernel + bias - Y[held_out])[:, 0] ** 2
        np.testing.assert_allclose(found[f], np.average(losses, weights=WEIGHT[held_out]), rtol=1e-4)
        if clip:
            assert high[0] < 1e3 and np.abs(standardised).max() < 50
        else:
            assert standardised.max() > 10 * np.median(standardised)
    assert np.ptp(found) > 1e-3, "the folds differ"
    trained = made.make_full_cohort(1)
    trained.start(np.array([[0.1]]))
    np.testing.assert_allclose(trained.get_values(0, 0)[:4], expected(X, WEIGHT, clip), rtol=1e-5)


def test_strengths_share_the_statistics_of_a_fold():
    cohort = runner((X, Y), True).make_cohort(2)
    cohort.start(np.array([[0.1, 0.0]] * FOLDS))
    cohort.train_epoch(0)
    for one, other in zip(cohort.get_values(0, 0)[:4], cohort.get_values(0, 1)[:4], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(cohort.get_values(0, 0)[2], cohort.get_values(1, 0)[2])


@pytest.mark.parametrize("clip", [True, False])
def test_rows_on_disk_have_the_statistics_of_the_first_block(clip, monkeypatch):
    """Quantiles of blocks cannot be merged, and a block is a random sample of the rows."""
    for module in (_stored, _stream):
        monkeypatch.setattr(module, "BLOCK_ROWS", 500)
    monkeypatch.setattr(_dataset, "_READ", (100, 2**24))
    dataset = tf.data.Dataset.from_tensor_slices((X, Y, WEIGHT)).batch(50)
    made = runner((dataset,), clip, max_memory=2e4)
    stored, cohort = made.problem.stored_rows, made.make_cohort(1)
    assert stored is not None and stored.n_blocks == 3 and isinstance(cohort, StreamCohort)
    cohort.start(np.full((FOLDS, 1), 0.1))
    first = next(stored.read_blocks())
    for f in range(FOLDS):
        rows = first.sides.train[f]
        found = np.array(cohort.get_values(f, 0)[:4])
        np.testing.assert_allclose(found, expected(first.data.x[rows], first.data.weight[rows], clip), rtol=1e-5)
        whole = expected(X[made.problem.folds.train[f]], WEIGHT[made.problem.folds.train[f]], clip)
        if clip:  # else a cell far outside dominates the deviation
            assert (np.abs(found[2] - whole[2]) < 0.3 * whole[3]).all(), "near those of all rows"
    assert np.isfinite(cohort.evaluate().cv_loss).all()
