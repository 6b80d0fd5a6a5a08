"""HTML from templates, in which every value is escaped; and tables for notebooks."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

_FOLDER = Path(__file__).parent


def render(template: str, **values: Any) -> str:
    """Return the text of a template of this folder."""
    return _make_environment().get_template(template).render(**values)


@cache
def _make_environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    options: dict[str, Any] = {"autoescape": True, "undefined": StrictUndefined}
    found = Environment(loader=FileSystemLoader(_FOLDER), trim_blocks=True, lstrip_blocks=True, **options)
    found.policies["json.dumps_kwargs"] = {"allow_nan": False, "separators": (",", ":")}  # NaN is not JSON
    found.filters["with_code"] = _mark_code
    return found


def _mark_code(text: str) -> Markup:
    """Return escaped text, with what stands between backticks as code."""
    from markupsafe import Markup, escape

    text = str(escape(text)).replace(" %", "\N{NO-BREAK SPACE}%")
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", text))


def read_file(name: str) -> str:
    """Return a file of this folder."""
    return (_FOLDER / name).read_text("utf-8")


def render_notebook_table(title: str, cells: Mapping[str, Sequence[str]], words: Sequence[str]) -> str:
    """Return a table and sentences as HTML for `_repr_html_`, readable on light and dark pages.

    Args:
        title: the line above the table.
        cells: the cells of each row by its label; the titles of the columns have the label "".
        words: the sentences below.

    Example:
        >>> html = render_notebook_table("a & b", {"": ["loss"], "min": ["0.1"]}, ["Use it."])
        >>> "a &amp; b" in html
        True
    """
    titles = cells.get("", ())
    rows = {label: row for label, row in cells.items() if label}
    return render("notebook.html", title=title, titles=titles, rows=rows, words=words)
