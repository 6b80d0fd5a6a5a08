"""A second Ctrl-C does not wait for the folds in training."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from shrinkage._cohort._cohort import map_folds


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C raises KeyboardInterrupt, as in any process; pytest-xdist ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_a_second_interrupt_returns_at_once(interruptible, monkeypatch):
    """Each fold trains for three seconds, and the interrupt comes after a half."""
    monkeypatch.setattr("shrinkage._cohort._cohort.count_threads", lambda: 2)
    ended = list[int]()

    def train(fold: int) -> None:
        time.sleep(3)
        ended.append(fold)

    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        map_folds(train, 4, xla=True)
    assert not ended, "the call did not wait for the folds in training"
    time.sleep(4)
    assert sorted(ended) == [2, 3], "the folds that waited do not begin"
