"""Rows that are held out, standardised and weighted."""

import keras
import numpy as np
import pytest
from keras import layers

from tests.fit.fitting import TARGET, N, X, Y, classifier, fit, held_by, line, three_folds


def test_no_fold_sees_the_rows_it_holds_out():
    """A changed target of a row changes the predictions for other rows, and not for the row."""
    row = 7
    changed = TARGET.copy()
    changed[row] += 100
    first, other = (fit(line(), y=y, epoch="last") for y in (TARGET, changed))
    moved = np.abs(first.predictions - other.predictions).max(axis=(1, 2)) > 0
    (fold,) = (fold for fold in range(3) if row in first.folds.held_out[fold])
    np.testing.assert_array_equal(moved, ~held_by(first, fold))
    assert moved.sum() in (38, 39) and not moved[row]
    assert np.abs(first.weights[0] - other.weights[0]).max() > 0.1


def test_another_input_in_one_row_does_not_move_its_folds_normalization():
    model = keras.Sequential([keras.Input((6,)), layers.Normalization(), layers.Dense(1)])
    model.layers[0].adapt(X)
    model.compile("sgd", "mean_squared_error")
    row, changed = 7, X.copy()
    changed[row] += 100
    first, other = (fit(model, x=x, y=TARGET, init="fresh", epoch="last") for x in (X, changed))
    (fold,) = (fold for fold in range(3) if row in first.folds.held_out[fold])
    same = held_by(first, fold) & (np.arange(N) != row)
    np.testing.assert_array_equal(first.predictions[same], other.predictions[same])
    assert (np.abs(first.predictions - other.predictions).max(axis=(1, 2))[~same] > 1e-3).all()


def test_standardised_targets_and_the_units_they_come_back_in():
    y = 50 * TARGET + 1000
    path = fit(line(metrics=["mae"]), y=y, standardize_target=True, epochs=8)
    assert path.target_mean == pytest.approx(y.mean()) and path.target_sd == pytest.approx(y.std(), rel=1e-5)
    held = y[path.held_out_rows, None]
    np.testing.assert_allclose(path.targets, held, rtol=1e-6)  # float32
    np.testing.assert_allclose(path.row_loss, ((path.predictions[..., 0] - held) / y.std()) ** 2, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(path.metrics["mae"], np.abs(path.predictions[..., 0] - held).mean(axis=0), rtol=1e-4)
    for fold in range(3):
        np.testing.assert_allclose(path.fold_loss[fold], path.row_loss[held_by(path, fold)].mean(axis=0), rtol=1e-4)
    predicted = path.target_mean + path.target_sd * path.model().predict(X, verbose=0)[:, 0]
    assert np.corrcoef(predicted, y)[0, 1] > 0.9 and abs(predicted.mean() - y.mean()) < 0.2 * y.std()
    mean = [(y[h] - y[t].mean()) ** 2 for t, h in zip(path.folds.train, path.folds.held_out, strict=True)]
    assert path.null_loss == pytest.approx(np.concatenate(mean).mean() / y.var(), rel=1e-4)


def test_standardised_in_each_folds_own_rows():
    """A model that learns nothing predicts 0, which is its own training rows' mean."""
    path = fit(line(optimizer=keras.optimizers.SGD(0.0)), x=0 * X, y=TARGET, standardize_target=True, epochs=1)
    for fold, train in enumerate(path.folds.train):
        np.testing.assert_allclose(path.predictions[held_by(path, fold)], TARGET[train].mean(), rtol=1e-5)


def test_metrics_have_no_numbers_of_keras():
    """Keras counts the metrics of a class in the whole process: auc, auc_1, auc_2, ..."""
    keras.metrics.AUC()
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1, "sigmoid")])
    metrics = ["auc", keras.metrics.AUC(curve="PR"), keras.metrics.Recall(name="recall_1"), "accuracy"]
    metrics += [keras.metrics.AUC(name="top_5")]
    model.compile("sgd", "binary_crossentropy", metrics=metrics, weighted_metrics=["accuracy"])
    path = fit(model, y=Y > 0, lams=[0.1], epochs=1)
    assert list(path.metrics) == ["auc", "auc_1", "recall", "accuracy", "top_5", "weighted_accuracy"]
    assert list(path.null_metrics) == list(path.metrics)
    np.testing.assert_array_equal(path.metrics["auc"], path.metrics["top_5"])


def test_weighted_rows_weigh_in_the_losses():
    weight = np.linspace(0, 2, N)
    path = fit(
        classifier(weighted_metrics=[keras.metrics.SparseCategoricalAccuracy(name="weighted")]), sample_weight=weight
    )
    scaled = weight / weight.mean()
    for fold, held_out in enumerate(path.folds.held_out):
        expected = np.average(path.row_loss[held_by(path, fold)], axis=0, weights=scaled[held_out])
        np.testing.assert_allclose(path.fold_loss[fold], expected, rtol=1e-5)
        assert path.fold_weight[fold] == pytest.approx(scaled[held_out].sum(), rel=1e-5)
    right = path.predictions.argmax(axis=2) == Y[path.held_out_rows, None]
    np.testing.assert_allclose(path.metrics["accuracy"], right.mean(axis=0), rtol=1e-5)
    expected = np.average(right, axis=0, weights=weight[path.held_out_rows])
    np.testing.assert_allclose(path.metrics["weighted"], expected, rtol=1e-5)
    assert np.abs(expected - right.mean(axis=0)).max() > 1e-3


def test_data_frames_are_rows_too():
    import pandas as pd

    frame, labels = pd.DataFrame(X, columns=list("abcdef")), pd.Series(Y, index=np.arange(N) + 1000)
    path = fit(classifier(), x=frame, y=labels)
    assert path.cv_loss.tobytes() == three_folds().cv_loss.tobytes()
