"""The pages of the documentation whose code runs from top to bottom: write what it prints and draws into them.

The code blocks of a page run in order, in one namespace and an empty folder. A block "text" below a block of code holds
its output, and a picture that the code saves is kept beside the page. tests/test_pages.py compares them.
"""

import contextlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from PIL import Image

_DOCS = Path(__file__).parents[1] / "docs"
PAGES = {page.stem: page for page in (_DOCS / "index.md", _DOCS / "extending.md", *sorted(_DOCS.glob("examples/*.md")))}
_STEP = re.compile(r"^```python\n(?P<code>.*?)^```\n(?:\n```text\n(?P<text>.*?)^```\n)?", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """A block of code: where its output stands in the page, and the output on the page and of the run."""

    span: tuple[int, int]
    """Of the output in the text of the page; (-1, -1) where the page shows none."""
    shown: str
    printed: str


def run(page: Path, names: dict[str, Any]) -> Iterator[Step]:
    """Run the blocks of code of a page in the present folder, and yield a step for each. `names` is their namespace."""
    for found in _STEP.finditer(page.read_text("utf-8")):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(found["code"], page.name, "exec"), names)
        yield Step(found.span("text"), found["text"] or "", printed.getvalue())


def write(page: Path) -> None:
    """Run a page, and write the outputs into it and the pictures beside it."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        steps = list(run(page, {}))
        if page.parent.name == "examples":  # the others save pictures that they do not show
            for picture in Path(folder).glob("*.png"):
                Image.open(picture).convert("RGB").quantize(64).save(page.parent / picture.name, optimize=True)
    text = page.read_text("utf-8")
    for step in reversed(steps):
        (start, end), lines = step.span, step.printed.splitlines()
        if start >= 0:
            text = text[:start] + "".join(f"{line.rstrip()}\n" for line in lines) + text[end:]
    page.write_text(text, "utf-8")


@click.command(help=__doc__)
@click.argument("names", nargs=-1, type=click.Choice(list(PAGES)), metavar="[NAME]...")
def main(names: tuple[str, ...]) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    for name in names or PAGES:
        write(PAGES[name])


if __name__ == "__main__":
    main()
