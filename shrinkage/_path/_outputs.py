"""The table, the page and the entries for people of a path, in the terms of Python or of the shell.

`Path` calls these functions, so that this module cannot import `Path`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from shrinkage._messages._file_names import check_file_name, explain_write_errors
from shrinkage._messages._note import Vocabulary
from shrinkage._path._pictures._weights import WeightsData, compute_weights_data
from shrinkage._path._report._page import render_report_page
from shrinkage._path._report._provenance import Provenance
from shrinkage._path._report._sections import ComparisonLike
from shrinkage._path._text import format_header, format_path_summary
from shrinkage._path._words import format_title


def format_path_title(path: Any) -> str:
    """Return the title: the penalty and the name of the model."""
    return format_title(path.penalty, path.how, path.template.name)


def format_path_header(path: Any) -> str:
    """Return the line above the table: title, number of weights and of models, time."""
    return format_header(path, format_path_title(path), path.selection, path.seconds)


def compute_layer_weights(path: Any) -> WeightsData:
    """Return norms and zeros by layer."""
    values = [path.weights[place] for place in path.template.trained_places] if path.weights else []
    return compute_weights_data(path, path.selection, values)


def format_path_text(path: Any, terms: Vocabulary) -> str:
    """Return the table of a path, the verdict and the notes, in the terms of Python or of the shell."""
    return format_path_summary(path, format_path_header(path), path.verdict(), path.notes, terms)


def make_summary_entries(path: Any) -> dict[str, Any]:
    """Return the entries of `path.json` for people: the chosen strengths and the verdict."""
    if path.failed.all():
        lams = {"lam": None, "lam_min": None, "lam_1se": None}
    elif path.budget is not None:
        lams = {"lam": path.lam}
    else:
        lams = {"lam": path.lam, "lam_min": path.lam_min, "lam_1se": path.lam_1se}
    return {**lams, "verdict": path.verdict()}


def make_path_page(
    path: Any, terms: Vocabulary, *, x: Any = None, comparison: ComparisonLike | None = None, command: str = ""
) -> str:
    """Return the page of `Path.report`, in the terms of Python or of the shell.

    Args:
        path: the path.
        terms: the terms, with the labels of the classes.
        x, comparison: as in `Path.report`.
        command: the command that repeats the run; "" for the call of `fit`.
    """
    provenance = Provenance(
        title=format_path_title(path),
        header=format_path_header(path).removeprefix(f"{format_path_title(path)}: "),
        verdict=path.verdict(),
        selection=path.selection,
        weights=partial(compute_layer_weights, path),
        from_logits=path.template.from_logits,
        how=path.how,
        seed=path.seed,
        plan=path.plan,
        notes=path.notes,
        seconds=path.seconds,
    )
    return render_report_page(path, provenance, terms, x=x, comparison=comparison, command=command)


def write_path_page(path: Any, file: Any, terms: Vocabulary, **content: Any) -> None:
    """Write the page to a file; `content` are the other arguments of `make_path_page`."""
    file = check_file_name("`file`", file, 'a file name, such as "report.html"')
    if file.suffix.lower() not in ("", ".html", ".htm"):
        raise ValueError(
            f"`file` must be a file name that ends in .html, the format of the page. Received: {file.name!r}. "
            f"Say {file.with_suffix('.html').name!r}; a browser prints the page as a PDF."
        )
    text = make_path_page(path, terms, **content)
    with explain_write_errors("`file`", file):
        file.write_text(text, encoding="utf-8")
