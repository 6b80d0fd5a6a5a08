"""The README works as printed: its Python, its shell lines, its table, its links."""

import os
import re
import subprocess
import sys
from pathlib import Path

import keras
import pytest
from PIL import Image

from benchmarks.readme import PICTURES
from shrinkage._model._attached import get_attachments
from shrinkage._model._losses import _PER_ROW
from shrinkage._model._optimizers import ELEMENTWISE_OPTIMIZERS, PER_MEMBER_OPTIMIZERS
from shrinkage._penalties._steps import _METRICS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = [ROOT / "README.md", ROOT / "README.zh-CN.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]


def blocks(language: str) -> list[str]:
    """Return the README's fenced blocks of a language, "" for those without."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)
    return [text for found, text in fenced if found == language]


def numbers(text: str, label: str) -> list[float]:
    """Return the numbers in a row of a printed path."""
    row = next(line for line in text.splitlines() if line.startswith(label))
    return [float(word.replace(",", "")) for word in row.split()[1:]]


def test_the_python_works_as_printed(tmp_path, monkeypatch, capsys):
    (code, attached), (table,) = blocks("python"), blocks("")
    assert len([line for line in code.splitlines() if line]) <= 12
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(code, "README.md", "exec"), names)
    printed = capsys.readouterr().out
    assert (tmp_path / "path.png").stat().st_size > 10_000
    assert isinstance(names["best"], keras.Sequential)
    exec(compile(attached, "README.md", "exec"), names)
    assert set(names["logs"]) == {"loss", "data_loss", "penalty"}
    (attachment,) = get_attachments(keras.models.load_model(tmp_path / "best.keras"))
    assert float(attachment.lam) == pytest.approx(names["path"].lam_min)

    def until_the_time(text: str) -> str:
        return text.splitlines()[0].partition(" in ")[0]

    assert until_the_time(printed) == until_the_time(table)
    assert printed.splitlines()[1].split() == table.splitlines()[1].split()
    for label in ("null", "none"):  # min and 1se may lie elsewhere on another processor
        assert numbers(printed, label) == pytest.approx(numbers(table, label), rel=0.1)
    assert names["path"].gain.low > 0  # the penalty pays, as the page says


def test_each_row_and_column_of_the_printed_table_is_explained():
    (table,) = blocks("")
    titles = re.split(r"\s{2,}", table.splitlines()[1].strip())
    labels = [line.split()[0] for line in table.splitlines()[2:6]]
    reading = (ROOT / "docs" / "reading.md").read_text("utf-8")
    assert table in reading  # the page explains the same example
    explained = [cell.replace("\\|", "|") for cell in re.findall(r"^\| .*?`(.+?)` \|", README + reading, re.MULTILINE)]
    assert [name for name in (*labels, *titles) if name not in explained] == []


def test_the_prose_and_the_pictures_are_of_the_run_of_the_table():
    """`python -m benchmarks.readme` makes table and pictures of one run; the prose has its numbers."""
    (table,) = blocks("")
    least, sparse = (table.split(f"\n{label} ")[1].split("\n")[0].split()[-1] for label in ("min", "1se"))
    reading = (ROOT / "docs" / "reading.md").read_text("utf-8")
    words = f"it has {sparse} weights that are not zero in place of {least}"
    assert words in README and words in " ".join(reading.split())
    chinese = (ROOT / "README.zh-CN.md").read_text("utf-8")
    assert f"{sparse} 个" in chinese and f"{least} 个" in chinese
    for picture in PICTURES:
        with Image.open(picture) as image:
            assert image.info["Description"] == table, "python -m benchmarks.readme makes it"


def test_the_numbers_are_those_of_the_pages_that_measure_them():
    """A row of the price is a row of docs/cost.md with fewer columns; the gain stands in docs/choice.md."""
    cost, choice = ((ROOT / "docs" / name).read_text("utf-8") for name in ("cost.md", "choice.md"))
    price = README.split("\n## Price\n")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in price.splitlines() if line.startswith("| ")][
        2:
    ]
    measured = [[cell.strip() for cell in line.split("|")[1:-1]] for line in cost.splitlines()]
    assert len(rows) == 3
    assert [
        row
        for row in rows
        if not any(row[0] == other[0] and row[1:] == [other[1], other[3]] for other in measured if other)
    ] == []
    for line in (
        "| gain of min over none | +0.018 | better in 60, worse in 19 of 80 |",
        "| gain of min over all epochs without a penalty | +0.172 | better in 71, worse in 9 of 80 |",
        "| the interval lies above 0, where the gain is above 0.01 | 0.32 | 14 of 44 |",
    ):
        assert line in choice, "measured anew: the README has these numbers too"
    assert all(number in README for number in ("0.018", "60 of 80", "0.172", "71 of 80", "14 of 44"))


@pytest.fixture
def shell(tmp_path) -> dict[str, str]:
    """Put `shrinkage` and `python` of this interpreter first on the path, installed or not."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, code in (("python", ""), ("shrinkage", "-c 'from shrinkage.cli import main; main()'")):
        (commands / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {code} "$@"\n')
        (commands / name).chmod(0o755)
    path = f"{commands}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT)}


@pytest.mark.skipif(sys.platform == "win32", reason="the lines are for a POSIX shell")
def test_the_shell_lines_work_as_printed(tmp_path, shell):
    lines = next(block for block in blocks("sh") if "shrinkage demo" in block)
    assert len(lines.splitlines()) == 5
    result = subprocess.run(["sh", "-e", "-c", lines], cwd=tmp_path, env=shell, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert "L2 path of digits" in result.stdout
    assert result.stdout.splitlines()[-3].startswith("prediction,probability_0,probability_1,probability_2")
    for folder, files in (("shrinkage-demo", ""), ("wine-shrinkage", "columns.json")):
        found = {file.name for file in (tmp_path / folder).iterdir()}
        assert found - {files} == {
            *("model.keras", "path.png", "report.html", "command.txt", "path.json", "arrays.npz", "template.keras")
        }


def test_the_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text("utf-8")
    (lines,) = (block for block in blocks("sh") if "make" in block)
    assert [line.split()[1] for line in lines.splitlines()] == ["demo", "test"]
    assert all(re.search(rf"^{line.split()[1]}:", makefile, re.MULTILINE) for line in lines.splitlines())


def headings(page: Path) -> set[str]:
    """Return the anchors that GitHub gives the headings of a page."""
    titles = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title).strip().lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_that_exist(page):
    targets = [t for t in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")) if "://" not in t]
    assert [t for t in targets if not (page.parent / t.partition("#")[0]).exists()] == []
    anchors = [t.partition("#")[::2] for t in targets if "#" in t]
    assert [t for t in anchors if t[1] not in headings(page.parent / t[0] if t[0] else page)] == []
    # In the text of a page about the code, a path in code style is a file too.
    named = re.findall(r"`((?:shrinkage|tests|docs|examples|benchmarks)/[\w/.]+)`", page.read_text("utf-8"))
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_what_is_supported_is_what_the_code_supports():
    page = (ROOT / "docs" / "supported.md").read_text("utf-8")
    rows = {cells[1].strip(): cells[2] for line in page.splitlines() if len(cells := line.split("|")) == 5}
    assert [
        name
        for name in (*ELEMENTWISE_OPTIMIZERS, *PER_MEMBER_OPTIMIZERS)
        if not re.search(rf"\b{name}\b", rows["optimizers"])
    ] == []
    proximal = set(re.findall(r"\w+", rows["`Proximal()`: L1, elastic net, group lasso"])) - {"and"}
    assert proximal == set(_METRICS)
    assert f"{len(_PER_ROW)} in all" in rows["losses"]
    assert f"{len(ELEMENTWISE_OPTIMIZERS) + len(PER_MEMBER_OPTIMIZERS)} optimizers" in README


def shape_of(page: str) -> dict[str, list[str]]:
    """Return what a translation keeps: code, numbers of tables, levels of headings, targets of links, pictures."""
    prose = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    languages = {"README.md", "README.zh-CN.md"}
    return {
        "code": re.findall(r"^```\w*\n.*?^```$", page, flags=re.MULTILINE | re.DOTALL),
        "headings": re.findall(r"^#+(?= )", prose, flags=re.MULTILINE),
        "cells": [
            cell for line in re.findall(r"^\|(.*)\|$", prose, re.MULTILINE) for cell in re.findall(r"\d[\d.,]*", line)
        ],
        "rows": [line.count("|") * "|" for line in prose.splitlines() if line.startswith("|")],
        "items": re.findall(r"^- ", prose, flags=re.MULTILINE),
        "questions": re.findall(r"^\*\*", prose, flags=re.MULTILINE),
        "links": [target for target in re.findall(r"\]\(([^)\s]+)\)", prose) if target not in languages],
        "names": sorted(set(re.findall(r"`([^`]+)`", prose))),
    }


def test_the_chinese_page_keeps_in_step():
    chinese = (ROOT / "README.zh-CN.md").read_text("utf-8")
    ours, theirs = shape_of(README), shape_of(chinese)
    for part in ours:
        assert theirs[part] == ours[part], part
    for number in ("0.018", "0.172", " 60 ", " 71 ", " 14 ", " 44 ", "0.500", "0.496", "3.13.2", "2.18"):
        assert (number in README) and (number in chinese), number


def test_each_language_links_to_the_other():
    chinese = (ROOT / "README.zh-CN.md").read_text("utf-8")
    assert "(README.zh-CN.md)" in README.splitlines()[2] and "(README.md)" in chinese.splitlines()[2]
