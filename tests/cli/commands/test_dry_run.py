"""`shrinkage fit --dry-run`."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.cli.commands.running import run, write
from tests.daily import each_value


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_dry_run_describes_columns_and_training_and_writes_nothing(monkeypatch, form):
    def refuse(*_arguments, **_options):
        raise AssertionError("trained")

    monkeypatch.setattr("shrinkage.fit", refuse, raising=False)
    file = write(note="x")
    options = ["--folds", 3, "--epochs", 2, "--batch-size", 10, "--hidden", 4, "--drop", "kind"]
    done = run("fit", file, "--target", "price", "--dry-run", *options, "--format", form)
    assert done.exit_code == 0, done.output
    assert list(Path().iterdir()) == [file]
    if form == "text":
        for said in (
            "size    number          6      51  standardised, missing",
            "not used",
            "it is constant",
            "from ",
            "time: about",
            "MiB",
            "Dry run",
        ):
            assert said in done.stdout
        return
    document = json.loads(done.stdout)
    kinds = {row["column"]: (row["kind"], row["missing"]) for row in document["columns"]}
    assert kinds["size"] == ("number", 6) and kinds["garden"] == ("boolean", 0) and kinds["town"] == ("category", 0)
    assert kinds["note"][0] == kinds["kind"][0] == "not used" and kinds["price"] == ("target", 0)
    found = document["forecast"]
    n_strengths, n_inputs = len(found["lams"]), document["data"]["inputs"]
    assert found["folds"] == 3 and found["models"] == 4 * n_strengths > 40
    n_numbers = sum(kind in ("number", "boolean") for kind, _ in kinds.values())
    assert n_numbers == 2 < n_inputs
    assert found["parameters"] == 4 * (n_inputs + 1) + 5, "4 units and an output"
    # 40 and 60 rows in batches of 10, for 2 epochs: all strengths fit the memory at once.
    assert found["steps"] == 2 * 4 + 2 * 6 and found["models_in_a_step"] == 3 * n_strengths
    assert found["memory"] > 1e6 and 0 < found["seconds"] < 600 and found["epochs"] == 2


def test_a_dry_run_does_not_look_at_the_folder_of_results():
    write()
    Path("houses-shrinkage").mkdir()
    Path("houses-shrinkage/thesis.txt").write_text("mine")
    done = run("fit", "houses.csv", "--target", "price", "--dry-run")
    assert done.exit_code == 0 and Path("houses-shrinkage/thesis.txt").exists()


def test_a_dry_run_refuses_what_a_run_refuses():
    done = run("fit", write(), "--target", "cost", "--dry-run")
    assert done.exit_code == 2 and "--target must be a column of DATA. Received: cost." in done.stderr
    pytest.importorskip("ray")
    done = run("fit", write(), "--target", "price", "--model", "linear", "--cluster", "local", "--dry-run")
    assert done.exit_code == 2 and "--cluster must be given with models that are trained." in done.stderr


@pytest.mark.parametrize(
    ("role", "seconds"),  # of the years 287168 and -249
    each_value(
        ["feature", "--target", "--group", "--time", "--fold", "--category", "--number"],
        [9_000_000_000_000, -70_000_000_000],
    ),
)
def test_dates_beyond_those_of_python_end_in_success_or_in_a_sentence(role, seconds):
    """A Parquet file may have any year; Python has the years 1 to 9999."""
    times, days = seconds + np.arange(40) % 5, seconds // 86_400 + np.arange(40) % 5
    columns = {
        "y": np.arange(40) % 2,
        "x": np.arange(40) * 1.5,
        "time": pa.array(times.tolist(), pa.timestamp("s")),
        "again": pa.array(times.tolist(), pa.timestamp("s")),
        "day": pa.array(days.astype("int32").tolist(), pa.int32()).cast(pa.date32()),
    }
    pq.write_table(pa.table(columns), "t.parquet")
    target = ["--target", "y"] if role != "--target" else []
    for column in ("time", "day"):
        asked = [] if role == "feature" else [role, column]
        done = run("fit", "t.parquet", *target, *asked, "--dry-run")
        assert done.exit_code in (0, 2), done.stderr
