"""Real processes, stopped by real signals."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from shrinkage._search._record._folder import JOURNAL
from tests.search.record.killed import SHORT, numbers, train
from tests.search.record.runs import FINISHED, assert_equal, files, writes

ROOT = Path(__file__).parents[3]


def start(folder: str, result: Path, *at: int) -> subprocess.Popen[str]:
    """Start a run; `at` is the number of a flush, the bytes that are then lost, and a signal."""
    command = [
        sys.executable,
        "-m",
        "tests.search.record.killed",
        folder,
        str(result),
        *[str(int(each)) for each in at],
    ]
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


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> dict[str, np.ndarray]:
    """The numbers of a run without a record and without a stop."""
    found = finish("", tmp_path_factory.mktemp("plain") / "plain.npz")
    assert np.ptp(found["cv_loss"]) > 0
    return found


def same_numbers(found: dict[str, np.ndarray], plain: dict[str, np.ndarray]) -> None:
    assert found.keys() == plain.keys()
    for name, value in found.items():
        np.testing.assert_array_equal(value, plain[name], err_msg=name)


@pytest.mark.full
@pytest.mark.parametrize(
    ("signals", "times"),
    [([signal.SIGKILL, signal.SIGINT, signal.SIGTERM], 3), ([signal.SIGKILL], 100)],
    ids=["three signals", "a hundred kills"],
)
def test_a_stopped_process_goes_on_to_the_same_result(signals, times, plain, tmp_path):
    generator, stopped, runs = random.Random(0), 0, 0
    while stopped < times:
        folder, runs = tmp_path / f"run{runs}", runs + 1
        while stopped < times and stop(
            folder, tmp_path / "r.npz", signals[stopped % len(signals)], generator.expovariate(3)
        ):
            stopped += 1
        same_numbers(finish(str(folder), tmp_path / "r.npz"), plain)
        assert files(folder) == FINISHED
    print(f"{stopped} stops in {runs} runs")


def flushes(monkeypatch: pytest.MonkeyPatch, folder: Path) -> list[str]:
    """Return the names of what a short run flushes, in order: the journal, the files of parts, and the folder."""
    names, flush = list[str](), os.fsync

    def fsync(number: int) -> None:
        names.append(Path(os.readlink(f"/proc/self/fd/{number}")).name)
        flush(number)

    with writes(monkeypatch, lambda *_: None), monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        train(str(folder), **SHORT)
    return names


def some(names: list[str]) -> list[tuple[int, int]]:
    """Return the first line of the journal, and the three flushes of a later checkpoint: file, folder, line."""
    later = next(place for place in range(len(names) // 3, len(names)) if names[place].endswith(".unfinished"))
    return [(names.index(JOURNAL) + 1, 5), (later + 1, 5), (later + 2, 0), (later + 3, 5)]


def each(names: list[str]) -> list[tuple[int, int]]:
    """Return every flush, with the file whole and with bytes lost."""
    return [(number, lost) for number in range(1, len(names) + 1) for lost in (0, 5)]


@pytest.mark.full
@pytest.mark.parametrize("choose", [some, each])
def test_a_process_that_dies_in_a_write_goes_on_to_the_same_result(choose, tmp_path, monkeypatch):
    plain, names = train(None, **SHORT), flushes(monkeypatch, tmp_path / "whole")
    assert names[1:5] == [JOURNAL, "part-0000-epoch-0001.unfinished", "whole", JOURNAL]
    assert {"path.json", "arrays.npz", "template.keras"} <= set(names) and names[-1] == JOURNAL
    kills = choose(names)
    for number, lost in kills:
        folder = tmp_path / f"{number}-{lost}"
        with start(str(folder), tmp_path / "r.npz", number, lost, signal.SIGKILL) as process:
            _, errors = process.communicate()
        assert process.returncode == -signal.SIGKILL, errors
        assert files(folder) != FINISHED
        assert_equal(train(str(folder), **SHORT), plain)
        assert files(folder) == FINISHED
    print(f"{len(kills)} kills at {len(names)} flushes")


@pytest.mark.full
def test_a_second_process_in_a_folder_is_refused_and_the_first_is_not_disturbed(tmp_path):
    folder = tmp_path / "run"
    with start(str(folder), tmp_path / "first.npz", 8, 0, signal.SIGSTOP) as first:
        os.waitid(os.P_PID, first.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)  # in training, for as long as it takes
        with start(str(folder), tmp_path / "second.npz") as second:
            _, errors = second.communicate()
        first.send_signal(signal.SIGCONT)
        assert second.returncode == 1 and "no other process uses" in errors, errors
        _, errors = first.communicate()
    assert first.returncode == 0, errors
    with np.load(tmp_path / "first.npz") as archive:
        same_numbers(dict(archive), numbers(train(None, **SHORT)))
    assert files(folder) == FINISHED and not (tmp_path / "second.npz").exists()
