"""The held-out rows with the largest loss, and their values when the caller gives them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shrinkage._path._curve import Curve
from shrinkage._path._report._section import Section, SectionTable
from shrinkage._path._words import format_figures, format_strength

if TYPE_CHECKING:
    import pandas as pd

_ROWS, _COLUMNS, _LENGTH = 10, 12, 60


def make_rows_section(curve: Curve, x: Any, numbering: str) -> Section:
    """Return the ten rows with the largest held-out loss at the choice.

    Args:
        curve: the curve.
        x: a table or an array with all rows, or None to show row numbers and losses only.
        numbering: how rows are counted, without a full stop.
    """
    title = "Rows with the largest loss"
    table = None if x is None else _to_frame(x, curve.folds.n_rows)
    if curve.failed.all() or np.isnan(curve.row_loss[:, curve.index]).all():
        reason = "a model diverged at every strength" if curve.failed.all() else "the loss has no value per row"
        return Section(title, f"There is no loss of a row: {reason}.")
    losses = curve.row_loss[:, curve.index]
    worst = np.argsort(-np.nan_to_num(losses, nan=-np.inf), kind="stable")[:_ROWS]
    total = np.nansum(losses)
    words = f"Held-out losses of single rows at the choice, {format_strength(curve, curve.index)}. "
    if (losses[np.isfinite(losses)] >= 0).all() and total > 0 and len(losses) > _ROWS:
        words += f"These {_ROWS} of {len(losses):,} rows have {100 * losses[worst].sum() / total:.0f} % of the loss. "
    words += f"{numbering}. A wrong target, or a kind of row that is rare, may be among them."
    titles, cells = ["row", "loss", "without a penalty"], []
    for place in worst:
        none = format_figures(float(curve.row_loss[place, -1]))
        cells.append([str(curve.held_out_rows[place]), format_figures(float(losses[place])), none])
    if table is not None:
        values = table.iloc[curve.held_out_rows[worst], :_COLUMNS]
        titles += [str(name) for name in values.columns]
        for row, found in zip(cells, values.itertuples(index=False), strict=True):
            row += [_format_cell(value) for value in found]
        if table.shape[1] > _COLUMNS:
            words += f" The first {_COLUMNS} of {table.shape[1]:,} columns are shown."
    return Section(title, words, table=SectionTable(titles, cells, words=()))


def _to_frame(x: Any, n_rows: int) -> pd.DataFrame:
    """Return the caller's rows as a table of pandas.

    Raises:
        TypeError: if `x` is no table and no array of two dimensions.
        ValueError: if it has another number of rows.
    """
    import pandas as pd

    if hasattr(x, "to_pandas"):  # of Polars and PyArrow
        x = x.to_pandas()
    if not isinstance(x, pd.DataFrame):
        array = np.asarray(x) if isinstance(x, np.ndarray | list | tuple) else None
        if array is None or array.ndim != 2:
            raise TypeError(
                f"`x` must be a table of pandas, Polars or PyArrow, or an array (rows, columns). Received: "
                f"{type(x).__name__}{'' if array is None else f' of shape {array.shape}'}."
            )
        x = pd.DataFrame(array)
    if len(x) != n_rows:
        raise ValueError(
            f"`x` must have the {n_rows:,} rows of the fit, with those of `validation_data` last. Received: "
            f"{len(x):,} rows."
        )
    return x


def _format_cell(value: Any) -> str:
    text = f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…"
