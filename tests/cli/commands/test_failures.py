"""What goes wrong beside a command: a full disk, another backend, a place that is no file, a file of something else."""

import errno
import json
import os
import resource
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import keras
import pytest
from keras import layers

import shrinkage as sh
from shrinkage._host import _quiet
from shrinkage.cli._errors import describe_full_disk
from tests.cli.commands.running import FakeFit, houses, run, write
from tests.versions import KERAS

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def fail(*_: object, **__: object) -> None:
    raise FULL


def wrapped(cause: Exception) -> Exception:
    try:
        raise RuntimeError("it was not saved") from cause
    except RuntimeError as error:
        return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (FULL, "no space left on device"),
        (wrapped(FULL), "no space left on device"),
        (ValueError(f"HDF5 says: {os.strerror(errno.ENOSPC)}"), "the disk is full, or a file is larger than allowed"),
        (wrapped(KeyError("a")), None),
    ],
    ids=["number", "cause", "text", "another"],
)
def test_a_full_disk_is_known_by_its_number_or_its_words(error, words):
    assert describe_full_disk(error) == words


def test_a_disk_that_is_full_before_the_results_are_written(monkeypatch):
    monkeypatch.setattr(sh, "fit", FakeFit(FULL), raising=False)
    done = run("fit", write(), "--target", "price")
    assert done.exit_code == 2 and "A file could not be written: no space left on device. Free space" in done.stderr


def test_a_disk_that_fills_up_with_the_results_costs_no_table(fake_fit, monkeypatch):
    monkeypatch.setattr(sh.Path, "plot", fail)
    done = run("fit", write(), "--target", "price")
    assert done.exit_code == 2 and "was not written: no space left on device. What is printed above" in done.stderr
    assert "L2 path of" in done.stdout and not Path("houses-shrinkage").exists()


def test_without_a_place_for_the_log_there_is_a_way_to_the_traceback(monkeypatch):
    monkeypatch.setattr(sh, "fit", FakeFit(RuntimeError("a surprise")), raising=False)
    monkeypatch.setattr(tempfile, "NamedTemporaryFile", fail)
    done = run("fit", write(), "--target", "price")
    assert done.exit_code == 70
    assert "Unexpected RuntimeError: a surprise. Add --debug to see the traceback." in done.stderr


def test_a_value_error_of_another_package_is_unexpected(monkeypatch):
    """It is no sentence to the user."""
    monkeypatch.setattr(sh, "fit", FakeFit(ValueError("shapes differ")), raising=False)
    done = run("fit", write(), "--target", "price")
    assert done.exit_code == 70 and "Unexpected ValueError: shapes differ." in done.stderr
    Path(done.stderr.rsplit("The traceback is in ", 1)[1].strip().rstrip(".")).unlink()


def test_another_backend_is_bad_input(fake_fit, monkeypatch):
    def refuse() -> None:
        raise RuntimeError("The backend of Keras must be TensorFlow")

    monkeypatch.setattr(_quiet, "require_tensorflow", refuse)
    done = run("fit", write(), "--target", "price")
    assert done.exit_code == 2 and "Error: The backend of Keras must be TensorFlow" in done.stderr


def test_predictions_go_to_a_file(fake_fit):
    run("fit", write(), "--target", "price", "-o", "run")
    Path("place.csv").mkdir()
    done = run("predict", "run", "houses.csv", "-o", "place.csv")
    assert (
        done.exit_code == 2
        and "-o must be a file. Received: place.csv, which is a folder. Give a file name." in done.stderr
    )


def test_odd_cells_of_new_rows_are_said(fake_fit):
    run("fit", write(), "--target", "price", "-o", "run")
    houses().assign(size=["n/k"] + houses()["size"].astype(str).tolist()[1:]).to_csv("new.csv", index=False)
    done = run("predict", "run", "new.csv", "-o", "out.csv")
    assert done.exit_code == 0 and "cells that are no numbers, missing ones too: size" in done.stderr


def of_a_layer(file: str) -> str:
    """Write a file of Keras that holds a layer and no model: that of a model whose configuration is replaced."""
    layer = layers.Rescaling(2.0)
    keras.Sequential([keras.Input((2,)), layer]).save("model.keras")
    with zipfile.ZipFile("model.keras") as source, zipfile.ZipFile(file, "w") as archive:
        for name in source.namelist():
            config = json.dumps(keras.saving.serialize_keras_object(layer))
            archive.writestr(name, config if name == "config.json" else source.read(name))
    return file


@pytest.mark.parametrize("command", ["doctor", "predict"])
def test_a_file_of_a_layer_is_no_model(fake_fit, command):
    run("fit", write(), "--target", "price", "-o", "run")
    file = of_a_layer("run/model.keras")
    done = run("doctor", file) if command == "doctor" else run("predict", "run", "houses.csv", "-o", "out.csv")
    words = "files of a keras.Model" if command == "doctor" else "RUN must hold a keras.Model"
    assert done.exit_code == 2
    assert f"{words}. Received: run/model.keras, which holds a Rescaling." in done.stderr


# --- limits of the operating system


def run_within(limit: int, size: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the program in a process with a limit of `resource`, such as RLIMIT_AS, of `size` bytes."""
    # A process under a limit could not save its coverage, and would say so.
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    return subprocess.run(
        [sys.executable, "-c", "from shrinkage.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**unmeasured, "PYTHONPATH": str(Path(sh.__file__).parents[1])},
        preexec_fn=lambda: resource.setrlimit(limit, (size, size)),
    )


@pytest.mark.full
def test_a_disk_without_room_costs_no_table():
    options = ("--target", "price", "--epochs", "1", "--folds", "2")
    done = run_within(resource.RLIMIT_FSIZE, 20_000, "fit", str(write()), *options)
    assert done.returncode == 2 and "was not written" in done.stderr
    assert KERAS < (3, 14) or "Traceback" not in done.stderr  # Keras 3.13 leaves an archive that it cannot close
    assert "lambda" in done.stdout and not Path("houses-shrinkage/path.json").exists()
    assert "`shrinkage resume houses-shrinkage` goes on" in done.stderr
    assert run("resume", "houses-shrinkage").exit_code == 0 and Path("houses-shrinkage/path.json").exists()


def test_memory_that_runs_out_is_a_sentence():
    Path("t.csv").write_bytes(b"a,b\n" + b"x" * 66_000_000 + b",1\n")
    done = run_within(resource.RLIMIT_AS, 600_000_000, "fit", "t.csv", "--target", "b")
    assert done.returncode == 3 and done.stderr.startswith("Error: Memory ran out."), done.stderr[-500:]
