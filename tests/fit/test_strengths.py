"""The grid that grows, and strengths that diverge."""

from typing import Any

import keras
import numpy as np
import pytest

import shrinkage as sh
from shrinkage._search import _grid
from tests.fit.fitting import TARGET, N, X, fit, line


def test_the_grid_grows_upwards_to_its_limit():
    """Noise that no column explains: the more shrinkage, the better, without end."""
    noise = np.random.default_rng(5).normal(size=N)
    options: dict[str, Any] = {"how": sh.Proximal(), "epochs": 25, "batch_size": 20, "epoch": "last"}
    path = fit(line(), y=noise, lams="auto", **options)
    assert len(path.lams) == 21 + 12 and (np.diff(path.lams) < 0).all() and path.lams[-1] == 0
    assert N * path.lams[0] == pytest.approx(10**4.75, rel=1e-5) and path.index_min == 0
    assert path.notes == ()  # the last strengths are alike: stronger ones would be no better, and no note says so
    assert path.cv_loss.shape == (3, 33, 25) and len(path.weights[0]) == 33
    alone = fit(line(), y=noise, lams=path.lams[:3], **options)
    np.testing.assert_allclose(path.cv_loss[:, :3], alone.cv_loss[:, :3], rtol=1e-5)  # in their places


@pytest.mark.parametrize(("mean", "n_notes"), [([0.5, 0.6, 0.7, 0.8], 1), ([0.5, 0.5001, 0.7, 0.8], 0)])
def test_the_limit_of_the_grid_is_noted_where_the_loss_still_falls_towards_it(mean, n_notes):
    notes = _grid._make_limit_notes(np.array([100.0, 10.0, 1.0, 0.0]), np.array(mean), decades_up=3, decades_down=0)
    assert len(notes) == n_notes
    assert all("extended by three decades" in note and "give `lams`" in note for note in notes)


@pytest.mark.full
def test_the_grid_grows_downwards(float64):
    """Almost no noise, few rows: a little shrinkage is best, less than the grid's least."""
    generator = np.random.default_rng(3)
    x = generator.normal(size=(24, 6))
    y = x @ generator.normal(size=6) + 0.0002 * generator.normal(size=24)
    model = line(optimizer=keras.optimizers.SGD(0.1, momentum=0.8))
    path = fit(model, x=x, y=y, lams="auto", cv=2, epochs=400, batch_size=12, epoch="last")
    assert len(path.lams) == 21 + 4 and 24 * path.lams[-2] == pytest.approx(1e-4, rel=1e-5)
    assert 19 < path.index_min < 24 and path.mean[-1] > path.mean.min() and path.notes == ()
    assert (np.diff(path.lams) < 0).all() and path.lams[-1] == 0


def test_a_diverged_strength_is_shown_and_not_chosen():
    with np.errstate(all="ignore"):
        path = fit(line(), y=TARGET, lams=[1e6, 0.01], epochs=12)
    assert [status.name for status in path.full_status] == ["DIVERGED", "OK", "OK"]
    assert [status.name for status in path.status[0]] == ["DIVERGED", "OK", "OK"]
    assert path.failed.tolist() == [True, False, False] and path.lam_min < 1e6 and path.lam_1se < 1e6
    assert np.isnan(path.cv_loss[:, 0, -1]).all() and np.isfinite(path.cv_loss[:, 1:]).all()
    assert "diverged" in repr(path) and np.isfinite(path.model().predict(X, verbose=0)).all()
    with pytest.raises(ValueError, match="Received: lam = .*, whose model diverged.*Choose another strength"):
        path.model(1e6)
    steady = fit(line(), y=TARGET, lams=[0.02, 0.01], epochs=12)
    np.testing.assert_array_equal(path.cv_loss[:, 1:], steady.cv_loss[:, 1:])  # the others do not notice


@pytest.mark.parametrize(
    ("changes", "extra"),
    [
        ({"lams": [0.1]}, {}),
        ({"cv": 0.3}, {}),
        ({"penalty": sh.GroupLasso()}, {"zero_groups"}),
        ({"epoch": "last", "progress": True}, {}),
        ({"patience": 2, "epochs": 9}, {}),
    ],
    ids=["strengths", "one split", "group lasso", "last epoch", "patience"],
)
def test_when_all_diverge_the_curves_come_back_without_a_choice(tmp_path, changes, extra):
    model = line()
    model.compile(keras.optimizers.SGD(10.0), "mean_squared_error", metrics=["mae"])
    with np.errstate(all="ignore"):
        path = fit(model, y=TARGET, **{"epochs": 12} | changes)
    assert path.failed.all() and np.isnan(path.cv_loss[:, :, -1]).all() and np.isfinite(path.cv_loss[:, :, 0]).all()
    assert {status.name for status in path.full_status} == {"SKIPPED"} and path.weights == ()
    for name in {"norm", "nonzero", *extra}:
        assert np.isnan(getattr(path, name)).all()
    assert "then all rows" not in repr(path) and "Lower the learning rate" in " ".join(repr(path).split())
    for lam in ("min", 0.0):
        with pytest.raises(sh.NothingToChoose, match="Lower the learning rate"):
            path.model(lam)
    path.plot(tmp_path / "path.png")
    path.save(tmp_path / "run")
    assert repr(sh.Path.load(tmp_path / "run")) == repr(path)


def test_metrics_of_predictions_that_are_no_numbers_are_none():
    """An accuracy of NaN looks like that of the first class."""
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3, "softmax")])
    model.compile(keras.optimizers.SGD(1e38), "sparse_categorical_crossentropy", metrics=["accuracy"])
    with np.errstate(all="ignore"):
        path = sh.fit(model, 1e20 * np.ones((24, 3)), np.arange(24) % 3, penalty=sh.L2(), cv=2, epochs=3)
    lost = np.isnan(path.predictions).any(axis=(0, 2))
    assert lost.any() and np.isnan(path.metrics["accuracy"][lost]).all()
