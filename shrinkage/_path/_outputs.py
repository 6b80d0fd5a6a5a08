"""The table and the page of a path, in the terms of Python or of the shell.

`Path` calls these functions, so that this module cannot import `Path`.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from shrinkage._note import Vocabulary
from shrinkage._path._pictures._weights import WeightsData, weights_data
from shrinkage._path._report._page import page
from shrinkage._path._report._provenance import Provenance
from shrinkage._path._report._sections import ComparisonLike
from shrinkage._path._text import header, summary
from shrinkage._path._words import title


def path_title(path: Any) -> str:
    """Return the title: the penalty and the name of the model."""
    return title(path.penalty, path.how, path.template.name)


def path_header(path: Any) -> str:
    """Return the line above the table: title, number of weights and of models, time."""
    return header(path, path_title(path), path.selection, path.seconds)


def layer_weights(path: Any) -> WeightsData:
    """Return norms and zeros by layer."""
    values = [path.weights[place] for place in path.template.trained_places] if path.weights else []
    return weights_data(path, path.selection, values)


def path_text(path: Any, terms: Vocabulary) -> str:
    """Return the table of a path, the verdict and the notes, in the terms of Python or of the shell."""
    return summary(path, path_header(path), path.verdict(), path.notes, terms)


def path_page(
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
        title=path_title(path),
        header=path_header(path).removeprefix(f"{path_title(path)}: "),
        verdict=path.verdict(),
        selection=path.selection,
        weights=partial(layer_weights, path),
        from_logits=path.template.from_logits,
        how=path.how,
        seed=path.seed,
        plan=path.plan,
        notes=path.notes,
        seconds=path.seconds,
    )
    return page(path, provenance, terms, x=x, comparison=comparison, command=command)
