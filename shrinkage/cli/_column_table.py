"""The table of columns that `fit` prints before the training."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from ._columns import CategoryColumn, Column, Columns, TextColumn, to_input_name
from ._console import format_item_count
from ._encoder import count_missing
from ._network import WORD_WIDTH, compute_embedding_width
from ._target import TargetColumn

_MOST_SHOWN = 100
_HEAD = ["column", "kind", "missing", "values", "treatment"]


def make_column_table(
    columns: Columns, cells: Mapping[str, np.ndarray], target: TargetColumn, n_unlabelled: int
) -> list[dict[str, str | int]]:
    """Return for each column the name, kind, missing cells, number of distinct values, and treatment.

    The last two numbers are "" for a column that is not used.
    """
    rows: list[Sequence[str | int]] = []
    counts = count_missing(columns, cells)
    for column in columns.all:
        n_missing, values = counts.get(column.name, 0), pd.Series(cells[to_input_name(column.name)][:, 0])
        # A missing category is an empty text.
        n_values = values.nunique() - (column.kind in ("category", "text") and n_missing > 0)
        rows.append([column.name, column.kind, n_missing, n_values, _describe_treatment(column)])
    rows += [[name, "not used", "", "", reason] for name, reason in columns.dropped.items()]
    rows.append([columns.target, "target", n_unlabelled, len(np.unique(target.values)), target.task])
    return [dict(zip(_HEAD, row, strict=True)) for row in rows]


def format_column_table(rows: list[dict[str, str | int]]) -> list[str]:
    """Return the table as lines of text; of many columns the first hundred.

    >>> format_column_table(
    ...     [{"column": "size", "kind": "number", "missing": 0, "values": 1200, "treatment": "standardised"}]
    ... )
    ['column  kind    missing  values  treatment', 'size    number        0   1,200  standardised']
    """
    shown_rows = rows if len(rows) <= _MOST_SHOWN else [*rows[: _MOST_SHOWN - 1], rows[-1]]
    texts = [
        _HEAD,
        *([f"{row[name]:,}" if isinstance(row[name], int) else str(row[name]) for name in _HEAD] for row in shown_rows),
    ]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    lines = []
    for row in texts:
        padded = [
            text.rjust(width) if name in ("missing", "values") else text.ljust(width)
            for name, text, width in zip(_HEAD, row, widths, strict=True)
        ]
        lines.append("  ".join(padded).rstrip())
    more = len(rows) - len(shown_rows)
    return [*lines, *[f"and {format_item_count(more, 'more column')}, which --format json lists"] * (more > 0)]


def _describe_treatment(column: Column) -> str:
    """Return how a column enters the network."""
    if isinstance(column, TextColumn):
        n_words = format_item_count(len(column.words), "word")
        if column.embedded:
            return f"embedding of {n_words} with {WORD_WIDTH} numbers each, averaged over {column.length} words at most"
        return f"{n_words}, an input each"
    if isinstance(column, CategoryColumn):
        n_inputs = len(column.categories) + column.other
        others = ", of which one for other values" * column.other
        if column.embedded:
            return f"embedding of {n_inputs:,} values with {compute_embedding_width(n_inputs)} numbers each{others}"
        return f"one-hot, {format_item_count(n_inputs, 'input')}{others}"
    cycles = f", with the place in the {' and the '.join(column.cycles)}" if column.cycles else ""
    return f"standardised{cycles}{', missing cells are marked' * column.indicator}"
