"""How the cost of a dense network's cohort grows, beside the machine's own rate, and what holds the rest."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._page import markdown
from benchmarks._profile import KINDS, REST, profile
from benchmarks._store import Store, changed
from benchmarks._works import DENSE, Work

Changes = dict[str, Any]

AXES: dict[str, dict[int, Changes]] = {
    "members": {1: {"strengths": 1, "folds": 1}} | {5 * s: {"strengths": s} for s in (1, 4, 10, 21, 40, 80)},
    "batch": {size: {"batch_size": size} for size in (16, 32, 64, 128, 256, 512, 1024)},
    "width": {units: {"hidden": [units, units]} for units in (16, 32, 64, 128, 256, 512, 1024)},
    "rows": {count: {"rows": count} for count in (1_000, 3_000, 10_000, 30_000, 100_000)},
}
"""What is changed in `DENSE`, one thing at a time."""
INSIDE: dict[str, Changes] = {
    "narrow: width 16": {"hidden": [16, 16]},
    "as it is: width 64": {},
    "large batches of 1024": {"batch_size": 1024},
    "wide: width 1024": {"hidden": [1024, 1024]},
}
"""Where the time of the training loop is taken apart."""
PRODUCTS: tuple[str, ...] = ("numpy", "tensorflow")
_MOVES = 10
"""How often a step with Adam reads or writes each weight or as much: the weight forwards, backwards and to step, the
gradient, and two moments."""
RATES = ("float32", "NumPy, GFLOP a second", "TensorFlow, GFLOP a second", "memory copied, GB a second")
CURVES = ("", "", "ours, training", "ours, scored too", "(b), training", "arithmetic alone", "share of the rate")
INSIDES = ("share of the training loop", "microseconds", "arithmetic alone", "weights through memory", *KINDS, REST)


@dataclass(frozen=True)
class Point:
    """What one network costs, in microseconds of a model-step."""

    training: float
    """Ours, on the clock of the wall."""
    scored: float
    """The same with every epoch scored."""
    loop: float
    """The best loop's training."""
    arithmetic: float
    """At the machine's rate."""

    @property
    def share(self) -> float:
        """The part of the machine's rate that training reaches."""
        return self.arithmetic / self.training


def tables(store: Store, changes: Changes, picture: Path | None) -> dict[str, str]:
    """Measure the curves, draw them, and return the tables of them, of the machine's rate, and of a step's parts."""
    every = {threads: store.value({"name": "rate", "threads": threads}) for threads in (1, 2)}
    rates = {threads: found for threads, found in every.items() if found is not None}
    rate = max((found[kind] for found in rates.values() for kind in PRODUCTS), default=float("nan"))
    memory = max((found["memory"] for found in rates.values()), default=float("nan"))
    curves = {axis: _curve(store, points, changes, rate) for axis, points in AXES.items()}
    if picture is not None:
        from benchmarks._picture import draw

        draw(curves, rate, picture)
    lines = [
        [axis, f"{value:,}", *(f"{us:,.1f}" for us in (p.training, p.scored, p.loop, p.arithmetic)), f"{p.share:.0%}"]
        for axis, points in curves.items()
        for value, p in points.items()
    ]
    rate_lines = [
        [f"{threads} thread{'s' * (threads > 1)}", *(f"{found[kind]:.0f}" for kind in (*PRODUCTS, "memory"))]
        for threads, found in rates.items()
    ]
    return {
        "engine_picture": "![Microseconds of a model-step, over members, batch, width and rows](engine.png)",
        "engine_rate": markdown(RATES, rate_lines),
        "engine_curves": markdown(CURVES, lines),
        "engine_inside": _inside(store, changes, rate, memory),
    }


def _curve(store: Store, points: dict[int, Changes], changes: Changes, rate: float) -> dict[int, Point]:
    found = {}
    for value, own in points.items():
        every = with_epochs(own | changes)
        work = changed(DENSE, every)
        ours = store.cost("dense", "ours", every)
        # How many members or rows there are is nothing to a loop.
        loop = store.cost("dense", "trial", {k: v for k, v in every.items() if k in ("batch_size", "hidden")})
        if ours is None or loop is None:
            continue
        scoring = 1e6 * ours.parts["scoring"] / work.model_steps(work.rows or 0)
        training = 1000 * ours.step
        found[value] = Point(training, training + scoring, 1000 * loop.step, 1e6 * flops(work) / (1e9 * rate))
    return found


def _inside(store: Store, changes: Changes, rate: float, memory: float) -> str:
    """Return the table of what the training loop spends its time on."""
    lines = []
    for title, own in INSIDE.items():
        every = with_epochs(own | changes)
        ours = store.cost("dense", "ours", every)
        shares = store.value({"name": "profile", "changes": every | {"rows": 2_500, "epochs": 2} | changes})
        if ours is None or shares is None:
            continue
        work, whole = changed(DENSE, every), 1000 * ours.step
        alone = 1e6 * flops(work) / (1e9 * rate)
        moved = 1e6 * _MOVES * 4 * sum(weights(work)) / (1e9 * memory)
        parts = [alone / whole, moved / whole, *(shares[kind] for kind in (*KINDS, REST))]
        lines.append([title, f"{whole:,.1f}", *(f"{part:.0%}" for part in parts)])
    return markdown(INSIDES, lines)


def with_epochs(changes: Changes) -> Changes:
    """Return what is other than in `DENSE`, and as many epochs as can be timed and do not take too long."""
    work = changed(DENSE, changes)
    steps = 500 / max(1, max(work.hidden) // 256)
    epochs = {"epochs": int(np.clip(round(steps / work.steps(work.rows or 0)), 1, 20))}
    return epochs | {name: value for name, value in changes.items() if changed(DENSE, {name: value}) != DENSE}


def flops(work: Work) -> float:
    """Return the floating-point operations of one model's step: 2 a weight and row, and twice as many backwards.

    The gradient for the network's input is not needed.
    """
    return 2.0 * work.batch_size * (3 * sum(weights(work)) - weights(work)[0])


def weights(work: Work) -> list[int]:
    """Return how many weights each kernel of a member has."""
    sizes = [64, *work.hidden, 10]
    return [i * o for i, o in zip(sizes[:-1], sizes[1:], strict=True)]


# --- measured in processes of their own


def rate(job: dict[str, Any]) -> dict[str, float]:
    """Return what some threads do: GFLOP a second in products of large matrices, and GB a second of memory copied.

    A copied byte counts twice, read and written.
    """
    import tensorflow as tf
    from threadpoolctl import threadpool_limits

    threads = job["threads"]
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    multiply = {"numpy": np.matmul, "tensorflow": tf.linalg.matmul}
    best = dict.fromkeys(PRODUCTS, 0.0)
    with threadpool_limits(threads, "blas"):
        for n in (512, 1024, 2048):
            x = np.random.default_rng(0).normal(size=(n, n)).astype("float32")
            for name, tensor in (("numpy", x), ("tensorflow", tf.constant(x))):
                seconds = _time_call(lambda name=name, tensor=tensor: np.asarray(multiply[name](tensor, tensor)), 20)
                best[name] = max(best[name], 2e-9 * n**3 / seconds)
    source = np.ones((threads, 2**24), "float32")  # 64 MiB a thread, more than a cache holds
    target = np.zeros_like(source)
    with ThreadPoolExecutor(threads) as pool:
        seconds = _time_call(lambda: list(pool.map(np.copyto, target, source)), 10)
    return best | {"memory": 2e-9 * source.nbytes / seconds}


def _profile(job: dict[str, Any]) -> dict[str, float]:
    return profile(changed(DENSE, job["changes"]))


def _time_call(call: Callable[[], Any], times: int) -> float:
    """Return the seconds of the fastest of some calls, a first one left out."""
    call()
    seconds = []
    for _ in range(times):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


JOBS: dict[str, Callable[[dict[str, Any]], Any]] = {"rate": rate, "profile": _profile}
