"""The page of a report: one HTML file with style, data and plotting library, which requests nothing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from shrinkage import __version__
from shrinkage._messages._note import Note, Vocabulary
from shrinkage._path._curve import Curve
from shrinkage._path._findings import beats_constant
from shrinkage._path._report import _sections
from shrinkage._path._report._html import read_file, render
from shrinkage._path._report._library import library, script_hash
from shrinkage._path._report._provenance import Provenance
from shrinkage._path._report._rows import rows_section
from shrinkage._path._report._section import Section, Table
from shrinkage._path._text import remarks, table_cells
from shrinkage._path._words import figures, interval_text, lam_text, loss_text, loss_words


def page(
    curve: Curve,
    provenance: Provenance,
    terms: Vocabulary,
    *,
    x: Any = None,
    comparison: _sections.ComparisonLike | None = None,
    command: str = "",
) -> str:
    """Return the page; see `Path.report`.

    Args:
        curve: the curve.
        provenance: the rest of the path.
        terms: the terms of Python or of the shell, with the labels of the classes.
        x: the rows, of which the page may show values.
        comparison: a comparison to show.
        command: the command that repeats the run; "" for the call of `shrinkage.fit`.
    """
    about_models = [
        _sections.weights_section(provenance),
        _sections.folds_section(curve),
        *_sections.learning_curve_section(curve),
        *_sections.predictions_sections(curve, provenance, terms),
    ]
    rows = rows_section(curve, x, terms.say(Note("$row_numbers")))
    if sum(not section.is_wide for section in about_models) % 2 and x is None:
        rows = replace(rows, is_wide=False)  # it fills the last line of two columns
    sections = [
        *_sections.comparison_section(comparison),
        _sections.loss_section(curve),
        _sections.epochs_section(curve),
        *about_models,
        rows,
        _sections.selection_section(provenance),
        _sections.training_section(curve, provenance, provenance.notes, terms, command),
    ]
    drawn = [figure for section in sections for figure in section.figures]
    lead, rest = _lead(terms.say(provenance.verdict))
    script = read_file("report.js")
    packed, library_hash = library()
    return render(
        "report.html",
        title=provenance.title,
        header=provenance.header,
        lead=lead,
        rest=[*([rest] if rest else []), *(terms.say(text) for text in remarks(curve))],
        tiles=_tiles(curve),
        table=_table(curve),
        sections=_number_figures(sections),
        data=drawn,
        style=read_file("report.css"),
        script=script,
        library=packed,
        policy=f"{library_hash} {script_hash(script.encode())}",
        made=f"shrinkage {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def _lead(verdict: str) -> tuple[str, str]:
    """Return the first sentence of the verdict, and the others."""
    first, _, rest = re.sub(r"\. (?=[A-Z])", ".\n", verdict, count=1).partition("\n")
    return first, rest


def _number_figures(sections: Sequence[Section]) -> list[tuple[Section, list[int]]]:
    """Return each section with the places of its figures in the data of the page."""
    found, place = [], 0
    for section in sections:
        found.append((section, list(range(place, place + len(section.figures)))))
        place += len(section.figures)
    return found


def _table(curve: Curve) -> Table:
    cells = table_cells(curve)
    rows = [[label, *row] for label, row in cells.items() if label]
    return Table(["", *cells[""]], rows)


def _tiles(curve: Curve) -> list[tuple[str, str, str]]:
    """Return the numbers of the top: name, value, and a remark."""
    loss = loss_words(curve.loss_name)
    constant = [("Best constant", figures(curve.null_loss), loss)] if curve.null_loss == curve.null_loss else []
    if curve.failed.all():
        return constant
    index = curve.index
    epoch = "" if curve.solver == "exact" else f"epoch {curve.epochs[index]}"
    delta = f"δ = nλ = {curve.lams[index] * curve.n_rows:.3g}" if curve.lam else ""
    tiles = [
        ("Strength λ", lam_text(curve.lam), ", ".join(filter(None, [delta, epoch]))),
        (
            f"Held-out {loss}",
            loss_text(curve, curve.mean[index]),
            f"± {loss_text(curve, curve.se[index])} standard error",
        ),
    ]
    if not curve.failed[-1]:
        tiles.append(("Without a penalty", loss_text(curve, curve.mean[-1]), f"± {loss_text(curve, curve.se[-1])}"))
        if curve.lam and beats_constant(curve):
            value, _, interval = interval_text(curve, curve.gain).partition(" (")
            tiles.append(("Gain of the penalty", value, interval.rstrip(")")))
    return tiles + constant
