"""Run in a process of its own, where one CPU is two devices: print how far two replicas train from one."""

import json
from typing import Any

import keras
import numpy as np
import tensorflow as tf

import shrinkage as sh

CASES = {
    "coupled": (sh.L2(), sh.Coupled(), "SGD"),
    "coupled Adam": (sh.L2(), sh.Coupled(), "Adam"),
    "decoupled": (sh.L2(), sh.Decoupled(), "Adam"),
    "proximal": (sh.L1(), sh.Proximal(), "Adam"),
}
RNG = np.random.default_rng(0)
X = RNG.normal(size=(32, 5)).astype("float32")
Y = (X @ np.ones((5, 1))).astype("float32")


def model(case: str, lam: float, strategy: Any) -> keras.Model:
    """Return a compiled model with a penalty attached, its variables in the strategy's scope."""
    penalty, how, optimizer = CASES[case]
    with strategy.scope():
        keras.utils.set_random_seed(0)
        made = keras.Sequential([keras.Input((5,)), keras.layers.Dense(4, "tanh"), keras.layers.Dense(1)])
        made.compile(getattr(keras.optimizers, optimizer)(0.05), "mean_squared_error")
        made.optimizer.build(made.trainable_variables)  # which a compiled loop cannot
    sh.attach(made, penalty, lam=lam, how=how)
    return made


def fit(model: keras.Model, strategy: Any) -> None:
    model.fit(X, Y, batch_size=8, epochs=3, shuffle=False, verbose=0)


def loop(model: keras.Model, strategy: Any) -> None:
    """Train as TensorFlow's guide to distributed training does, with the mean over the whole batch."""
    data = strategy.experimental_distribute_dataset(tf.data.Dataset.from_tensor_slices((X, Y)).batch(8))

    def step(x: Any, y: Any) -> None:
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum((model(x, training=True) - y) ** 2) / 8
        variables = model.trainable_variables
        model.optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    @tf.function
    def everywhere(x: Any, y: Any) -> None:
        strategy.run(step, args=(x, y))

    for _ in range(3):
        for x, y in data:
            everywhere(x, y)


def main() -> None:
    """Print, for each case and loop, the largest distance between one and two replicas, and to no penalty."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    two, one = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), tf.distribute.get_strategy()
    found = {}
    for case in CASES:
        for train in (fit, loop):
            weights = []
            for strategy, lam in ((two, 0.5), (one, 0.5), (one, 0.0)):
                trained = model(case, lam, strategy)
                train(trained, strategy)
                weights.append(trained.get_weights()[0])
            far = [float(np.abs(weights[0] - other).max()) for other in weights[1:]]
            found[f"{case}, {train.__name__}"] = {"replicas": two.num_replicas_in_sync, "one": far[0], "none": far[1]}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
