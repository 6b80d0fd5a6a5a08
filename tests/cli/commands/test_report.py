"""`shrinkage report`, and the page that `shrinkage fit` writes."""

from pathlib import Path

import pytest

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
    assert done.exit_code == 2 and "has no finished run" in done.stderr
