"""The page of conventions names the tests of this folder."""

import ast
import re
from pathlib import Path

from tests.conventions.models import lines_of_the_page


def test_every_line_of_the_page_has_a_test_and_every_test_a_line():
    named = [re.findall(r"`(test_\w+)`", line) for line in lines_of_the_page()]
    assert len(named) > 40 and all(len(names) == 1 for names in named)
    files = [file for file in Path(__file__).parent.glob("test_*.py") if file != Path(__file__)]
    nodes = [node for file in files for node in ast.parse(file.read_text("utf-8")).body]
    here = [node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    assert sorted(name for (name,) in named) == sorted(here)
