"""`shrinkage fit`."""

import ast
import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import shrinkage as sh
from shrinkage._messages._note import Note
from shrinkage.cli._columns import Columns
from shrinkage.cli._folder import RUN_FILES
from shrinkage.cli._terms import SHELL_TERMS
from tests.cli.commands.running import LOSS, FakeFit, N, houses, refused, run, write

TABLE_FILES = set(RUN_FILES) - {"images.json", "skipped-rows.csv", "comparison.csv", "comparison.png", "weights.png"}
"""Files of a run on a table without bad rows."""


def test_fit_writes_a_folder_and_says_what_it_understood(fake_fit):
    done = run("fit", write(), "--target", "price")
    assert done.exit_code == 0, done.output
    folder = Path("houses-shrinkage")
    assert {file.name for file in folder.iterdir()} == TABLE_FILES
    for said in (
        "60 rows; 4 columns, encoded as 8 inputs",
        f"are in houses-shrinkage{os.sep}\n",
        "column  kind      missing  values  treatment\n",
        "size    number          6      51  standardised, missing cells are marked\n",
        "garden  boolean         0       2  standardised\n",
        "kind    category        0       3  one-hot, 3 inputs\n",
        "price   target          0      59  regression\n",
        "target price: regression",
        "64-64 ReLU network, Adam with learning rate 0.001, batch size 32",
        "L2 path of",
        "a note: raise --epochs",
        "Root mean squared error in units of price: null",
    ):
        assert said in done.stdout
    assert [file for file in Path().iterdir() if file.name.startswith(".")] == []


def test_fit_passes_the_options_on(fake_fit):
    options = ["--penalty", "l1", "--model", "linear", "--epochs", 7, "--batch-size", 8, "--folds", 3, "--seed", 4]
    done = run("fit", write(), "--target", "kind", "--learning-rate", 0.5, "-o", "out", *options)
    assert done.exit_code == 0, done.output
    (call,) = fake_fit.calls
    assert (call.penalty, call.epochs, call.batch_size, call.cv, call.seed) == (sh.L1(), 7, 8, 3, 4)
    assert call.patience == 10 and not call.standardize_target
    assert sorted(layer.name.split("_")[0] for layer in call.model.layers) == [
        "concatenate", "dense", "marks", "normalization", "numbers", "table"
    ]  # fmt: skip
    assert float(call.model.optimizer.learning_rate) == 0.5
    assert call.y.shape == (N,) and set(call.y) == {0, 1, 2}


@pytest.mark.parametrize(
    ("target", "loss", "width"),
    [
        ("price", "mean_squared_error", 1),
        ("garden", "binary_crossentropy", 1),
        ("kind", "sparse_categorical_crossentropy", 3),
    ],
)
def test_each_task_has_its_network(fake_fit, target, loss, width):
    assert run("fit", write(), "--target", target, "--hidden", "5, 4").exit_code == 0
    (call,) = fake_fit.calls
    assert call.model.loss == loss and call.model.output_shape == (None, width)
    assert [layer.units for layer in call.model.layers if hasattr(layer, "units")] == [5, 4, width]
    assert {(part.dtype.name, len(part)) for part in call.x} == {("float32", N)}


def test_fit_as_json_is_one_document(fake_fit):
    done = run("fit", write(), "--target", "price", "--format", "json")
    document = json.loads(done.stdout)
    assert document["data"]["task"] == "regression" and document["data"]["missing_cells"] == {"size": 6}
    assert document["choice"] == {"rule": "min", "lam": 0.01, "index": 2, "epoch": 4}
    sd = houses()["price"].std(ddof=0)
    expected = {row: sd * np.sqrt(loss) for row, loss in LOSS.items()}
    assert document["root_mean_squared_error"] == pytest.approx(expected)
    assert document["null"]["se"] is None  # NaN is not JSON
    assert "L2 path of" in done.stderr and document["notes"] == ["a note: raise --epochs"]
    assert "shrinkage.fit in Python takes `lams`, to extend downwards" in document["verdict"]


def said_by(*modules: str) -> list[str]:
    """The texts in modules of the library, but for docstrings."""
    trees = [ast.parse((Path(sh.__file__).parent / f"{name}.py").read_text("utf-8")) for name in modules]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in docs]


SENTENCES = ("verdict", "training_problems", "overfitting", "cautions", "split_words", "text")


def test_the_shell_names_its_own_options():
    """In the shell's terms, no sentence of a path is left with an argument of Python."""
    notes = [
        Note(text) for text in said_by(*(f"_path/_{name}" for name in SENTENCES), "_search/_search") if " " in text
    ]
    python = re.compile(r"`epochs`|`repeats|\bpath\.|(give|extend) `lams`|batch_size|the learning rate")
    assert len(list(filter(python.search, notes))) >= 8
    assert list(filter(python.search, map(SHELL_TERMS.say, notes))) == []


def test_rows_without_a_target_are_left_out_and_said(fake_fit):
    price = houses()["price"].where(np.arange(N) > 3)
    done = run("fit", write(price=price), "--target", "price")
    assert "left out: 4 rows without a target" in done.stdout
    assert len(fake_fit.calls[0].x[0]) == len(fake_fit.calls[0].y) == N - 4


def test_a_windows_file_is_said(fake_fit):
    town = ["Köln", "Ulm"] * (N // 2)
    houses(town=town).to_csv("houses.csv", index=False, encoding="cp1252")
    done = run("fit", "houses.csv", "--target", "price", "-o", "run")
    assert "not UTF-8: read as cp1252" in done.stdout
    assert Columns.load(Path("run/columns.json")).categories[0].categories == ("Köln", "Ulm")
    assert "houses.csv: not UTF-8" in run("predict", "run", "houses.csv", "-o", "out.csv").stderr


@pytest.mark.parametrize(("folds", "said"), [(6, False), (7, True), (60, True)])
def test_so_few_rows_that_strengths_cannot_be_told_apart(fake_fit, folds, said):
    done = run("fit", write(), "--target", "price", "--folds", folds)
    assert (f"caution: {N // folds} row{'s' * (folds < N)} in a fold" in done.stdout) == said


def test_clipped_numbers_are_said(fake_fit):
    size = houses()["size"].where(np.arange(N) < N - 1, 1e6)
    done = run("fit", write(size=size), "--target", "price", "-o", "run")
    assert re.search(r"numbers far outside the others, clipped: size at -?\d+\S* and \d+\S* \(1 cell\)\n", done.stdout)
    assert (
        "Note: numbers far outside those of training, clipped: size 1."
        in run("predict", "run", "houses.csv", "-o", "out.csv").stderr
    )


def test_classes_and_the_small_ones_are_said(fake_fit):
    done = run("fit", write(town=["Ulm"] * (N - 2) + ["Bonn"] * 2), "--target", "town")
    assert "target town: binary (2 distinct categories)\nrows of each class: Bonn 2, Ulm 58\n" in done.stdout
    assert "classes with fewer rows than the 5 folds: Bonn 2\n" in done.stdout


def test_the_folder_is_kept_unless_told(fake_fit):
    assert run("fit", write(), "--target", "price").exit_code == 0
    before = Path("houses-shrinkage/model.keras").read_bytes()
    again = run("fit", write(), "--target", "price")
    assert again.exit_code == 2 and "Add --overwrite" in again.stderr
    assert Path("houses-shrinkage/model.keras").read_bytes() == before
    misspelt = run("fit", "houses.csv", "--target", "prize")
    assert "Did you mean price?" in misspelt.stderr and "--overwrite" not in misspelt.stderr


@pytest.mark.parametrize("output", [".", "houses-shrinkage"])
def test_overwriting_costs_no_other_file(fake_fit, output):
    folder = Path(output)
    folder.mkdir(exist_ok=True)
    assert run("fit", write(), "--target", "price", "-o", "first").exit_code == 0
    for file in Path("first").iterdir():
        file.rename(folder / file.name)
    (folder / "thesis").mkdir()
    (folder / "thesis/notes.txt").write_text("years of work")
    (folder / "model.keras").write_text("old")
    (folder / "arrays.npz").write_text("of the old path")
    before = Path("houses.csv").read_bytes()
    done = run("fit", "houses.csv", "--target", "price", "-o", output, "--overwrite", "--format", "json")
    assert done.exit_code == 0, done.output
    assert (folder / "thesis/notes.txt").read_text() == "years of work"
    assert Path("houses.csv").read_bytes() == before
    assert json.loads(done.stdout)["files"].keys() == TABLE_FILES
    assert all((folder / name).stat().st_size > 1000 for name in ("model.keras", "arrays.npz"))
    known = {*TABLE_FILES, "thesis", "houses.csv", "houses-shrinkage", "first"}
    assert {file.name for file in folder.iterdir()} <= known


def test_a_crash_while_overwriting_keeps_the_earlier_run(fake_fit, monkeypatch):
    assert run("fit", write(), "--target", "price", "-o", "run").exit_code == 0
    before = {file: file.read_bytes() for file in Path("run").iterdir()}
    monkeypatch.setattr("shrinkage.cli._results.write_path", lambda *_: 1 / 0)
    assert run("fit", write(), "--target", "price", "-o", "run", "--overwrite").exit_code == 70
    assert {file: file.read_bytes() for file in Path("run").iterdir()} == before


def test_while_files_are_replaced_the_folder_is_no_run(fake_fit, monkeypatch):
    assert run("fit", write(), "--target", "price", "-o", "run").exit_code == 0
    replace, marked = Path.replace, []

    def watched(self: Path, target: Any) -> Path:
        if Path(target).parent == Path("run").absolute():  # the path is saved in another folder first
            marked.append(Path("run/path.json").exists())
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    assert run("fit", write(), "--target", "price", "-o", "run", "--overwrite").exit_code == 0
    assert marked == [False] * len(TABLE_FILES) and Path("run/path.json").exists()


@pytest.mark.parametrize("mine", ["thesis.txt", "path.json"])
def test_only_an_earlier_run_is_overwritten(fake_fit, mine):
    Path("mine").mkdir()
    Path("mine", mine).write_text('["a path of my own"]')
    done = run("fit", write(), "--target", "price", "-o", "mine", "--overwrite")
    assert done.exit_code == 2 and "is empty or holds an earlier run" in done.stderr
    assert Path("mine", mine).exists() and not fake_fit.calls


def test_an_empty_folder_is_filled(fake_fit):
    Path("empty").mkdir()
    assert run("fit", write(), "--target", "price", "-o", "empty").exit_code == 0
    assert Path("empty/model.keras").exists()


def test_a_place_that_cannot_be_written_is_refused_before_training(fake_fit):
    refused(
        run("fit", write(), "--target", "price", "-o", "houses.csv/out"), "written. Received: houses.csv/out (Not a"
    )
    refused(run("fit", write(), "--target", "price", "-o", "houses.csv"), "is a file")
    assert not fake_fit.calls


def test_a_crash_while_writing_leaves_nothing(fake_fit, monkeypatch):
    monkeypatch.setattr("shrinkage.cli._results.write_path", lambda *_: 1 / 0)
    done = run("fit", write(), "--target", "price")
    assert done.exit_code == 70
    assert [file.name for file in Path().iterdir()] == ["houses.csv"]


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({}, ["--target", "prize"], "Did you mean price?"),
        ({}, ["--target", ""], "--target must be a column of DATA. Received: ''."),
        ({}, ["--target", "price", "--sep", ";"], "the single column 'size,garden,town,kind,price'. Give --sep ','."),
        ({}, ["--target", "price", "--drop", "price"], "Leave --drop out, as the target is no input."),
        ({"price": None}, ["--target", "price"], "missing in every row"),
        ({"price": 1}, ["--target", "price"], "single value"),
        ({"town": "Ulm"}, ["--target", "town"], "single value Ulm"),
        ({"size": np.inf}, ["--target", "price"], "infinite numbers in size (60 of 60 rows)"),
        ({"a/b": range(5, N + 5), "a_b": range(N, 2 * N)}, ["--target", "price"], "a/b, a_b"),
        ({}, ["--target", "price", "--folds", 61], "Received: 61 for 60 rows"),
        ({}, ["--target", "kind", "--task", "binary"], "column of two classes for --task"),
        (
            {},
            ["--target", "price", "--hidden", "64;64"],
            "--hidden must be whole numbers from 1 to 100,000, such as 64,64",
        ),
        ({}, ["--target", "price", "--learning-rate", 0], "--learning-rate"),
        ({}, ["--target", "price", "--folds", 1], "--folds"),
        ({}, [], "--target must be given for a table. Received: none."),
    ],
)
def test_bad_input_is_refused_before_training(fake_fit, changes, arguments, message):
    refused(run("fit", write(**changes), *arguments), message)
    assert not fake_fit.calls


def test_a_file_that_cannot_be_read(fake_fit):
    refused(run("fit", "no.csv", "--target", "price"), "no.csv, which does not exist")


@pytest.mark.parametrize("column", ["price", "kind"])
def test_when_every_strength_diverges(column):
    data, folder = write(), Path("houses-shrinkage")
    folder.mkdir()
    for name, text in {"path.json": '{"format": "shrinkage path"}', "model.keras": "of an earlier run"}.items():
        (folder / name).write_text(text)
    options = ("--target", column, "--learning-rate", 1e38, "--epochs", 3, "--folds", 2, "--overwrite")
    with np.errstate(all="ignore"):
        done = run("fit", data, *options, "--format", "json")
    assert done.exit_code == 3 and "Lower --learning-rate" in done.stderr
    document = json.loads(done.stdout)
    assert document["choice"] is document["lam_min"] is None and all(row["failed"] for row in document["path"])
    assert "There is nothing to choose from" in document["verdict"] and "scale the inputs" not in document["verdict"]
    assert sorted(document["files"]) == [
        *("arrays.npz", "columns.json", "command.txt", "path.json", "path.png", "report.html", "template.keras"),
    ]
    assert not (folder / "model.keras").exists() and sh.Path.load(folder).failed.all()
    done = run("predict", folder, data, "-o", "predictions.csv")
    assert done.exit_code == 2 and "has no model.keras, as at every strength a model diverged" in done.stderr
    assert (
        "Fit again with --overwrite and a lower --learning-rate" in done.stderr and not Path("predictions.csv").exists()
    )


def test_an_unexpected_error_is_one_sentence_and_a_log(monkeypatch):
    monkeypatch.setattr(sh, "fit", FakeFit(RuntimeError("a surprise")), raising=False)
    done = run("fit", write(), "--target", "price")
    assert done.exit_code == 70 and "Unexpected RuntimeError: a surprise. The traceback is in" in done.stderr
    assert "Traceback (most recent call last)" not in done.output
    log = Path(done.stderr.rsplit("The traceback is in ", 1)[1].strip().rstrip("."))
    assert "Traceback (most recent call last)" in log.read_text()
    log.unlink()
    done = run("fit", write(), "--target", "price", "--debug")
    assert done.exit_code == 70 and "Traceback (most recent call last)" in done.stderr
    Path(done.stderr.rsplit("The traceback is in ", 1)[1].strip().rstrip(".")).unlink()


def test_ctrl_c(monkeypatch):
    monkeypatch.setattr(sh, "fit", FakeFit(KeyboardInterrupt()), raising=False)
    done = run("fit", write(), "--target", "price")
    assert done.exit_code == 130 and "Interrupted: nothing was written." in done.stderr


def _parts() -> None:
    Path("parts").mkdir()
    for number in range(3):
        houses()[20 * number : 20 * number + 20].to_csv(f"parts/{number}.csv", index=False)


@pytest.mark.parametrize(
    ("data", "folder"),
    [
        (["parts"], "parts-shrinkage"),
        (["parts/*.csv"], "0-shrinkage"),
        (["parts/0.csv", "parts/1.csv", "parts/2.csv"], "0-shrinkage"),
    ],
)
def test_fit_takes_files_patterns_and_folders(fake_fit, data, folder):
    _parts()
    done = run("fit", *data, "--target", "price")
    assert done.exit_code == 0, done.output
    assert "(3 files): 60 rows; 4 columns" in done.stdout and Path(folder, "model.keras").is_file()
    done = run("predict", folder, *data, "-o", "out.csv")
    assert done.exit_code == 0, done.output
    run("predict", folder, write("all.csv"), "-o", "all-out.csv")
    assert Path("out.csv").read_text() == Path("all-out.csv").read_text() != ""
    run("predict", folder, *reversed(["parts/0.csv", "parts/2.csv"]), "-o", "back.csv")
    assert Path("back.csv").read_text().split()[1:21] == Path("out.csv").read_text().split()[41:61]


def test_results_are_not_written_into_a_folder_of_data(fake_fit):
    _parts()
    done = run("fit", "parts", "--target", "price", "-o", "parts/out")
    assert (
        done.exit_code == 2
        and "outside the folders of DATA. Received: parts/out" in done.stderr
        and not Path("parts/out").exists()
    )
    done = run("fit", "parts", "no.csv", "--target", "price")
    assert done.exit_code == 2 and "no.csv, which does not exist" in done.stderr


@pytest.mark.parametrize("option", ["--drop", "--category", "--number"])
@pytest.mark.parametrize("names", ["size,town", "size, town"])
def test_several_columns_in_an_option_are_answered(fake_fit, option, names):
    done = run("fit", write(), "--target", "price", option, names)
    refused(done, f"{option} must name one column each time. Received: {names}. Give {option} size {option} town.")
    assert fake_fit.calls == []


def test_a_column_with_a_comma_in_its_name_is_one(fake_fit):
    columns: dict[str, Any] = {"size,town": np.resize(["a", "b"], N)}
    file = write("houses.csv", **columns)
    assert run("fit", file, "--target", "price", "--drop", "size,town").exit_code == 0
