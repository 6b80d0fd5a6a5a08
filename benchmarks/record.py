"""The cost of the record of a run, as shares of the run; writes the table of docs/reliability.md.

python -m benchmarks.record
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import click
import numpy as np

from benchmarks._page import DOCS, machine, markdown, write
from shrinkage._host._quiet import require_tensorflow

PAGE = DOCS / "reliability.md"
HEADER = (
    "model",
    "members",
    "MB of a checkpoint",
    "seconds",
    "checkpoints",
    "share of checkpoints",
    "share of all writes",
)


@dataclass(frozen=True)
class Case:
    """A model and a run."""

    name: str
    units: tuple[int, ...]
    rows: int
    epochs: int
    strengths: int = 10


CASES = (
    Case("64-64, 1,000 rows", (64, 64), 1000, 40),
    Case("64-64, 20,000 rows", (64, 64), 20_000, 20),
    Case("512-512, 5,000 rows", (512, 512), 5000, 10),
)


@dataclass(frozen=True)
class Cost:
    """The cost of a run with a record."""

    seconds: float
    checkpoint_seconds: float
    result_seconds: float
    checkpoints: int
    megabytes: float
    """Size of the largest file."""


def measure(case: Case) -> Cost:
    """Train twice, and measure the second run, which compiles nothing."""
    from shrinkage._search._record._folder import RunFolder
    from shrinkage._search._record._record import Record

    seconds, sizes = {True: list[float](), False: list[float]()}, [0.0]
    save, write_file = Record.save, RunFolder.write

    def timed(self: Any, entry: dict[str, Any], tree: Any, summary: Any) -> None:
        began = time.perf_counter()
        save(self, entry, tree, summary)
        seconds[entry["finished"]].append(time.perf_counter() - began)

    def sized(self: Any, name: str, tree: Any) -> dict[str, Any]:
        entry = write_file(self, name, tree)
        sizes.append(entry["size"] / 1e6)
        return entry

    _fit(case)
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        with patch.object(Record, "save", timed), patch.object(RunFolder, "write", sized):
            _fit(case, run=Path(folder, "run"))
        whole = time.perf_counter() - began
    return Cost(whole, sum(seconds[False]), sum(seconds[True]), len(seconds[False]), max(sizes))


def _fit(case: Case, **options: Any) -> None:
    import keras

    import shrinkage as sh

    random = np.random.default_rng(0)
    x = random.normal(size=(case.rows, 20)).astype("float32")
    y = (np.tanh(x @ random.normal(size=(20, 1))) + random.normal(size=(case.rows, 1))).astype("float32")
    hidden = [keras.layers.Dense(width, "relu") for width in case.units]
    model = keras.Sequential([keras.Input((20,)), *hidden, keras.layers.Dense(1)])
    model.compile("adam", "mse")
    lams, plan = np.geomspace(1e-1, 1e-4, case.strengths), {"rules": True, "xla": True}
    sh.fit(model, x, y, penalty="l2", lams=lams, epochs=case.epochs, plan=plan, **options)


def table(costs: dict[str, tuple[Case, Cost]]) -> str:
    """Return the table."""
    lines = [
        (
            name, f"{5 * (case.strengths + 1)}", f"{cost.megabytes:.3g}", f"{cost.seconds:.1f}", f"{cost.checkpoints}",
            f"{cost.checkpoint_seconds / cost.seconds:.1%}",
            f"{(cost.checkpoint_seconds + cost.result_seconds) / cost.seconds:.1%}",
        )
        for name, (case, cost) in costs.items()
    ]  # fmt: skip
    return markdown(HEADER, lines)


def report(cases: tuple[Case, ...], say: Callable[[str], None]) -> str:
    """Measure the cases and return the table."""
    costs = {}
    for case in cases:
        costs[case.name] = case, measure(case)
        say(f"{case.name}: {costs[case.name][1]}")
    return table(costs)


@click.command()
def main() -> None:
    """Measure, and write the table."""
    require_tensorflow()
    write(PAGE, "record", report(CASES, click.echo))
    write(PAGE, "record_machine", machine())


if __name__ == "__main__":
    main()
