"""Ctrl-C and SIGTERM: a run stops at the end of an epoch, where its state can be saved."""

import signal
import sys
import threading
from types import FrameType
from typing import Any

_SIGNALS = signal.SIGINT, signal.SIGTERM


class Interrupts:
    """A context in which the first signal only sets `is_requested`. A second signal raises `KeyboardInterrupt` at once.

    Python calls signal handlers in the main thread alone. In another thread the context changes nothing.
    """

    def __init__(self) -> None:
        self.is_requested = False
        self._handlers: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Interrupts":
        if threading.current_thread() is threading.main_thread():
            self._handlers = {each: signal.signal(each, self._request) for each in _SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for each, handler in self._handlers.items():
            signal.signal(each, handler if handler is not None else signal.SIG_DFL)

    def _request(self, number: int, _frame: FrameType | None) -> None:
        if self.is_requested:
            raise KeyboardInterrupt("Stopped at once. The record of the run has the state of its last checkpoint.")
        self.is_requested = True
        again = " Ctrl-C again stops at once." if number == signal.SIGINT else ""
        print(f"\nStopping at the next point where the run can be saved.{again}", file=sys.stderr)
