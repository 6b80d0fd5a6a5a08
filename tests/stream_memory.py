"""A fit of rows that take ten times `max_memory`: `python -m tests.stream_memory`, in a new process that is watched."""

import sys
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from keras import layers

import shrinkage as sh

LIMIT = 400e6
WIDTH, BATCH = 400, 512
BATCHES = round(10 * LIMIT / (4 * WIDTH * BATCH))


def batches() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield rows of random numbers, each batch from a seed of its own."""
    for number in range(BATCHES):
        x = np.random.default_rng(number).random((BATCH, WIDTH), np.float32) - 0.5
        yield x, np.tanh(3 * x[:, :5].sum(axis=1))


def main() -> None:
    """Say when all is imported and the runtime has started; after the next line of input, fit."""
    model = keras.Sequential([keras.Input((WIDTH,)), layers.Dense(16, "relu"), layers.Dense(1)])
    model.compile("adam", "mse")
    model.predict(np.zeros((1, WIDTH)), verbose=0)
    getattr(sh, "fit")  # noqa: B009  imports the package, which is lazy
    signature = tf.TensorSpec((BATCH, WIDTH)), tf.TensorSpec((BATCH,))
    dataset = tf.data.Dataset.from_generator(batches, output_signature=signature)
    next(iter(dataset))
    print("ready", flush=True)
    sys.stdin.readline()
    path = sh.fit(model, dataset, penalty="l2", lams=[1e-4], cv=3, epochs=1, max_memory=LIMIT, progress=False)
    print(path.n_rows, path.plan["blocks"], path.mean.min() / path.null_loss)


if __name__ == "__main__":
    main()
