"""The example of the README: one run of the code makes the table in three pages and both pictures.

python -m benchmarks.readme
"""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import click

from benchmarks._page import DOCS
from shrinkage._host._quiet import require_tensorflow

ROOT = DOCS.parent
PAGES = (ROOT / "README.md", ROOT / "README.zh-CN.md", DOCS / "reading.md")
PICTURES = (DOCS / "picture.png", DOCS / "report.png")
TABLE = re.compile(r"(?<=^```\n)L1 path of diabetes.*?(?=^```$)", re.MULTILINE | re.DOTALL)
_WIDTH, _HEIGHT, _SCALE = 1180, 1060, 1.4


def run(folder: Path) -> Any:
    """Run the code of the README, and return its path. Its picture goes to a folder."""
    (code, *_) = re.findall(r"^```python\n(.*?)^```$", PAGES[0].read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(code.replace('"path.png"', repr(str(folder / "path.png"))), "README.md", "exec"), names)
    return names["path"]


def photograph(page: Path, picture: Path) -> None:
    """Save the upper part of a page as a picture. Needs playwright and Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        view = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, device_scale_factor=_SCALE)
        view.goto(page.as_uri())
        view.wait_for_selector("html[data-ready]")
        view.screenshot(path=picture)
        browser.close()


def sign(picture: Path, table: str, target: Path) -> None:
    """Copy a picture, with the table of its run as text in the file, which a test compares with the pages."""
    from PIL import Image, PngImagePlugin

    text = PngImagePlugin.PngInfo()
    text.add_text("Description", table)
    with Image.open(picture) as image:
        image.save(target, pnginfo=text, optimize=True)


@click.command()
def main() -> None:
    """Run the example, write the table into the pages, and replace the pictures."""
    require_tensorflow()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path = run(folder)
        table = f"{path}\n"
        path.report(folder / "report.html")
        photograph(folder / "report.html", folder / "report.png")
        for made, target in zip((folder / "path.png", folder / "report.png"), PICTURES, strict=True):
            sign(made, table, target)
    for page in PAGES:
        page.write_text(TABLE.sub(lambda _: table, page.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
