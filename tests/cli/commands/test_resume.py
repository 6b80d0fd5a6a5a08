"""`shrinkage resume` and `shrinkage show`: an unfinished run goes on, and is printed."""

import json
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import Result
from filelock import FileLock

import shrinkage as sh
from shrinkage._search._record import _record
from tests.cli.commands.running import houses, run, stopped_after, write

FIT = ("fit", "houses.csv", "--target", "price", "--epochs", "4", "--folds", "2", "-o", "run")


@pytest.fixture
def unfinished() -> Result:
    """A run that Ctrl-C stopped after two epochs: the result of the command."""
    write()
    with stopped_after(2):
        return run(*FIT)


def same_numbers(one: str, other: str) -> None:
    with np.load(f"{one}/arrays.npz") as a, np.load(f"{other}/arrays.npz") as b:
        assert a.files == b.files
        for name in a.files:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)


def test_ctrl_c_prints_the_table_and_the_command_to_go_on(unfinished):
    assert unfinished.exit_code == 130
    assert "60 rows, 2 folds, 21 strengths, 4 epochs at most" in unfinished.stderr
    assert unfinished.stderr.count("        2\n") == 21, "the losses of every strength after two epochs"
    assert "Interrupted: the run is saved. `shrinkage resume run` goes on" in unfinished.stderr
    assert sorted(file.name for file in Path("run").iterdir()) == ["command.json", "record"]


def test_a_resumed_run_has_the_result_of_a_run_without_a_stop(unfinished, tmp_path, monkeypatch):
    monkeypatch.chdir("/")  # the command is repeated in its folder
    done = run("resume", tmp_path / "run")
    assert done.exit_code == 0, done.stderr
    monkeypatch.chdir(tmp_path)
    assert run(*FIT[:-1], "other").exit_code == 0
    assert sorted(file.name for file in Path("run").iterdir()) == sorted(file.name for file in Path("other").iterdir())
    same_numbers("run", "other")


@pytest.mark.full
def test_an_unfinished_run_is_not_replaced(unfinished):
    refused = run(*FIT)
    assert refused.exit_code == 2 and "Go on with `shrinkage resume run`, add --overwrite" in refused.stderr
    assert run(*FIT, "--overwrite").exit_code == 0 and not Path("run/record").exists()


@pytest.mark.full
def test_a_finished_run_stays_until_another_is_complete():
    write()
    assert run(*FIT).exit_code == 0
    before = Path("run/arrays.npz").read_bytes()
    with stopped_after(1):
        assert run(*FIT, "--overwrite", "--seed", "1").exit_code == 130
    assert Path("run/arrays.npz").read_bytes() == before


def test_a_folder_of_the_user_with_the_name_of_the_record_is_left_alone():
    write()
    assert run(*FIT).exit_code == 0
    Path("run/record").mkdir()
    Path("run/record/notes.txt").write_text("mine")
    refused = run(*FIT, "--overwrite")
    assert refused.exit_code == 2 and "has other files (notes.txt)" in refused.stderr.replace("\n", " ")
    assert Path("run/record/notes.txt").read_text() == "mine" and Path("run/path.json").exists()


def test_show_prints_a_run_in_training_and_a_finished_run(unfinished):
    shown = run("show", "run")
    assert (
        shown.exit_code == 0
        and "Not finished, and no process trains it" in shown.stdout
        and shown.stdout.count("        2\n") == 21
    )
    document = json.loads(run("show", "run", "--format", "json").stdout)
    assert not document["finished"] and len(document["strengths"]) == 21
    assert run("resume", "run").exit_code == 0
    shown = run("show", "run")
    assert shown.exit_code == 0 and "lambda" in shown.stdout and "min" in shown.stdout
    assert "Root mean squared error in units of" in shown.stdout
    again = run("resume", "run")
    assert again.exit_code == 0 and "run is finished" in again.stderr


@pytest.mark.parametrize(("models", "words"), [("all", "every strength"), ("chosen", "the choices")])
def test_show_says_which_models_a_run_of_python_has(models, words, tmp_path):
    """Before and after it is finished; the document lists them."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="line")
    model.compile("sgd", "mean_squared_error")
    x = np.random.default_rng(0).normal(size=(60, 2))

    def fit(stop):
        options = {"lams": [0.1, 0.01], "cv": 3, "epochs": 3, "models": models, "run": tmp_path / "line"}
        return sh.fit(model, x, x @ [1.0, 2.0], penalty="l2", **options, on_epoch=stop)

    def stop(epoch):
        raise InterruptedError

    with pytest.raises(InterruptedError):
        fit(stop)
    assert f"3 epochs at most, then on all rows at {words};" in run("show", tmp_path / "line").stdout
    assert json.loads(run("show", tmp_path / "line", "--format", "json").stdout)["models"] == models
    path = fit(None)
    shown = run("show", tmp_path / "line").stdout
    kept = path.lams[path.has_model].tolist()
    assert ("Only the choices have a model of all rows: lambda = 1.00e-01." in shown) == (models == "chosen")
    assert json.loads(run("show", tmp_path / "line", "--format", "json").stdout)["models"] == kept


@pytest.mark.full
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("import shrinkage as sh; print(sh.Path.load('run').model().name)", "mlp_64_64\n"),
        ("from shrinkage.cli import main; main(['doctor', 'run/template.keras'])", "mlp_64_64: no errors"),
    ],
)
def test_a_new_process_reads_the_files_of_a_run_of_the_shell(unfinished, code, words):
    """Without the imports of a training: the path has a layer of this package."""
    assert run("resume", "run").exit_code == 0
    loaded = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)
    assert loaded.stdout.startswith(words), loaded.stderr


def test_showing_a_run_in_training_imports_no_tensorflow(unfinished):
    code = (
        "import sys; from shrinkage.cli import main; main(['show', 'run'], standalone_mode=False); "
        "print('tensorflow' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (
        shown.stdout.endswith("False\n")
        and "Not finished, and no process trains it" in shown.stdout
        and shown.stderr == ""
    )


def test_a_run_in_training_is_not_touched(unfinished):
    """By another fit, by another resume, or by show, which says that it is in training."""
    with FileLock("run/record/lock"):
        for option, command in (("-o", (*FIT, "--overwrite")), ("RUN", ("resume", "run"))):
            refused = run(*command)
            assert refused.exit_code == 2
            assert f"{option} must be a folder in which no other process trains. Received: run," in refused.stderr
            assert "the run is saved" not in refused.stderr
        assert "A process trains it" in run("show", "run").stdout
        assert json.loads(run("show", "run", "--format", "json").stdout)["running"]
        Path("run/record/journal.jsonl").rename("journal")  # as before the first checkpoint
        assert run("show", "run").stdout == "A process trains it; nothing is saved yet.\n"
        assert json.loads(run("show", "run", "--format", "json").stdout) == {"finished": False, "running": True}
        Path("journal").rename("run/record/journal.jsonl")
    assert run("resume", "run").exit_code == 0


@pytest.mark.full
def test_a_run_that_lost_its_journal_is_trained_anew(unfinished):
    Path("run/record/journal.jsonl").unlink()
    shown = run("show", "run")
    said = " ".join(shown.stderr.split())
    assert shown.exit_code == 2 and "train it from the beginning with `shrinkage resume run`" in said
    assert run("resume", "run").exit_code == 0
    assert run(*FIT[:-1], "other").exit_code == 0
    same_numbers("run", "other")


@pytest.mark.parametrize("command", [("predict", "run", "houses.csv", "-o", "predicted.csv"), ("report", "run")])
def test_an_unfinished_run_predicts_nothing_and_has_no_page(unfinished, command):
    """The advice is to resume it, or to begin anew where its command is lost."""
    refused = run(*command)
    assert refused.exit_code == 2 and "is not finished. Go on with `shrinkage resume run`" in refused.stderr
    assert "Go on with `shrinkage resume run`" in run("show", "run").stdout
    Path("run/command.json").write_text("{}")
    for place in (run(*command).stderr, run("show", "run").stdout, run("resume", "run").stderr):
        assert "Begin anew with `shrinkage fit` and --overwrite" in place.replace("\n", " ") and "resume" not in place
    Path("run/command.json").unlink()
    for place in (run(*command).stderr, run("show", "run").stdout, run("resume", "run").stderr):
        assert "Fit again into another folder, as command.json is lost." in place


def test_a_record_that_is_damaged_at_its_beginning(unfinished):
    Path("run/record/journal.jsonl").write_text("not a record\n")
    for command in ("show", "report", "resume"):
        text = run(command, "run").stderr.replace("\n", " ")
        assert "Error: RUN must be a folder with a record of a run that can go on." in text
        assert "Begin anew with `shrinkage fit` and --overwrite." in text
    assert run(*FIT, "--overwrite").exit_code == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda frame: frame.assign(size=frame["size"].to_numpy()[::-1]), "DATA with other values."),
        (lambda frame: frame[:50], "DATA with 50 rows, and 60 before."),
        (lambda frame: frame.drop(columns="size"), "DATA with other columns or classes, or another --model."),
    ],
    ids=["values", "rows", "columns"],
)
def test_other_data_is_not_trained_on(unfinished, change, words):
    change(houses()).to_csv("houses.csv", index=False)
    text = run("resume", "run").stderr.replace("\n", " ")
    assert "RUN must be resumed with the DATA, --model and packages that it began with. Received: " + words in text
    assert "--overwrite" in text and "`x`" not in text and "lams" not in text


def test_a_run_of_python_goes_on_in_python(tmp_path):
    path = tmp_path / "python"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_record.Record, "finish", lambda *_: None)
        x = np.random.default_rng(0).normal(size=(40, 3))
        sh.fit(_linear(), x, x[:, 0], penalty="l2", lams=[0.1], epochs=1, cv=2, run=path)
    refused = run("resume", path)
    assert refused.exit_code == 2 and f"run={str(path)!r}) again" in refused.stderr
    assert "Not finished" in run("show", path).stdout


def _linear():
    import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "RUN must be the folder of a run"),
        ("{", "which is damaged (command.json is not JSON: "),
        ('{"schema": 2, "folder": "/", "arguments": []}', "another version"),
        ('{"schema": 1, "folder": "/", "arguments": [1]}', "another version"),
        ('{"schema": 1, "folder": "/no/such/folder", "arguments": []}', "began in /no/such/folder (No such file"),
        (
            '{"schema": 1, "folder": "/", "arguments": ["--nonsense"]}',
            "--nonsense must be an option of `shrinkage fit`",
        ),
        ("[" * 100_000, "which is damaged (command.json "),
    ],
    ids=["absent", "half", "schema", "types", "folder", "option", "deep"],
)
def test_a_folder_without_a_command_is_refused(content, message):
    Path("run").mkdir()
    if content is not None:
        Path("run/command.json").write_text(content)
    refused = run("resume", "run")
    assert refused.exit_code == 2 and message in refused.stderr.replace("\n", " "), refused.stderr
