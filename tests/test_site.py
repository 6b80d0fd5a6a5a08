"""The documentation as a site builds without a warning, has every public name, and loads nothing from elsewhere."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import shrinkage

ROOT = Path(__file__).parents[1]
# What a browser loads by itself: not a link that a reader follows.
LOADED = re.compile(
    r"<(?:script|img|iframe|source|link)[^>]*?(?:src|href)=[\"']?(https?:)?//|url\([\"']?(?:https?:)?//"
)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    pytest.importorskip("mkdocs", reason="the site is built by the extra `dev`")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    settings = {**os.environ, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"}
    result = subprocess.run(command, cwd=ROOT, env=settings, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    return folder


def test_every_public_name_is_in_the_reference_once(site):
    page = (site / "api.html").read_text("utf-8")
    assert [name for name in shrinkage._HOME if page.count(f'id="shrinkage.{name}"') != 1] == []
    assert [name for name in ("lams", "lam_min", "model", "row_loss", "optimism") if f">{name}<" not in page] == []
    assert "&gt;&gt;&gt;" not in re.sub(r"<code>.*?</code>", "", page, flags=re.DOTALL)  # examples are shown as code


def test_every_command_is_in_the_reference(site):
    from shrinkage.cli import main

    page = (site / "commands.html").read_text("utf-8")
    assert [name for name in main.commands if f"shrinkage {name}" not in page] == []
    options = {option for command in main.commands.values() for each in command.params for option in each.opts}
    assert len(options) > 30
    assert [name for name in options if name.startswith("--") and name not in page] == []


def test_a_browser_loads_nothing_from_elsewhere(site):
    files = [path for path in site.rglob("*") if path.suffix in (".html", ".css")]
    assert len(files) > 20
    assert [path.name for path in files if LOADED.search(path.read_text("utf-8"))] == []


@pytest.mark.parametrize("page", sorted(ROOT.glob("docs/**/*.md")), ids=lambda page: page.stem)
def test_lists_are_read_as_in_the_repository(page):
    """The site reads a list in a list where it is indented by four spaces, and a list after a blank line."""
    lines = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL).splitlines()
    item = re.compile(r"( *)(?:- |\d+\. )")
    assert [line for line in lines if (found := item.match(line)) and len(found[1]) % 4] == []
    first = [
        b for a, b in zip(lines, lines[1:], strict=False) if re.match(r"- |1\. ", b) and re.match(r"[^\s#\-\d|<]", a)
    ]
    assert first == []
