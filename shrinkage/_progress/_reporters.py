"""Where progress is shown: a line on a terminal or in a notebook, plain lines elsewhere, and the log."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from shrinkage._progress._epoch import OnEpoch
from shrinkage._progress._monitor import LINE_SECONDS, Monitor, Reporter
from shrinkage._progress._snapshot import format_rounded_duration
from shrinkage._progress._tensorboard import TensorBoard, make_log_folder

LOGGER = logging.getLogger("shrinkage")
LOGGER.addHandler(logging.NullHandler())  # silent, unless the user asks for the log
_REFRESH, _REFRESH_OUTPUT = (0.2,), (0.5,)
"""Seconds between two updates of the line of a terminal, and of the output of a cell."""


@contextmanager
def start_monitor(progress: bool | None, tensorboard: Any = None, on_epoch: OnEpoch | None = None) -> Iterator[Monitor]:
    """Yield a monitor, whose state is shown until the block ends.

    Args:
        progress: True shows it anywhere, False nowhere; None on a terminal or in a notebook. The log always has it.
        tensorboard: The folder for files of TensorBoard, or None.
        on_epoch: A function that is called with every epoch in the folds, or None.

    Raises:
        TypeError, ValueError: If `tensorboard` cannot be written.
    """
    is_shown = sys.stderr.isatty() or _is_in_notebook() if progress is None else progress
    with ExitStack() as stack:
        board = None if tensorboard is None else stack.enter_context(closing(TensorBoard(make_log_folder(tensorboard))))
        monitor = Monitor(is_shown, board, on_epoch)
        if LOGGER.isEnabledFor(logging.INFO):
            stack.enter_context(_write_lines(monitor, LOGGER.info))
        if is_shown:
            stack.enter_context(_show(monitor))
        yield monitor


def _show(monitor: Monitor) -> Any:
    if _is_in_notebook():
        return _show_in_output(monitor)
    return _show_live(monitor) if sys.stderr.isatty() else _write_lines(monitor, _print)


def _print(text: str) -> None:
    print(f"shrinkage: {text}", file=sys.stderr, flush=True)


@contextmanager
def _write_lines(monitor: Monitor, write: Callable[[str], None]) -> Iterator[None]:
    """Write a line now and then, and one at the end if there was any before."""
    reporter = Reporter(
        monitor, lambda line: write(f"{format_rounded_duration(monitor.seconds)}: {line}"), LINE_SECONDS
    )
    with closing(reporter):
        yield
    if reporter.lines:
        write(f"training finished in {format_rounded_duration(monitor.seconds)}")


@contextmanager
def _show_live(monitor: Monitor) -> Iterator[None]:
    """Show one line on the terminal, which is removed at the end; other output appears above it."""
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    def text(line: str) -> Text:
        return Text(f"{format_rounded_duration(monitor.seconds)}: {line}", no_wrap=True, overflow="ellipsis")

    with Live(console=Console(stderr=True), auto_refresh=False, transient=True) as live:
        with closing(Reporter(monitor, lambda line: live.update(text(line), refresh=True), _REFRESH)):
            yield


def _is_in_notebook() -> bool:
    """Return whether the process runs the cells of a notebook."""
    if "IPython" not in sys.modules:
        return False
    from rich.console import Console

    return Console().is_jupyter


@contextmanager
def _show_in_output(monitor: Monitor) -> Iterator[None]:
    """Show one line below the cell of a notebook, which stays as it is at the end."""
    import IPython.display as ipython  # pyright: ignore[reportMissingImports]

    def to_bundle(line: str) -> dict[str, str]:
        return {"text/plain": f"{format_rounded_duration(monitor.seconds)}: {line}"}

    handle: Any = ipython.display(to_bundle(monitor.line), raw=True, display_id=True)
    with closing(Reporter(monitor, lambda line: handle.update(to_bundle(line), raw=True), _REFRESH_OUTPUT)):
        yield
    handle.update(to_bundle("finished"), raw=True)
