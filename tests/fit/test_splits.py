"""`sh.fit` on splits of every kind: rows train and are scored where they should; the statistics are those by hand."""

import warnings
from typing import Any

import keras
import numpy as np
import pytest
import sklearn.model_selection as sk
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keras import layers
from scipy import stats

import shrinkage as sh
from shrinkage._plan._runner import Runner
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request

N = 24
RNG = np.random.default_rng(0)
X = RNG.normal(size=(N, 3)).astype("float32")
Y = (X @ [1.0, -1.0, 0.0] + 0.5 * RNG.normal(size=N)).astype("float32")[:, None]
GROUPS = np.arange(N) // 3
SAME_ROWS = [(np.arange(12), np.arange(18, 24)), (np.arange(6, 18), np.arange(18, 24))]
DATASET = tf.data.Dataset.from_tensor_slices((X, Y)).batch(4)
SHUFFLED = DATASET.unbatch().shuffle(24).batch(4)


def network(optimizer: Any = "sgd", n_inputs: int = 3, **options: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((n_inputs,)), layers.Dense(1, use_bias=False, **options)])
    model.compile(optimizer, "mean_squared_error")
    return model


def fit(model: keras.Model | None = None, x: Any = X, y: Any = Y, **options: Any) -> sh.Path:
    defaults: dict[str, Any] = {"penalty": sh.L2(), "lams": [0.5, 0.05], "epochs": 3, "batch_size": 4}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # notes on uneven folds
        return sh.fit(model or network(), x, y, **defaults | options)


# --- where each row trains, and where it is scored


@st.composite
def splits(draw: Any) -> dict[str, Any]:
    """Arguments of `fit` that split N rows."""
    seed = draw(st.integers(0, 99))
    rng = np.random.default_rng(seed)
    pairs = []
    for _ in range(3):
        order = rng.permutation(N)
        cut, end = rng.integers(3, 12), rng.integers(13, N + 1)
        pairs.append((order[:cut], order[cut:end]))
    groups = rng.integers(6, size=N)
    groups[:6] = range(6)
    kinds: list[dict[str, Any]] = [
        {"cv": 3},
        {"cv": 4, "repeats": 2},
        {"cv": 3, "groups": groups, "repeats": 2},
        {"cv": 0.3, "repeats": 3},
        {"cv": 0.3, "groups": groups},
        {"cv": sk.TimeSeriesSplit(3, gap=1)},
        {"cv": sk.TimeSeriesSplit(3, max_train_size=5)},
        {"cv": sk.RepeatedKFold(n_splits=2, n_repeats=2, random_state=seed)},
        {"cv": sk.LeaveOneGroupOut(), "groups": groups},
        {"cv": rng.permutation(np.arange(N) % 5 - 1)},
        {"cv": pairs},
    ]
    return draw(st.sampled_from(kinds)) | {"seed": seed}


@given(split=splits(), weighted=st.booleans())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
def test_each_row_trains_and_is_scored_in_its_own_folds(split, weighted):
    """An input per row: the weight of the input leaves 0 if the row trains; otherwise the loss of the row is 1."""
    weight = np.where(np.arange(N) % 4 == 0, 0.0, 1.0) if weighted else None
    numbers: dict[str, Any] = split if not weighted or isinstance(split["cv"], (int, float)) else {"cv": 3}
    model = network(keras.optimizers.SGD(0.1), N, kernel_initializer="zeros")
    arguments: dict[str, Any] = {"penalty": "l2", "lams": [0.0], "epochs": 1, "batch_size": 1, "sample_weight": weight}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        problem = prepare_problem(
            Request(model, np.eye(N, dtype="float32"), np.ones((N, 1), "float32"), **arguments | numbers)
        )
    folds = problem.folds
    cohort = Runner(problem, {"rules": True, "xla": False}).make_cohort(1)
    cohort.start(np.zeros((len(folds.train), 1)))
    cohort.train_epoch(0)
    counts = problem.training.data.weight > 0
    for f, (train, held_out) in enumerate(zip(folds.train, folds.held_out, strict=True)):
        (kernel,) = cohort.get_values(f, 0)
        assert set(np.flatnonzero(kernel)) == set(train[counts[train]])  # an epoch uses each row once
        assert not np.intersect1d(train, held_out).size
    scored = cohort.evaluate()
    np.testing.assert_array_equal(scored.row_loss, np.ones((len(folds.held_out_rows), 1)) * (1 + 0 * scored.row_loss))
    assert (scored.cv_loss == 1).all() and (scored.train_loss < 0.7).all() and (scored.train_loss > 0).all()
    assert (scored.predictions == 0).all()
    again = [problem.training.data.weight[rows].sum() for rows in problem.scored_training_rows]
    np.testing.assert_array_equal(problem.train_weight, again)


@pytest.mark.parametrize(
    "split",
    [
        {"cv": 3, "repeats": 2},
        {"cv": sk.ShuffleSplit(4, test_size=0.4, random_state=0)},
        {"cv": sk.TimeSeriesSplit(3)},
        {"cv": np.arange(N) % 4 - 1},
    ],
)
def test_losses_and_predictions_of_a_row_are_averaged_over_its_folds(split):
    """Members that are not trained are what their initializers give: anyone can average these."""
    path = fit(network(keras.optimizers.SGD(1e-30)), epochs=1, sample_weight=np.arange(N) + 1.0, **split)
    folds, lams = path.folds, len(path.lams)
    predictions, losses, times = np.zeros(N), np.zeros(N), np.zeros(N)
    weight = (np.arange(N) + 1.0) / np.mean(np.arange(N) + 1.0)
    for f, held_out in enumerate(folds.held_out):
        kernel = path.template.make_fresh_values((0, f))[0].astype(float)
        found = (X @ kernel)[:, 0]
        loss = (found - Y[:, 0]) ** 2
        predictions[held_out] += found[held_out]
        losses[held_out] += loss[held_out]
        times[held_out] += 1
        np.testing.assert_allclose(
            path.cv_loss[f, 0, 0], np.average(loss[held_out], weights=weight[held_out]), rtol=1e-5
        )
        np.testing.assert_allclose(path.fold_weight[f], weight[held_out].sum(), rtol=1e-5)
    held = np.flatnonzero(times)
    assert np.array_equal(path.held_out_rows, held) and path.predictions.shape == (len(held), lams, 1)
    expected = predictions[held] / times[held], losses[held] / times[held]
    np.testing.assert_allclose(path.predictions[:, 0, 0], expected[0], rtol=1e-4, atol=1e-5)  # sums in float32
    np.testing.assert_allclose(path.row_loss[:, 0] / expected[1], 1, rtol=1e-3)
    assert path.row_weight is not None and path.null_fold_loss is not None
    np.testing.assert_allclose(path.row_weight, weight[held], rtol=1e-6)
    # The best constant of a fold is the mean of its training rows.
    constants = [np.average(Y[rows, 0], weights=weight[rows]) for rows in folds.train]
    null = [
        np.average((Y[rows, 0] - c) ** 2, weights=weight[rows])
        for c, rows in zip(constants, folds.held_out, strict=True)
    ]
    np.testing.assert_allclose(path.null_fold_loss, null, rtol=1e-4)
    np.testing.assert_allclose(path.null_loss, np.average(null, weights=path.fold_weight), rtol=1e-4)
    assert path.null_row_loss is not None and len(path.null_row_loss) == len(held)


# --- repeats


@pytest.mark.parametrize("split", [{"cv": 3}, {"cv": 0.3}, {"cv": 2, "groups": GROUPS}])
def test_the_first_folds_of_repeats_are_those_without_to_the_bit(split):
    once, thrice = (fit(epoch=2, repeats=repeats, **split) for repeats in (1, 3))
    k = len(once.folds.train)
    assert thrice.cv_loss.shape == (3 * k, 3, 3) and len(np.unique(thrice.cv_loss[:, 0, 0])) == 3 * k
    np.testing.assert_array_equal(thrice.cv_loss[:k], once.cv_loss)
    np.testing.assert_array_equal(thrice.train_loss[:k], once.train_loss)
    np.testing.assert_array_equal(thrice.train_weight[:k], once.train_weight)
    # The models on all rows do not depend on the number of folds.
    for a, b in zip(once.weights, thrice.weights, strict=True):
        np.testing.assert_array_equal(a, b)
        assert np.abs(a).max() > 0.01


def test_the_statistics_of_repeats_by_hand():
    path = fit(cv=3, repeats=2, sample_weight=RNG.uniform(0.5, 2, N), epoch=2)
    loss, weight = path.cv_loss[:, :, 1], path.fold_weight
    mean = (weight[:, None] * loss).sum(axis=0) / weight.sum()
    np.testing.assert_allclose(path.mean, mean)
    squares = []
    for part in (slice(0, 3), slice(3, 6)):
        e, v = loss[part], weight[part] / weight[part].sum()
        centre = (v[:, None] * e).sum(axis=0)
        squares.append((v[:, None] * (e - centre) ** 2).sum(axis=0) / 2)
    np.testing.assert_allclose(path.se, np.sqrt((squares[0] + squares[1]) / 2))
    d = loss[:, -1] - loss[:, path.index_min]
    if path.index_min == 2:  # pragma: no cover
        raise AssertionError("nothing is compared: choose other strengths")
    v = weight / weight.sum()
    variance = (v * (d - (v * d).sum()) ** 2).sum() * 6 / 5
    margin = stats.t.ppf(0.975, 5) * np.sqrt((1 / 6 + 8 / 16) * variance)
    assert path.gain.mean == pytest.approx((v * d).sum()) and path.gain.mean > 0
    assert path.gain.high - path.gain.mean == pytest.approx(margin)
    rolled = [1, 2, 0, 4, 5, 3]
    np.testing.assert_allclose(path.train_weight, weight[rolled], rtol=1e-6)
    np.testing.assert_allclose(path.train_mean, np.average(path.train_loss[:, :, 1], axis=0, weights=weight[rolled]))


def test_a_saved_path_has_its_split(tmp_path):
    path = fit(cv=2, repeats=2, groups=GROUPS)
    path.save(tmp_path / "run")
    loaded = sh.Path.load(tmp_path / "run")
    assert (loaded.folds.hash, loaded.folds.repeats, loaded.folds.kind) == (path.folds.hash, 2, "group k-fold")
    assert path.folds.hash in (tmp_path / "run" / "path.json").read_text()
    np.testing.assert_array_equal(loaded.se, path.se)
    np.testing.assert_array_equal(loaded.train_weight, path.train_weight)
    assert repr(loaded) == repr(path)


# --- a leak


def test_an_identifier_of_the_group_gains_nothing_with_groups():
    """The target is the group's own level and noise: a column for each group gives it away, if the group trains too."""
    rng = np.random.default_rng(5)
    groups = np.repeat(np.arange(20), 6)
    y = (2 * rng.normal(size=20)[groups] + 0.3 * rng.normal(size=120)).astype("float32")[:, None]
    x = np.eye(20, dtype="float32")[groups]
    options: dict[str, Any] = {"lams": [0.01], "epochs": 30, "batch_size": 12, "cv": 5}
    leaking, held_apart = (
        fit(network(keras.optimizers.Adam(0.1), 20), x, y, **options, **given) for given in ({}, {"groups": groups})
    )
    assert leaking.mean.min() < 0.1 * leaking.null_loss and leaking.null_gain.low > 0
    assert held_apart.mean.min() > 0.9 * held_apart.null_loss and held_apart.null_gain.low <= 0
    for train, held_out in zip(held_apart.folds.train, held_apart.folds.held_out, strict=True):
        assert not np.intersect1d(groups[train], groups[held_out]).size


# --- what is said


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ({"cv": 3, "repeats": 2}, ["x 2 repeats of 3 folds, "]),
        ({"cv": 3, "groups": GROUPS}, ["x 3 folds of groups, "]),
        ({"cv": sk.TimeSeriesSplit(3)}, ["x 3 folds of TimeSeriesSplit, ", "hold out 18 of the 24 rows", "on 6 to 18"]),
        ({"cv": np.arange(N) % 3}, ["x 3 folds, as given, "]),
        ({"cv": sk.ShuffleSplit(3, test_size=12, random_state=0)}, ["1.9 times on average", "of ShuffleSplit"]),
        ({"cv": 0.3, "repeats": 2}, ["x 2 hold-outs, "]),
        ({"cv": SAME_ROWS}, ["x 2 folds, ", "held out 2.0 times on average, and the folds give no standard error"]),
        ({"cv": np.where(np.arange(N) < 6, 0, -1)}, ["x 1 split, ", "One split does not show the noise of training"]),
    ],
)
def test_a_path_says_how_its_rows_were_split(split, words):
    path = fit(network(keras.optimizers.Adam(0.1)), epochs=12, epoch="last", **split)
    text = " ".join(repr(path).split())
    assert [word for word in words if word not in text] == [], text
    path.plot()


@pytest.mark.parametrize(
    ("rows", "repeats"),
    [(X, True), (X[:9], True), (X[-9:], True), (X[::-1], False), (X[3:9], False), (np.vstack([X, X]), False)],
    ids=["all", "first", "last", "backwards", "between", "twice"],
)
def test_rows_of_training_that_are_held_out_are_said(rows, repeats):
    path = fit(validation_data=(rows, np.zeros((len(rows), 1))))
    assert any("`validation_data` repeats rows of `x`" in note for note in path.notes) == repeats


# --- arguments


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cv": 5, "groups": np.arange(N) % 3}, "`groups` must have at least cv=5 different values"),
        ({"groups": np.arange(N - 1)}, rf"`groups` must be {N} labels, .* Received: shape \(23,\)"),
        ({"groups": [None, *range(N - 1)]}, "Received: 1 missing, the first in row 0"),
        ({"groups": np.where(np.arange(N) % 9, 1.0, np.nan)}, "Received: 3 missing"),
        ({"groups": "units"}, r"GroupLasso\('units'\)"),
        ({"groups": GROUPS, "cv": np.arange(N) % 2}, "`cv` must be a number of folds.* with `groups`"),
        ({"groups": GROUPS, "validation_data": (X, Y)}, "`groups` must be left out with `validation_data`"),
        ({"repeats": 2, "validation_data": (X, Y)}, "`repeats` must be left out with `validation_data`"),
        ({"cv": sk.KFold(3), "validation_data": (X, Y)}, "`cv` must be left out with `validation_data`"),
        ({"repeats": 2, "cv": sk.TimeSeriesSplit(3)}, "`repeats` needs a number of folds or a share.*TimeSeriesSplit"),
        ({"repeats": 2, "cv": np.arange(N) % 2}, "`repeats` needs a number of folds"),
        ({"x": SHUFFLED, "y": None, "groups": GROUPS}, "`x` must give the rows in one order with `groups`"),
        ({"x": SHUFFLED, "y": None, "cv": np.arange(N) % 2}, r"one order with `cv`, .* Leave .shuffle\(\) out"),
        ({"x": SHUFFLED, "y": None, "cv": sk.TimeSeriesSplit(3)}, "`x` must give the rows in one order with `cv`"),
        ({"repeats": 0}, "`repeats` must be a whole number of at least 1"),
        ({"repeats": 10**9}, "`repeats` must be at most 1,000. Received: 1,000,000,000."),
        ({"repeats": 1.5}, "`repeats` must be a whole number"),
        ({"cv": sk.TimeSeriesSplit(30)}, "`cv` must be able to split the 24 rows. Received: TimeSeriesSplit"),
        ({"cv": np.zeros(N)}, "one fold that holds out all rows"),
        (
            {"cv": [(np.arange(12), np.arange(12, 24))], "sample_weight": np.arange(N) < 12.0},
            "weight 0 for all held-out rows of fold 1",
        ),
    ],
)
def test_a_split_that_cannot_be_made_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        fit(**options)


@pytest.mark.parametrize(
    "options", [{"groups": GROUPS, "cv": 2}, {"cv": np.arange(N) % 3}, {"cv": [(range(12), range(12, 24))]}]
)
def test_a_dataset_that_does_not_shuffle_has_its_rows_in_order(options):
    one, other = fit(x=DATASET, y=None, epochs=1, **options), fit(epochs=1, batch_size=4, **options)
    assert one.folds.hash == other.folds.hash
    np.testing.assert_array_equal(one.cv_loss, other.cv_loss)


def test_labels_of_groups_may_be_of_any_kind():
    names = np.array([f"patient {group}" for group in GROUPS])
    hashes = {
        fit(cv=2, epochs=1, groups=groups).folds.hash for groups in (GROUPS, names, names.tolist(), GROUPS[:, None])
    }
    assert len(hashes) == 1
    mixed = fit(cv=2, epochs=1, groups=np.array([*["a"] * 8, *[1] * 8, *[2.5] * 8], dtype=object))
    assert all(len(rows) in (8, 16) for rows in mixed.folds.held_out)


def test_several_labels_a_row_are_stratified():
    rng = np.random.default_rng(1)
    labels = (rng.random((60, 3)) < [0.5, 0.2, 0.1]).astype("float32")
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3, "sigmoid")])
    model.compile("sgd", "binary_crossentropy")
    path = fit(model, rng.normal(size=(60, 3)), labels, cv=3, epochs=1)
    assert path.folds.kind == "stratified k-fold"
    counts = np.array([labels[rows].sum(axis=0) for rows in path.folds.held_out])
    assert (np.ptp(counts, axis=0) <= 1).all() and (counts.sum(axis=0) > 1).all()


def test_a_class_that_a_fold_does_not_train_on_is_said():
    classes = np.repeat([0, 1, 2], 8)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(3, "softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match=r"holds out rows of class 1 \(4 rows\), 2 \(2 rows\) trains on none"):
        path = sh.fit(model, X, classes, penalty="l2", lams=[0.1], epochs=1, cv=sk.TimeSeriesSplit(3), batch_size=4)
    assert [len(np.unique(classes[rows])) for rows in path.folds.train] == [1, 2, 3]
