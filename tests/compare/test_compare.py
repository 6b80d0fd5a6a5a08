"""`sh.compare` on small real problems: the same training, what is read from it, and every kind of split."""

import math
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

import shrinkage as sh
from shrinkage._compare._model_facts import compute_model_facts
from shrinkage._path._path import Path

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4)).astype("float32")
Y = (X[:, 0] + 0.5 * RNG.normal(size=60)).astype("float32")


def network(units=3, name="net", loss: Any = "mean_squared_error", rate=0.01):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1)], name=name)
    model.compile(keras.optimizers.Adam(rate), loss)
    return model


def compare(model=None, **arguments):
    options = {"penalties": ["l2", "l1"], "lams": [0.1, 0.01], "cv": 3, "epochs": 4, **arguments}
    return sh.compare(network() if model is None else model, X, Y, **options)


@pytest.fixture(scope="module")
def five():
    """All five penalties, on the grid."""
    return sh.compare(network(units=6), X, Y, cv=3, epochs=12)


def test_the_members_without_a_penalty_are_the_same_to_the_bit(five):
    first, *others = five.paths.values()
    assert list(five.paths) == ["L2", "L1", "elastic net (rho = 0.5)", "group lasso (units)", "decoupled L2"]
    for path in others:
        assert path.folds.hash == first.folds.hash
        assert np.array_equal(path.cv_loss[:, -1], first.cv_loss[:, -1])
        for a, b in zip(path.weights, first.weights, strict=True):  # an extended grid trains other numbers together
            assert a[-1] == pytest.approx(b[-1], abs=1e-6)
    assert not any("differ" in note for note in five.notes)
    assert first.cv_loss[0, -1, -1] != first.cv_loss[0, 0, -1]  # the penalty does something


def test_each_path_is_the_one_that_fit_returns(five):
    alone = sh.fit(network(units=6), X, Y, penalty=sh.L1(), cv=3, epochs=12, plan=five.paths["L1"].plan)
    assert np.array_equal(alone.cv_loss, five.paths["L1"].cv_loss)
    assert np.array_equal(alone.lams, five.paths["L1"].lams)


def in_another_order(rows):
    order = list[int]()

    def shuffled():
        order.append(len(order))
        for row in np.random.default_rng(len(order)).permutation(len(X)):
            yield X[row], Y[row]

    spec = tf.TensorSpec((4,), tf.float32), tf.TensorSpec((), tf.float32)
    return tf.data.Dataset.from_generator(shuffled, output_signature=spec).batch(rows)


DATASETS = {
    "shuffled": lambda: (tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(60).batch(16), None),
    "a generator in another order": lambda: (in_another_order(16), None),
    "random values": lambda: (
        tf.data.Dataset.from_tensor_slices((X, Y)).map(lambda x, y: (x + tf.random.normal((4,)), y)).batch(16), None
    ),
    "validation data": lambda: (
        tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(60).batch(16),
        tf.data.Dataset.from_tensor_slices((X[:20], Y[:20])).shuffle(60).batch(16),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", DATASETS)
def test_a_dataset_is_read_once_for_all_penalties(name):
    dataset, validation = DATASETS[name]()
    options = {} if validation is None else {"validation_data": validation}
    options |= {"cv": 3} if validation is None else {}
    comparison = sh.compare(network(), dataset, penalties=["l2", "l1"], lams=[0.1], epochs=3, **options)
    first, second = comparison.paths.values()
    assert np.array_equal(first.cv_loss[:, -1], second.cv_loss[:, -1])
    assert np.array_equal(first.row_loss[:, -1], second.row_loss[:, -1]) and np.ptp(first.row_loss[:, -1]) > 0
    alone = sh.fit(network(), X, Y, penalty="l2", lams=[0.1], epochs=3, cv=3, batch_size=16)
    assert first.plan["batch_size"] == alone.plan["batch_size"] == 16


def test_a_dataset_on_disk_that_shuffles_is_refused():
    dataset = tf.data.Dataset.from_tensor_slices((np.tile(X, (400, 1)), np.tile(Y, 400))).shuffle(60).batch(16)
    with pytest.raises(ValueError, match=r"`x` must give the rows in the same order for each fit.*Leave .shuffle"):
        sh.compare(network(), dataset, penalties=["l2", "l1"], epochs=1, max_memory=1e5)


def test_the_rows_of_an_embedding_are_no_inputs():
    tokens = RNG.integers(0, 7, (60, 2))
    model = keras.Sequential(
        [keras.Input((2,), dtype="int32"), keras.layers.Embedding(7, 3), keras.layers.Flatten(), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    path = sh.fit(model, tokens, Y, penalty=sh.GroupLasso(), lams=[1e4], cv=3, epochs=3)
    assert path.selection.weights[0].penalised and path.selection.weights[0].shape == (7, 3)
    assert compute_model_facts(path, 0, 0.0).zero_inputs == 6  # of the layer above the embedding, which has 2 * 3


def test_none_and_early_stopping_are_read_from_the_path(five):
    none, stopped, *_ = five.entries
    path = five.paths["L2"]
    assert (none.name, none.epoch, stopped.name, stopped.epoch) == ("none", 12, "early stopping", path.epochs[-1])
    assert none.path is path and stopped.path is path and math.isnan(none.seconds)
    assert stopped.loss == path.mean[-1] and none.loss >= stopped.loss


def test_facts_about_the_models(five):
    table = five.table().set_index("name")
    for name, path in five.paths.items():
        assert table.loc[name, "zeros"] == path.selection.n_penalised - path.nonzero[path.index]
        assert table.loc[name, "size"] == sum(weight[0].nbytes for weight in path.weights)
        assert 0 < table.loc[name, "predict_seconds"] < 0.1
        assert table.loc[name, "seconds"] == path.seconds
    group = five.paths["group lasso (units)"]
    assert table.loc["group lasso (units)", "zero_units"] == group.zero_groups[group.index]


def test_zeros_are_counted_by_weight_unit_and_input():
    comparison = compare(network(rate=0.05), penalties=["l1"], lams=[0.3], epochs=60, epoch="last")
    path = comparison.paths["L1"]
    first, second = path.weights[0][0], path.weights[2][0]
    facts = compute_model_facts(path, 0, 0.0)
    assert facts.zeros == (first == 0).sum() + (second == 0).sum() > 0
    assert facts.zero_units == (first == 0).all(axis=0).sum() + (second == 0).all(axis=0).sum()
    assert facts.zero_inputs == (first == 0).all(axis=1).sum()
    assert facts.zipped < compute_model_facts(path, 1, 0.0).zipped


def test_the_winner_is_a_model_of_its_path(five):
    least = five.least
    expected = least.path.model(least.lam).predict(X, verbose=0)
    assert np.array_equal(five.model().predict(X, verbose=0), expected)
    assert np.ptp(expected) > 0


def test_a_single_split_trains_no_penalty_alone_for_the_losses_of_its_rows():
    comparison = compare(cv=0.3, epochs=30, batch_size=4)
    none, stopped, *_ = comparison.entries
    assert none.seconds > 0 and none.path is not stopped.path
    assert none.path.cv_loss[0, -1] == pytest.approx(stopped.path.cv_loss[0, -1], abs=1e-5)
    assert [test is None or math.isfinite(test.p) for test in comparison.regrets] == [True] * 4
    assert "One split does not show the noise of training" in comparison.verdict()


@pytest.mark.full
def test_patience_does_not_shorten_the_training_without_a_penalty():
    comparison = compare(patience=2, epochs=40, model=network(rate=0.1))
    none, stopped, *_ = comparison.entries
    assert none.epoch == 40 and none.seconds > 0
    assert np.isnan(stopped.path.cv_loss[0, -1, -1])  # it was stopped


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        pytest.param({"epoch": "last"}, ["none", "L2"], id="last epoch"),
        pytest.param({"epoch": 2}, ["none", "L2"], id="epoch 2"),
        pytest.param({"models": "chosen"}, ["none", "early stopping", "L2"], id="chosen models"),
        pytest.param({"repeats": 2}, ["none", "early stopping", "L2"], id="repeats"),
        pytest.param({"validation_data": (X[:20], Y[:20]), "cv": 5}, ["none", "early stopping", "L2"], id="given rows"),
        pytest.param({"standardize_target": True}, ["none", "early stopping", "L2"], id="standardised"),
    ],
)
def test_arguments_of_fit(arguments, names):
    comparison = compare(penalties=["l2"], **arguments)
    assert comparison.table()["name"].tolist() == names
    assert "has the least squared error" in comparison.verdict()
    assert ("Losses are in units of the target's variance" in repr(comparison)) == ("standardize_target" in arguments)


@pytest.mark.full
def test_a_loss_without_rows_leaves_a_single_split_uncompared():
    def of_batch(y, p):
        return keras.ops.mean(keras.ops.square(y - p))

    comparison = compare(network(loss=of_batch), cv=0.3, penalties=["l2"], epochs=30, batch_size=4)
    results = comparison.table()["result"].tolist()
    assert sorted(results) == ["least", "unknown", "unknown"]
    assert "Not compared, without a loss of each row" in comparison.verdict()


def test_paths_with_one_model_have_no_picture_of_weights():
    comparison = compare(penalties=["l2"], lams=[0.01], models="chosen", epochs=1)
    with pytest.raises(ValueError, match='kind="weights" must have a kernel with the weights of several strengths'):
        comparison.plot(kind="weights")


def test_the_exact_solver():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile(loss="mean_squared_error")
    comparison = sh.compare(model, X, Y, penalties=["l2"], solver="exact")
    assert comparison.table()["name"].tolist() == ["none", "L2"]
    assert comparison.entries[1].subtract(comparison.entries[0]).mean == pytest.approx(
        -comparison.paths["L2"].gain.mean
    )


def test_several_outputs_and_a_dataset():
    entry = keras.Input((4,))
    outputs = {name: keras.layers.Dense(1, name=name)(entry) for name in "ab"}
    model = keras.Model(entry, outputs, name="two")
    model.compile("adam", {"a": "mse", "b": "mae"})
    rows = tf.data.Dataset.from_tensor_slices((X, {"a": Y, "b": Y})).batch(20)
    comparison = sh.compare(model, rows, penalties=["l2"], lams=[0.1], cv=3, epochs=2)
    assert comparison.least is not None and "least loss" in comparison.verdict()


def test_several_models_are_compared_with_themselves_and_with_the_least():
    comparison = compare({"narrow": network(1), "wide": network(8)}, penalties=["l2"])
    table = comparison.table().set_index("name")
    assert list(table.index) == [f"{m}: {e}" for m in ("narrow", "wide") for e in ("none", "early stopping", "L2")]
    assert list(comparison.paths) == ["narrow: L2", "wide: L2"]
    wide = comparison.paths["wide: L2"]
    assert table.loc["wide: L2", "gain"] == pytest.approx(table.loc["wide: none", "loss"] - wide.mean[wide.index])
    assert (table["result"] == "least").sum() == 1
    assert "us a row" in repr(comparison)
    assert [entry.name for entry in compare([network(name="a"), network(name="b")]).entries][::4] == [
        "a: none",
        "b: none",
    ]


def test_each_path_has_a_record(tmp_path):
    first = compare(run=tmp_path / "record")
    assert sorted(folder.name for folder in (tmp_path / "record").iterdir()) == ["L1", "L2"]
    assert np.array_equal(Path.load(tmp_path / "record" / "L1").cv_loss, first.paths["L1"].cv_loss)
    again = compare(run=tmp_path / "record")
    assert again.paths["L2"].seconds == first.paths["L2"].seconds  # it was read, not trained
    with pytest.raises(ValueError, match="which has other files"):
        sh.fit(network(), X, Y, penalty="l2", epochs=1, run=tmp_path / "record")


@pytest.mark.parametrize("file", ["path.json", "journal.jsonl", "command.json"])
def test_the_folder_of_a_fit_is_not_that_of_a_comparison(tmp_path, file):
    """Finished or not, of Python or of the shell: nothing is written into it."""
    (tmp_path / file).touch()
    with pytest.raises(ValueError, match="folder of an earlier `compare`. Received: .*, which holds a run of `fit`"):
        compare(run=tmp_path)
    assert [each.name for each in tmp_path.iterdir()] == [file]


def test_arguments_about_what_is_shown_go_to_each_path(tmp_path):
    compare(tensorboard=tmp_path / "logs", progress=False)
    assert len(list((tmp_path / "logs").iterdir())) == 2


def test_the_weights_along_the_paths():
    comparison = compare(penalties=["l2", "l1"], lams="auto", epochs=10)
    figure = comparison.plot(kind="weights", marked=[3])
    panels = [axes for axes in figure.axes if axes.get_visible()]
    for axes, path in zip(panels, comparison.paths.values(), strict=True):
        lines = [line for line in axes.lines if len(line.get_xdata()) == len(path.lams) - 1]
        assert len(lines) == 4
        assert lines[0].get_xdata() == pytest.approx(np.log10(path.lams[:-1]))
        for number, line in enumerate(lines):
            expected = np.linalg.norm(path.weights[0][:-1, number], axis=-1)
            assert line.get_ydata() == pytest.approx(expected, rel=1e-6) and expected.max() > 0.1
        assert lines[3].get_color() != lines[0].get_color() == lines[1].get_color()
        assert "of 4 inputs at the choice" in axes.get_title(loc="left")
    with pytest.raises(ValueError, match="`marked` must be numbers of inputs from 0 to 3. Received: .4."):
        comparison.plot(kind="weights", marked=[4])
