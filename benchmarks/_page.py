"""Tables in the pages of the documentation, each between two markers that are comments."""

import os
import platform
import re
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table: the first column is aligned left, all others right."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def write(page: Path, name: str, text: str) -> None:
    """Put `text` between `<!-- table:name -->` and the next `<!-- end -->` of a page.

    Raises:
        ValueError: If the page has no such markers.
    """
    old = page.read_text("utf-8")
    pattern = rf"(<!-- table:{re.escape(name)} -->\n).*?(<!-- end -->)"
    new, count = re.subn(pattern, lambda match: f"{match[1]}\n{text}\n\n{match[2]}", old, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"`page` must have one pair of markers for table:{name}. {page.name} has {count}.")
    page.write_text(new, "utf-8")


def machine() -> str:
    """Say in one line what was measured on: processor, cores, system, and versions of Python and of packages."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    packages = ("tensorflow", "tensorflow-cpu", "keras", "scikit-learn", "numpy", "torch", "jax")
    versions = [f"Python {platform.python_version()}", *filter(None, map(_version, packages))]
    return f"{_processor()}, {cores} cores, {platform.system()}; {', '.join(versions)}."


def _version(package: str) -> str:
    """Return the package's name and version, or nothing if it is not installed."""
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    """Return the processor's name where the system tells it, and its architecture."""
    try:
        names = re.findall(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    except OSError:
        names = []
    return f"{names[0] if names else platform.processor()} ({platform.machine()})"
