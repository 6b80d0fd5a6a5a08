"""What a process holds after many fits of a kind: `python -m tests.many_fits WARM COUNT KIND...`, in a new process."""

import gc
import json
import sys
import tempfile
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import psutil
import tensorflow as tf
from keras import layers

import shrinkage as sh

X = np.random.default_rng(0).normal(size=(40, 5)).astype("float32")
Y = (X[:, 0] > 0).astype("float32")
OPTIONS: dict[str, Any] = {
    "penalty": sh.L2(), "lams": [0.1, 0.01, 0.0], "cv": 2, "epochs": 2, "batch_size": 8, "progress": False,
}  # fmt: skip


def options(**changes: Any) -> dict[str, Any]:
    return OPTIONS | changes


class Custom(layers.Layer):
    """Code of the user: fits share no compiled steps."""

    def build(self, input_shape):
        self.w = self.add_weight(shape=(input_shape[-1], 4))

    def call(self, x):
        return keras.ops.tanh(x @ self.w)


def network(first: keras.Layer | None = None) -> keras.Model:
    built = keras.Sequential([keras.Input((5,)), first or layers.Dense(4, "relu"), layers.Dense(1, "sigmoid")])
    built.compile("adam", "binary_crossentropy")
    return built


SAME = network()


def same(number: int) -> None:
    """The same model, with XLA and without in turns."""
    sh.fit(SAME, X, Y, plan={"xla": bool(number % 2)}, **OPTIONS)


def built(number: int) -> None:
    """Plain Keras: a model built anew, without training."""
    network()


def anew(number: int) -> None:
    """A model built anew for every fit; it is also predicted with."""
    keras.Model.predict(sh.fit(network(), X, Y, **options(seed=number)).model(), X, verbose="0")


def custom(number: int) -> None:
    """A model with a layer of the user, built anew."""
    sh.fit(network(Custom()), X, Y, plan={"xla": False}, **OPTIONS)
    gc.collect()  # traced functions are in cycles of references, which Python collects from time to time


def on_disk(number: int) -> None:
    """Rows larger than `max_memory`."""
    dataset = tf.data.Dataset.from_tensor_slices((np.tile(X, (10, 1)), np.tile(Y, 10))).batch(8)
    sh.fit(SAME, dataset, max_memory=2e4, **options(epochs=1))


def recorded(number: int) -> None:
    """A run that is recorded in a new folder, and read from it."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            sh.fit(SAME, X, Y, run=f"{folder}/run", plan={"xla": bool(number % 2)}, **OPTIONS)


def strengths(number: int) -> None:
    """200 strengths in two folds: 400 members, and 200 models on all rows."""
    sh.fit(SAME, X, Y, **options(lams=np.geomspace(1, 1e-4, 199)))


def inspected(number: int) -> None:
    """The doctor, and a penalty attached to a new model, without training."""
    model = network()
    sh.attach(model, sh.L2(), lam=1e-3)
    sh.doctor(model)
    sh.detach(model)


def keras_anew(number: int) -> None:
    """Plain Keras: a model built anew, to compare with."""
    network().fit(X, Y, epochs=2, batch_size=8, validation_data=(X, Y), verbose="0")


KINDS: dict[str, Callable[[int], None]] = {
    kind.__name__: kind for kind in (same, built, anew, custom, on_disk, recorded, strengths, inspected, keras_anew)
}


def state() -> dict[str, float]:
    """Return what the process holds: open files, threads, memory maps, Python objects, and MB of memory."""
    gc.collect()
    process = psutil.Process()
    with open("/proc/self/maps", "rb") as maps:
        n_maps = sum(1 for _ in maps)
    return {
        "files": process.num_fds(), "threads": process.num_threads(), "maps": n_maps,
        "objects": len(gc.get_objects()), "memory": process.memory_info().rss / 1e6,
    }  # fmt: skip


def main(warm: int, count: int, kinds: list[str]) -> None:
    """Print for each kind the growth in `count` calls that follow `warm` calls."""
    grown = {}
    for kind in kinds:
        for number in range(warm):
            KINDS[kind](number)
        before = state()
        for number in range(warm, warm + count):
            KINDS[kind](number)
        after = state()
        grown[kind] = {name: after[name] - before[name] for name in before}
    print(json.dumps(grown))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
