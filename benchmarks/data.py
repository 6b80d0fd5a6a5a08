"""Data on disk: cost and memory of a path, beside plain fits over the same file; writes the tables of docs/data.md.

Every measurement runs in a new process, imports left out. Run it with nothing else running:

    python -m benchmarks.data --data FOLDER
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import numpy as np

from benchmarks import _sets
from benchmarks._page import DOCS, machine, markdown, write
from shrinkage._host._quiet import require_tensorflow

PAGE = DOCS / "data.md"
SETS = {"flights": (100e6, 3), "power": (400e6, 1)}
"""The limit of memory of the ways on disk, and epochs. Rows that take more than a quarter of the limit go to disk."""
SIZES = (500_000, 4_000_000, 16_000_000)
"""Numbers of generated rows, 20 numbers each, for the table of memory."""
CHUNK = 8192
"""Rows that a pipeline reads from the file together."""
FOLDS, STRENGTHS, BATCH = 5, 10, 64
TITLES = {
    "fit": "`model.fit`, one model",
    "best": "`model.fit`, chunks shuffled whole, 32 steps per execution, one model",
    "arrays": "path, rows in memory",
    "stream": "path, rows on disk",
    "sorted": "path, rows on disk, file sorted by the target",
}
COSTS = ("way", "CPU s", "wall s", "member-rows per CPU s", "to `model.fit`", "MiB", "MiB predicted", "held-out loss")


@dataclass(frozen=True)
class Job:
    """One way over a file."""

    way: str
    file: str
    epochs: int
    limit: float
    folds: int = FOLDS
    strengths: int = STRENGTHS
    batch_size: int = BATCH
    scale: str = ""
    """A file whose first rows scale the inputs; by default `file`. Those of a sorted file are unlike the others."""
    before: str = ""
    """A file that the process fits first in the same way: steps are then compiled, and the reader has started."""


@dataclass(frozen=True)
class Cost:
    """The cost of a job, imports left out."""

    wall: float
    """Seconds."""
    cpu: float
    """Processor seconds."""
    peak: float
    """MiB of memory at the peak, above the process with all imports."""
    member_rows: float
    """Rows that all members trained on, added up."""
    loss: float = float("nan")
    """The least held-out loss."""
    predicted: float = float("nan")
    """MiB of memory predicted."""
    parts: dict[str, float] = field(default_factory=dict)
    """Seconds of parts of the run."""


# --- the file


def write_parquet(x: np.ndarray, y: np.ndarray, file: Path) -> None:
    """Write inputs and target as columns of a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = {f"x{i}": column for i, column in enumerate(x.T)} | {"y": y}
    pq.write_table(pa.table(columns), file, row_group_size=2**16)


def read(file: str) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield inputs (b, d) and targets (b,) of the next rows of a Parquet file."""
    import pyarrow.parquet as pq

    # Without these options, the reader keeps all that it has read in memory until the end of the file.
    for batch in pq.ParquetFile(file, buffer_size=2**20, pre_buffer=False).iter_batches(CHUNK):
        columns = [column.to_numpy(zero_copy_only=False) for column in batch.columns]
        yield np.stack(columns[:-1], axis=1), columns[-1]


def count_rows(file: str) -> int:
    """Return the number of rows of a Parquet file."""
    import pyarrow.parquet as pq

    return pq.ParquetFile(file).metadata.num_rows


def pipeline(file: str, shuffled: bool = False) -> Any:
    """Return a `tf.data.Dataset` over the file, in batches of `CHUNK` rows, in the order of the file or nearly so."""
    import pyarrow.parquet as pq
    import tensorflow as tf

    width = pq.ParquetFile(file).metadata.num_columns - 1
    signature = (tf.TensorSpec((None, width), tf.float32), tf.TensorSpec((None,), tf.float32))  # pyright: ignore
    dataset = tf.data.Dataset.from_generator(lambda: read(file), output_signature=signature)
    return dataset.map(_shuffle) if shuffled else dataset


def _shuffle(x: Any, y: Any) -> Any:
    import tensorflow as tf

    order = tf.random.shuffle(tf.range(tf.shape(x)[0]))  # pyright: ignore
    return tf.gather(x, order), tf.gather(y, order)


# --- the ways


def model(job: Job) -> Any:
    """Return the network of all ways: two hidden layers of 64 units behind inputs of unit scale."""
    import keras
    import pyarrow.parquet as pq

    file = job.scale or job.file
    mean, variance = _moments(next(read(file))[0])
    hidden = [keras.layers.Dense(64, activation="relu") for _ in range(2)]
    width = pq.ParquetFile(file).metadata.num_columns - 1
    scale = keras.layers.Normalization(mean=mean, variance=variance)
    network = keras.Sequential([keras.Input((width,)), scale, *hidden, keras.layers.Dense(1)])
    network.compile("adam", "mean_squared_error")
    return network


def _moments(x: np.ndarray) -> tuple[list[float], list[float]]:
    return x.mean(axis=0).tolist(), (x.var(axis=0) + 1e-3).tolist()


def plain(job: Job, parts: dict[str, float]) -> Any:
    """`model.fit` over a shuffled pipeline, as in the guides of TensorFlow."""
    dataset = pipeline(job.file).unbatch().shuffle(2**16).batch(job.batch_size).prefetch(2)
    _fit(model(job), dataset, job)


def best(job: Job, parts: dict[str, float]) -> Any:
    """`model.fit` over a pipeline that shuffles whole chunks, in many steps per execution."""
    dataset = pipeline(job.file, shuffled=True).rebatch(job.batch_size).prefetch(64)
    network = model(job)
    network.compile("adam", "mean_squared_error", steps_per_execution=32)
    _fit(network, dataset, job)


def _fit(network: Any, dataset: Any, job: Job) -> None:
    steps = count_rows(job.file) // job.batch_size
    network.fit(dataset.repeat(), epochs=job.epochs, steps_per_epoch=steps, shuffle=False, verbose=0)


def stream(job: Job, parts: dict[str, float]) -> Any:
    """`shrinkage.fit` with the rows on disk."""
    started = time.process_time()
    for _ in pipeline(job.file):
        pass
    parts["parsing"] = time.process_time() - started
    with _clocks(parts):
        return _path(job, pipeline(job.file), job.limit)


def arrays(job: Job, parts: dict[str, float]) -> Any:
    """`shrinkage.fit` with the rows in memory."""
    with _clocks(parts):
        return _path(job, pipeline(job.file), 64e9)


WAYS: dict[str, Callable[[Job, dict[str, float]], Any]] = {
    "fit": plain, "best": best, "arrays": arrays, "stream": stream, "sorted": stream,
}  # fmt: skip


def _path(job: Job, dataset: Any, limit: float) -> Any:
    import shrinkage as sh

    return sh.fit(
        model(job), dataset, penalty=sh.L2(), lams=np.geomspace(1, 1e-6, job.strengths - 1), cv=job.folds,
        epochs=job.epochs, batch_size=job.batch_size, max_memory=limit, progress=False,
        plan={"rules": True, "xla": True, "chunk": job.strengths},
    )  # fmt: skip


def _clocks(parts: dict[str, float]) -> ExitStack:
    """Add up in `parts` the processor seconds of parts of a run, and the seconds that it waits for blocks."""
    from shrinkage._cohort._cohort import Cohort
    from shrinkage._cohort._stream import StreamCohort
    from shrinkage._data._stored import StoredRows
    from shrinkage._problem import _prepare

    def timed(part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.process_time()
            result = function(*args, **kwargs)
            parts[part] = parts.get(part, 0.0) + time.process_time() - start
            return result

        return call

    def waiting(function: Callable[..., Iterator[Any]]) -> Callable[..., Iterator[Any]]:
        def blocks(*args: Any) -> Iterator[Any]:
            source = function(*args)
            while True:
                start = time.perf_counter()
                block = next(source, None)
                parts["waiting"] = parts.get("waiting", 0.0) + time.perf_counter() - start
                if block is None:
                    return
                yield block

        return blocks

    stack = ExitStack()
    for owner in (Cohort, StreamCohort):
        for part, name in (("training", "train_epoch"), ("scoring", "evaluate")):
            if owner is StreamCohort or name == "train_epoch":
                stack.enter_context(patch.object(owner, name, timed(part, getattr(owner, name))))
    stack.enter_context(patch.object(_prepare, "store_rows", timed("storing", _prepare.store_rows)))
    stack.enter_context(patch.object(StoredRows, "read_blocks", waiting(StoredRows.read_blocks)))
    return stack


# --- measuring


def measure(job: Job) -> Cost:
    """Return the cost of a job. Call it first in a new process."""
    require_tensorflow()
    import keras  # noqa: F401

    import shrinkage as sh

    getattr(sh, "fit")  # noqa: B009  imports the package, which is lazy
    parts: dict[str, float] = {}
    if job.before:
        WAYS[job.way](replace(job, file=job.before), {})
        Path("/proc/self/clear_refs").write_text("5", "ascii")  # the peak is then that of the fit below; Linux alone
    before, wall, cpu = _peak(), time.perf_counter(), time.process_time()
    path = WAYS[job.way](job, parts)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu - parts.get("parsing", 0.0)
    n_rows = count_rows(job.file)
    if path is None:
        return Cost(wall, cpu, _peak() - before, n_rows * job.epochs, parts=parts)
    member_rows = job.epochs * job.strengths * n_rows * job.folds  # folds - 1 in the folds, and the models on all rows
    least, predicted = float(np.nanmin(path.mean)), path.plan["memory"] / 2**20
    return Cost(wall, cpu, _peak() - before, member_rows, least, predicted, parts)


def _peak() -> float:
    """Return the MiB of memory at the peak of the process. On Linux, `ru_maxrss` would contain that of its parent."""
    if sys.platform == "darwin":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    status = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 2**10


def in_new_process(job: Job) -> Cost:
    """Measure a job in a new process."""
    command = [sys.executable, "-m", "benchmarks.data", "--measure", json.dumps(asdict(job))]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(command, env=environment, cwd=DOCS.parent, stdout=subprocess.PIPE, text=True, check=True)
    cost = Cost(**json.loads(done.stdout.splitlines()[-1]))
    click.echo(f"{job.way} {Path(job.file).name}: {cost}", err=True)
    return cost


# --- the tables


def compare(name: str, folders: tuple[str, ...], folder: Path, rows: int | None) -> dict[str, Cost]:
    """Return the cost of every way over a set."""
    x, y = _sets.load(name, folders, rows)
    order = np.argsort(y, kind="stable")
    write_parquet(x, y, folder / f"{name}.parquet")
    write_parquet(x[order], y[order], folder / f"{name}-sorted.parquet")
    del x, y, order
    files = {way: folder / (f"{name}-sorted.parquet" if way == "sorted" else f"{name}.parquet") for way in WAYS}
    limit, epochs = SETS[name]
    scale = str(files["stream"])
    return {way: in_new_process(Job(way, str(files[way]), epochs, limit, scale=scale)) for way in WAYS}


def costs_table(found: dict[str, Cost]) -> str:
    """Return the table of the ways over a set."""
    base = found["fit"].member_rows / found["fit"].cpu
    rows = []
    for way, cost in found.items():
        rate = cost.member_rows / cost.cpu
        numbers = [f"{cost.cpu:.1f}", f"{cost.wall:.1f}", f"{rate:,.0f}", f"{rate / base:.1f}", f"{cost.peak:.0f}"]
        of_path = [f"{cost.predicted:.0f}", f"{cost.loss:.5g}"] if np.isfinite(cost.loss) else ["", ""]
        rows.append([TITLES[way], *numbers, *of_path])
    return markdown(COSTS, rows)


def shares_table(found: dict[str, dict[str, Cost]]) -> str:
    """Return shares of the epochs on disk: storing the rows, waiting for blocks, and epochs to those in memory."""
    rows = []
    for name, ways in found.items():
        stream, memory = ways["stream"], ways["arrays"]
        if "scoring" not in stream.parts:  # so few rows that they stayed in memory
            continue
        epochs = stream.parts["training"] + stream.parts["scoring"]
        storing = stream.parts["storing"] - stream.parts["parsing"]
        shares = storing / epochs, stream.parts["waiting"] / stream.wall
        to_memory = stream.parts["training"] / memory.parts["training"]
        rows.append([name, *(f"{100 * share:.1f} %" for share in shares), f"{to_memory:.2f}"])
    return markdown(("data", "storing, to all epochs", "waiting for blocks", "training, to memory"), rows)


def memory_table(folder: Path, sizes: Sequence[int]) -> str:
    """Return memory by the number of rows, of 2 folds x 2 strengths with 50 MB allowed for rows in memory."""
    rows, small = [], folder / "small.parquet"
    write_generated(100_000, small)
    for n_rows in sizes:
        file = folder / f"rows{n_rows}.parquet"
        write_generated(n_rows, file)
        first = Job("stream", str(file), 1, 200e6, folds=2, strengths=2, batch_size=512)
        cost, later = (in_new_process(job) for job in (first, replace(first, before=str(small))))
        numbers = (n_rows * 84 / 2**20, cost.peak, cost.predicted, later.peak)
        rows.append([f"{n_rows:,}", *(f"{number:,.0f}" for number in numbers)])
        file.unlink()
    return markdown(("rows", "MiB of rows", "MiB of memory", "MiB predicted", "MiB of a later fit"), rows)


def write_generated(n_rows: int, file: Path) -> None:
    """Write rows of 20 random numbers and a target, in parts of limited size."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random, writer = np.random.default_rng(0), None
    for start in range(0, n_rows, 2**18):
        x = random.normal(size=(min(2**18, n_rows - start), 20)).astype("float32")
        y = np.tanh(x[:, :5].sum(axis=1)) + random.normal(size=len(x)).astype("float32")
        table = pa.table({f"x{i}": column for i, column in enumerate(x.T)} | {"y": y.astype("float32")})
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    if writer is not None:
        writer.close()


@click.command()
@_sets.folders_option
@click.option("--rows", type=int, help="Only the first rows of each set; no page is written.")
@click.option("--set", "names", type=click.Choice([*SETS]), multiple=True, help="Only these sets; no page is written.")
@click.option("--memory/--no-memory", default=True, show_default=True, help="Measure memory by the number of rows.")
@click.option("--measure", "one", hidden=True, help="In a new process: print the result of this job.")
def main(folders: tuple[str, ...], rows: int | None, names: tuple[str, ...], memory: bool, one: str | None) -> None:
    """Measure and print the tables, and write them to docs/data.md."""
    if one:
        click.echo(json.dumps(asdict(measure(Job(**json.loads(one))))))
        return
    tables, found = dict[str, str](), dict[str, dict[str, Cost]]()
    with tempfile.TemporaryDirectory() as folder:
        for name in names or SETS:
            if absent := _sets.find_missing(name, folders):
                click.echo(f"{name} is skipped: no {' and no '.join(absent)} in the folders of --data.", err=True)
                continue
            found[name] = compare(name, folders, Path(folder), rows)
            tables[name] = costs_table(found[name])
        if memory:
            tables["memory"] = memory_table(Path(folder), SIZES)
    tables |= {"shares": shares_table(found), "data_machine": machine()}
    for name, text in tables.items():
        click.echo(f"\n{text}")
        if not names and rows is None:
            write(PAGE, name, text)


if __name__ == "__main__":
    main()
