"""`shrinkage report`, and the page that `shrinkage fit` writes."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import shrinkage as sh
from shrinkage._messages._note import Classes, Note
from tests.cli.commands.running import run, write
from tests.daily import full


@pytest.fixture
def a_run(tmp_path, monkeypatch, fake_fit) -> Path:
    monkeypatch.chdir(tmp_path)
    assert run("fit", write(), "--target", "kind", "-o", "out", "--epochs", 3).exit_code == 0
    return Path("out")


def test_the_page_has_the_command_the_labels_and_the_words_of_the_shell(a_run):
    html = (a_run / "report.html").read_text("utf-8")
    command = (a_run / "command.txt").read_text("utf-8").strip()
    assert command == "shrinkage fit houses.csv --target kind -o out --epochs 3" and f">{command}<" in html
    assert "a note: raise --epochs" in html
    (a_run / "report.html").unlink()
    done = run("report", a_run)
    assert done.exit_code == 0 and "The page is out/report.html." in done.stdout
    again = (a_run / "report.html").read_text("utf-8")
    assert f">{command}<" in again and again.count("<section") == html.count("<section")


def test_a_path_of_python_has_the_words_of_python_and_one_of_the_shell_those_of_the_shell(a_run):
    """In every program that shows it, also after it was saved, with its notes."""
    note = Note("a note: raise $epochs, class $classes", classes=Classes(((1, 2),)))
    path = replace(sh.Path.load(a_run), notes=(note,))
    path.save("python")
    path.save(a_run, overwrite=True)
    words = {"python": "raise `epochs`, class 1 (2 rows)", a_run: "raise --epochs, class house (2 rows)"}
    for folder, expected in words.items():
        shown = [run("show", folder), run("show", folder, "--format", "json"), run("report", folder)]
        assert [each.exit_code for each in shown] == [0, 0, 0]
        pages = [each.stdout.replace("\n", " ") for each in shown[:2]]
        pages.append(re.sub("</?code>", "`", (Path(folder) / "report.html").read_text("utf-8")))
        assert [expected in page for page in pages] == [True] * 3
    assert words["python"] in repr(sh.Path.load(a_run)).replace("\n", " ")


def test_a_page_is_opened_in_a_browser(a_run, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: bool(opened.append(address)))
    done = run("report", a_run, "--open")
    assert opened == [(a_run / "report.html").absolute().as_uri()] and "no browser was found" in done.stderr


def test_a_page_that_cannot_be_written(a_run):
    (a_run / "report.html").unlink()
    (a_run / "report.html").mkdir()
    done = run("report", a_run)
    assert done.exit_code == 2 and "report.html cannot be written (Is a directory). Copy the run" in done.stderr


def test_a_folder_without_a_run_has_no_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    done = run("report", "empty")
    assert done.exit_code == 2 and "RUN must be the folder of a run. Received: empty, which has no" in done.stderr


READERS = {
    "path": (("show",), ("resume",), ("report",)),
    "model": (("predict", "houses.csv", "-o", "new.csv"),),
    "columns": (("show",), ("resume",), ("report",), ("predict", "houses.csv", "-o", "new.csv")),
}
"""The commands that read the files of a run."""


@pytest.mark.parametrize(
    ("readers", "file", "content", "message"),
    [
        ("path", "path.json", None, "Received: 'out', which has no path.json."),
        ("path", "path.json", b"", "Received: 'out', which is damaged (path.json is empty)."),
        full("path", "path.json", b"{}", "Received: 'out', which is damaged (the format in path.json is None)."),
        full("path", "arrays.npz", None, "Received: 'out', which has no arrays.npz."),
        ("path", "arrays.npz", b"PK", "Received: 'out', which is damaged (arrays.npz is not an archive"),
        full("path", "template.keras", None, "Received: 'out', which has no template.keras."),
        full("model", "model.keras", None, "Received: out, which has no model.keras."),
        ("model", "model.keras", b"", "Received: out/model.keras, which cannot be loaded"),
        ("model", "columns.json", None, "Received: out, which has no columns.json."),
        ("columns", "columns.json", b"", "Received: out/columns.json (columns.json is empty)."),
        full("columns", "columns.json", b"\xff", "Received: out/columns.json (columns.json is not text in UTF-8)."),
    ],
)
def test_a_damaged_run_is_refused_with_the_file_and_fit_replaces_it(a_run, readers, file, content, message):
    (a_run / file).unlink()
    if content is not None:
        (a_run / file).write_bytes(content)
    for command, *arguments in READERS[readers]:
        refused = run(command, a_run, *arguments)
        text = refused.stderr.replace("\n", " ")
        assert refused.exit_code == 2 and text.startswith("Error: RUN must "), refused.stderr
        assert message in text and "Fit again with --overwrite" in text and "Path" not in text
    again = run("fit", "houses.csv", "--target", "kind", "-o", "out", "--epochs", 3, "--overwrite")
    assert again.exit_code == 0 and (a_run / file).exists(), again.stderr


@pytest.mark.parametrize("command", [("show",), ("resume",), ("report",), ("predict", "houses.csv", "-o", "new.csv")])
def test_a_file_of_a_run_is_not_its_folder(a_run, command):
    refused = run(command[0], a_run / "model.keras", *command[1:])
    assert refused.exit_code == 2 and "Received: out/model.keras, which is a file. Give out." in refused.stderr
