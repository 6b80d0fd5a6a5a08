"""The epoch that each strength keeps, and patience."""

from typing import Any

import keras
import numpy as np
import pytest

from tests.fit.fitting import TARGET, N, X, classifier, fit, held_by, line


def test_each_strength_keeps_its_epoch():
    options: dict[str, Any] = {"y": TARGET, "lams": [3.0, 0.01]}
    best = fit(line(), epochs=6, **options)
    np.testing.assert_array_equal(
        best.epochs, 1 + np.average(best.cv_loss, axis=0, weights=[20, 19, 19]).argmin(axis=-1)
    )
    third, last = fit(line(), epochs=6, epoch=3, **options), fit(line(), epochs=3, epoch="last", **options)
    assert third.epochs.tolist() == last.epochs.tolist() == [3] * 3 != best.epochs.tolist()
    assert best.cv_loss.tobytes() == third.cv_loss.tobytes()
    for path in (best, third):
        for fold in range(3):
            of_rows = path.row_loss[held_by(path, fold)].mean(axis=0)
            np.testing.assert_allclose(path.fold_loss[fold], of_rows, rtol=1e-5)
    for mine, other in zip(third.weights, last.weights, strict=True):
        np.testing.assert_array_equal(mine, other)  # the third of six epochs is the last of three
    assert not np.array_equal(third.weights[0], best.weights[0])


@pytest.mark.parametrize("epoch", ["best", "last"])
def test_patience_stops_each_strength_by_its_own_curve(epoch, float64):
    """However strengths are cut into chunks: curves are those of a run without patience, up to the stop."""
    y = np.random.default_rng(0).normal(size=N) + X[:, 0]
    options: dict[str, Any] = {"lams": [3.0, 0.5, 0.02], "y": y, "epochs": 60, "cv": 2, "batch_size": 29}
    options |= {"patience": 3, "epoch": epoch}
    model = line(optimizer=keras.optimizers.SGD(0.05))
    whole = fit(model, **options | {"patience": None})
    mean = np.average(whole.cv_loss, axis=0, weights=whole.fold_weight)
    stops = np.array([_stop(curve, 3) for curve in mean])
    assert len(set(stops)) > 1 and stops.min() > 4 and stops.max() < 60
    for chunk in (1, 2, 4):
        path = fit(model, plan={"chunk": chunk}, **options)
        assert path.cv_loss.shape[2] == stops.max()
        for s, stop in enumerate(stops):
            np.testing.assert_allclose(path.cv_loss[:, s, :stop], whole.cv_loss[:, s, :stop], rtol=1e-10)
            assert np.isnan(path.cv_loss[:, s, stop:]).all() and np.isnan(path.train_loss[:, s, stop:]).all()
        expected = stops if epoch == "last" else stops - 3
        np.testing.assert_array_equal(path.epochs, expected)
        for fold in range(2):  # what is kept of each row is of that epoch too
            of_rows = path.row_loss[held_by(path, fold)].mean(axis=0)
            np.testing.assert_allclose(path.fold_loss[fold], of_rows, rtol=1e-10)
        assert not path.failed.any() and str(path) and path.table().notna().all(axis=None)


def _stop(curve: np.ndarray, patience: int) -> int:
    """The epoch, from 1, at which the least loss so far is `patience` epochs old."""
    return next(e + 1 for e in range(len(curve)) if e - int(curve[: e + 1].argmin()) == patience)


def test_a_strength_that_would_diverge_after_its_stop_has_not_diverged():
    """Its members go on beside others that have not stopped, and what becomes of them counts nowhere."""
    options: dict[str, Any] = {"y": TARGET, "lams": [32.0, 0.01], "epochs": 60, "patience": 1, "cv": 2}
    with np.errstate(all="ignore"):
        together, apart = (fit(line(), plan={"chunk": chunk}, **options) for chunk in (3, 1))
        whole = fit(line(), **options | {"patience": None})
    assert whole.failed[0] and together.epochs[0] < together.epochs[1]
    assert not together.failed.any() and not apart.failed.any() and np.isfinite(together.mean).all()
    np.testing.assert_array_equal(together.epochs, apart.epochs)


def test_patience_does_not_stop_before_the_epoch_to_keep():
    with pytest.raises(ValueError, match="`patience` must be left out with epoch=3.* Received: patience=1"):
        fit(classifier(), patience=1, epoch=3)
