"""What workers of a cluster gain and cost on this machine, and what follows for more of them; writes docs/scale.md.

python -m benchmarks.scale
"""

import json
import math
import os
import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import numpy as np

from benchmarks._page import DOCS, machine, markdown, write
from shrinkage._host._quiet import require_tensorflow
from shrinkage._plan._cluster._layout import compute_layout
from shrinkage._plan._cluster._worker import Worker

_TIMES = "SHRINKAGE_BENCHMARK_TIMES"
_CNN: dict[str, Any] = {"lams": list(np.geomspace(0.1, 1e-4, 3)), "cv": 5, "epochs": 8, "models": "chosen"}
_ONE_BY_ONE = {"rules": False, "xla": False, "chunk": 1}


class TimedWorker(Worker):
    """A worker that writes down how long it computes."""

    def call(self, method: str, *arguments: Any) -> Any:
        began = time.perf_counter()
        result = super().call(method, *arguments)
        with Path(os.environ[_TIMES], str(os.getpid())).open("a") as file:
            file.write(json.dumps([method, time.perf_counter() - began]) + "\n")
        return result


@contextmanager
def workers(count: int) -> Iterator[Path]:
    """Start a cluster of so many processors on this machine; yield the folder of the times."""
    from shrinkage._plan._cluster._connection import import_ray

    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))  # else Ray writes one to the home
    with tempfile.TemporaryDirectory(prefix="scale-") as folder, patch.dict(os.environ, {_TIMES: folder}):
        ray = import_ray()
        ray.init(num_cpus=count, include_dashboard=False, log_to_driver=False, configure_logging=False)
        from shrinkage._plan._cluster import _crew

        try:
            with patch.object(_crew, "Worker", TimedWorker):
                yield Path(folder)
        finally:
            ray.shutdown()


def cnn() -> tuple[Any, Any, Any]:
    """A network whose training is the cost: handwritten digits, enlarged to 24 x 24."""
    import keras
    from keras import layers
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x = np.kron(x.reshape(-1, 8, 8, 1) / 16, np.ones((1, 3, 3, 1))).astype("float32")
    keras.utils.set_random_seed(0)
    parts = [layers.Conv2D(64, 3, activation="relu"), layers.Conv2D(64, 3, activation="relu"), layers.MaxPooling2D()]
    model = keras.Sequential([keras.Input(x.shape[1:]), *parts, layers.Flatten(), layers.Dense(10, "softmax")])
    model.compile(keras.optimizers.Adam(0.001), "sparse_categorical_crossentropy")
    return model, x, y


def small(rows: int = 1797) -> tuple[Any, Any, Any]:
    """A small network, whose path takes seconds."""
    import keras
    from keras import layers
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    keras.utils.set_random_seed(0)
    parts = [layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((64,)), *parts])
    model.compile(keras.optimizers.Adam(0.001), "sparse_categorical_crossentropy")
    return model, (x[:rows] / 16).astype("float32"), y[:rows]


def fit(problem: tuple[Any, Any, Any], **options: Any) -> tuple[Any, float, np.ndarray]:
    """Return the path, the seconds of the call, and the seconds of the epochs in the folds."""
    import shrinkage as sh

    times, own = list[float](), options.pop("on_epoch", None)

    def note(epoch: Any) -> None:
        times.append(time.monotonic())
        if own is not None:
            own(epoch)

    began = time.monotonic()
    path = sh.fit(*problem, penalty=sh.L2(), progress=False, on_epoch=note, **options)
    return path, time.monotonic() - began, np.diff(times)


def speed() -> str:
    """Return the table of the expensive network on one and two workers, and in this process."""
    lines, found = [], dict[str, tuple[Any, float, np.ndarray]]()
    for count in (1, 2):
        with workers(count):
            found[f"{count} workers"] = fit(cnn(), cluster="local", plan=_ONE_BY_ONE, **_CNN)
    found["this process"] = fit(cnn(), plan=_ONE_BY_ONE, **_CNN)
    first, second = found["1 workers"], found["2 workers"]
    equal = all(
        np.array_equal(getattr(first[0], name), getattr(second[0], name), equal_nan=True)
        for name in ("cv_loss", "train_loss", "row_loss")
    )
    for name, (_, seconds, epochs) in found.items():
        ratios = [f"{first[1] / seconds:.2f}", f"{first[2].sum() / epochs.sum():.2f}"]
        lines.append([name.replace("1 workers", "1 worker"), f"{seconds:.0f}", f"{epochs.sum():.0f}", *ratios])
    header = ("where", "seconds of the call", "of the folds", "call, times as fast as 1 worker", "folds, times as fast")
    table = markdown(header, lines)
    words = "equal to the bit" if equal else "NOT equal"
    return f"{table}\n\nLosses of 1 and 2 workers are {words}."


def overheads() -> tuple[str, list[tuple[int, float]]]:
    """Return the milliseconds of an epoch beyond the slowest worker, for several numbers of workers."""
    lines, found = [], []
    for count in (1, 2, 4, 8):
        with workers(count) as folder:
            _, _, epochs = fit(
                small(), cluster="local", cv=8, epochs=40, lams=[0.1, 0.01], models="chosen",
                plan={"rules": True, "xla": True, "chunk": 3},
            )  # fmt: skip
            rounds = math.ceil(8 / compute_layout(8, 1, count)[0])
            slowest = [
                sum(seconds for _, seconds in map(json.loads, file.read_text().splitlines())) / 40
                for file in folder.iterdir()
            ]
        more = 1000 * (float(np.mean(epochs)) - max(slowest))
        found.append((count, more))
        lines.append([f"{count}", f"{rounds}", f"{1000 * np.mean(epochs):.0f}", f"{more:.1f}"])
    header = ("workers", "folds of a worker", "milliseconds of an epoch", "beyond the slowest worker")
    return markdown(header, lines), found


def small_fit() -> str:
    """Return how long a small fit takes here and on a new cluster."""
    here = fit(small(), epochs=20)[1]
    there = fit(small(), epochs=20, cluster="local")[1]
    return f"A path of a network with 64 and 64 units on 1,797 rows: {here:.0f} s here, {there:.0f} s with `cluster`."


def losses() -> str:
    """Return how long a run stands still after a lost worker and a lost node."""
    import psutil

    options: dict[str, Any] = {"cluster": "local", "lams": [0.1, 0.01], "epochs": 20, "models": "chosen"}
    options["plan"] = {"rules": True, "xla": True, "chunk": 3}

    def once(call: Callable[[], None]) -> Callable[[Any], None]:
        return lambda epoch: call() if epoch.number == 10 else None

    def kill() -> None:
        found = psutil.Process().children(recursive=True)
        os.kill(next(each.pid for each in found if each.name().startswith("ray::TimedW")), signal.SIGKILL)

    with workers(2):
        worker = fit(small(), on_epoch=once(kill), **options)[2].max()
    from shrinkage._plan._cluster._connection import import_ray

    ray = import_ray()
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)

    def remove() -> None:
        cluster.add_node(num_cpus=1)
        cluster.remove_node(nodes[0], allow_graceful=False)

    node = fit(small(), on_epoch=once(remove), **options)[2].max()
    ray.shutdown()
    cluster.shutdown()
    lines = [["a worker is killed", f"{worker:.1f}"], ["a node is removed, another is there", f"{node:.1f}"]]
    return markdown(("after 10 of 20 epochs", "seconds until the next epoch"), lines)


def projection(measured: list[tuple[int, float]]) -> str:
    """Return the time of 21 strengths in 5 folds on more workers, if a strength takes a minute an epoch in a fold."""
    (_, least), (most, last) = measured[0], measured[-1]
    each = max(0.0, (last - least) / (most - 1)) / 1000
    lines = []
    for count in (1, 2, 10, 100):
        overhead = least / 1000 + each * (count - 1)
        groups, together = compute_layout(5, 21, count)
        in_folds = math.ceil(21 / together) * (60 * math.ceil(5 / groups) + overhead)
        on_all_rows = math.ceil(21 / compute_layout(1, 21, count)[1]) * (60 * 5 / 4 + overhead)
        total = 20 * (in_folds + on_all_rows) / 3600
        lines.append((count, in_folds, on_all_rows, total))
    rows = [[f"{n}", f"{a / 60:.1f}", f"{b / 60:.1f}", f"{t:.1f}", f"{lines[0][3] / t:.1f}"] for n, a, b, t in lines]
    header = ("workers", "minutes of an epoch in the folds", "on all rows", "hours of 20 epochs", "times as fast")
    return markdown(header, rows)


@click.command()
def main() -> None:
    """Measure, print the tables, and write them to docs/scale.md."""
    require_tensorflow()
    measured = list[tuple[int, float]]()

    def overheads_of_epochs() -> str:
        table, found = overheads()
        measured.extend(found)
        return table

    parts: dict[str, Callable[[], str]] = {
        "speed": lambda: f"{speed()}\n\n{machine()}",
        "overhead": overheads_of_epochs,
        "small": small_fit,
        "losses": losses,
        "projection": lambda: projection(measured),
    }
    for name, make in parts.items():
        text = make()
        click.echo(f"{text}\n")
        write(DOCS / "scale.md", name, text)


if __name__ == "__main__":
    main()
