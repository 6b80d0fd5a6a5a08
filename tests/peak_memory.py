"""What a fit takes at its peak beside what was told before: `python -m tests.peak_memory NAME`, in a new process."""

import json
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import psutil
from keras import layers

import shrinkage as sh

Case = tuple[keras.Model, tuple[int, ...], int, int]  # the model, the shape of x, the batch's size, strengths


def model(shape: tuple[int, ...], *inner: Any, dtype: str = "float32") -> keras.Model:
    built = keras.Sequential([keras.Input(shape, dtype=dtype), *inner, layers.Dense(10, "softmax")])
    built.compile("adam", "sparse_categorical_crossentropy")
    return built


def wide() -> Case:
    return model((64,), layers.Dense(1024, "relu"), layers.Dense(1024, "relu")), (1500, 64), 256, 10


def large_batch() -> Case:
    return model((64,), layers.Dense(512, "relu"), layers.Dense(512, "relu")), (8000, 64), 2048, 10


def many_rows() -> Case:
    return model((20,), layers.Dense(32, "relu")), (200_000, 20), 1024, 10


def convolutions() -> Case:
    inner = [layers.Conv2D(16, 3, activation="relu"), layers.MaxPooling2D(), layers.Conv2D(32, 3, activation="relu")]
    return model((14, 14, 1), *inner, layers.Flatten()), (2000, 14, 14, 1), 128, 10


def large_convolutions() -> Case:
    inner = [layers.Conv2D(32, 3, activation="relu"), layers.MaxPooling2D(), layers.Conv2D(64, 3, activation="relu")]
    return model((28, 28, 1), *inner, layers.MaxPooling2D(), layers.Flatten()), (2000, 28, 28, 1), 256, 4


def recurrent() -> Case:
    return model((50, 8), layers.GRU(64)), (1000, 50, 8), 128, 10


def embeddings() -> Case:
    inner = [layers.Embedding(20_000, 32), layers.Flatten(), layers.Dense(64, "relu")]
    return model((2,), *inner, dtype="int32"), (8000, 2), 256, 10


def more_rows() -> Case:
    return model((20,), layers.Dense(32, "relu")), (600_000, 20), 4096, 4


CASES: dict[str, Callable[[], Case]] = {
    make.__name__: make
    for make in (
        wide,
        large_batch,
        many_rows,
        convolutions,
        large_convolutions,
        recurrent,
        embeddings,
        more_rows,
    )
}


SINGLE = ("more_rows",)  # given in float32; the others are converted by the fit


def _peak() -> int:
    """Return the most bytes that this process has held; `ru_maxrss` would be those of the tests that started it."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))


def main(name: str) -> None:
    """Print the bytes told and taken, beside those that the process had before."""
    network, shape, batch_size, strengths = CASES[name]()
    generator = np.random.default_rng(0)
    x = generator.integers(0, 20_000, shape) if name == "embeddings" else generator.normal(size=shape)
    y = generator.integers(0, 10, len(x))
    x = x.astype("float32") if name in SINGLE else x
    with open("/proc/self/clear_refs", "w") as reset:
        reset.write("5")  # the peak begins anew: making the rows took more
    before = psutil.Process().memory_info().rss
    path = sh.fit(
        network, x, y, penalty=sh.L2(), lams=np.logspace(-4, -1, strengths - 1), epochs=1, batch_size=batch_size,
        progress=False, cv=3, max_memory=1e11,
    )  # fmt: skip
    peak = _peak()
    print(json.dumps({"told": path.plan["memory"], "taken": peak - before, "before": before, "plan": path.plan}))


if __name__ == "__main__":
    main(sys.argv[1])
