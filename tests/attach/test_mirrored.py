"""Two replicas train what one does: the penalty counts once, in `fit` and in a loop of one's own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.full
def test_the_penalty_counts_once():
    """Logical devices are set when TensorFlow starts, so this is a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "tests.attach.mirrored"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    found = json.loads(run.stdout.splitlines()[-1])
    assert len(found) == 8
    for case, far in found.items():
        assert far["replicas"] == 2 and far["none"] > 0.01, case
        assert far["one"] < 1e-5, case  # float32; a penalty that counted twice would be as far as none
