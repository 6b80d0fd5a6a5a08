"""A path in JAX as someone would write it by hand for one network, for whoever has JAX: it is no dependency here.

The strengths of a fold are one stacked network (`vmap`), an epoch is one compiled loop, and two threads train folds.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

# A fold takes a thread.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import jax  # pyright: ignore[reportMissingImports]
import numpy as np
from jax import numpy as jnp  # pyright: ignore[reportMissingImports]

from benchmarks._works import Work

_THREADS = 2


def path(work: Work, x: np.ndarray, y: np.ndarray, splits: list[Any]) -> list[np.ndarray]:
    """Train all strengths in all folds and on all rows; return the held-out losses of each fold, (epochs, strengths).

    Args:
        work: A perceptron that ends in ten classes.
        x, y: Inputs and classes.
        splits: For each fold the rows that it trains on and those that it holds out, as many in each.
    """
    lam = jnp.asarray(work.lams(len(x)), jnp.float32)
    data = jnp.asarray(x), jnp.asarray(y.astype(np.int32))
    sizes = [x.shape[1], *work.hidden, 10]

    def train(number: int) -> np.ndarray:
        rows, held_out = (*splits, (np.arange(len(x)), None))[number]
        generator = np.random.default_rng(number)
        weights = [(_stacked(generator, pair, len(lam)), jnp.zeros((len(lam), pair[1]))) for pair in _pairs(sizes)]
        zeros = jax.tree.map(jnp.zeros_like, weights)
        state, losses, steps = (weights, zeros, zeros), [], work.steps(len(rows))
        for epoch in range(work.epochs):
            # As many batches for every fold and for all rows: one compiled loop.
            batches = np.zeros((work.steps(len(x)), work.batch_size), np.int32)
            batches[:steps] = np.resize(generator.permutation(rows), (steps, work.batch_size))
            state = _epoch(state, batches, np.int32(steps), np.int32(epoch * steps), *data, lam)
            if held_out is not None:
                losses.append(np.asarray(_score(state[0], *data, held_out)))
        jax.block_until_ready(state)
        return np.array(losses)

    with ThreadPoolExecutor(_THREADS) as pool:
        return [*pool.map(train, range(len(splits) + 1))][:-1]


def _pairs(sizes: list[int]) -> list[tuple[int, int]]:
    return list(zip(sizes[:-1], sizes[1:], strict=True))


def _stacked(generator: np.random.Generator, shape: tuple[int, int], count: int) -> Any:
    """Return Glorot's uniform weights, the same for all strengths."""
    limit = (6 / sum(shape)) ** 0.5
    return jnp.asarray(np.tile(generator.uniform(-limit, limit, shape).astype("float32"), (count, 1, 1)))


def _losses(weights: Any, x: Any, y: Any) -> Any:
    for kernel, bias in weights[:-1]:
        x = jax.nn.relu(x @ kernel + bias)
    kernel, bias = weights[-1]
    logits = x @ kernel + bias
    return jax.nn.logsumexp(logits, axis=-1) - jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]


def _objective(weights: Any, lam: Any, x: Any, y: Any) -> Any:
    return _losses(weights, x, y).mean() + lam / 2 * sum((kernel**2).sum() for kernel, _ in weights)


def _step(weights: Any, means: Any, squares: Any, t: Any, lam: Any, x: Any, y: Any) -> Any:
    """Take a step of Adam with the settings of Keras."""
    gradients = jax.grad(_objective)(weights, lam, x, y)
    means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, gradients)
    squares = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, squares, gradients)
    rate = 0.001 * jnp.sqrt(1 - 0.999**t) / (1 - 0.9**t)
    step = jax.tree.map(lambda w, m, v: w - rate * m / (jnp.sqrt(v) + 1e-7), weights, means, squares)
    return step, means, squares


@jax.jit
def _epoch(state: Any, batches: Any, steps: Any, done: Any, x: Any, y: Any, lam: Any) -> Any:
    def body(i: Any, state: Any) -> Any:
        rows, t = batches[i], (done + i + 1).astype(jnp.float32)
        return jax.vmap(_step, (0, 0, 0, None, 0, None, None))(*state, t, lam, x[rows], y[rows])

    return jax.lax.fori_loop(0, steps, body, state)


@jax.jit
def _score(weights: Any, x: Any, y: Any, rows: Any) -> Any:
    return jax.vmap(_losses, (0, None, None))(weights, x[rows], y[rows]).mean(axis=1)
