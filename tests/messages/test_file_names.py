"""Every method that takes a file, a folder or a record of ours says which argument is wrong, and what to do."""

import io
import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import shrinkage as sh
from tests.compare.made import make_comparison
from tests.synthetic_path import make_path


@pytest.fixture
def attached():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    sh.attach(model, sh.L2(), lam=0.25)
    return model


@pytest.fixture(scope="module")
def line():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)], name="line")
    model.compile("sgd", "mean_squared_error")
    return model


@pytest.fixture(scope="module")
def comparison(line):
    x = np.random.default_rng(0).normal(size=(30, 2))
    return sh.compare(line, x, x @ [1.0, 2.0], penalties=["l2"], lams=[0.1, 0.01], cv=3, epochs=2)


FILES = {
    "report": ("`file`", ".html", lambda model, file: make_path().report(file)),
    "plot": ("`file`", ".png", lambda model, file: make_path().plot(file)),
    "plot of a comparison": ("`file`", ".png", lambda model, file: make_comparison().plot(file)),
    "weights of a comparison": ("`file`", ".png", lambda thing, file: thing.plot(file, kind="weights")),
    "export": ("`path`", ".keras", lambda model, file: sh.export(model, file)),
}
FOLDERS = {
    "save": ("`folder`", lambda folder: make_path().save(folder)),
    "save over": ("`folder`", lambda folder: make_path().save(folder, overwrite=True)),
    "load": ("`folder`", sh.Path.load),
    "tensorboard": ("`tensorboard`", lambda folder: sh.fit(keras.Sequential(), [1], penalty="l2", tensorboard=folder)),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("given", [3, b"x", "", "nowhere/a", "a-file/a"])
def test_a_file_that_cannot_be_written(name, given, request, tmp_path, monkeypatch):
    thing = request.getfixturevalue("comparison" if name == "weights of a comparison" else "attached")
    monkeypatch.chdir(tmp_path)
    Path("a-file").write_text("")
    argument, suffix, write = FILES[name]
    given = f"{given}{suffix}" if isinstance(given, str) and given else given
    with pytest.raises((TypeError, ValueError, OSError), match=f"^{argument} must be .*Received: ") as failed:
        write(thing, given)
    if given == f"nowhere/a{suffix}":
        assert isinstance(failed.value, FileNotFoundError) and failed.value.errno == 2
        assert "Make the folder 'nowhere' first, or give another file." in str(failed.value)
    assert os.listdir(tmp_path) == ["a-file"]


def test_a_folder_in_place_of_a_page(tmp_path):
    with pytest.raises(IsADirectoryError, match="Give the name of a file in this folder"):
        make_path().report(tmp_path)


def test_a_picture_of_an_unknown_format(tmp_path):
    with pytest.raises(ValueError, match=r"^`file` must have the extension of a picture: .*png.* Received: '.*a\.xyz'"):
        make_path().plot(tmp_path / "a.xyz")


def test_names_that_are_taken(tmp_path, monkeypatch):
    """A name without an extension is a picture, a file object is written to, and `~` is the home folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    make_path().plot("~/picture")
    make_path().plot(stream := io.BytesIO())
    make_path().report("~/page.html")
    assert stream.tell() > 1000 and sorted(os.listdir(tmp_path)) == ["page.html", "picture.png"]


@pytest.mark.parametrize("name", FOLDERS)
@pytest.mark.parametrize("given", [3, b"x", "", "a-file", "a-file/a"])
def test_a_folder_that_cannot_be_used(name, given, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a-file").write_text("")
    argument, use = FOLDERS[name]
    with pytest.raises((TypeError, ValueError, OSError), match=f"^{argument} must be .*Received: "):
        use(given)
    assert os.listdir(tmp_path) == ["a-file"]


@pytest.mark.parametrize("train", [sh.fit, sh.compare])
@pytest.mark.parametrize("given", [3, b"x", "", "a-file", "a-file/a"])
def test_a_record_that_cannot_be_written(train, given, line, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a-file").write_text("")
    penalty = {"penalty": "l2"} if train is sh.fit else {"penalties": ["l2"]}
    with pytest.raises((TypeError, ValueError), match="^`run` must be a folder.*Received: "):
        train(line, np.ones((30, 2)), np.arange(30.0), lams=[0.1], epochs=1, run=given, **penalty)
    assert os.listdir(tmp_path) == ["a-file"]


NO_COMPARISON = [3, "l2", make_path(), {"L2": make_path()}]


@pytest.mark.parametrize("given", NO_COMPARISON, ids=lambda given: type(given).__name__)
def test_a_report_of_no_comparison(given, tmp_path):
    expected = f"`comparison` must be a comparison, as shrinkage.compare returns it. Received: {type(given).__name__}."
    with pytest.raises(TypeError, match=f"^{re.escape(expected)}$"):
        make_path().report(tmp_path / "a.html", comparison=given)
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    "use",
    [
        lambda path: make_path().model(path),
        lambda path: make_path().plot(kind=path),
        lambda path: make_path().plot(kind="epochs", lam=path),
        lambda path: make_path().choose(path),
        lambda path: make_comparison().model(path),
        lambda path: make_comparison().plot(kind=path),
    ],
)
def test_an_error_does_not_print_the_table_of_a_path(use):
    with pytest.raises((TypeError, ValueError), match=r"^`\w+` must be .* Received: L2 path of") as failed:
        use(make_path())
    assert "\n" not in str(failed.value)


@pytest.mark.parametrize("marked", [3, "1", [0.5], [2], [-1], make_path()], ids=lambda marked: type(marked).__name__)
def test_inputs_that_cannot_be_marked(marked, comparison):
    with pytest.raises(ValueError, match=r"^`marked` must be numbers of inputs from 0 to 1\. Received: .+\.$"):
        comparison.plot(kind="weights", marked=marked)
