"""A run in a process of its own: python -m tests.search.record.killed FOLDER RESULT [FLUSH LOST SIGNAL].

With a flush, the run is short, and the process sends itself the signal at the flush with this number, counted from 1,
before anything is flushed. The file then has lost its last bytes, as after a kill in the middle of a write.
"""

import os
import stat
import sys
from typing import Any

import numpy as np

import shrinkage as sh
from shrinkage._search._record import _record
from tests.fit.fitting import X, Y, arrays, classifier
from tests.search.record.runs import noisy

SHORT: dict[str, Any] = {"epochs": 2, "plan": {"chunk": 2, "xla": False}}


def train(folder: str | None, **changes: Any) -> sh.Path:
    options: dict[str, Any] = {"lams": [0.3, 0.1, 0.01], "cv": 3, "epochs": 120, "batch_size": 8}
    options |= {"plan": {"chunk": 2, "xla": True}, **changes}
    return sh.fit(classifier(noisy), X, Y, penalty="l2", run=folder, **options)


def numbers(path: sh.Path) -> dict[str, np.ndarray]:
    """Return the numbers of a path that a file can have without pickled objects."""
    return {name: value for name, value in arrays(path).items() if value.dtype != object}


def stop_at_flush(number: int, lost: int, number_of_signal: int) -> None:
    """Replace `os.fsync` by a function that sends the signal at its call with this number."""
    calls, flush = list[int](), os.fsync

    def fsync(file: int) -> None:
        calls.append(file)
        if len(calls) == number:
            state = os.fstat(file)
            if lost and stat.S_ISREG(state.st_mode):  # a folder is flushed too
                os.truncate(file, state.st_size - lost)
            os.kill(os.getpid(), number_of_signal)
        flush(file)

    os.fsync = fsync


if __name__ == "__main__":
    folder, result, *stop = sys.argv[1:]
    _record._SHARE = np.inf  # a checkpoint after every epoch
    if stop:
        stop_at_flush(*map(int, stop))
    path = train(folder or None, **(SHORT if stop else {}))
    np.savez(result, **numbers(path))  # pyright: ignore[reportArgumentType]
