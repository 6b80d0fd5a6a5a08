"""`shrinkage report`, and the page that `shrinkage fit` writes."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

import shrinkage as sh
from shrinkage._messages._note import Classes, Note
from tests.cli.commands.running import run, write


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
    assert done.exit_code == 2 and "RUN must be a finished run" in done.stderr
