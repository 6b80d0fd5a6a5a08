"""The drawing of the picture "loss" by Matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shrinkage._path._pictures._curve_data import CurveData
from shrinkage._path._pictures._style import FAINT, HELD_OUT, INK, TRAINING, finish_strengths
from shrinkage._path._words import format_figures, format_lam

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LABEL_SHARE = 0.15  # share of the height, at the top, for the labels of the choices


def draw_loss(axes: Axes, data: CurveData) -> list[Any]:
    """Draw losses with bars over log λ in the style of glmnet, choices dotted, model size on top.

    Returns:
        What the legend shows.
    """
    _draw_choices(axes, data)
    handles = [*_draw_held_out(axes, data), *_draw_training(axes, data), *_draw_arrows(axes, data)]
    handles += _draw_constant(axes, data)
    if (index_model := data.index_model) is not None:
        style = {"color": TRAINING, "linewidth": 1, "linestyle": "-."}
        label = f"model: λ = {format_lam(data.lams[index_model])}"
        handles.append(axes.axvline(data.position[index_model], ymax=1 - _LABEL_SHARE, label=label, **style))
    _draw_axes(axes, data)
    _draw_sizes(axes, data)
    return handles


def _draw_choices(axes: Axes, data: CurveData) -> None:
    """Mark the choices by dotted lines with labels above all points.

    A line ends at the height of its label. If both labels are on the same side of their lines, the label next to the
    other line is higher, so that no label crosses a line.
    """
    if not data.choices:
        return
    start, width = data.position.min(), float(np.ptp(data.position)) or 1.0
    names = {index: label for label, index in data.choices.items()}
    if len(names) == 1:
        (index,) = names
        room = (data.position[index] - start) / width
        _draw_choice(axes, data, index, " = ".join(data.choices), row=0, is_left=room > _LABEL_WIDTH)
        return
    first, second = sorted(names, key=lambda index: data.position[index])
    room_at_left = (data.position[first] - start) / width > _LABEL_WIDTH
    room_at_right = (data.position[second] - start) / width < 1 - _LABEL_WIDTH
    first_left, second_left = room_at_left, not room_at_right
    first_low = first_left and second_left
    _draw_choice(axes, data, first, names[first], row=int(first_low), is_left=first_left)
    _draw_choice(axes, data, second, names[second], row=int(not first_low), is_left=second_left)


_LABEL_WIDTH = 0.3  # share of the width that a label needs


def _draw_choice(axes: Axes, data: CurveData, index: int, name: str, *, row: int, is_left: bool) -> None:
    height = 0.98 - row * (_LABEL_SHARE - 0.02) / 2
    axes.axvline(data.position[index], ymax=height, color=INK, linewidth=1, linestyle=":")
    style: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "va": "top"}
    style |= {"xytext": (-4, 0), "ha": "right"} if is_left else {"xytext": (4, 0), "ha": "left"}
    style["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # hides the grid
    axes.annotate(f"{name}: λ = {format_lam(data.lams[index])}", (data.position[index], height), fontsize=9, **style)


def _draw_constant(axes: Axes, data: CurveData) -> list[Any]:
    """Draw the loss of the best constant, or write it in the legend if it is outside the range."""
    if not np.isfinite(data.null):
        return []
    style: dict[str, Any] = {"color": FAINT, "linewidth": 1, "linestyle": "--"}
    if data.low < data.null < data.high:
        return [axes.axhline(data.null, label="best constant", **style)]
    where = "above" if data.null >= data.high else "below"
    return axes.plot([], [], label=f"best constant: {format_figures(data.null)}, {where}", **style)


def _draw_held_out(axes: Axes, data: CurveData) -> list[Any]:
    inside = ~data.is_above & ~data.failed
    if not inside.any():
        return []
    style: dict[str, Any] = {"fmt": "o", "color": HELD_OUT, "markersize": 5.5, "zorder": 3}
    style |= {"ecolor": FAINT, "elinewidth": 1.1, "capsize": 2.5}
    return [axes.errorbar(data.position[inside], data.mean[inside], data.se[inside], label=data.bars, **style)]


def _draw_training(axes: Axes, data: CurveData) -> list[Any]:
    from matplotlib.patches import Rectangle

    losses = np.where(data.failed, np.nan, data.train)
    if np.isnan(losses).all():
        return []
    positive = data.lams > 0
    style: dict[str, Any] = {"color": TRAINING, "marker": "o", "markersize": 3.2, "linewidth": 1.3}
    axes.plot(data.position[~positive], losses[~positive], **style)
    line = axes.plot(data.position[positive], losses[positive], label=_format_training_label(data), **style)[0]
    below = Rectangle((0, data.low), 1, data.high - data.low, transform=axes.get_yaxis_transform())
    line.set_clip_path(below)  # the space above is for labels
    return [line]


def _format_training_label(data: CurveData) -> str:
    """Return the legend of the training loss, with a remark if all of it is outside the range."""
    train = data.train[~data.failed & np.isfinite(data.train)]
    if len(train) and (train > data.high).all():
        return "training: higher than shown"
    return "training: lower than shown" if len(train) and (train < data.low).all() else "training"


def _draw_arrows(axes: Axes, data: CurveData) -> list[Any]:
    """Draw filled arrows for losses outside the range, and hollow arrows for strengths without a loss."""
    top = data.high - 0.022 * (data.high - data.low)
    style: dict[str, Any] = {"color": HELD_OUT, "markersize": 6.5, "zorder": 3}
    kinds = ((data.is_above & ~data.failed, HELD_OUT, "higher than shown"), (data.failed, "white", data.failure))
    return [
        axes.plot(data.position[hit], np.full(hit.sum(), top), "^", markerfacecolor=face, label=label, **style)[0]
        for hit, face, label in kinds
        if hit.any()
    ]


def _draw_axes(axes: Axes, data: CurveData) -> None:
    axes.set_ylim(data.low, data.low + (data.high - data.low) / (1 - _LABEL_SHARE))
    axes.set_ylabel(data.loss + _draw_power(axes, data))
    finish_strengths(axes, data.position, data.lams)


def _draw_power(axes: Axes, data: CurveData) -> str:
    """Scale large or small losses by a power of ten, and return it for the axis label: there is no space above."""
    power = int(np.floor(np.log10(max(abs(data.low), abs(data.high)))))
    if -4 <= power <= 5:
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)
        return ""
    axes.ticklabel_format(axis="y", style="sci", scilimits=(power, power), useOffset=False)
    axes.yaxis.get_offset_text().set_visible(False)
    return f", in $10^{{{power}}}$"


def _draw_sizes(axes: Axes, data: CurveData) -> None:
    """Write the sizes of the models along the top, as glmnet does, with the labels that fit.

    If the sizes do not decrease with the strength, because chosen epochs differ, the axis line is hidden.
    """
    n = len(data.position)
    shown_places = [*range(0, n - 1, max(1, round(n / 7))), n - 1]
    values = data.complexity[shown_places]
    sizes = axes.secondary_xaxis("top")
    sizes.set_xticks(data.position[shown_places], [_format_size(value) for value in values])
    sizes.tick_params(labelsize=9)
    if bool((np.diff(values) < -0.01 * np.abs(values[:-1])).any()):
        sizes.tick_params(length=0)
        sizes.spines["top"].set_visible(False)
        sizes.set_xlabel(f"{data.complexity_label}, of each model at its epoch", fontsize=9.5)
    else:
        sizes.set_xlabel(data.complexity_label, fontsize=9.5)


def _format_size(value: float) -> str:
    if not np.isfinite(value):
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
