"""Every split of rows on disk: the folds of arrays, each row trained on and scored in exactly its folds."""

from typing import Any

import keras
import numpy as np
import pytest
import sklearn.model_selection as sk
import tensorflow as tf
from keras import layers

import shrinkage as sh
from shrinkage._cohort._cohort import Cohort
from shrinkage._cohort._stream import StreamCohort
from shrinkage._plan._runner import Runner
from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request
from tests.daily import some_every_day
from tests.fit.fitting import small_blocks

N, BATCH, MEMORY = 2003, 32, 1e5  # a quarter of this memory holds 700 rows
RNG = np.random.default_rng(0)
X = RNG.normal(3.0, 2.0, size=(N, 6)).astype("float32")
X[:, 0] = np.arange(N)  # the number of the row
Y = (np.tanh((X[:, 1:] - 3) @ RNG.normal(size=(5, 1)) / 4) + 0.2 * RNG.normal(size=(N, 1))).astype("float32")
LABELS = RNG.choice(3, N, p=[0.6, 0.3, 0.1])
SEVERAL = (RNG.uniform(size=(N, 3)) < [0.5, 0.2, 0.1]).astype("float32")
WEIGHT = (RNG.uniform(0, 2, N) * (RNG.uniform(size=N) > 0.1)).astype("float32")
GROUPS = np.sort(RNG.integers(40, size=N))
NEW = X[:1500].copy(), Y[:1500] + 0.1
NEW[0][:, 0] += N  # the rows of `validation_data` are numbered after those of `x`
OPTIONS: dict[str, Any] = {"penalty": "l2", "lams": [1e-4], "cv": 3, "epochs": 1, "plan": {"rules": True, "xla": False}}

SPLITS: dict[str, tuple[str, dict[str, Any]]] = {
    "folds": ("numbers", {}),
    "folds of classes": ("classes", {}),
    "folds of labels": ("labels", {}),
    "repeats": ("numbers", {"repeats": 2}),
    "repeats of classes": ("classes", {"repeats": 2}),
    "hold-out": ("numbers", {"cv": 0.2}),
    "hold-outs of classes": ("classes", {"cv": 0.2, "repeats": 2}),
    "groups": ("numbers", {"groups": GROUPS}),
    "groups and classes": ("classes", {"groups": GROUPS, "repeats": 2}),
    "hold-out of groups": ("numbers", {"groups": GROUPS, "cv": 0.3}),
    "time": ("numbers", {"cv": sk.TimeSeriesSplit(4, gap=10, max_train_size=700)}),
    "splitter of classes": ("classes", {"cv": sk.StratifiedShuffleSplit(3, test_size=0.3, random_state=0)}),
    "splitter of groups": ("numbers", {"cv": sk.GroupKFold(3), "groups": GROUPS}),
    "fold numbers": ("numbers", {"cv": np.arange(N) % 4 - 1}),
    "pairs": ("numbers", {"cv": [(np.arange(0, 900), np.arange(900, 1100)), (np.arange(500, N), np.arange(7))]}),
    "arrays held out": ("numbers", {"validation_data": NEW}),
    "dataset held out": ("numbers", {"validation_data": tf.data.Dataset.from_tensor_slices(NEW).batch(100)}),
}
TARGETS = {"numbers": Y, "classes": LABELS, "labels": SEVERAL}


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch, tmp_path):
    yield from small_blocks(monkeypatch, tmp_path, block=400, sample=300, read=300)


def network(kind: str) -> keras.Model:
    """A model whose members keep their first weights, so that arrays and blocks score the same members."""
    loss, units, activation, metric = {
        "numbers": ("mse", 1, None, "mae"),
        "classes": ("sparse_categorical_crossentropy", 3, "softmax", "accuracy"),
        "labels": ("binary_crossentropy", 3, "sigmoid", "AUC"),
    }[kind]
    model = keras.Sequential([keras.Input((6,)), layers.Normalization(), layers.Dense(units, activation)])
    model.compile(keras.optimizers.SGD(0.0), loss, metrics=[metric])
    return model


class Batches(keras.utils.PyDataset):
    num_batches = -(-N // BATCH)  # type: ignore[assignment]

    def __init__(self, kind: str):
        super().__init__()
        self._parts = X, TARGETS[kind], WEIGHT

    def __getitem__(self, index):
        return tuple(part[index * BATCH : (index + 1) * BATCH] for part in self._parts)


def dataset(kind: str, source: str = "batches") -> Any:
    if source == "PyDataset":
        return Batches(kind)
    rows = tf.data.Dataset.from_tensor_slices((X, TARGETS[kind], WEIGHT))
    return rows if source == "rows" else rows.batch(BATCH)


# Every day each split runs in this test or in the test of its rows.
DAILY = {
    "folds of classes", "repeats", "hold-out of groups", "time", "splitter of groups", "pairs", "dataset held out"
}  # fmt: skip


@pytest.mark.parametrize("split", some_every_day(SPLITS, *DAILY))
def test_a_split_on_disk_is_that_of_arrays(split):
    """The same folds to the bit, and the losses, metrics and constants of all held-out rows, not of the sample."""
    kind, options = SPLITS[split]
    options = OPTIONS | options
    memory = sh.fit(network(kind), X, TARGETS[kind], sample_weight=WEIGHT, batch_size=BATCH, **options)
    path = sh.fit(network(kind), dataset(kind), max_memory=MEMORY, **options)
    assert path.plan["blocks"] > 4 and memory.plan["blocks"] == 1
    assert path.folds.hash == memory.folds.hash and path.folds.kind == memory.folds.kind
    assert (path.folds.repeats, path.n_rows) == (memory.folds.repeats, memory.n_rows)
    assert set(memory.notes) <= set(path.notes)
    np.testing.assert_array_equal(path.fold_weight, memory.fold_weight)
    np.testing.assert_array_equal(path.train_weight, memory.train_weight)
    # Sums in another order, of float32 losses; `Normalization` has moments of other sums.
    for name in ("cv_loss", "train_loss", "null_loss", "null_fold_loss", "lams"):
        np.testing.assert_allclose(getattr(path, name), getattr(memory, name), rtol=2e-5)
    assert path.metrics.keys() == memory.metrics.keys()
    for name, values in memory.metrics.items():
        np.testing.assert_allclose(path.metrics[name], values, rtol=2e-3 if name == "AUC" else 1e-5)
        np.testing.assert_allclose(path.null_metrics[name], memory.null_metrics[name], rtol=1e-5)
    assert (np.diff(path.held_out_rows) > 0).all()
    assert len(path.held_out_rows) == min(300, len(memory.held_out_rows)) and np.ptp(path.predictions) > 0.3
    place = np.searchsorted(memory.held_out_rows, path.held_out_rows)
    np.testing.assert_array_equal(memory.held_out_rows[place], path.held_out_rows)
    assert (path.row_weight is None) == (memory.row_weight is None)
    for name in ("row_loss", "predictions", "targets", "row_weight", "null_row_loss"):
        if getattr(memory, name) is not None:
            # float32 losses and predictions near 0
            np.testing.assert_allclose(getattr(path, name), getattr(memory, name)[place], rtol=1e-4, atol=1e-5)
    # Over folds, errors are of differences of the losses above; a single split takes the error from the sample, which
    # hardly shows that rows of the few groups are independent.
    rtol = (0.3 if path.groups is None else 0.7) if path.single_split else 1e-4
    np.testing.assert_allclose(path.se, memory.se, rtol=rtol)
    np.testing.assert_allclose(path.null_se, memory.null_se, rtol=rtol)
    for name in ("low", "mean", "high"):
        np.testing.assert_allclose(
            getattr(path.null_gain, name), getattr(memory.null_gain, name), rtol=10 * rtol, atol=2 * memory.se[0] * rtol
        )


def cohorts(split: str, source: str) -> tuple[Any, StreamCohort, StreamCohort]:
    """The problem, the cohort of the folds, and that of all rows."""
    kind, options = SPLITS[split]
    options: dict[str, Any] = OPTIONS | {"batch_size": BATCH} | options
    request = Request(network(kind), dataset(kind, source), max_memory=MEMORY, **options)
    runner = Runner(prepare_problem(request), request.plan, request.max_memory)
    found = runner.make_cohort(1), runner.make_full_cohort(1)
    assert all(isinstance(each, StreamCohort) for each in found)
    return runner.problem, *found  # type: ignore[return-value]


@pytest.fixture
def record(monkeypatch):
    """Rows of the steps and scores of each fold, in place of steps and scores."""
    steps: dict[int, list[np.ndarray]] = {}
    scores: dict[int, list[np.ndarray]] = {}

    def step_on(cohort: Cohort, f: int, data: Any, batches: np.ndarray, seeds: np.ndarray) -> Any:
        assert batches.shape[1] == BATCH
        steps.setdefault(f, []).append(data[0].numpy()[batches.ravel(), 0].astype(int))
        return [], np.zeros(1, bool)

    def scores_on(cohort: Cohort, f: int, data: Any, rows: np.ndarray) -> Any:
        scores.setdefault(f, []).append(data[0].numpy()[rows, 0].astype(int))
        return np.zeros((1, len(rows))), np.zeros((1, len(rows), 3))

    monkeypatch.setattr(Cohort, "_compile", lambda *_: None)
    monkeypatch.setattr(Cohort, "step_on", step_on)
    monkeypatch.setattr(Cohort, "score_on", scores_on)
    return steps, scores


@pytest.mark.parametrize("split", some_every_day(SPLITS, *(SPLITS.keys() - DAILY)))
@pytest.mark.parametrize(
    "source", ["batches", *(pytest.param(s, marks=pytest.mark.full) for s in ("rows", "PyDataset"))]
)
def test_each_row_trains_in_its_folds_equally_often_and_is_scored_in_its_folds(source, split, record):
    steps, scores = record
    problem, folds, all_rows = cohorts(split, source)
    expected = problem.folds
    for cohort, train in ((all_rows, [np.arange(N)]), (folds, list(expected.train))):
        steps.clear()
        cohort.start(np.full((len(train), 1), 0.01))
        for epoch in range(3):
            cohort.train_epoch(epoch)
        for f, rows in enumerate(train):
            times = np.bincount(np.concatenate(steps[f]), minlength=N)
            np.testing.assert_array_equal(np.flatnonzero(times), rows)
            # In three epochs a row is used three times, but for the last rows left over, fewer than a batch.
            assert set(times[rows]) <= {2, 3} and (times[rows] == 2).sum() < BATCH
            assert len(steps[f]) == 3 * problem.stored_rows.n_blocks
            first, second = steps[f][0], steps[f][problem.stored_rows.n_blocks]
            assert not np.array_equal(np.sort(first), np.sort(second)), "epochs read blocks in another order"
    folds.evaluate()
    for f, held_out in enumerate(expected.held_out):
        scored = np.bincount(np.concatenate(scores[f]), minlength=N + len(NEW[0]))
        trained = np.setdiff1d(np.flatnonzero(scored), held_out)
        np.testing.assert_array_equal(scored[held_out], 1)
        assert np.isin(trained, expected.train[f]).all() and (scored[trained] == 1).all()
        if problem.stored_rows.n_folds > 1 and expected.next_folds is not None:
            np.testing.assert_array_equal(trained, expected.held_out[expected.next_folds[f]])
        else:
            counts = np.append(WEIGHT > 0, np.full(len(NEW[0]), True))  # rows of weight 0 are not drawn
            assert len(trained) == min(counts[held_out].sum(), counts[expected.train[f]].sum())
