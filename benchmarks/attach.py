"""What an attached penalty adds to a training step: writes the table of docs/attach.md.

All ways of a model are measured in one process, one after the other in an order that changes from round to round. A
ratio is the median over rounds of that to the bare model in the same round:

    python -m benchmarks.attach
"""

import os
import random
import time
from collections.abc import Callable
from typing import Any

import click
import numpy as np

from benchmarks._page import DOCS, machine, markdown, write

PAGE = DOCS / "attach.md"
BATCH = 32
LAM = 1e-4


def mlp(regularizer: Any) -> tuple[Any, tuple[int, ...]]:
    """Return a perceptron with three kernels, and the shape of a row."""
    import keras
    from keras.layers import Dense

    made = [Dense(n, act, kernel_regularizer=regularizer) for n, act in ((64, "relu"), (64, "relu"), (10, None))]
    return keras.Sequential([keras.Input((64,)), *made]), (64,)


def cnn(regularizer: Any) -> tuple[Any, tuple[int, ...]]:
    """Return a residual network with 50 kernels, and the shape of a row."""
    import keras
    from keras.layers import Add, BatchNormalization, Conv2D, Dense, GlobalAveragePooling2D, ReLU

    def convolution(x: Any) -> Any:
        x = Conv2D(16, 3, padding="same", use_bias=False, kernel_regularizer=regularizer)(x)
        return ReLU()(BatchNormalization()(x))

    inputs = keras.Input((16, 16, 3))
    x = convolution(inputs)
    for _ in range(24):
        x = Add()([x, convolution(convolution(x))])
    return keras.Model(inputs, Dense(10, kernel_regularizer=regularizer)(GlobalAveragePooling2D()(x))), (16, 16, 3)


def transformer(regularizer: Any) -> tuple[Any, tuple[int, ...]]:
    """Return four blocks of attention over 32 positions, and the shape of a row."""
    import keras
    from keras.layers import Dense, GlobalAveragePooling1D, LayerNormalization, MultiHeadAttention

    x = inputs = keras.Input((32, 64))
    for _ in range(4):
        x = LayerNormalization()(x + MultiHeadAttention(4, 16, kernel_regularizer=regularizer)(x, x))
        wide = Dense(256, "gelu", kernel_regularizer=regularizer)(x)
        x = LayerNormalization()(x + Dense(64, kernel_regularizer=regularizer)(wide))
    return keras.Model(inputs, Dense(10, kernel_regularizer=regularizer)(GlobalAveragePooling1D()(x))), (32, 64)


def recommender(regularizer: Any) -> tuple[Any, tuple[int, ...]]:
    """Return a model whose table of 500,000 rows is nearly all of it, and the shape of a row."""
    import keras
    from keras.layers import Dense, Embedding, GlobalAveragePooling1D

    table = Embedding(500_000, 32, embeddings_regularizer=regularizer)
    head = Dense(10, kernel_regularizer=regularizer)
    return keras.Sequential([keras.Input((8,), dtype="int32"), table, GlobalAveragePooling1D(), head]), (8,)


MODELS: dict[str, tuple[Callable[[Any], Any], str, int, bool, int]] = {
    "Perceptron, 3 kernels": (mlp, "Adam", 100, False, 1),
    "The same with XLA": (mlp, "Adam", 100, True, 1),
    "Perceptron, 10 steps a call": (mlp, "Adam", 40, False, 10),
    "This with XLA": (mlp, "Adam", 40, True, 10),
    "Convolutional, 50 kernels": (cnn, "Adam", 10, False, 1),
    "Transformer, 25 kernels": (transformer, "Adam", 10, False, 1),
    "Table of 500,000 x 32": (recommender, "SGD", 10, False, 1),
}
"""Of each how it is made, its optimizer, the calls of a round, whether XLA compiles them, and the steps of a call."""
ROWS: dict[str, Any] = {'attached, rows="lazy"': "lazy", 'attached, rows="touched"': "touched"}
WAYS = ("bare", "Keras' own", "attached", *ROWS)


def stepper(name: str, way: str) -> Callable[[], float]:
    """Return what takes some compiled training steps, and returns the seconds that one took."""
    import keras
    import tensorflow as tf

    import shrinkage as sh

    make, optimizer, calls, xla, steps = MODELS[name]
    keras.utils.set_random_seed(0)
    model, shape = make(keras.regularizers.L2(LAM / 2) if way == "Keras' own" else None)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    rate = 1e-9  # or the bare model would learn its one batch by heart, and be slow with gradients below normal numbers
    model.compile(getattr(keras.optimizers, optimizer)(rate), loss, jit_compile=xla, steps_per_execution=steps)
    if way.startswith("attached"):
        sh.attach(model, sh.L2(), lam=LAM, rows=ROWS.get(way, "all"))
    rng = np.random.default_rng(0)
    floats = model.inputs[0].dtype == "float32"
    x = rng.normal(size=(BATCH, *shape)) if floats else rng.integers(0, 500_000, (BATCH, *shape))
    data = tf.data.Dataset.from_tensors((x.astype("float32" if floats else "int32"), rng.integers(0, 10, BATCH)))
    batches = iter(data.repeat())
    model.make_train_function()

    def take() -> float:
        start = time.perf_counter()
        for _ in range(calls - 1):
            model.train_function(batches)
        float(model.train_function(batches)["loss"])  # waits for the last step
        return (time.perf_counter() - start) / (calls * steps)

    take()  # traces
    return take


def measured(name: str, rounds: int) -> dict[str, tuple[float, float]]:
    """Return for each way the median seconds of a step, and the median ratio to the bare model's of the same round."""
    ways = WAYS if MODELS[name][0] is recommender else WAYS[:3]
    takes = {way: stepper(name, way) for way in ways}
    times = []
    for _ in range(rounds):
        order = random.sample(ways, len(ways))
        found = {way: takes[way]() for way in order}
        times.append([found[way] for way in ways])
    seconds = np.array(times)
    ratios = np.median(seconds / seconds[:, :1], axis=0)
    return {way: (float(s), float(r)) for way, s, r in zip(ways, np.median(seconds, axis=0), ratios, strict=True)}


@click.command()
@click.option("--model", "names", type=click.Choice([*MODELS]), multiple=True, help="Only these; no page is written.")
@click.option("--rounds", default=20, show_default=True, help="How often each way is measured.")
def main(names: tuple[str, ...], rounds: int) -> None:
    """Measure and print the table, and write it to docs/attach.md."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    rows = []
    for name in names or MODELS:
        for way, (seconds, ratio) in measured(name, rounds).items():
            rows.append((name if way == "bare" else "", way, f"{1000 * seconds:.2f}", f"{ratio:.2f}"))
            click.echo(" | ".join(rows[-1]))
    if not names:
        write(PAGE, "attach", markdown(("model", "way", "ms a step", "x bare"), rows))
        write(PAGE, "attach_machine", machine())


if __name__ == "__main__":
    main()
