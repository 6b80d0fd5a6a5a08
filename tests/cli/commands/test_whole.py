"""`fit` and `predict`, with training."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import shrinkage as sh
from shrinkage.cli._columns import Columns
from shrinkage.cli._encoder import encode, read_cells
from shrinkage.cli._tables import read_table
from tests.cli.commands.running import N, houses, run, write


@pytest.mark.parametrize("target", ["price", "garden", "kind"])
def test_a_run_from_end_to_end(here, target):
    write()
    options = ["--model", "linear", "--epochs", 2, "--folds", 2, "--format", "json"]
    done = run("fit", "houses.csv", "--target", target, "-o", "run", *options)
    assert done.exit_code == 0, done.output
    document, path = json.loads(done.stdout), sh.Path.load("run")
    assert document["choice"]["lam"] == path.lam_min and len(document["path"]) == len(path.lams)
    assert run("predict", "run", "houses.csv", "-o", "out.csv").exit_code == 0
    columns = Columns.load(Path("run/columns.json"))
    encoded = encode(columns, read_cells(columns, read_table(Path("houses.csv")).frame))
    outputs = path.model().predict(encoded, verbose=0)  # pyright: ignore[reportArgumentType]
    expected = path.target_mean + path.target_sd * outputs[:, -1]
    if target == "price":
        assert path.target_sd == pytest.approx(houses()["price"].std(ddof=0), rel=1e-4)
        np.testing.assert_allclose(path.targets[:, 0], houses()["price"].iloc[path.held_out_rows], rtol=1e-4)
        assert document["root_mean_squared_error"]["null"] == pytest.approx(path.target_sd, rel=0.1)
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(pd.read_csv("out.csv").iloc[:, -1], expected, rtol=1e-3)


@pytest.mark.full
def test_a_small_class_is_said_and_not_warned_of():
    write(town=["Ulm"] * (N - 2) + ["Bonn"] * 2)
    program = "from shrinkage.cli import main; main()"
    options = ["--target", "town", "--model", "linear", "--epochs", "2", "--folds", "3"]
    command = [sys.executable, "-c", program, "fit", "houses.csv", *options]
    root = str(Path(sh.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": root}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    assert "classes with fewer rows than the 3 folds: Bonn 2\n" in done.stdout
    assert "Warning" not in done.stderr and root not in done.stderr


def test_a_search_within_a_budget(here):
    random = np.random.default_rng(0)
    x = random.normal(size=(1300, 4))
    frame = pd.DataFrame(x, columns=list("abcd")).assign(y=x[:, 0] + random.normal(size=1300))
    frame.to_csv("many.csv", index=False)
    options = ["--target", "y", "--budget", 1.5, "--epochs", 2, "--hidden", 4, "--batch-size", 16]
    dry = run("fit", "many.csv", *options, "--dry-run")
    assert "Search: at most 6 strengths on" in dry.stdout and "would take 105 trainings" in dry.stdout
    training = "2 epochs on a part of the rows for 1.5 trainings if the rows suffice for it, then of the chosen lambda"
    assert training in dry.stdout
    done = run("fit", "many.csv", *options, "-o", "run", "--format", "json")
    assert done.exit_code == 0, done.output
    document, path = json.loads(done.stdout), sh.Path.load("run")
    assert path.budget == 1.5 and document["choice"]["lam"] == path.lam and document["choice"]["rule"] == "budget"
    assert document["lam_min"] is None and set(document["root_mean_squared_error"]) == {"null", "none", "choice"}
    assert Path("run/model.keras").is_file() and Path("run/path.png").is_file()
    assert run("predict", "run", "many.csv", "-o", "out.csv").exit_code == 0
    assert np.ptp(pd.read_csv("out.csv").iloc[:, -1]) > 0.01
    unused, cost = (
        "--budget is not used: fewer than three members fit into it",
        "21 strengths in 5 folds and on all rows.",
    )
    large = run("fit", "many.csv", *options[:-1], 200, "--dry-run")
    assert unused in large.stdout and cost in large.stdout and "budget is" not in large.stderr
    trained = run("fit", "many.csv", *options[:-1], 200, "--epochs", 1, "-o", "grid")
    assert f"Note: {unused}" in trained.stderr and cost in trained.stderr and "Warning" not in trained.stderr


def test_a_learning_curve(here):
    write()
    options = ["--target", "price", "--epochs", 2, "--folds", 3, "--hidden", 4, "--batch-size", 8, "--learning-curve"]
    dry = run("fit", "houses.csv", *options, "--dry-run", "--format", "json")
    assert json.loads(dry.stdout)["forecast"]["learning_curve"] == 2 * 3 * 2
    done = run("fit", "houses.csv", *options, "-o", "run", "--format", "json")
    assert done.exit_code == 0, done.output
    document, path = json.loads(done.stdout), sh.Path.load("run")
    assert path.learning_curve is not None and document["learning_curve"]["rows"] == path.learning_curve.rows.tolist()
    assert document["learning_curve"]["fall"] == pytest.approx(list(vars(path.learning_curve.fall).values()))
    assert re.search("[Mm]ore rows (or more epochs )?would", document["verdict"])
    assert "More rows</h2>" in Path("run/report.html").read_text("utf-8")


def test_a_learning_curve_of_few_rows_is_refused_in_the_terms_of_the_shell(here):
    write()
    done = run("fit", "houses.csv", "--target", "price", "--folds", 2, "--learning-curve", "--group", "town")
    assert done.exit_code == 2 and "--learning-curve must have enough rows" in done.stderr
