"""What does the line of progress cost? Writes a table of docs/progress.md.

python -m benchmarks.progress
"""

import contextlib
import os
import pty
import sys
import threading
import time

import click

from benchmarks._page import DOCS, machine, markdown, write
from benchmarks.estimate import digits


def seconds(shown: bool) -> tuple[float, float, float]:
    """Return the wall time of a fit, the CPU time, and the time for snapshots, in seconds."""
    import shrinkage as sh
    from shrinkage._search._tracker import Tracker

    spent, real = [0.0], Tracker.tick

    def tick(self: Tracker, state: object) -> None:
        began = time.perf_counter()
        real(self, state)  # pyright: ignore[reportArgumentType]
        spent[0] += time.perf_counter() - began

    options, began, busy = digits(), time.perf_counter(), time.process_time()
    Tracker.tick = tick
    try:
        sh.fit(**options, penalty="l2", progress=shown)
    finally:
        Tracker.tick = real
    return time.perf_counter() - began, time.process_time() - busy, spent[0]


def on_terminal(shown: bool) -> tuple[float, float, float]:
    """Return `seconds` with a pseudo terminal as standard error, which a thread reads."""
    master, slave = pty.openpty()
    threading.Thread(target=_read_all, args=(master,), daemon=True).start()
    before, sys.stderr = sys.stderr, os.fdopen(slave, "w")
    try:
        return seconds(shown)
    finally:
        sys.stderr = before


def _read_all(terminal: int) -> None:
    with contextlib.suppress(OSError):  # the other side is closed
        while os.read(terminal, 65536):
            pass


@click.command()
@click.option("--repeats", default=5, type=click.IntRange(1), help="Fits with and without the line, in turn.")
def main(repeats: int) -> None:
    """Compare a fit with and without the line. The same models are trained, with the same seed."""
    os.environ["TERM"] = "xterm"
    on_terminal(True)  # compiles the steps
    runs = [(on_terminal(False), on_terminal(True)) for _ in range(repeats)]
    rows = []
    for name, found in zip(("without", "with"), zip(*runs, strict=True), strict=True):
        wall, busy, _ = (min(values) for values in zip(*found, strict=True))
        share = min(spent / whole for whole, _, spent in found)
        rows.append([name, f"{wall:.2f}", f"{busy:.2f}", f"{share:.2%}"])
    table = f"{markdown(['line', 's', 'CPU s', 'share of the snapshots'], rows)}\n\n{machine()}"
    print(table)
    write(DOCS / "progress.md", "overhead", table)


if __name__ == "__main__":
    main()
