"""`shrinkage compare`: the preparation of fit, a table, pictures, and a run of the winner."""

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest

import shrinkage as sh
from shrinkage.cli import main
from tests.cli.commands.running import FakeFit, refused, run, write
from tests.synthetic_path import diverged

SMALL = ["--target", "price", "--folds", 3, "--epochs", 3, "--hidden", 4, "--batch-size", 20]


@pytest.fixture
def fit(monkeypatch) -> FakeFit:
    """`sh.fit` in `sh.compare`, which returns paths without training."""
    fake = FakeFit()

    def fit_of(**options):
        return replace(fake(**options), selection=sh.describe(options["model"]))  # that of the model that is trained

    monkeypatch.setattr("shrinkage._compare._compare.fit", fit_of)
    return fake


def test_a_comparison_is_trained_and_its_winner_predicts():
    file = write()
    done = run("compare", file, *SMALL, "--penalties", "l2,l1")
    assert done.exit_code == 0, done.output
    assert "penalties l2, l1, 3 folds" in done.stdout
    assert "2 penalties of mlp_4 on the same 3 folds, batches and first weights" in done.stdout
    folder = Path("houses-comparison")
    command = f"shrinkage compare houses.csv {' '.join(map(str, SMALL))} --penalties l2,l1"
    assert (folder / "command.txt").read_text("utf-8").strip() == command  # which repeats the run
    assert f">{command}<" in (folder / "report.html").read_text("utf-8")
    assert {"comparison.csv", "comparison.png", "weights.png", "model.keras", "columns.json"} <= {
        each.name for each in folder.iterdir()
    }
    table: Any = pd.read_csv(folder / "comparison.csv", keep_default_na=True)
    assert len(table) == 4 and table["loss"].notna().all() and (table["result"] == "least").sum() == 1
    predicted = run("predict", folder, file, "-o", "predictions.csv")
    assert predicted.exit_code == 0 and np.ptp(pd.read_csv("predictions.csv").iloc[:, -1]) > 0
    assert sh.Path.load(folder).target_sd == pytest.approx(pd.read_csv(file)["price"].std(ddof=0), rel=1e-5)


def test_json_has_the_table_and_the_paths(fit):
    done = run("compare", write(), *SMALL, "--penalties", "L2, Decoupled", "--format", "json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert [row["name"] for row in document["comparison"]] == ["none", "early stopping", "L2", "decoupled L2"]
    assert list(document["paths"]) == ["L2", "decoupled L2"] and len(document["paths"]["L2"]["path"]) == 3
    assert document["least"] == "L2" and document["nested"] is None
    assert document["comparison"][0]["gain"] is None and document["settings"]["folds"] == 3
    assert "a note: raise --epochs" in document["notes"]  # not `epochs`
    assert document["files"]["comparison.csv"] == "houses-comparison/comparison.csv"


def test_all_penalties_are_compared_with_the_same_training(fit):
    assert run("compare", write(), *SMALL).exit_code == 0
    entries = [(call.penalty, call.how) for call in fit.calls]
    assert entries[:5] == [
        (sh.L2(), sh.Coupled()),
        (sh.L1(), sh.Proximal()),
        (sh.ElasticNet(), sh.Proximal()),
        (sh.GroupLasso(), sh.Proximal()),
        (sh.L2(), sh.Decoupled()),
    ]
    assert len(entries) == 6 and fit.calls[5].patience is None and fit.calls[5].lams == [0.0]  # none, to the end
    assert len({(call.seed, call.epochs, call.batch_size, call.cv) for call in fit.calls}) == 1


def test_a_linear_model_is_trained_with_each_penalty(fit):
    """L2 alone has an exact solution, which is not the training that the others get."""
    done = run("compare", write(), "--target", "price", "--model", "linear", "--penalties", "l2,l1")
    assert done.exit_code == 0, done.output
    assert {call.solver for call in fit.calls} == {"gradient"} and {call.epochs for call in fit.calls} == {1000}
    assert "early stopping" not in done.stdout.split("batches and first weights")[1]  # the last epoch is kept


def test_a_dry_run_trains_and_writes_nothing(fit):
    file = write()
    done = run("compare", file, *SMALL, "--dry-run")
    assert done.exit_code == 0 and fit.calls == [] and list(Path().iterdir()) == [file]
    assert "one of 5 penalties, which take about as long each:" in done.stdout and "Dry run" in done.stdout
    assert "about as long" not in run("compare", file, *SMALL, "--penalties", "l1", "--dry-run").stdout


@pytest.mark.full
def test_the_folder_of_an_earlier_comparison_is_replaced_when_asked(fit):
    file = write()
    assert run("compare", file, *SMALL).exit_code == 0
    refused_again = run("compare", file, *SMALL)
    assert refused_again.exit_code == 2 and "Add --overwrite" in refused_again.stderr
    assert run("compare", file, *SMALL, "--overwrite", "--penalties", "l1").exit_code == 0
    assert len(pd.read_csv("houses-comparison/comparison.csv")) == 3


def test_an_unfinished_run_in_the_folder_is_replaced_when_asked(fit):
    """Or it would go on, and replace the comparison."""
    file, folder = write(), Path("out")
    (folder / "record").mkdir(parents=True)
    (folder / "command.json").touch()
    assert run("compare", file, *SMALL, "--overwrite", "-o", "out").exit_code == 0
    assert not (folder / "record").exists() and not (folder / "command.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--target", "prise"], "prise", id="target"),
        pytest.param(
            ["--target", "price", "--penalties", "l3"], "--penalties must be names of l2, l1", id="unknown penalty"
        ),
        pytest.param(
            ["--target", "price", "--penalties", "l2,l2"], "--penalties must be different names", id="penalty twice"
        ),
        pytest.param(["--target", "price", "--penalties", "l2,,l1"], "Received: 'l2,,l1'.", id="empty penalty"),
        pytest.param(["--target", "price", "--penalties", ""], "--penalties must be names of l2, l1", id="no penalty"),
        pytest.param(
            ["--target", "price", "--hidden", "4", "--model", "linear"], "--hidden must be given with", id="hidden"
        ),
        pytest.param(
            ["--target", "price", "--drop", "price"], "--drop must be a column other than the target.", id="drop"
        ),
        pytest.param(
            ["--target", "price", "--time", "size", "--nested"], "--nested must be given without --time", id="time"
        ),
        pytest.param(
            ["--target", "price", "--group", "town", "--fold", "kind"], "must not be given together", id="splits"
        ),
        pytest.param([], "--target must be given for a table. Received: none.", id="no target"),
        pytest.param(
            ["--target", "price", "--budget", "2"], "Received: an option of `shrinkage fit`. Leave it out.", id="budget"
        ),
    ],
)
def test_bad_input_is_refused_before_training(fit, arguments, message):
    done = run("compare", write(), *arguments)
    refused(done, message)
    assert fit.calls == [] and not Path("houses-comparison").exists()


def test_a_table_larger_than_memory_is_refused(fit):
    frame = pd.DataFrame({"x": np.random.default_rng(0).normal(size=20_000), "y": np.arange(20_000.0) % 7})
    frame.to_csv("t.csv", index=False)
    refused(run("compare", "t.csv", "--target", "y", "--max-memory", "200kB"), "compare keeps all rows in memory")


def test_a_refusal_of_the_library_is_bad_input(monkeypatch):
    monkeypatch.setattr("shrinkage._compare._compare.fit", FakeFit(ValueError("`x` is odd")))
    done = run("compare", write(), *SMALL)
    assert done.exit_code != 0 and not Path("houses-comparison").exists()


@pytest.mark.full
def test_a_comparison_of_images_is_refused_with_runs_that_work(fit):
    for name in ("cat", "dog"):
        Path("my images", name).mkdir(parents=True)
        for number in range(6):
            keras.utils.save_img(Path("my images", name, f"{number}.png"), np.full((4, 4, 3), number))
    options = ["--folds", "3", "--learning-rate", "1e-3", "--max-memory", "2GB"]
    done = run("compare", "my images", "--penalties", "l2,decoupled", "--nested", *options)
    refused(done, "shrinkage.compare in Python, which takes images")
    lines = [shlex.split(line) for line in done.stderr.splitlines() if line.strip().startswith("shrinkage fit")]
    assert [line[-1] for line in lines] == ["my images-l2", "my images-decoupled"]
    for line in lines:
        assert set(options) <= set(line)
        assert run(*line[1:], "--dry-run").exit_code == 0, line


def test_every_model_diverged(monkeypatch):
    def diverge(**options):
        path = FakeFit()(**options)
        every = diverged(path, np.ones(len(path.lams), bool))
        return replace(path, selection=sh.describe(options["model"]), **every)

    monkeypatch.setattr("shrinkage._compare._compare.fit", diverge)
    done = run("compare", write(), *SMALL, "--penalties", "l2")
    assert done.exit_code == 3
    assert "There is nothing to compare: every model diverged. Lower --learning-rate" in done.stdout
    assert not Path("houses-comparison/model.keras").exists() and Path("houses-comparison/comparison.csv").exists()


def test_the_options_are_those_of_fit():
    options = {name: {p.name: p for p in main.commands[name].params} for name in ("fit", "compare")}
    shared = options["fit"].keys() & options["compare"].keys()
    assert {"target", "model", "folds", "seed", "repeats"} <= shared
    assert all(options["fit"][name] is options["compare"][name] for name in shared - {"output"})
    assert options["compare"].keys() - shared == {"penalties", "nested"}
