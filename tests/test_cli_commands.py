"""The commands: what they write, what they say, and what they refuse."""

import ast
import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result

import shrinkage as sh
from shrinkage._host._quiet import require_tensorflow
from shrinkage._note import Note
from shrinkage.cli import main
from shrinkage.cli._columns import Columns
from shrinkage.cli._encoder import matrix, read_cells
from shrinkage.cli._table import read_table
from shrinkage.cli._terms import IN_SHELL

require_tensorflow()

N = 60


# --- `sh.fit` without training: the command line's own work is what these tests are about


@dataclass
class FakePath:
    """The part of `Path` that the command line uses, around a model that was not trained."""

    network: Any
    target_mean: float
    target_sd: float
    predictions: Any

    def __post_init__(self) -> None:
        self.failed = np.array([False, False, False])
        self.lams, self.mean = np.array([1e-1, 1e-2, 0.0]), np.array([0.5, 0.25, 1.0])
        self.index_min, self.index_1se, self.lam_min, self.lam_1se = 1, 0, 1e-2, 1e-1
        self.null_loss, self.null_se, self.null_metrics, self.epochs = 4.0, float("nan"), {}, np.array([3, 2, 1])
        self.template, self.notes, self.seconds = (
            SimpleNamespace(loss_name=self.network.loss),
            (Note("a note: raise $epochs"),),
            0.1,
        )

    def model(self, lam: str = "min") -> Any:
        return self.network

    def table(self) -> pd.DataFrame:
        return pd.DataFrame({"lam": self.lams, "loss": self.mean})

    def verdict(self) -> str:
        return Note("a verdict: $extend_lams upwards")

    def plot(self, file: Any) -> None:
        file.write_bytes(b"picture")

    def save(self, folder: Any, *, overwrite: bool) -> None:
        (folder / "path.json").write_text(json.dumps({"format": "shrinkage path"}))


class FakeFit:
    """Stands in for `sh.fit` and keeps what it was called with."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error, self.calls = error, []

    def __call__(self, model: Any, x: np.ndarray, y: np.ndarray, **options: Any) -> FakePath:
        self.calls.append(SimpleNamespace(model=model, x=x, y=y, **options))
        if self.error:
            raise self.error
        mean, sd = (float(y.mean()), float(y.std())) if options.get("standardize_target") else (0.0, 1.0)
        return FakePath(model, mean, sd, y[None])


# --- helpers


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    """Every command runs in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def fake_fit(monkeypatch) -> FakeFit:
    fake = FakeFit()
    monkeypatch.setattr(sh, "fit", fake, raising=False)
    table = Note("the table: raise $epochs")
    monkeypatch.setattr("shrinkage._path._path.path_text", lambda path, terms: terms.say(table))
    return fake


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def houses(**changes) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    size = rng.normal(100, 20, N).round(1)
    frame = pd.DataFrame(
        {
            "size": size,
            "garden": rng.random(N) < 0.5,
            "town": rng.choice(["Ulm", "Bonn"], N),
            "kind": ["flat", "house", "villa"] * (N // 3),
            "price": (3 * size + rng.normal(size=N)).round(2),
        }
    )
    frame.loc[:5, "size"] = np.nan
    return frame.assign(**changes)


def write(name: str = "houses.csv", **changes) -> Path:
    houses(**changes).to_csv(name, index=False)
    return Path(name)


def refused(result: Result, message: str) -> None:
    """The command ended as bad input, in words, and left nothing behind."""
    assert result.exit_code == 2, result.output
    assert message in result.stderr.replace("\n", " ")
    assert [file.name for file in Path().iterdir() if "shrinkage" in file.name] == []


# --- fit


def test_fit_writes_a_folder_and_says_what_it_understood(fake_fit):
    done = run("fit", write(), "--target", "price")
    assert done.exit_code == 0, done.output
    folder = Path("houses-shrinkage")
    assert {file.name for file in folder.iterdir()} == {"model.keras", "columns.json", "path.json", "path.png"}
    for said in (
        "60 rows; 4 columns, encoded as 8 inputs",
        f"are in houses-shrinkage{os.sep}\n",
        "numbers: size\nbooleans: garden\ncategories: town, kind\n",
        "target price: regression",
        "missing cells: size 6",
        "64-64 ReLU network, Adam with learning rate 0.001, batch size 32",
        "the table: raise --epochs",
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
    assert [layer.name.split("_")[0] for layer in call.model.layers] == ["normalization", "dense"]
    assert float(call.model.optimizer.learning_rate) == 0.5
    assert call.y.shape == (N,) and set(call.y) == {0, 1, 2}


@pytest.mark.parametrize(
    ("options", "penalty", "how", "said"),
    [
        ([], sh.L2(), None, "L2 penalty"),
        (["--penalty", "l2", "--how", "decoupled"], sh.L2(), sh.Decoupled(), "decoupled L2 penalty"),
        (["--penalty", "elastic-net", "--rho", 0.2], sh.ElasticNet(0.2), None, "elastic net (rho = 0.2) penalty"),
        (["--penalty", "elastic-net"], sh.ElasticNet(), None, "elastic net penalty"),
        (["--penalty", "group-lasso"], sh.GroupLasso(), None, "group lasso penalty"),
        (
            ["--penalty", "group-lasso", "--groups", "inputs", "--how", "coupled"],
            sh.GroupLasso("inputs"),
            sh.Coupled(),
            "coupled group lasso (inputs) penalty",
        ),
    ],
)
def test_fit_takes_every_penalty(fake_fit, options, penalty, how, said):
    done = run("fit", write(), "--target", "kind", *options)
    assert done.exit_code == 0, done.output
    assert f", {said}, 5 folds" in done.stdout
    (call,) = fake_fit.calls
    assert (call.penalty, call.how) == (penalty, how)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rho", 0.2], "--rho goes with --penalty elastic-net. Received: --penalty l2."),
        (["--penalty", "l1", "--groups", "units"], "--groups goes with --penalty group-lasso."),
        (["--penalty", "l1", "--how", "decoupled"], "--how decoupled is weight decay, and goes with --penalty l2."),
        (["--penalty", "elastic-net", "--rho", 1.5], "1.5 is not in the range"),
        (["--penalty", "ridge"], "'ridge' is not one of 'l2', 'l1', 'elastic-net', 'group-lasso'"),
    ],
)
def test_options_of_another_penalty_are_refused(fake_fit, options, message):
    refused(run("fit", write(), "--target", "kind", *options), message)


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
    assert [layer.units for layer in call.model.layers[1:-1]] == [5, 4]
    assert call.x.dtype == np.float32 and call.x.shape[0] == N


def test_fit_as_json_is_one_document(fake_fit):
    done = run("fit", write(), "--target", "price", "--format", "json")
    document = json.loads(done.stdout)
    assert document["data"]["task"] == "regression" and document["data"]["missing_cells"] == {"size": 6}
    assert document["choice"] == {"rule": "min", "lam": 0.01, "index": 2, "epoch": 2}
    sd = houses()["price"].std(ddof=0)
    expected = {"null": 2.0, "none": 1.0, "min": 0.5, "1se": np.sqrt(0.5)}
    assert document["root_mean_squared_error"] == pytest.approx({key: sd * value for key, value in expected.items()})
    assert document["null"]["se"] is None  # NaN is not JSON
    assert "the table: raise --epochs" in done.stderr and document["notes"] == ["a note: raise --epochs"]
    assert document["verdict"] == "a verdict: shrinkage.fit in Python takes `lams`, to extend upwards"


def said_by(*modules: str) -> list[str]:
    """The texts in modules of the library, but for docstrings."""
    trees = [ast.parse((Path(sh.__file__).parent / f"{name}.py").read_text("utf-8")) for name in modules]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    docs = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    return [n.value for n in nodes if isinstance(n, ast.Constant) and isinstance(n.value, str) and id(n) not in docs]


SENTENCES = ("verdict", "untrained", "overfitting", "further", "text")


def test_the_shell_names_its_own_options():
    """In the shell's terms, no sentence of a path is left with an argument of Python."""
    notes = [
        Note(text) for text in said_by(*(f"_path/_{name}" for name in SENTENCES), "_search/_search") if " " in text
    ]
    python = re.compile(r"`epochs`|\bpath\.|(give|extend) `lams`|batch_size|the learning rate")
    assert len(list(filter(python.search, notes))) >= 8
    assert list(filter(python.search, map(IN_SHELL.say, notes))) == []


def test_rows_without_a_target_are_left_out_and_said(fake_fit):
    price = houses()["price"].where(np.arange(N) > 3)
    done = run("fit", write(price=price), "--target", "price")
    assert "left out: 4 rows without a target" in done.stdout
    assert len(fake_fit.calls[0].x) == N - 4


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
    assert again.exit_code == 2 and "add --overwrite" in again.stderr
    assert Path("houses-shrinkage/model.keras").read_bytes() == before
    misspelt = run("fit", "houses.csv", "--target", "prize")
    assert "did you mean price?" in misspelt.stderr and "--overwrite" not in misspelt.stderr


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
    written = {"model.keras", "columns.json", "path.json", "path.png"}
    assert json.loads(done.stdout)["files"].keys() == written
    assert (folder / "model.keras").stat().st_size > 1000 and not (folder / "arrays.npz").exists()
    known = {*written, "thesis", "houses.csv", "houses-shrinkage", "first"}
    assert {file.name for file in folder.iterdir()} <= known


def test_a_crash_while_overwriting_keeps_the_earlier_run(fake_fit, monkeypatch):
    assert run("fit", write(), "--target", "price", "-o", "run").exit_code == 0
    before = {file: file.read_bytes() for file in Path("run").iterdir()}
    monkeypatch.setattr("shrinkage.cli._report.write_path", lambda *_: 1 / 0)
    assert run("fit", write(), "--target", "price", "-o", "run", "--overwrite").exit_code == 70
    assert {file: file.read_bytes() for file in Path("run").iterdir()} == before


def test_while_files_are_replaced_the_folder_is_no_run(fake_fit, monkeypatch):
    assert run("fit", write(), "--target", "price", "-o", "run").exit_code == 0
    replace, marked = Path.replace, []

    def watched(self: Path, target: Any) -> Path:
        marked.append(Path("run/path.json").exists())
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    assert run("fit", write(), "--target", "price", "-o", "run", "--overwrite").exit_code == 0
    assert marked == [False] * 4 and Path("run/path.json").exists()


@pytest.mark.parametrize("mine", ["thesis.txt", "path.json"])
def test_only_an_earlier_run_is_overwritten(fake_fit, mine):
    Path("mine").mkdir()
    Path("mine", mine).write_text('["a path of my own"]')
    done = run("fit", write(), "--target", "price", "-o", "mine", "--overwrite")
    assert done.exit_code == 2 and "not an earlier run" in done.stderr
    assert Path("mine", mine).exists() and not fake_fit.calls


def test_an_empty_folder_is_filled(fake_fit):
    Path("empty").mkdir()
    assert run("fit", write(), "--target", "price", "-o", "empty").exit_code == 0
    assert Path("empty/model.keras").exists()


def test_a_place_that_cannot_be_written_is_refused_before_training(fake_fit):
    refused(run("fit", write(), "--target", "price", "-o", "houses.csv/out"), "cannot be written")
    refused(run("fit", write(), "--target", "price", "-o", "houses.csv"), "is a file")
    assert not fake_fit.calls


def test_a_crash_while_writing_leaves_nothing(fake_fit, monkeypatch):
    monkeypatch.setattr("shrinkage.cli._report.write_path", lambda *_: 1 / 0)
    done = run("fit", write(), "--target", "price")
    assert done.exit_code == 70
    assert [file.name for file in Path().iterdir()] == ["houses.csv"]


@pytest.mark.parametrize(
    ("changes", "arguments", "message"),
    [
        ({}, ["--target", "prize"], "did you mean price?"),
        ({"price": None}, ["--target", "price"], "missing in every row"),
        ({"price": 1}, ["--target", "price"], "single value"),
        ({"town": "Ulm"}, ["--target", "town"], "single value Ulm"),
        ({"size": np.inf}, ["--target", "price"], "infinite numbers in size (60 of 60 rows)"),
        ({"a/b": range(5, N + 5), "a_b": range(N, 2 * N)}, ["--target", "price"], "a/b, a_b"),
        ({}, ["--target", "price", "--folds", 61], "60 rows cannot be split into 61 folds"),
        ({}, ["--target", "kind", "--task", "binary"], "needs two classes"),
        ({}, ["--target", "price", "--hidden", "64;64"], "expected whole numbers such as 64,64"),
        ({}, ["--target", "price", "--learning-rate", 0], "--learning-rate"),
        ({}, ["--target", "price", "--folds", 1], "--folds"),
        ({}, [], "Missing option '--target'"),
    ],
)
def test_bad_input_is_refused_before_training(fake_fit, changes, arguments, message):
    refused(run("fit", write(**changes), *arguments), message)
    assert not fake_fit.calls


def test_a_file_that_cannot_be_read(fake_fit):
    refused(run("fit", "no.csv", "--target", "price"), "no.csv does not exist")


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
    assert "Nothing to choose from" in document["verdict"] and "scale the inputs" not in document["verdict"]
    assert sorted(document["files"]) == ["arrays.npz", "columns.json", "path.json", "path.png", "template.keras"]
    assert not (folder / "model.keras").exists() and sh.Path.load(folder).failed.all()
    done = run("predict", folder, data, "-o", "predictions.csv")
    assert done.exit_code == 2 and "has no model.keras, as at every strength a model diverged" in done.stderr
    assert "Fit again with a lower --learning-rate" in done.stderr and not Path("predictions.csv").exists()


def test_an_unexpected_error_is_one_sentence_and_a_log(monkeypatch):
    monkeypatch.setattr(sh, "fit", FakeFit(RuntimeError("a surprise")), raising=False)
    done = run("fit", write(), "--target", "price")
    assert done.exit_code == 70 and "unexpected RuntimeError: a surprise. The traceback is in" in done.stderr
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


# --- predict


def fitted(target: str, **changes) -> None:
    done = run("fit", write(**changes), "--target", target, "-o", "run")
    assert done.exit_code == 0, done.output


def test_predict_equals_the_network_on_the_encoded_rows_in_the_targets_units(fake_fit):
    fitted("price")
    done = run("predict", "run", "houses.csv", "-o", "out.csv")
    assert done.exit_code == 0, done.output
    call, columns = fake_fit.calls[0], Columns.load(Path("run/columns.json"))
    encoded = matrix(columns, read_cells(columns, read_table(Path("houses.csv")).frame))
    np.testing.assert_array_equal(encoded, call.x)
    price = houses()["price"]
    expected = price.mean() + price.std(ddof=0) * call.model.predict(call.x, verbose=0)[:, 0]
    got = pd.read_csv("out.csv")
    assert got.columns.tolist() == ["prediction"] and np.ptp(expected) > 1
    np.testing.assert_allclose(got["prediction"], expected, rtol=1e-4)


@pytest.mark.parametrize(
    ("target", "labels"), [("garden", [False, True]), ("kind", ["flat", "house", "villa"]), ("stars", [1, 2])]
)
def test_predict_writes_labels_and_probabilities(fake_fit, target, labels):
    fitted(target, stars=[1, 2] * (N // 2))
    done = run("predict", "run", "houses.csv", "-o", "out.parquet")
    assert done.exit_code == 0, done.output
    got = pd.read_parquet("out.parquet")
    probabilities = got.drop(columns="prediction")
    assert probabilities.columns.tolist() == [f"probability_{label}" for label in labels]
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-6)
    assert got["prediction"].tolist() == [labels[place] for place in probabilities.to_numpy().argmax(axis=1)]


def test_predict_says_what_is_new_and_ignores_what_it_does_not_know(fake_fit):
    fitted("price")
    new = houses(extra=1).drop(columns="price")
    new.loc[:1, "town"], new.loc[2:4, "kind"] = "Jena", None
    new.to_csv("new.csv", index=False)
    done = run("predict", "run", "new.csv", "-o", "out.csv", "--format", "json")
    document = json.loads(done.stdout)
    assert document["unseen"] == {"town": 2} and document["missing"] == {"size": 6, "kind": 3}
    assert "town 2" in done.stderr and document["rows"] == N
    assert not np.isnan(pd.read_csv("out.csv")["prediction"].to_numpy()).any()


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (lambda frame: frame.drop(columns=["town", "size"]), [], "the data lacks size, town"),
        (lambda frame: frame.assign(size="big"), [], "column size should hold numbers; 60 of 60 cells do not"),
        (lambda frame: frame, ["-o", "out.xlsx"], "must end in .csv or .parquet"),
        (lambda frame: frame, ["-o", "houses.csv"], "houses.csv exists"),
        (lambda frame: frame, ["-o", "new.csv", "--overwrite"], "new.csv is the table to predict"),
        (lambda frame: frame, ["-o", "run"], "must end in"),
    ],
)
def test_predict_refuses(fake_fit, change, arguments, message):
    fitted("price")
    change(houses()).to_csv("new.csv", index=False)
    done = run("predict", "run", "new.csv", *(arguments or ["-o", "out.csv"]))
    assert done.exit_code == 2 and message in done.stderr
    assert not Path("out.csv").exists()


def test_predict_needs_a_run():
    done = run("predict", "nowhere", write(), "-o", "out.csv")
    assert done.exit_code == 2 and "not a folder that `shrinkage fit` wrote" in done.stderr


def test_predict_with_a_damaged_model(fake_fit):
    fitted("price")
    Path("run/model.keras").write_text("not a model")
    done = run("predict", "run", "houses.csv", "-o", "out.csv")
    assert done.exit_code == 2 and "cannot be loaded as a Keras model" in done.stderr


# --- without the fakes


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
    encoded = matrix(columns, read_cells(columns, read_table(Path("houses.csv")).frame))
    outputs = path.model().predict(encoded, verbose=0)  # pyright: ignore[reportArgumentType]
    expected = path.target_mean + path.target_sd * outputs[:, -1]
    if target == "price":
        assert path.target_sd == pytest.approx(houses()["price"].std(ddof=0), rel=1e-4)
        assert document["root_mean_squared_error"]["null"] == pytest.approx(path.target_sd, rel=0.1)
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(pd.read_csv("out.csv").iloc[:, -1], expected, rtol=1e-3)


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


# --- demo


def test_demo_replaces_only_an_earlier_demo(fake_fit):
    assert run("demo").exit_code == 0
    assert {file.name for file in Path("shrinkage-demo").iterdir()} == {"model.keras", "path.json", "path.png"}
    (call,) = fake_fit.calls
    assert (call.x.shape, call.epochs, call.cv) == ((1797, 64), 20, 5) and call.x.max() == 1
    Path("shrinkage-demo/thesis.txt").touch()
    assert run("demo").exit_code == 0
    assert Path("shrinkage-demo/thesis.txt").exists()
    assert run("demo", "--no-overwrite").exit_code == 2
    Path("shrinkage-demo/path.json").unlink()
    done = run("demo")
    assert done.exit_code == 2 and "not an earlier run" in done.stderr


# --- the program


def test_help_names_the_exit_codes_and_imports_nothing_heavy():
    program = (
        "import sys; from shrinkage.cli import main\n"
        "try: main(['--help'])\n"
        "finally: print({'keras', 'tensorflow', 'pandas', 'sklearn', 'numpy'} & set(sys.modules))"
    )
    root = Path(sh.__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "set()" in done.stdout and "training failed" in done.stdout
    for command in ("demo", "fit", "predict"):
        assert f"  {command} " in done.stdout


def test_the_program_ends_with_the_exit_code(tmp_path):
    program = "from shrinkage.cli import main; main()"
    root = Path(sh.__file__).parents[1]
    command = [
        sys.executable,
        "-c",
        program,
        "fit",
        str(tmp_path / "no.csv"),
        "--target",
        "t",
        "-o",
        str(tmp_path / "o"),
    ]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == f"Error: {tmp_path / 'no.csv'} does not exist or is not a file."


def test_what_the_library_refuses_is_a_sentence_of_the_shell(tmp_path, monkeypatch):
    """One fold trains on a single value: what can be done is in the shell's words, and the exit code is 2."""
    monkeypatch.chdir(tmp_path)
    pd.DataFrame({"a": np.arange(30) ** 2 % 17, "y": [0.0] * 29 + [1.5]}).to_csv("t.csv", index=False)
    done = CliRunner().invoke(main, ["fit", "t.csv", "--target", "y", "--task", "regression", "--format", "json"])
    assert done.exit_code == 2 and "--folds" in json.loads(done.stdout)["error"] and "`y`" not in done.stderr


def test_a_demo_in_which_every_member_diverges_keeps_its_path(tmp_path, monkeypatch):
    import keras

    import shrinkage as sh
    from shrinkage.cli import _demo
    from tests.zoo import mlp, rows

    def train():
        model = mlp()
        model.compile(keras.optimizers.SGD(1e30), "sparse_categorical_crossentropy")
        return sh.fit(model, *rows("table"), penalty="l2", lams=[0.1], cv=2, epochs=3)

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(_demo, "_train", train)
    done = CliRunner().invoke(main, ["demo"])
    assert done.exit_code == 3 and "at every strength a model diverged" in done.stderr
    folder = tmp_path / "shrinkage-demo"
    assert (folder / "path.json").is_file() and not (folder / "model.keras").exists()


def test_files_of_two_runs_in_one_folder(tmp_path):
    """`predict` must not guess which of them is right."""
    import keras

    from shrinkage.cli._columns import Columns
    from shrinkage.cli._encoder import assemble, check_model
    from shrinkage.cli._errors import BadInput
    from shrinkage.cli._infer import infer_columns

    frame = pd.DataFrame({"a": np.arange(30.0) ** 2, "b": np.arange(30) % 7})
    one, two = (Columns("y", "regression", (), *infer_columns(part)) for part in (frame.drop(columns="b"), frame))
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model = assemble(two, network, 0.0, 1.0)
    check_model(model, two)
    for columns, given in ((one, model), (two, network)):
        with pytest.raises(BadInput, match="not of the same run"):
            check_model(given, columns)


def test_a_share_of_l1_without_an_elastic_net_is_refused():
    words = ["convert", "1e-4", "--from", "keras.L2", "--to", "sklearn.Ridge", "--loss", "mse", "--n", "9"]
    assert CliRunner().invoke(main, words).exit_code == 0
    done = CliRunner().invoke(main, [*words, "--rho", "0.3"])
    assert done.exit_code == 2 and "--rho is of an elastic net" in done.stderr


# --- linear models


@pytest.mark.parametrize("options", [[], ["--epochs", 400], ["--batch-size", 8], ["--learning-rate", 0.1]])
def test_a_linear_model_has_defaults_that_go_together(fake_fit, options):
    assert run("fit", write(), "--target", "price", "--model", "linear", *options).exit_code == 0
    (call,) = fake_fit.calls
    rate = call.model.optimizer.get_config()["learning_rate"]
    if "--batch-size" in options:
        assert (call.batch_size, call.epochs, call.patience) == (8, 200, 10) and rate == pytest.approx(0.001)
        return
    assert call.batch_size == N and call.epoch == "last"
    assert call.epochs == rate["config"]["decay_steps"] == (400 if "--epochs" in options else 1000)
    assert rate["config"]["initial_learning_rate"] == (0.1 if "--learning-rate" in options else 0.3)


@pytest.mark.parametrize("penalty", ["l1", "l2"])
def test_full_batches_reach_the_minimum_of_a_linear_model(penalty):
    """Of 47 rows, against scikit-learn on the same matrix, with fewer epochs than by default to save time."""
    from sklearn.linear_model import Lasso, Ridge
    from sklearn.preprocessing import scale

    rng = np.random.default_rng(0)
    x = rng.normal(size=(47, 4)) * [1, 10, 100, 1000] + 7
    y = x @ [3.0, -0.2, 0.0, 0.001] + rng.normal(size=47)
    pd.DataFrame(x, columns=list("abcd")).assign(y=y).to_csv("t.csv", index=False)
    options = ["--model", "linear", "--penalty", penalty, "--folds", 2, "--epochs", 400, "-o", "run"]
    done = run("fit", "t.csv", "--target", "y", *options)
    assert done.exit_code == 0, done.output
    assert "all rows in a batch" in done.stdout and "--batch-size" not in done.stdout
    assert max(map(len, done.stdout.partition("models in ")[2].splitlines())) <= 110
    path = sh.Path.load("run")
    for index in (4, 8, path.index_min):
        lam = float(path.lams[index])
        # The mean squared error plus lam * |w|, or lam / 2 * |w|², of a standardised target.
        reference = Lasso(lam / 2, tol=1e-10) if penalty == "l1" else Ridge(47 * lam / 2, tol=1e-10)
        expected = reference.fit(scale(x), scale(y)).coef_
        got = np.asarray(path.model(lam).get_weights()[-2])[:, 0]
        assert np.abs(expected).max() > 0.01
        np.testing.assert_allclose(got, expected, atol=0.002)
