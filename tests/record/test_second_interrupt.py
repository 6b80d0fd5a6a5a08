"""A second Ctrl-C does not wait for the folds in training."""

import os
import signal
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest

from shrinkage._cohort._cohort import Cohort


def test_a_second_interrupt_returns_at_once(monkeypatch):
    """Each fold trains for four seconds, and the interrupt comes after a half."""
    monkeypatch.setattr("shrinkage._cohort._cohort.threads", lambda: 2)
    cohort: Any = SimpleNamespace(_train=range(4))
    ended = list[int]()

    def train(fold: int) -> None:
        time.sleep(4)
        ended.append(fold)

    threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        Cohort.each_fold(cohort, train, xla=True)
    assert time.monotonic() - began < 3 and not ended
    time.sleep(5)
    assert sorted(ended) == [0, 1], "the folds that waited do not begin"
