"""`path.trials`: a row for each member, of a grid as of a search."""

from dataclasses import replace

import numpy as np
import pytest

import shrinkage as sh
from shrinkage._cv._statistics import compute_paired_errors
from shrinkage._path._path import Path
from tests.fit.fitting import LAMS, TARGET, fit, line
from tests.path.test_repeats import repeated
from tests.path.verdicts.curves import rung
from tests.synthetic_path import diverged, make_path


def columns(path: Path) -> dict[str, np.ndarray]:
    """Return the columns as arrays (F, S)."""
    return {str(name): np.asarray(column).reshape(path.fold_loss.shape) for name, column in path.trials.items()}


def test_a_grid_has_a_row_for_each_fold_and_strength():
    path = make_path()
    trials = columns(path)
    assert (trials["fold"] == np.arange(1, 6)[:, None]).all() and (trials["rows"] == 160).all()
    assert (trials["lam"] == path.lams).all() and (trials["epoch"] == path.epochs).all()
    np.testing.assert_allclose(trials["delta"], np.tile(200 * path.lams, (5, 1)))
    np.testing.assert_array_equal(trials["loss"], path.fold_loss)
    np.testing.assert_allclose(trials["difference"], path.fold_loss - path.fold_loss[:, [path.index]])


def test_the_error_of_a_fold_is_over_its_rows():
    path = make_path()
    errors = columns(path)["error"]
    assert (errors[:, path.index] == 0).all() and errors[:, -1].min() > 0
    for fold, rows in enumerate(path.folds.held_out):
        inside = np.isin(path.held_out_rows, rows)
        difference = path.row_loss[inside] - path.row_loss[inside][:, [path.index]]
        np.testing.assert_allclose(errors[fold], difference.std(axis=0, ddof=1) / np.sqrt(inside.sum()), atol=1e-15)
        np.testing.assert_array_equal(errors[fold], compute_paired_errors(path.row_loss[inside], path.index))
    assert np.isnan(columns(repeated())["error"]).all(), "a row has the mean loss of several members"


def test_the_cost_has_the_epochs_up_to_the_last_score_and_a_third_of_a_row_for_scoring():
    path = make_path()  # 160 rows in 6 epochs, and 40 held-out and 40 training rows are scored after each
    np.testing.assert_allclose(path.trials["cost"], (160 * 6 + 80 / 3 * 6) / (200 * 6))
    cv_loss = path.cv_loss.copy()
    cv_loss[:, 0, 2:] = np.nan  # patience stopped it
    cv_loss[:, 1, [0, 2, 4]] = np.nan  # scored every other epoch
    cost = columns(replace(path, cv_loss=cv_loss, epochs=np.full(len(path.lams), 2)))["cost"]
    np.testing.assert_allclose(cost[:, 0], (160 * 2 + 80 / 3 * 2) / (200 * 6))
    np.testing.assert_allclose(cost[:, 1], (160 * 6 + 80 / 3 * 3) / (200 * 6))


def test_a_search_has_one_fold():
    path = rung([0.9, 0.5, 0.6, 0.7])
    trials = columns(path)
    assert trials["fold"].tolist() == [[1] * 4] and trials["difference"][0, path.index] == 0


def test_nothing_is_compared_where_every_strength_diverged():
    path = make_path()
    trials = columns(replace(path, **diverged(path, np.full(len(path.lams), True))))
    assert np.isnan(trials["difference"]).all() and np.isnan(trials["error"]).all()


@pytest.mark.parametrize("rate", [0.05, "schedule"])
def test_the_delta_of_decoupled_decay_has_the_sum_of_the_learning_rates(rate, tmp_path):
    """58 rows in batches of 8 or 9 are 7 steps an epoch, of which there are 3."""
    import keras

    total = 21 * 0.05
    if rate == "schedule":
        rate, total = keras.optimizers.schedules.PiecewiseConstantDecay([9], [0.05, 0.01]), 10 * 0.05 + 11 * 0.01
    path = fit(line(optimizer=keras.optimizers.SGD(rate)), y=TARGET, how=sh.Decoupled())
    assert path.lams.tolist() == [*LAMS, 0.0]
    np.testing.assert_allclose(path.trials["delta"], np.tile(path.lams * total, 3), rtol=1e-5)
    assert fit(line(), y=TARGET, how=sh.Decoupled(), plan=path.plan).plan["chunk"] == path.plan["chunk"]
    path.save(tmp_path / "path")
    assert sh.Path.load(tmp_path / "path").trials.equals(path.trials)
    earlier = replace(path, plan={name: value for name, value in path.plan.items() if name != "rate_sum"})
    assert np.isnan(columns(earlier)["delta"]).all()


def test_other_ways_have_no_sum_of_learning_rates():
    path = fit(line(), y=TARGET)
    assert path.plan["rate_sum"] is None
    np.testing.assert_allclose(path.trials["delta"], np.tile(path.lams * 58, 3))
