"""A progress bar on standard error, shown only on a terminal by default."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


def is_shown(progress: bool | None) -> bool:
    """Return whether to show progress; None shows it only on a terminal."""
    return sys.stderr.isatty() if progress is None else progress


@contextmanager
def progress_bar(total: int, shown: bool | None) -> Iterator[tuple[Callable[[], None], Callable[[int], None]]]:
    """Yield (tick, expect): `tick()` advances by one epoch, `expect(n)` adds n epochs to the total.

    Args:
        total: Expected number of epochs.
        shown: Whether to show the bar; None shows it only on a terminal.
    """
    if not is_shown(shown):
        yield lambda: None, lambda more: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("epochs", total=total)

        def expect(more: int) -> None:
            bar.update(task, total=(bar.tasks[0].total or 0) + more)

        yield lambda: bar.advance(task), expect
