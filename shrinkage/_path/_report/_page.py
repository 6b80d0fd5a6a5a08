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
from shrinkage._path._report._library import hash_script, read_plotly_library
from shrinkage._path._report._provenance import Provenance
from shrinkage._path._report._rows import make_rows_section
from shrinkage._path._report._section import Section, SectionTable
from shrinkage._path._text import format_table_cells, list_remarks
from shrinkage._path._words import format_figures, format_gain_interval, format_lam, format_loss, format_loss_name


def render_report_page(
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
        _sections.make_weights_section(provenance),
        _sections.make_folds_section(curve),
        *_sections.make_learning_curve_section(curve),
        *_sections.make_predictions_sections(curve, provenance, terms),
    ]
    rows = make_rows_section(curve, x, terms.say(Note("$row_numbers")))
    if sum(not section.is_wide for section in about_models) % 2 and x is None:
        rows = replace(rows, is_wide=False)  # it fills the last line of two columns
    sections = [
        *_sections.make_comparison_section(comparison),
        _sections.make_loss_section(curve),
        _sections.make_epochs_section(curve),
        *about_models,
        rows,
        _sections.make_selection_section(provenance),
        _sections.make_training_section(curve, provenance, provenance.notes, terms, command),
    ]
    drawn = [figure for section in sections for figure in section.figures]
    lead, rest = _split_lead(terms.say(provenance.verdict))
    script = read_file("report.js")
    packed, library_hash = read_plotly_library()
    return render(
        "report.html",
        title=provenance.title,
        header=provenance.header,
        lead=lead,
        rest=[*([rest] if rest else []), *(terms.say(text) for text in list_remarks(curve))],
        tiles=_make_tiles(curve),
        table=_make_table(curve),
        sections=_number_figures(sections),
        data=drawn,
        style=read_file("report.css"),
        script=script,
        library=packed,
        policy=f"{library_hash} {hash_script(script.encode())}",
        made=f"shrinkage {__version__}, {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )


def _split_lead(verdict: str) -> tuple[str, str]:
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


def _make_table(curve: Curve) -> SectionTable:
    cells = format_table_cells(curve)
    rows = [[label, *row] for label, row in cells.items() if label]
    return SectionTable(["", *cells[""]], rows)


def _make_tiles(curve: Curve) -> list[tuple[str, str, str]]:
    """Return the numbers of the top: name, value, and a remark."""
    loss = format_loss_name(curve.loss_name)
    constant = [("Best constant", format_figures(curve.null_loss), loss)] if curve.null_loss == curve.null_loss else []
    if curve.failed.all():
        return constant
    index = curve.index
    epoch = "" if curve.solver == "exact" else f"epoch {curve.epochs[index]}"
    delta = f"δ = nλ = {curve.lams[index] * curve.n_rows:.3g}" if curve.lam else ""
    tiles = [
        ("Strength λ", format_lam(curve.lam), ", ".join(filter(None, [delta, epoch]))),
        (
            f"Held-out {loss}",
            format_loss(curve, curve.mean[index]),
            f"± {format_loss(curve, curve.se[index])} standard error",
        ),
    ]
    if not curve.failed[-1]:
        tiles.append(("Without a penalty", format_loss(curve, curve.mean[-1]), f"± {format_loss(curve, curve.se[-1])}"))
        if curve.lam and beats_constant(curve):
            value, _, interval = format_gain_interval(curve, curve.gain).partition(" (")
            tiles.append(("Gain of the penalty", value, interval.rstrip(")")))
    return tiles + constant
