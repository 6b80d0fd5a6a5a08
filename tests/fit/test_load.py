"""Many fits in a process: open files, threads, memory maps and Python objects stay, and memory hardly grows."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def grown(warm: int, count: int, *kinds: str) -> dict[str, dict[str, float]]:
    """Return what a new process holds more after `count` calls of each kind that follow `warm` calls."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.many_fits", str(warm), str(count), *kinds]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def check(found: dict[str, float], kind: str, count: int, megabytes: float) -> None:
    assert found["files"] == 0 and found["threads"] <= 2, (kind, found)
    assert found["maps"] <= 20, (kind, found)  # one architecture by XLA takes about 118
    assert found["objects"] <= 100 * count, (kind, found)  # one traced step has about 3,000
    assert found["memory"] <= megabytes, (kind, found)


@pytest.mark.full
@pytest.mark.parametrize(
    "kinds", [("custom", "recorded"), ("same", "anew", "on_disk", "inspected")], ids=["some", "others"]
)
def test_many_fits_leave_nothing_open(kinds):
    """20 MB are noise. In eight fits, plain Keras takes 70, and steps that XLA compiles anew take 80."""
    for kind, found in grown(2, 8, *kinds).items():
        check(found, kind, 8, 20)


@pytest.mark.full
@pytest.mark.parametrize(("kind", "count"), [("same", 900), ("on_disk", 900), ("recorded", 900), ("strengths", 100)])
def test_a_thousand_fits_take_at_most_half_a_megabyte_each(kind, count):
    check(grown(100, count, kind)[kind], kind, count, 0.5 * count)


@pytest.mark.full
def test_a_thousand_fits_of_new_models_take_at_most_half_a_megabyte_each_above_the_models():
    """TensorFlow keeps 36 kB for each new name of a variable, so that a new model of Keras takes 0.24 MB for good."""
    found = grown(100, 900, "built", "anew")
    check(found["anew"], "anew", 900, 0.5 * 900 + found["built"]["memory"])


@pytest.mark.full
def test_a_fit_with_custom_code_leaves_less_than_plain_keras():
    """TensorFlow keeps a part of every function that was traced, of Keras' too. None of it is a Python object here."""
    ours, theirs = grown(10, 60, "custom")["custom"], grown(10, 60, "keras_anew")["keras_anew"]
    assert ours["objects"] < 100 * 60 < 1000 * 60 < theirs["objects"]
    assert ours["memory"] < 0.5 * theirs["memory"]
