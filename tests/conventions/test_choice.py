"""The choice."""

import keras
import numpy as np
import pytest
from keras import layers

from shrinkage._cv._choice import choose_strengths
from shrinkage._cv._statistics import summarise
from tests.conventions.models import CLASSES, ETA, N, X, Y, classifier, fit, folds, line, prepared, ridge


def test_the_curve_picks_the_epoch():
    too_fast = keras.optimizers.SGD(1.2)  # the loss grows
    best, second = (fit(line(too_fast), epochs=3, epoch=epoch) for epoch in ("best", 2))
    assert best.epochs.tolist() == (1 + best.cv_loss[0].argmin(axis=1)).tolist() == [1, 1]
    assert second.epochs.tolist() == [2, 2] and ridge().epochs.tolist() == [200, 200]
    assert best.mean[0] == best.cv_loss[0, 0, 0] != best.cv_loss[0, 0, 2]


def test_min_and_1se():
    index_min, index_1se = choose_strengths([0.9, 0.45, 0.4, 0.4, 0.6], [0.1] * 5)
    assert (index_min, index_1se) == (2, 1)
    path = folds()
    assert (path.lam_min, path.lam_1se) == tuple(path.lams[list(choose_strengths(path.mean, path.se))])


def test_mean_and_standard_error():
    loss, weight = np.array([[1.0], [2.0], [4.0]]), np.array([2.0, 1.0, 1.0])
    mean, se = summarise(loss, weight)
    assert mean[0] == pytest.approx(2.0)
    assert se[0] == pytest.approx(np.sqrt((0.5 * 1 + 0.25 * 0 + 0.25 * 4) / 2))


def test_one_split_has_the_standard_error_of_its_rows():
    path = ridge()
    np.testing.assert_allclose(path.se, path.row_loss.std(axis=0, ddof=1) / np.sqrt(N))
    assert path.single_split and (path.se > 0).all() and not folds().single_split
    weight = np.arange(N) % 4 / 1.5  # 10 rows of weight 0
    path = fit(line(keras.optimizers.SGD(ETA)), validation_data=(X, Y, weight))
    loss = path.row_loss - np.average(path.row_loss, axis=0, weights=weight)
    left_out = [weight[i] * loss[i] / (weight.sum() - weight[i]) for i in range(N) if weight[i]]
    np.testing.assert_allclose(path.se, np.sqrt(29 / 30 * np.sum(np.square(left_out), axis=0)), rtol=1e-6)
    assert path.gain.mean == pytest.approx(path.mean[-1] - path.mean[path.index_min], abs=1e-12)


def test_patience_is_of_each_strength():
    """At lam = 3 the rate is too fast, so that the loss grows from the first epoch on."""
    model = line(keras.optimizers.SGD(0.3))
    path = fit(model, lams=[3.0, 0.1], epochs=9, patience=2, epoch="best")
    trained = (~np.isnan(path.cv_loss[0])).sum(axis=1)
    assert path.epochs.tolist()[0] == 1 and trained[0] == 3 and trained[2] == 9 and not path.failed.any()


def test_folds_of_classes_are_stratified():
    assert prepared(classifier(), y=CLASSES).folds.kind == "stratified k-fold"
    assert prepared(line("sgd")).folds.kind == "k-fold"
    folds = prepared(two_outputs(), y=[Y, CLASSES]).folds
    assert folds.kind == "stratified k-fold"
    shares = [np.bincount(CLASSES[rows], minlength=3) for rows in folds.held_out]
    assert (np.ptp(shares, axis=0) <= 1).all()


def two_outputs() -> keras.Model:
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [layers.Dense(1)(inputs), layers.Dense(3, "softmax")(inputs)])
    model.compile("sgd", ["mse", "sparse_categorical_crossentropy"], loss_weights=[0.5, 2.0])
    return model


def test_the_losses_of_outputs_add_up():
    path = fit(two_outputs(), y=[Y, CLASSES])
    amount, kind = (predicted[:, 0] for predicted in path.predictions)
    squared, log = ((amount[:, 0] - Y) ** 2).mean(), -np.log(kind[np.arange(N), CLASSES]).mean()
    assert path.mean[0] == pytest.approx(0.5 * squared + 2 * log, rel=1e-5)


def test_losses_that_mix_rows_are_scored_in_batches():
    model = keras.Sequential([keras.Input((3,)), layers.Dense(1, "sigmoid")])
    model.compile("sgd", "dice")
    y = (Y > 0).astype("float32")[:, None]
    path = fit(model, y=y, batch_size=15)
    probability = path.predictions[:, 0]
    batches = [slice(start, min(start + 15, N)) for start in range(0, N, 15)]
    losses = [1 - 2 * (y[b] * probability[b]).sum() / (y[b].sum() + probability[b].sum()) for b in batches]
    assert path.mean[0] == pytest.approx(np.average(losses, weights=[15, 15, 10]), rel=1e-5)
    assert path.single_split and np.isnan(path.se).all() and any("mixes the rows" in note for note in path.notes)
