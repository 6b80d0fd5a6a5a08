"""The memory of a fit does not grow with rows on disk, but for a few bytes per row."""

import subprocess
import sys
import time
import tracemalloc
from pathlib import Path
from typing import Any

import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf
from keras import layers

from shrinkage._problem._prepare import prepare_problem
from shrinkage._problem._request import Request
from tests.daily import full
from tests.stream_memory import BATCH, BATCHES, LIMIT

RNG = np.random.default_rng(0)
X = RNG.normal(size=(8192, 2)).astype("float32")
LABELS = RNG.integers(0, 3, len(X))
WEIGHT = (RNG.uniform(size=len(X)) * (RNG.uniform(size=len(X)) > 0.1)).astype("float32")


def peak_and_kept(n_times: int, parts: tuple[np.ndarray, ...], options: dict[str, Any]) -> tuple[int, int]:
    """The bytes of arrays at the peak of `prepare_problem`, and in the problem."""
    labels = parts[1] is LABELS
    model = keras.Sequential([keras.Input((2,)), layers.Dense(3 if labels else 1, "softmax" if labels else None)])
    model.compile("sgd", "sparse_categorical_crossentropy" if labels else "mse")
    dataset = tf.data.Dataset.from_tensors(parts).repeat(n_times)
    request = Request(model, dataset, penalty="l2", lams=[1e-4], epochs=1, batch_size=64, max_memory=4e6, **options)
    tracemalloc.start()
    try:
        problem = prepare_problem(request)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert problem.stored_rows is not None and problem.n_rows == n_times * len(X)
    return peak, kept


@pytest.mark.parametrize(
    ("parts", "n_folds", "options", "most"),
    [
        full((X, X[:, 0]), 4, {"cv": 4}, 8, id="folds"),
        full((X, LABELS), 1, {"cv": 0.2}, 12, id="hold-out of classes"),
        pytest.param((X, LABELS, WEIGHT), 2, {"cv": 2}, 20, id="folds of classes with weights"),
    ],
)
def test_checking_and_splitting_takes_few_bytes_per_row(parts, n_folds, options, most):
    (few_peak, few), (many_peak, many) = (peak_and_kept(n_times, parts, options) for n_times in (20, 100))
    more_rows = 80 * len(X)
    assert many_peak - few_peak < most * more_rows
    # Two bits per row and fold; the blocks and the sample, which are smaller for few rows, take less than 600 kB.
    assert many - few < 0.25 * n_folds * more_rows + 600_000


@pytest.mark.full
def test_rows_of_ten_times_the_limit_train_within_it():
    command = [sys.executable, "-m", "tests.stream_memory"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parents[2]) as running:
        assert running.stdin is not None and running.stdout is not None
        assert running.stdout.readline() == "ready\n"
        process = psutil.Process(running.pid)
        before, peak = process.memory_info().rss, 0
        running.stdin.write("\n")
        running.stdin.flush()
        while running.poll() is None:
            peak = max(peak, process.memory_info().rss)
            time.sleep(0.01)
        n_rows, n_blocks, share = running.stdout.read().split()
    assert int(n_rows) == BATCH * BATCHES and int(n_blocks) > 100 and float(share) < 0.9
    assert 50e6 < peak - before < LIMIT
