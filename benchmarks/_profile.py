"""What the compiled training loop of a dense cohort spends its time on, by XLA's own clock."""

import re
import tempfile
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks._sets import load
from benchmarks._ways import ours
from benchmarks._works import Work

KINDS = {
    "products": "dot|gemm|matmul",
    "copies": "copy|transpose",
    "optimizer and penalty": "divide_subtract|multiply_add|add_multiply|sqrt",
    "sums": "reduce",
    "activations, loss, rows": ".",
}
"""Kinds of operations, and what the names that XLA gives to them contain; the first that fits counts."""
REST = "between operations"
_LOOP = "CpuExecutable::ExecuteAsyncOnStream"
_OPERATION = re.compile(r"[a-z0-9_\-]+?(\.\d+)?")
_NO_OPERATION = re.compile(r"while|call|conditional|_train|__inference")


def profile(work: Work) -> dict[str, float]:
    """Return the share of the training loop's time that each kind of operation takes in the folds' last epoch."""
    import tensorflow as tf

    from shrinkage._cohort._cohort import Cohort

    train_epoch = Cohort.train_epoch
    with tempfile.TemporaryDirectory() as folder:

        def profiled(self: Any, epoch: int) -> Any:
            if epoch + 1 < work.epochs or any(Path(folder).iterdir()):
                return train_epoch(self, epoch)
            options = tf.profiler.experimental.ProfilerOptions(host_tracer_level=3)
            with tf.profiler.experimental.Profile(folder, options):
                return train_epoch(self, epoch)

        with patch.object(Cohort, "train_epoch", profiled):
            ours(work, load(work.data, (), work.rows), {}, {"rules": True, "xla": True})  # XLA has the clock
        return shares(_events(next(Path(folder).rglob("*.xplane.pb"))))


def shares(events: Iterable[tuple[str, float]]) -> dict[str, float]:
    """Return each kind's share of the loop's time, and that of what is no operation, from (name, duration)."""
    whole, spent = 0.0, dict.fromkeys(KINDS, 0.0)
    for name, duration in events:
        if name == _LOOP:
            whole += duration
        elif _OPERATION.fullmatch(name) and not _NO_OPERATION.match(name):
            spent[next(kind for kind, pattern in KINDS.items() if re.search(pattern, name))] += duration
    found = {kind: duration / whole for kind, duration in spent.items()}
    return found | {REST: 1 - sum(found.values())}


def _events(file: Path) -> Iterator[tuple[str, float]]:
    """Yield the name and the duration of everything that TensorFlow's profiler wrote down."""
    space = import_module("tensorflow.tsl.profiler.protobuf.xplane_pb2").XSpace()
    space.ParseFromString(file.read_bytes())
    for plane in space.planes:
        names = {number: metadata.name for number, metadata in plane.event_metadata.items()}
        for line in plane.lines:
            for event in line.events:
                yield names[event.metadata_id], event.duration_ps
