"""A dataset that does not fit into memory: read once, dealt to folds, written to disk, and trained on in blocks."""

import gc
import tempfile
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

import shrinkage as sh
from shrinkage._cohort._cohort import Cohort
from shrinkage._cohort._stream import StreamCohort
from shrinkage._data import _dataset, _stored
from shrinkage._plan._runner import Runner
from shrinkage._problem import _stream
from shrinkage._problem._prepare import prepare
from shrinkage._problem._request import Request

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
    """Blocks of a thousand rows, in a folder of the test, in which nothing may be left."""
    monkeypatch.setattr(_stored, "BLOCK_ROWS", 1000)
    monkeypatch.setattr(_dataset, "_READ", (500, 2**24))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    gc.collect()
    assert not list(tmp_path.glob("shrinkage-*"))


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


def cohorts(*parts: Any, **options: Any) -> tuple[StreamCohort, StreamCohort]:
    """That of the folds, and that of all rows."""
    request = Request(network(), dataset(*parts), max_memory=MEMORY, **OPTIONS | options)
    runner = Runner(prepare(request), request.plan, request.max_memory)
    found = runner.cohort(1), runner.cohort_of_all_rows(1)
    assert all(isinstance(each, StreamCohort) for each in found)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("place", [0, 1], ids=["folds", "all rows"])
def test_each_fold_trains_on_its_rows_equally_often(place, monkeypatch):
    taken: dict[int, list[np.ndarray]] = {}
    step_on = Cohort.step_on

    def spy(cohort: Cohort, f: int, data: Any, batches: np.ndarray, seeds: np.ndarray) -> Any:
        assert batches.shape[1] == BATCH
        taken.setdefault(f, []).append(data[0].numpy()[batches.ravel(), 0].astype(int))
        return step_on(cohort, f, data, batches, seeds)

    cohort = cohorts(X, Y)[place]
    n_folds = (3, 1)[place]
    cohort.start(np.full((n_folds, 1), 0.01))
    monkeypatch.setattr(Cohort, "step_on", spy)
    for epoch in range(3):
        cohort.train_epoch(epoch)
    times = np.array([np.bincount(np.concatenate(taken[f]), minlength=N) for f in range(n_folds)])
    trained = times > 0
    assert (trained.sum(axis=0) == max(1, n_folds - 1)).all(), "each row is held out by one fold"
    assert set(times[trained].tolist()) <= {2, 3} and (times == 2).sum(axis=1).max() < BATCH  # those left over
    assert len(taken[0]) == 3 * 6  # blocks
    first, second = taken[0][0], taken[0][6]
    assert not np.array_equal(np.sort(first), np.sort(second)), "epochs read blocks in another order"


def test_each_row_is_scored_by_its_fold_as_plain_keras_scores_it(monkeypatch):
    cohort, _ = cohorts(X, Y, WEIGHT)
    cohort.start(np.full((3, 1), 0.01))
    cohort.train_epoch(0)
    scored: dict[int, list[np.ndarray]] = {}
    losses_on = Cohort.losses_on

    def spy(cohort: Cohort, f: int, data: Any, rows: np.ndarray) -> np.ndarray:
        scored.setdefault(f, []).append(data[0].numpy()[rows, 0].astype(int))
        return losses_on(cohort, f, data, rows)

    monkeypatch.setattr(Cohort, "losses_on", spy)
    found = cohort.evaluate()
    held_out = [np.concatenate(scored[f][::2]) for f in range(3)]
    np.testing.assert_array_equal(np.sort(np.concatenate(held_out)), np.flatnonzero(WEIGHT > 0))
    model = network()
    for f in range(3):
        for variable, value in zip(model.variables, cohort.values(f, 0), strict=True):
            variable.assign(value)
        model.layers[0].finalize_state()  # Keras' `Normalization` computes with copies of these variables
        for rows, loss in ((held_out[f], found.cv_loss), (np.concatenate(scored[f][1::2]), found.train_loss)):
            squares = (model(X[rows]).numpy() - Y[rows])[:, 0] ** 2  # `predict` keeps the first constants
            # float32 sums of a few thousand losses
            np.testing.assert_allclose(loss[f, 0], np.average(squares, weights=WEIGHT[rows]), rtol=2e-5)
        assert set(np.concatenate(scored[f][1::2])) <= set(held_out[(f + 1) % 3])
    assert np.ptp(found.cv_loss) > 1e-4


def test_a_stream_gives_the_statistics_of_its_rows_in_memory():
    options: dict[str, Any] = OPTIONS | {"epochs": 8}
    path, memory = streamed(X, Y, epochs=8), sh.fit(network(), X, Y, **options)
    assert path.n_rows == N and path.plan["blocks"] == 6 and memory.plan["blocks"] == 1
    assert path.fold_weight.sum() == N and np.ptp(path.fold_weight) <= 1
    np.testing.assert_allclose(path.null_loss, memory.null_loss, rtol=5e-3)  # the constants are of other folds
    # Other batches: the noise of training, which is of the size of the standard error between folds.
    np.testing.assert_allclose(path.mean, memory.mean, atol=4 * memory.se.max())
    assert memory.mean.max() < 0.5 * memory.null_loss, "the models learn"
    for name in ("mean", "variance"):
        ours, theirs = (getattr(each.model().layers[0], name) for each in (path, memory))
        np.testing.assert_allclose(ours, theirs, rtol=1e-5)
    (note,) = (note for note in path.notes if "were written to disk" in note)
    assert f"random sample of {len(path.held_out_rows):,} rows" in note and len(path.row_loss) < N


def test_the_same_call_gives_the_same_bits():
    one, other = streamed(X, Y), streamed(X, Y)
    np.testing.assert_array_equal(one.cv_loss, other.cv_loss)
    np.testing.assert_array_equal(one.predictions, other.predictions)
    assert not np.array_equal(one.cv_loss, streamed(X, Y, seed=1).cv_loss)


def test_the_sample_is_not_smaller_than_a_batch(monkeypatch):
    monkeypatch.setattr(_stream, "_SAMPLE", 10)
    path = streamed(X, Y, batch_size=600)
    assert len(path.held_out_rows) == 1200 and np.isfinite(path.mean).all()


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
        ((X, Y), {"cv": 0.2}, "`cv` needs rows that fit into memory.* Say cv=5"),
        ((X, Y), {"repeats": 2}, "`repeats` needs rows that fit into memory"),
        ((X, Y), {"validation_data": (X, Y)}, "`validation_data` needs rows that fit into memory"),
        ((X, Y), {"standardize_target": True}, "`standardize_target` needs rows that fit into memory"),
        ((X, Y), {"batch_size": 4000}, "`batch_size` must be at most the 3,33. training rows of a fold"),
        ((X, Y), {"model": mixing()}, "`model` must treat each row alone"),
        ((X, 0 * LABELS), {"model": network("binary_crossentropy")}, "at least two classes"),
    ],
    ids=[
        "NaN in the last row", "infinity in the last row", "label of the last row", "weight of the last row",
        "hold-out",        "repeats", "held-out rows", "standardised targets", "a batch above a fold",
        "a model that mixes rows", "one class",
    ],
)  # fmt: skip
def test_bad_rows_and_arguments_are_refused_before_training(parts, options, words, monkeypatch):
    monkeypatch.setattr(Cohort, "step_on", lambda *_: pytest.fail("training began"))
    with pytest.raises(ValueError, match=f"(?s){words}"):
        streamed(*parts, **options)
