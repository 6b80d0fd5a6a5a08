"""The monitor of a run: it keeps the last snapshot, and reporters show it."""

import time
from collections.abc import Callable, Iterator
from itertools import chain, repeat
from threading import Event, Thread

from shrinkage._progress._epoch import OnEpoch
from shrinkage._progress._snapshot import Snapshot, format_snapshot
from shrinkage._progress._tensorboard import TensorBoard

_INTERVAL = 0.1
"""Seconds between two snapshots of the epochs of a run, so that short epochs do not wait for them."""
LINE_SECONDS = (5.0, 10.0, 20.0, 30.0)
"""Seconds before the first lines, each after the one before; the last is repeated. A run of a few seconds has none."""


class Monitor:
    """The state of a run, for the reporters: one call to `show` replaces it.

    Args:
        is_shown: Whether the user sees the progress.
        board: The files for TensorBoard, or None.
        on_epoch: A function of the user that is called with every epoch in the folds, or None.
    """

    def __init__(self, is_shown: bool = False, board: TensorBoard | None = None, on_epoch: OnEpoch | None = None):
        self.is_shown, self.board, self.on_epoch = is_shown, board, on_epoch
        self._start_time = self._update_time = time.monotonic()
        self._snapshot = Snapshot("reading")

    def show(self, snapshot: Snapshot) -> None:
        """Replace the snapshot."""
        self._update_time, self._snapshot = time.monotonic(), snapshot

    @property
    def is_due(self) -> bool:
        """Whether the last snapshot is old enough for another."""
        return time.monotonic() - self._update_time >= _INTERVAL

    @property
    def seconds(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self._start_time

    @property
    def line(self) -> str:
        """The last snapshot as a line."""
        return format_snapshot(self._snapshot, time.monotonic() - self._update_time)


class Reporter:
    """Writes the line of a monitor now and then, in a thread: an epoch, or compiling, may take minutes.

    Args:
        monitor: The monitor.
        write: A function that takes the line.
        seconds: Seconds before each line; the last is repeated.
    """

    def __init__(self, monitor: Monitor, write: Callable[[str], None], seconds: tuple[float, ...]):
        self._monitor, self._write, self._end = monitor, write, Event()
        self.lines = 0
        """Number of lines so far."""
        self._thread = Thread(target=self._run, args=(chain(seconds, repeat(seconds[-1])),), daemon=True)
        self._thread.start()

    def _run(self, seconds: Iterator[float]) -> None:
        while not self._end.wait(next(seconds)):
            self._write(self._monitor.line)
            self.lines += 1

    def close(self) -> None:
        """End the thread."""
        self._end.set()
        self._thread.join()
