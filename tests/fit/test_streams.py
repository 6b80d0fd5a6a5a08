"""A dataset that does not fit into memory: read once, written to disk, and trained on in blocks."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import shrinkage as sh
from shrinkage._cohort._cohort import Cohort
from shrinkage._cohort._stream import StreamCohort
from shrinkage._data._spool import Spool
from shrinkage._plan._runner import Runner
from shrinkage._problem import _stream
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request
from shrinkage.cli._terms import SHELL_TERMS
from tests.fit.fitting import small_blocks

N, BATCH, MEMORY = 5003, 32, 4e5  # a quarter of this memory holds 3,500 rows
RNG = np.random.default_rng(0)
X = RNG.normal(3.0, 2.0, size=(N, 6)).astype("float32")
X[:, 0] = np.arange(N)  # the number of the row
Y = (np.tanh((X[:, 1:] - 3) @ RNG.normal(size=(5, 1)) / 4) + 0.2 * RNG.normal(size=(N, 1))).astype("float32")
WEIGHT = RNG.uniform(0, 2, N).astype("float32") * (RNG.uniform(size=N) > 0.1)
LABELS = (Y[:, 0] > 0.5).astype(int)
OPTIONS: dict[str, Any] = {"penalty": "l2", "lams": [1e-4], "cv": 3, "epochs": 3, "plan": {"rules": True, "xla": False}}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch, tmp_path):
    yield from small_blocks(monkeypatch, tmp_path, block=1000, sample=1000, read=500)


def network(loss: str = "mse", **options: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), layers.Normalization(), layers.Dense(8, "tanh"), layers.Dense(1)])
    if loss == "binary_crossentropy":
        model.add(layers.Activation("sigmoid"))
    model.compile(keras.optimizers.Adam(0.01), loss, **options)
    return model


def dataset(*parts: Any, batch: int = BATCH) -> Any:
    return tf.data.Dataset.from_tensor_slices(parts).batch(batch)


def streamed(*parts: Any, model: keras.Model | None = None, **options: Any) -> sh.Path:
    return sh.fit(model or network(), dataset(*parts), max_memory=MEMORY, **OPTIONS | options)


def test_each_row_is_scored_by_its_fold_as_plain_keras_scores_it():
    request = Request(network(), dataset(X, Y, WEIGHT), max_memory=MEMORY, **OPTIONS)
    runner = Runner(prepare_problem(request), request.plan, request.max_memory)
    cohort, folds, model = runner.make_cohort(1), runner.problem.folds, network()
    assert isinstance(cohort, StreamCohort)
    cohort.start(np.full((3, 1), 0.01))
    cohort.train_epoch(0)
    found = cohort.evaluate()
    for f in range(3):
        for variable, value in zip(model.variables, cohort.get_values(f, 0), strict=True):
            variable.assign(value)
        model.layers[0].finalize_state()  # Keras' `Normalization` computes with copies of these variables
        after = folds.held_out[(f + 1) % 3]
        for rows, loss in ((folds.held_out[f], found.cv_loss), (after, found.train_loss)):
            squares = (model(X[rows]).numpy() - Y[rows])[:, 0] ** 2  # `predict` keeps the first constants
            # float32 sums of a few thousand losses
            np.testing.assert_allclose(loss[f, 0], np.average(squares, weights=WEIGHT[rows]), rtol=2e-5)
    assert np.ptp(found.cv_loss) > 1e-4


def test_a_stream_gives_the_statistics_of_its_rows_in_memory():
    options: dict[str, Any] = OPTIONS | {"epochs": 8}
    path, memory = streamed(X, Y, epochs=8), sh.fit(network(), X, Y, **options)
    assert path.n_rows == N and path.plan["blocks"] == 6 and memory.plan["blocks"] == 1
    assert path.fold_weight.sum() == N and np.ptp(path.fold_weight) <= 1
    np.testing.assert_allclose(path.null_loss, memory.null_loss, rtol=1e-6)  # sums in another order
    # Other batches: the noise of training, which is of the size of the standard error between folds.
    np.testing.assert_allclose(path.mean, memory.mean, atol=4 * memory.se.max())
    assert memory.mean.max() < 0.5 * memory.null_loss, "the models learn"
    for name in ("mean", "variance"):
        ours, theirs = (getattr(each.model().layers[0], name) for each in (path, memory))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    (note,) = (note for note in path.notes if "were written to disk" in note)
    assert f"random sample of 1,000 of the {N:,} held-out rows" in note and len(path.row_loss) == 1000
    assert "`row_loss`" in note and "`" not in SHELL_TERMS.say(note)


@pytest.mark.parametrize("options", [{}, {"validation_data": (X[:40], 9 * Y[:40])}, {"standardize_target": True}])
def test_the_automatic_grid_is_that_of_arrays(options):
    """Its unit is the variance of the targets of all training rows."""
    options = OPTIONS | {"lams": "auto"} | options
    on_disk = prepare_problem(Request(network(), dataset(X, 5 * Y, WEIGHT), max_memory=MEMORY, **options))
    memory = prepare_problem(Request(network(), X, 5 * Y, sample_weight=WEIGHT, batch_size=BATCH, **options))
    assert on_disk.stored_rows is not None and on_disk.lams[0] > 0
    np.testing.assert_allclose(on_disk.lams, memory.lams, rtol=1e-12)  # float64 sums in another order


@pytest.mark.full
def test_the_same_call_gives_the_same_bits():
    one, other = streamed(X, Y), streamed(X, Y)
    np.testing.assert_array_equal(one.cv_loss, other.cv_loss)
    np.testing.assert_array_equal(one.predictions, other.predictions)
    assert not np.array_equal(one.cv_loss, streamed(X, Y, seed=1).cv_loss)


@pytest.mark.full
def test_the_sample_may_be_smaller_than_a_batch(monkeypatch):
    monkeypatch.setattr(_stream, "_SAMPLE", 10)
    path = streamed(X, Y, batch_size=600)
    assert len(path.held_out_rows) == 10 and np.isfinite(path.mean).all()


def test_targets_are_standardised_in_the_units_of_each_fold():
    """The same units as for arrays, to the bit, and losses and predictions in the units of all rows."""
    still = keras.optimizers.SGD(0.0)  # members keep their first weights, so that they are equal
    paths = []
    for fit in (
        streamed,
        lambda *parts, model, **options: sh.fit(model, *parts, batch_size=BATCH, **OPTIONS | options),
    ):
        model = network()
        model.compile(still, "mse", metrics=["mae"])
        paths.append(fit(X, 100 + 20 * Y, model=model, standardize_target=True, epochs=1, repeats=2))
    path, memory = paths
    assert (path.target_mean, path.target_sd) == (memory.target_mean, memory.target_sd) and path.plan["blocks"] == 6
    for name in ("cv_loss", "train_loss", "null_fold_loss"):
        np.testing.assert_allclose(getattr(path, name), getattr(memory, name), rtol=2e-5)  # sums in another order
    np.testing.assert_allclose(path.metrics["mae"], memory.metrics["mae"], rtol=1e-5)
    np.testing.assert_allclose(path.predictions, memory.predictions[path.held_out_rows], rtol=1e-5)
    assert path.metrics["mae"][0] > 5, "in the units of the targets"


@pytest.mark.parametrize("loss", ["mae", "huber"], ids=["a median", "no constant"])
def test_the_best_constant_of_a_loss_without_a_mean(loss):
    path = streamed(X, Y, model=network(loss), epochs=1)
    options: dict[str, Any] = OPTIONS | {"epochs": 1}
    memory = sh.fit(network(loss), X, Y, **options)
    # The median is of a sample of a thousand rows, with a standard error of 4 % of the standard deviation.
    assert path.null_fold_loss is not None and memory.null_fold_loss is not None
    np.testing.assert_allclose(path.null_fold_loss, memory.null_fold_loss, rtol=1e-2)
    assert np.isfinite(path.null_loss) == (loss == "mae")


def test_a_py_dataset_and_validation_data_larger_than_memory():
    class Batches(keras.utils.PyDataset):
        num_batches = -(-N // BATCH)

        def __getitem__(self, index):
            part = slice(index * BATCH, (index + 1) * BATCH)
            return X[part], Y[part]

    options = OPTIONS | {"epochs": 1, "max_memory": MEMORY}
    one, other = sh.fit(network(), Batches(), **options), streamed(X, Y, epochs=1)
    np.testing.assert_array_equal(one.cv_loss, other.cv_loss)
    assert one.plan["blocks"] == 6
    path = sh.fit(network(), X[:300], Y[:300], validation_data=Batches(), **options)
    assert path.n_rows == 300 and path.fold_weight == [N] and path.folds.kind == "given"


@pytest.mark.full
def test_a_sorted_dataset_trains_as_a_shuffled_one():
    order = np.argsort(Y[:, 0])
    path, shuffled = streamed(X[order], Y[order], epochs=8), streamed(X, Y, epochs=8)
    np.testing.assert_allclose(path.mean, shuffled.mean, atol=4 * shuffled.se.max())
    assert shuffled.mean.max() < 0.5 * shuffled.null_loss


def test_classes_and_weights():
    path = streamed(
        X, LABELS, model=network("binary_crossentropy", metrics=["accuracy"]), class_weight={1: 3.0}, epochs=5
    )
    assert path.folds.kind == "stratified k-fold"
    shares = [LABELS[X[:, 0].astype(int)].mean()]  # the data has the classes that the folds have
    assert path.metrics["accuracy"].max() > max(1 - shares[0], 0.6)
    weights = np.where(LABELS == 1, 3.0, 1.0)
    np.testing.assert_allclose(path.fold_weight.sum(), N, rtol=1e-5)  # of mean one
    assert path.row_weight is not None and np.isclose(np.ptp(path.row_weight), 2 / weights.mean(), rtol=1e-5)


def test_a_path_of_a_stream_is_saved_and_loaded(tmp_path):
    path = streamed(X, Y)
    path.save(tmp_path / "run")
    loaded = sh.Path.load(tmp_path / "run")
    assert str(loaded) == str(path) and loaded.verdict() == path.verdict()
    np.testing.assert_array_equal(loaded.model().predict(X[:9], verbose=0), path.model().predict(X[:9], verbose=0))
    assert path.predictions.shape == (len(path.held_out_rows), 2, 1)
    path.plot()


def bad(array: np.ndarray, value: float) -> np.ndarray:
    changed = array.copy()
    changed[-1] = value
    return changed


class Centred(layers.Layer):
    """Mixes the rows of a batch."""

    def call(self, x):
        return x - keras.ops.mean(x, axis=0)


def mixing() -> keras.Model:
    model = keras.Sequential([keras.Input((6,)), layers.Dense(1), Centred()])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("parts", "options", "words"),
    [
        ((X, bad(Y, np.nan)), {}, "`y` must be finite"),
        ((bad(X, np.inf), Y), {}, "`x` must be finite"),
        ((X, bad(LABELS, 7)), {"model": network("binary_crossentropy")}, "`y` must lie between 0 and 1"),
        ((X, Y, bad(WEIGHT, -1)), {}, "`sample_weight` must be .* none negative"),
        ((X, Y), {"validation_data": (X, bad(Y, np.nan))}, "`validation_data`: `y` must be finite"),
        ((X, Y), {"validation_data": (X[:, 1:], Y)}, "`validation_data`: .* must have the shape of the model's input"),
        ((X, Y), {"groups": np.arange(N - 1)}, f"`groups` must be {N} labels"),
        ((X, Y), {"cv": np.arange(N - 1) % 3}, f"`cv` as fold numbers must be {N} whole numbers"),
        ((X, Y), {"cv": 0.2, "validation_data": (X, Y), "repeats": 2}, "`repeats` must be left out"),
        ((X, LABELS), {"standardize_target": True, "model": network("binary_crossentropy")}, "needs loss='mean_squ"),
        ((X, Y), {"batch_size": 4000}, "^batch_size must be at most the 3,33. training rows of a fold"),
        ((X, Y), {"model": mixing()}, "`model` must treat each row alone"),
        ((X, 0 * LABELS), {"model": network("binary_crossentropy")}, "at least two classes"),
    ],
    ids=[
        "NaN in the last row", "infinity in the last row", "label of the last row", "weight of the last row",
        "a held-out row", "the shape of held-out rows", "too few groups", "too few fold numbers", "two splits",
        "standardised labels", "a batch above a fold",
        "a model that mixes rows", "one class",
    ],
)  # fmt: skip
def test_bad_rows_and_arguments_are_refused_before_training(parts, options, words, monkeypatch):
    monkeypatch.setattr(Cohort, "step_on", lambda *_: pytest.fail("training began"))
    with pytest.raises(ValueError, match=f"(?s){words}"):
        streamed(*parts, **options)


def test_an_epoch_reads_each_row_once_for_any_number_of_members(monkeypatch):
    read, records = Spool.read, list[np.ndarray]()

    def counted(*args: Any) -> np.ndarray:
        records.append(read(*args))
        return records[-1]

    monkeypatch.setattr(Spool, "read", counted)
    sizes = []
    for n_folds, strengths in ((2, 10), (5, 20)):
        options: dict[str, Any] = OPTIONS | {"cv": n_folds, "lams": np.geomspace(1, 1e-4, strengths - 1)}
        request = Request(network(), dataset(X, Y), max_memory=MEMORY, **options)
        runner = Runner(prepare_problem(request), request.plan, request.max_memory)
        cohort = runner.make_cohort(strengths)
        cohort.start(np.full((n_folds, strengths), 0.01))
        records.clear()
        cohort.train_epoch(0)
        np.testing.assert_array_equal(np.sort(np.concatenate([each["row"] for each in records])), np.arange(N))
        sizes.append(records[0].dtype.itemsize)
        del runner, cohort
    # A row has bits for the folds: three for each, and three for the models on all rows.
    assert sizes[1] - sizes[0] == 1 and sizes[0] > 4 * 7
