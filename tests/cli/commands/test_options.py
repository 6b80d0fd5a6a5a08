"""Options that are refused, and limits of the machine that end in a sentence."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

import shrinkage as sh
from shrinkage.cli import main
from tests.cli.files import write

TEXT = "a,b\n1,x\n2,y\n"


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *((o, v) for o in ("--learning-rate", "--rho") for v in ("nan", "inf", "-inf")),
        ("--seed", 10**30),
        ("--epochs", 10**12),
    ]
    + [("--hidden", 10**9), ("--hidden", "nan"), ("--folds", "nan"), ("--batch-size", "inf")],
)
def test_numbers_that_are_none_are_refused_as_json_too(tmp_path, option, value):
    asked = [
        "fit",
        str(write(tmp_path, TEXT)),
        "--target",
        "a",
        "--penalty",
        "elastic-net",
        option,
        str(value),
        "--format",
        "json",
    ]
    done = CliRunner().invoke(main, asked)
    document = json.loads(done.stdout)
    assert done.exit_code == 2 and option in document["error"] and document["exit_code"] == 2


def test_hidden_units_of_a_linear_model(tmp_path):
    asked = ["fit", str(write(tmp_path, TEXT)), "--target", "a", "--model", "linear", "--hidden", "8"]
    done = CliRunner().invoke(main, asked)
    assert done.exit_code == 2 and "--hidden goes with --model mlp" in done.stderr


def shell(folder: Path, limit: tuple[int, int] | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    # A process under a limit could not save its coverage, and would say so.
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [sys.executable, "-c", "from shrinkage.cli import main; main()", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**unmeasured, "PYTHONPATH": str(Path(sh.__file__).parents[1])},
        preexec_fn=(lambda: resource.setrlimit(limit[0], (limit[1], limit[1]))) if limit else None,
    )


def test_a_disk_without_room_costs_no_table(tmp_path):
    frame = pd.DataFrame({"a": np.arange(60.0)[::-1], "b": np.arange(60) % 7, "y": np.arange(60.0) ** 2})
    frame.to_csv(tmp_path / "t.csv", index=False)
    done = shell(
        tmp_path, (resource.RLIMIT_FSIZE, 20_000), "fit", "t.csv", "--target", "y", "--epochs", "1", "--folds", "2"
    )
    assert done.returncode == 2 and "was not written" in done.stderr and "Traceback" not in done.stderr
    assert "lambda" in done.stdout and not (tmp_path / "t-shrinkage").exists()


def test_memory_that_runs_out_is_a_sentence(tmp_path):
    write(tmp_path, b"a,b\n" + b"x" * 66_000_000 + b",1\n")
    done = shell(tmp_path, (resource.RLIMIT_AS, 700_000_000), "fit", "t.csv", "--target", "b")
    assert done.returncode == 3 and done.stderr.startswith("Error: memory ran out."), done.stderr[-500:]
