"""Many fits in a process: open files, threads, memory maps and Python objects stay, and memory hardly grows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def grown(kind: str, warm: int, count: int) -> dict[str, float]:
    """Return what a new process holds more after `count` calls of a kind that follow `warm` calls."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.many_fits", kind, str(warm), str(count)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def check(found: dict[str, float], count: int, megabytes: float) -> None:
    assert found["files"] == 0 and found["threads"] <= 2, found
    assert found["maps"] <= 20, found  # one architecture by XLA takes about 118
    assert found["objects"] <= 100 * count, found  # one traced step has about 3,000
    assert found["memory"] <= megabytes, found


@pytest.mark.parametrize(
    ("kind", "count"), [("same", 20), ("anew", 12), ("custom", 4), ("on_disk", 12), ("strengths", 3), ("inspected", 9)]
)
def test_sixty_fits_leave_nothing_open(kind, count):
    """20 MB are noise: plain Keras takes 90 in ten fits, and a step that XLA compiles anew 10."""
    check(grown(kind, 3, count), count, 20)


@pytest.mark.full
@pytest.mark.parametrize(("kind", "count"), [("same", 900), ("anew", 900), ("on_disk", 900), ("strengths", 100)])
def test_a_thousand_fits_take_at_most_half_a_megabyte_each(kind, count):
    check(grown(kind, 100, count), count, 0.5 * count)


@pytest.mark.full
def test_a_fit_with_custom_code_leaves_less_than_plain_keras():
    """TensorFlow keeps a part of every function that was traced, of Keras' too. None of it is a Python object here."""
    ours, theirs = grown("custom", 10, 60), grown("keras_anew", 10, 60)
    assert ours["objects"] < 100 * 60 < 1000 * 60 < theirs["objects"]
    assert ours["memory"] < 0.5 * theirs["memory"]
