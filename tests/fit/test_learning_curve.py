"""A learning curve equals calls of `fit`, and of plain Keras, on the same parts of the rows; where it is refused."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from sklearn.linear_model import Ridge
from sklearn.model_selection import TimeSeriesSplit

import shrinkage as sh
from shrinkage._cohort._initial import make_initial_values
from shrinkage._cv._series import rank_rows_by_time
from shrinkage._cv._statistics import estimate_gain, estimate_row_gain
from shrinkage._cv._subsets import cut_folds
from shrinkage._data._data import select_batch_rows
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request
from tests.daily import some_every_day
from tests.fit.fitting import arrays, fit, line, small_blocks
from tests.zoo import rows

N = 130
X, Y = rows("table", N)
TARGET = X @ [1.0, -2.0, 0.5, 0.0, 0.0, 1.0] + np.random.default_rng(5).normal(size=N)
GROUPS = np.arange(N) // 5


def small(model: keras.Model | None = None, **options: Any) -> sh.Path:
    return fit(model or line(), X, TARGET, **{"learning_curve": True, "cv": 3, **options})


# The call, and the call of a point on its pairs of rows, which differs in `cv` and what stands for it.
CALLS: dict[str, dict[str, Any]] = {
    "k-fold": {},
    "repeats": {"repeats": 2, "cv": 2},
    "single split": {"cv": 0.3},
    "groups": {"groups": GROUPS},
    "time series": {"cv": TimeSeriesSplit(2)},
    "standardised target": {"standardize_target": True},
    "sample weights": {"sample_weight": np.arange(N) % 3 + 0.5},
    "patience": {"patience": 1, "epochs": 6},
    "last epoch": {"epoch": "last"},
    "kept weights": {"init": "keep"},
    "L1": {"penalty": sh.L1()},
    "chosen models": {"models": "chosen"},
    "one strength at a time": {"plan": {"chunk": 1, "xla": False}},
}


@pytest.mark.parametrize("name", some_every_day(CALLS, "single split", "groups", "patience", "one strength at a time"))
def test_a_point_is_a_call_of_fit_on_its_rows(name):
    options, model = CALLS[name], line()
    path = small(model, **options)
    learned = path.learning_curve
    assert learned is not None and len(learned.rows) >= 3
    groups = GROUPS if "groups" in options else None
    time = rank_rows_by_time(path.folds, options.get("cv"))
    cuts = cut_folds(path.folds, groups=groups, seed=0, time=time)[1 - len(learned.rows) :]
    left_out = {"cv", "groups", "repeats", "learning_curve"}
    rest = {name: value for name, value in options.items() if name not in left_out}
    for point, cut in enumerate(cuts):
        pairs = list(zip(cut.train, cut.held_out, strict=True))
        alone = fit(model, X, TARGET, cv=pairs, **{**rest, "lams": learned.lams, "plan": path.plan})
        n_epochs = alone.cv_loss.shape[2]
        assert np.array_equal(learned.cv_loss[point, ..., :n_epochs], alone.cv_loss, equal_nan=True)
        assert np.array_equal(learned.train_loss[point, ..., :n_epochs], alone.train_loss, equal_nan=True)
        assert np.isnan(learned.cv_loss[point, ..., n_epochs:]).all()
        assert np.array_equal(learned.epochs[point], alone.epochs) and np.array_equal(learned.mean[point], alone.mean)
        assert np.array_equal(learned.train_mean[point], alone.train_mean)
        assert learned.rows[point] == cut.train.sizes.mean() < path.folds.train.sizes.mean()
        if "repeats" not in options:  # pairs of rows are not known to be repeats
            assert np.array_equal(learned.se[point], alone.se)


def test_the_last_point_is_the_path_which_a_learning_curve_does_not_change():
    path, plain = small(), small(learning_curve=False)
    learned = path.learning_curve
    assert learned is not None and plain.learning_curve is None
    found, expected = arrays(path), arrays(plain)
    assert {name for name in found if not name.startswith("learning_curve")} == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)
    places = [path.index, len(path.lams) - 1]
    assert np.array_equal(learned.lams, path.lams[places]) and learned.rows[-1] == path.folds.train.sizes.mean()
    assert np.array_equal(learned.cv_loss[-1], path.cv_loss[:, places])
    assert np.array_equal(learned.mean[-1], path.mean[places]) and np.array_equal(learned.se[-1], path.se[places])


def test_a_point_is_plain_keras():
    """Fresh weights and batches of the fold, L2 at n lam / n_part on its rows, and the loss on its held-out rows."""
    given = {"penalty": sh.L2(), "lams": [0.3], "cv": 3, "epochs": 3, "batch_size": 8, "plan": {"xla": False}}
    path = sh.fit(line(), X, TARGET, learning_curve=True, **given)
    learned, fold, point = path.learning_curve, 1, -2
    assert learned is not None and learned.lams.tolist() == [0.3, 0.0]
    training = prepare_problem(
        Request(line(), X, TARGET, penalty=sh.L2(), lams=[0.3], cv=3, epochs=3, batch_size=8)
    ).training
    half = cut_folds(path.folds, seed=0)[-1].train[fold]
    first = make_initial_values(training.template, training.data, [half], [fold], seed=0, init="fresh")[0]
    model = keras.Sequential(
        [keras.Input((6,)), layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.3 * N / len(half) / 2))]
    )
    model.compile(keras.optimizers.SGD(0.05, momentum=0.5), "mean_squared_error")
    model.set_weights([value[0] for value in first])
    held_out, steps = path.folds.held_out[fold], round(len(half) / 8)
    for epoch in range(3):
        for batch in select_batch_rows(half, seed=0, fold=fold, epoch=epoch, steps=steps, batch_size=8):
            model.train_on_batch(X[batch].astype("float32"), TARGET[batch].astype("float32"))
        error = model.predict(X[held_out], verbose=0)[:, 0] - TARGET[held_out]
        assert learned.cv_loss[point, fold, 0, epoch] == pytest.approx(np.mean(error**2), rel=1e-5)


def test_an_exact_point_is_ridge():
    path = small(solver="exact", epochs=None, batch_size=None, lams=[3.0, 0.1])
    learned = path.learning_curve
    assert learned is not None
    for point, cut in enumerate(cut_folds(path.folds, seed=0)[1 - len(learned.rows) :]):
        for fold, (train, held_out) in enumerate(zip(cut.train, cut.held_out, strict=True)):
            ridge = Ridge(alpha=N * learned.lams[0] / 2).fit(X[train], TARGET[train])
            error = ridge.predict(X[held_out]) - TARGET[held_out]
            assert learned.fold_loss[point, fold, 0] == pytest.approx(np.mean(error**2), rel=1e-5)


def test_falls_are_paired_differences_of_the_folds():
    path = small()
    learned = path.learning_curve
    assert learned is not None
    n_train, n_test = path.folds.train.sizes.mean(), path.folds.held_out.sizes.mean()
    for point in range(len(learned.rows) - 1):
        for s in range(2):
            fewer, more = learned.fold_loss[point, :, s], learned.fold_loss[point + 1, :, s]
            by_hand = estimate_gain(fewer, more, path.fold_weight, n_train, n_test)
            expected = [learned.mean[point, s] - learned.mean[point + 1, s], by_hand.low, by_hand.high]
            np.testing.assert_allclose(learned.falls[point, s], expected, rtol=1e-12)
    fall = learned.fall
    assert fall.low < fall.mean < fall.high and fall.mean == pytest.approx(-np.diff(learned.mean[-2:, 0])[0])


def test_falls_of_a_single_split_are_over_its_rows():
    given = {"lams": [0.3], "epochs": 2}
    x, target, validation = X[:90], TARGET[:90], (X[90:], TARGET[90:])
    path = fit(line(), x, target, validation_data=validation, cv=5, learning_curve=True, **given)
    learned = path.learning_curve
    assert learned is not None and learned.rows.tolist() == [11, 22, 45, 90]
    (cut,) = cut_folds(path.folds, seed=0)[-1:]
    alone = fit(line(), np.concatenate([x, X[90:]]), TARGET, cv=[(cut.train[0], cut.held_out[0])], **given)
    index = path.index
    by_hand = estimate_row_gain(alone.row_loss[:, index], path.row_loss[:, index])
    expected = [by_hand.mean, by_hand.low, by_hand.high]
    np.testing.assert_allclose(learned.falls[-1, 0], expected, atol=1e-5)  # the chunks differ


def test_a_decay_keeps_its_shrinkage_with_fewer_steps():
    path = small(how=sh.Decoupled(), lams=[0.5])
    learned = path.learning_curve
    assert learned is not None and learned.lams[0] == 0.5
    cut = cut_folds(path.folds, seed=0)[-1]
    share = cut.train.sizes.sum() / path.folds.train.sizes.sum()
    alone = fit(
        line(), X, TARGET, how=sh.Decoupled(), lams=[0.5 / share], cv=list(zip(cut.train, cut.held_out, strict=True))
    )
    assert np.array_equal(learned.cv_loss[-2], alone.cv_loss)


def test_a_schedule_passes_faster_with_fewer_steps():
    """At half of the rows it is at its end after the same number of epochs."""

    def scheduled(steps: int) -> keras.Model:
        return line(optimizer=keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.05, steps)))

    given = {"lams": [0.3], "cv": 2, "epochs": 3, "batch_size": 4}
    path = fit(scheduled(3 * 16), X[:128], TARGET[:128], learning_curve=True, **given)
    learned = path.learning_curve
    assert learned is not None and learned.rows[-2:].tolist() == [32, 64]
    cut = cut_folds(path.folds, seed=0)[-1]
    pairs = list(zip(cut.train, cut.held_out, strict=True))
    alone = fit(scheduled(3 * 8), X[:128], TARGET[:128], **{**given, "cv": pairs})
    places = [alone.lams.tolist().index(lam) for lam in learned.lams]
    np.testing.assert_allclose(learned.cv_loss[-2], alone.cv_loss[:, places], rtol=1e-4)  # float32
    unstretched = fit(scheduled(3 * 16), X[:128], TARGET[:128], **{**given, "cv": pairs})
    assert not np.allclose(learned.cv_loss[-2], unstretched.cv_loss[:, places], rtol=1e-2)


def test_a_learning_curve_of_no_penalty_has_one_strength():
    learned = small(lams=[0.0]).learning_curve
    assert learned is not None and learned.mean.shape == (len(learned.rows), 1) and learned.falls.shape[1:] == (1, 3)


def test_in_a_time_series_that_changes_older_rows_do_not_help():
    """The slope is other from the middle on: the latest rows tell more than all rows, or rows at random."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(600, 3))
    slope = np.where(np.arange(600) < 300, 0.2, 1.0)
    y = slope * x[:, 0] + 0.1 * rng.normal(size=600)
    cv = [(np.arange(400 + 50 * fold), np.arange(400 + 50 * fold, 450 + 50 * fold)) for fold in range(4)]
    path = sh.fit(line(3), x, y, penalty="l2", lams=[0.0], solver="exact", cv=cv, learning_curve=True)
    learned = path.learning_curve
    assert learned is not None and learned.rows.tolist() == [59.25, 118.75, 237.5, 475]
    assert learned.mean[0, 0] < 0.02 and learned.mean[1, 0] < 0.02 < 0.1 < learned.mean[-1, 0]
    assert "from the latest 238 to all 475 training rows the squared error rose" in path.verdict()


def test_where_nothing_can_be_chosen_there_is_no_learning_curve():
    model = line(optimizer=keras.optimizers.SGD(1e30))
    path = fit(model, X, TARGET, learning_curve=True)
    assert path.failed.all() and path.learning_curve is None
    with pytest.raises(ValueError, match="no learning curve, as at every strength a model diverged"):
        path.plot(kind="rows")


def test_with_more_rows_a_linear_model_of_known_noise_is_better():
    """The loss of least squares is s² (n - 1) / (n - d - 2) for normal inputs, with an intercept."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 18))
    y = x @ rng.normal(size=18) + rng.normal(size=400)
    path = sh.fit(line(18), x, y, penalty="l2", lams=[0.0], solver="exact", cv=5, repeats=4, learning_curve=True)
    learned = path.learning_curve
    assert learned is not None and learned.rows.tolist() == [40, 80, 160, 320]
    expected = (1 + 1 / learned.rows) * (learned.rows - 2) / (learned.rows - 20)
    # In 400 rows the variance of the noise differs from 1.
    np.testing.assert_allclose(learned.mean[:, 0], expected, rtol=0.12)
    assert (learned.falls[1:, 0, 1] > 0).all() and (np.diff(learned.falls[:, 0, 0]) < 0).all()
    assert "more-rows-help" in path.diagnose().codes


def test_of_a_linear_model_with_many_rows_more_would_hardly_help():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 3))
    path = sh.fit(line(3), x, x @ [1.0, 2.0, 3.0] + rng.normal(size=2000), penalty="l2", solver="exact",
                  learning_curve=True)  # fmt: skip
    assert "more-rows-hardly-help" in path.diagnose().codes
    assert "More rows would hardly help: from 800 to 1,600 training rows the squared error" in path.verdict()


def test_where_nothing_is_learnt_nothing_is_said_of_more_rows():
    rng = np.random.default_rng(1)
    path = sh.fit(line(), X, rng.normal(size=N), penalty="l2", solver="exact", learning_curve=True)
    (finding,) = [finding for finding in path.diagnose() if finding.code.startswith("more-rows")]
    assert finding.code == "more-rows-unclear" and "no strength clearly beats the best constant" in finding.sentence


def test_parts_that_are_too_small_are_left_out():
    path = fit(line(), X[:70], TARGET[:70], learning_curve=True, cv=2)
    assert path.learning_curve is not None and path.learning_curve.rows.tolist() == [18, 35]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"learning_curve": "yes"}, "`learning_curve` must be True or False. Received: 'yes'"),
        ({"budget": 1.5}, "`learning_curve` must be left out with `budget`"),
    ],
)
def test_what_a_learning_curve_does_not_go_with(options, words):
    with pytest.raises((TypeError, ValueError), match=words):
        sh.fit(line(), X, TARGET, **{"penalty": "l2", "epochs": 1, "learning_curve": True, **options})


def test_few_rows_are_refused_before_training():
    with pytest.raises(ValueError, match="`learning_curve` must have enough rows.*a half with 8 rows in fold 1, of 10"):
        fit(line(), X[:24], TARGET[:24], learning_curve=True)
    with pytest.raises(ValueError, match="Received: a half with no fewer groups in a fold than with all rows"):
        fit(line(), X, TARGET, learning_curve=True, cv=2, groups=np.arange(N) % 2)


@pytest.fixture
def on_disk(tmp_path, monkeypatch):
    yield from small_blocks(monkeypatch, tmp_path, block=400, sample=200, read=100)


@pytest.mark.usefixtures("on_disk")
def test_rows_on_disk_are_refused():
    many = np.resize(np.arange(N), 2000)
    dataset = tf.data.Dataset.from_tensor_slices((X[many].astype("float32"), TARGET[many].astype("float32"))).batch(100)
    with pytest.raises(ValueError, match="`learning_curve` needs rows that fit into memory"):
        fit(line(), dataset, None, learning_curve=True, max_memory=4e4)


def test_a_learning_curve_is_saved_printed_and_cannot_be_changed(tmp_path):
    path = small()
    path.save(tmp_path / "path")
    loaded = sh.Path.load(tmp_path / "path")
    assert path.learning_curve is not None and loaded.learning_curve is not None
    for name, value in vars(path.learning_curve).items():
        assert np.array_equal(getattr(loaded.learning_curve, name), value)
    assert repr(loaded.learning_curve) == repr(path.learning_curve) and loaded.verdict() == path.verdict()
    assert "all rows, then the learning curve: 30 models in" in str(path).splitlines()[0]
    lines = repr(path.learning_curve).splitlines()
    assert len(lines) == 1 + len(path.learning_curve.rows) and "lambda = 0" in lines[0]
    with pytest.raises(ValueError, match="read-only"):
        path.learning_curve.mean[0] = 0


def test_a_learning_curve_with_arrays_that_do_not_fit_is_damage(tmp_path):
    path = small()
    path.save(tmp_path / "path")
    arrays = dict(np.load(tmp_path / "path" / "arrays.npz"))
    changed: dict[str, Any] = {**arrays, "learning_curve.mean": np.zeros(3)}
    np.savez(tmp_path / "path" / "arrays.npz", **changed)
    with pytest.raises(ValueError, match=r"which is damaged \(the array learning_curve.mean"):
        sh.Path.load(tmp_path / "path")


def test_epochs_of_a_learning_curve_are_not_of_the_function_of_the_user():
    heard = []
    small(epochs=2, on_epoch=lambda epoch: heard.append(epoch.number))
    assert heard == [1, 2]


def test_an_estimate_has_the_models_of_the_learning_curve():
    given = {"penalty": "l2", "lams": [0.3], "cv": 3, "epochs": 2}
    with_it, without = (sh.estimate(line(), X, TARGET, learning_curve=asked, **given) for asked in (True, False))
    assert with_it.learning_curve == 3 * 3 * 2 == with_it.models - without.models
    assert with_it.steps > without.steps and "learning curve: 18 of these models" in str(with_it)
    assert with_it.seconds is not None and without.seconds is not None


@pytest.mark.parametrize(
    ("labels", "kept"),
    [
        (GROUPS, GROUPS),
        (GROUPS.astype(str), GROUPS.astype(str)),
        (GROUPS.astype(object), GROUPS.astype(str)),
    ],
    ids=["numbers", "text", "objects"],
)
def test_a_path_keeps_the_groups_of_its_held_out_rows(labels, kept, tmp_path):
    path = small(groups=labels, learning_curve=False, epochs=1)
    assert path.groups is not None and np.array_equal(path.groups, kept[path.held_out_rows])
    path.save(tmp_path / "path")
    loaded = sh.Path.load(tmp_path / "path").groups
    assert loaded is not None and np.array_equal(loaded, path.groups)
    assert small(learning_curve=False, epochs=1).groups is None
