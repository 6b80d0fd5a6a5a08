"""Splits of the rows."""

import keras
import numpy as np
import pytest
from scipy import stats
from sklearn.model_selection import TimeSeriesSplit

import shrinkage as sh
from shrinkage._cv._folds import select_scored_rows
from shrinkage._cv._subsets import cut_folds
from tests.conventions.models import B0, ETA, RNG, W0, N, X, Y, fit, line, prepared


def test_folds_of_several_labels_are_stratified():
    labels = RNG.permuted(np.arange(N)[:, None] < [20, 10, 6], axis=0).astype("float32")
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, "sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    split = prepared(model, y=labels, cv=4, init="fresh").folds
    counts = np.array([labels[rows].sum(axis=0) for rows in split.held_out])
    assert split.kind == "stratified k-fold" and (np.ptp(counts, axis=0) <= 1).all() and counts.sum() > 20


def test_cv_takes_splitters_numbers_and_pairs():
    pairs = list(TimeSeriesSplit(3).split(X))
    numbers = np.arange(N) // 10 - 1  # rows 0 to 9 only train
    for cv in (TimeSeriesSplit(3), pairs):
        for found, wanted in zip(prepared(line("sgd"), cv=cv).folds.train, pairs, strict=True):
            np.testing.assert_array_equal(found, wanted[0])
    split = prepared(line("sgd"), cv=numbers).folds
    assert [rows.tolist() for rows in split.held_out] == [[*range(10, 20)], [*range(20, 30)], [*range(30, 40)]]
    assert all({*range(10)} <= {*rows.tolist()} for rows in split.train)


def test_groups_are_never_on_both_sides():
    groups = RNG.permutation(np.arange(N) // 4)
    for cv, number in ((5, 2), (0.3, 3)):
        split = prepared(line("sgd"), cv=cv, groups=groups).folds
        for train, held_out in zip(split.train, split.held_out, strict=True):
            assert not {*groups[train]} & {*groups[held_out]} and len({*groups[held_out]}) == number


def test_repeats_begin_with_the_folds_of_one():
    once, twice = (fit(line(keras.optimizers.SGD(ETA)), cv=4, batch_size=10, repeats=r) for r in (1, 2))
    np.testing.assert_array_equal(twice.cv_loss[:4], once.cv_loss)
    assert twice.cv_loss.shape[0] == 8 and (twice.cv_loss[4:] != once.cv_loss).all()
    np.testing.assert_array_equal(np.sort(np.concatenate(twice.folds.held_out[4:])), np.arange(N))


def test_repeats_have_the_error_of_one_and_a_shorter_interval():
    path = fit(line(keras.optimizers.SGD(ETA)), cv=4, batch_size=10, repeats=2, epochs=20)
    loss = path.fold_loss
    np.testing.assert_allclose(path.mean, loss.mean(axis=0))
    within = [part.var(axis=0, ddof=1) / 4 for part in (loss[:4], loss[4:])]
    np.testing.assert_allclose(path.se, np.sqrt(np.mean(within, axis=0)))
    difference = path.fold_loss[:, 0] - path.fold_loss[:, path.index_min]
    half = stats.t.ppf(0.975, 7) * np.sqrt((1 / 8 + 10 / 30) * difference.var(ddof=1))
    assert path.index_min == 1 and path.gain_over(0).high - path.gain_over(0).mean == pytest.approx(half) and half > 0


def test_a_row_that_folds_share_is_averaged():
    cv = [([*range(20)], [30, 31, 32, 33]), ([*range(10, 30)], [32, 33, 34, 35]), ([*range(5, 25)], [36, 37])]
    path = fit(line(keras.optimizers.SGD(ETA)), cv=cv, batch_size=20)
    assert path.held_out_rows.tolist() == [*range(30, 38)] and len(path.row_loss) == 8
    parts = [path.row_loss[:4], path.row_loss[2:6], path.row_loss[6:]]
    alone = [fit(line(keras.optimizers.SGD(ETA)), cv=[pair], batch_size=20).row_loss for pair in cv]
    np.testing.assert_allclose(parts[0][:2], alone[0][:2], rtol=1e-5)
    np.testing.assert_allclose(parts[1][:2], (alone[0][2:] + alone[1][:2]) / 2, rtol=1e-5)
    loss, weight = path.fold_loss[:, 0], np.array([4, 4, 2])
    mean = np.average(loss, weights=weight)
    effective = 3 / (10 / 8)  # folds over the times that a row is held out
    se = np.sqrt(np.average((loss - mean) ** 2, weights=weight) / (effective - 1))
    assert path.mean[0] == pytest.approx(mean) and path.se[0] == pytest.approx(se)


def test_training_loss_is_of_rows_of_the_fold():
    problem = prepared(line("sgd"), cv=TimeSeriesSplit(3))
    for rows, train, held_out in zip(
        problem.scored_training_rows, problem.folds.train, problem.folds.held_out, strict=True
    ):
        assert {*rows} <= {*train} and len(rows) == min(len(train), len(held_out)) == 10
    path = fit(line(keras.optimizers.SGD(1e-12)), cv=TimeSeriesSplit(3), batch_size=10)
    squares = np.square(X @ W0 + B0 - Y[:, None])[:, 0]
    scored = select_scored_rows(path.folds, np.ones(N), seed=0)
    for loss, rows in zip(path.train_loss[:, 0, 0], scored, strict=True):
        assert loss == pytest.approx(squares[rows].mean(), rel=1e-5)


def test_models_on_all_rows_do_not_depend_on_the_folds():
    two, five = (fit(line("sgd"), cv=cv, init="fresh", batch_size=8, epochs=2) for cv in (2, 5))
    np.testing.assert_array_equal(two.weights[0], five.weights[0])
    assert (two.cv_loss[0] != five.cv_loss[0]).all()


@pytest.mark.parametrize("how", [sh.Coupled(), sh.Decoupled()], ids=["coupled", "decoupled"])
def test_a_point_of_a_learning_curve_keeps_delta(how):
    lam, y = 0.05, 0.01 * Y  # smaller weights are better
    path = fit(line(keras.optimizers.SGD(ETA)), y, cv=2, lams=[lam], how=how, learning_curve=True)
    learned, coupled = path.learning_curve, how == sh.Coupled()
    assert learned is not None and learned.rows.tolist() == [10, 20] and learned.lams[0] == lam
    for fold, half in enumerate(cut_folds(path.folds, seed=0)[-1].train):
        error, held_out = X[half] @ W0 + B0 - y[half, None], path.folds.held_out[fold]
        slope = 2 * X[half].T @ error / 10 + (lam * N / 10 * W0 if coupled else 0)
        w = W0 - ETA * slope - (0 if coupled else ETA * lam / 0.5 * W0)
        expected = np.mean((X[held_out] @ w + B0 - ETA * 2 * error.mean() - y[held_out, None]) ** 2)
        assert learned.cv_loss[0, fold, 0, 0] == pytest.approx(expected, rel=1e-5)
