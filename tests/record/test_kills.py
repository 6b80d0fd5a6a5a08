"""Real processes, stopped by real signals."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from shrinkage._record._folder import JOURNAL
from tests.record.runs import FINISHED, files

ROOT = Path(__file__).parents[2]


def start(folder: str, result: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.record.killed", folder, str(result)]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)


def stop(folder: Path, result: Path, number: signal.Signals, delay: float) -> bool:
    """Start a process, send a signal some time after it writes, and return whether it was stopped by that."""
    journal = folder / JOURNAL
    before = journal.stat().st_size if journal.exists() else 0
    with start(str(folder), result) as process:
        while process.poll() is None and (not journal.exists() or journal.stat().st_size <= before):
            time.sleep(0.01)
        time.sleep(delay)
        process.send_signal(number)
        _, errors = process.communicate()
    if process.returncode == 0:
        return False
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL, errors
    else:
        assert "The run is saved in" in errors and "KeyboardInterrupt" in errors, errors
    return True


def finish(folder: str, result: Path) -> dict[str, np.ndarray]:
    with start(folder, result) as process:
        _, errors = process.communicate()
    assert process.returncode == 0, errors
    with np.load(result) as archive:
        return dict(archive)


@pytest.mark.parametrize(
    ("signals", "times"),
    [([signal.SIGKILL, signal.SIGINT, signal.SIGTERM], 3), pytest.param([signal.SIGKILL], 100, marks=pytest.mark.full)],
    ids=["three signals", "a hundred kills"],
)
def test_a_stopped_process_goes_on_to_the_same_result(signals, times, tmp_path):
    plain = finish("", tmp_path / "plain.npz")
    assert np.ptp(plain["cv_loss"]) > 0
    generator, stopped, runs = random.Random(0), 0, 0
    while stopped < times:
        folder, runs = tmp_path / f"run{runs}", runs + 1
        while stopped < times and stop(
            folder, tmp_path / "r.npz", signals[stopped % len(signals)], generator.expovariate(3)
        ):
            stopped += 1
        found = finish(str(folder), tmp_path / "r.npz")
        assert found.keys() == plain.keys()
        for name, value in found.items():
            np.testing.assert_array_equal(value, plain[name], err_msg=name)
        assert files(folder) == FINISHED
    print(f"{stopped} stops in {runs} runs")
