"""The picture of a comparison: losses, and whether their differences to the least are more than chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shrinkage._compare._text import classify_entry
from shrinkage._path._pictures._save import check_picture_file, save_picture
from shrinkage._path._pictures._style import FAINT, HELD_OUT, INK, STYLE, TRAINING
from shrinkage._path._words import format_loss_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from shrinkage._compare._ranking import Ranking


@dataclass(frozen=True, eq=False)
class LossData:
    """The data of the picture, with a value for each entry that did not diverge.

    Attributes:
        names: the names of the entries.
        loss: the held-out losses.
        low, high: ends of the 95 % interval of the difference to the least, added to the least; NaN for the least.
        is_worse: whether the entry is clearly worse than the least.
        least: the least loss.
        null: the loss of the best constant, or NaN.
        label: the name of the loss.
    """

    names: list[str]
    loss: Any
    low: Any
    high: Any
    is_worse: Any
    least: float
    null: float
    label: str


def compute_loss_data(ranking: Ranking) -> LossData:
    """Collect the data of the picture."""
    rows = [(entry, test) for entry, test in zip(ranking.entries, ranking.regrets, strict=True) if not entry.diverged]
    least = np.nan if ranking.least is None else ranking.least.loss
    ends = [(np.nan, np.nan) if test is None else (test.difference.low, test.difference.high) for _, test in rows]
    low, high = least + np.array(ends, float).reshape(-1, 2).T
    some = ranking.entries[0].path
    return LossData(
        names=[entry.name for entry, _ in rows],
        loss=np.array([entry.loss for entry, _ in rows]),
        low=low,
        high=high,
        is_worse=np.array([classify_entry(ranking, entry, test) == "worse" for entry, test in rows], bool),
        least=float(least),
        null=some.null_loss,
        label=format_loss_name(some.loss_name),
    )


def draw_losses(ranking: Ranking, file: Any = None) -> Figure:
    """Draw a point for each entry, with the interval of its difference to the least, which is a dotted line.

    An interval that reaches the line is a tie, unless Holm's method says otherwise; colours tell.
    """
    import matplotlib
    from matplotlib.figure import Figure

    file, data = check_picture_file(file), compute_loss_data(ranking)
    places = np.arange(len(data.names))[::-1]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(7.6, 1.4 + 0.42 * max(len(places), 2)), dpi=150, layout="constrained")
        axes = figure.add_subplot()
        for place, loss, low, high, worse in zip(places, data.loss, data.low, data.high, data.is_worse, strict=True):
            if np.isfinite(low):
                axes.plot([low, high], [place, place], color=FAINT, linewidth=1.6, zorder=2)
            axes.plot(loss, place, "o", color=TRAINING if worse else HELD_OUT, markersize=6.5, zorder=3)
        if np.isfinite(data.least):
            axes.axvline(data.least, color=INK, linewidth=1, linestyle=":", zorder=1)
        values = np.concatenate([data.loss, data.low, data.high, [0.0] * (not len(data.names))])
        if np.isfinite(data.null) and data.null < np.nanmax(values) + 0.5 * np.ptp(values[np.isfinite(values)]):
            axes.axvline(data.null, color=FAINT, linewidth=1, linestyle="--", label="best constant", zorder=1)
        axes.plot([], [], "o", color=HELD_OUT, markersize=6.5, label="least, and tied with it")
        if data.is_worse.any():
            axes.plot([], [], "o", color=TRAINING, markersize=6.5, label="clearly worse")
        axes.plot([], [], color=FAINT, linewidth=1.6, label="95 % interval of the difference to the least")
        axes.set_yticks(places, data.names)
        axes.set_ylim(-0.6, len(places) - 0.4)
        axes.set_xlabel(f"held-out {data.label}")
        axes.grid(axis="x", color="#E6E6E6", linewidth=0.7)
        axes.set_axisbelow(True)
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9.5)
        save_picture(figure, file)
    return figure
