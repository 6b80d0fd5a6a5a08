"""The figure of a path, in two steps: the data to show, as plain numbers, and the drawing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shrinkage._path._curve import Curve
from shrinkage._path._split_words import split_text
from shrinkage._path._words import figures, lam_text, loss_words

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]

# Colours of Okabe and Ito, which colour-blind readers can distinguish.
_HELD_OUT, _TRAINING, _INK, _FAINT = "#D55E00", "#0072B2", "#333333", "#8C8C8C"
_LABEL_SHARE = 0.15  # share of the height, at the top, for the labels of the choices
_STYLE: Any = {
    **{"font.family": "sans-serif", "font.size": 11, "text.color": _INK, "axes.labelcolor": _INK},
    **{"axes.edgecolor": _FAINT, "xtick.color": _FAINT, "ytick.color": _FAINT},
    **{"xtick.labelcolor": _INK, "ytick.labelcolor": _INK, "axes.spines.right": False, "svg.fonttype": "none"},
}


@dataclass(frozen=True, eq=False)
class CurveData:
    """The data of a figure; arrays have one entry per strength, in the order of `lams`.

    Attributes:
        loss: name of the loss, for the axis label.
        bars: name of the error bars, for the legend.
        position: log10(lam); lam = 0 is placed to the left of the others.
        lams: the strengths.
        mean, se: held-out loss at the chosen epoch, and the standard error.
        train: training loss at the chosen epoch.
        failed: whether a model diverged at the strength.
        choices: index of each choice by label, such as "min"; empty if a model diverged at every strength.
        index_model: index of the strength of the model's regularizers, with `penalty="model"`.
        null: loss of the best constant, or NaN.
        complexity: norm of the penalised weights, or for a sparse penalty the number of nonzero weights.
        complexity_label: name of `complexity`, for the axis label.
        low, high: the range of losses to show.
    """

    loss: str
    bars: str
    position: Floats
    lams: Floats
    mean: Floats
    se: Floats
    train: Floats
    failed: NDArray[np.bool_]
    choices: dict[str, int]
    null: float
    complexity: Floats
    complexity_label: str
    low: float
    high: float
    index_model: int | None = None

    @property
    def is_above(self) -> NDArray[np.bool_]:
        """(S,) whether the held-out loss with its bar exceeds `high`, so that an arrow is drawn instead."""
        return ~(self.mean + np.nan_to_num(self.se) <= self.high)


def curve_data(curve: Curve) -> CurveData:
    """Collect the data of a figure."""
    sparse = curve.penalty.sparse
    chosen = not curve.failed.all()
    low, high = _limits(curve) if chosen else _limits_without_choice(curve)
    return CurveData(
        loss=loss_words(curve.loss_name),
        bars="held out, ± 1 SE over rows" if curve.single_split else f"held out, ± 1 SE over {split_text(curve)}",
        position=_positions(curve.lams),
        lams=curve.lams,
        mean=curve.mean,
        se=curve.se,
        train=curve.train_mean,
        failed=curve.failed,
        choices=_choices(curve),
        null=curve.null_loss,
        complexity=curve.nonzero if sparse else curve.norm,
        complexity_label=_complexity_words(curve),
        low=low,
        high=high,
        index_model=curve.index_model,
    )


def draw(data: CurveData, file: Any = None, *, title: str = "") -> Figure:
    """Draw a figure in the style of glmnet: losses with bars over log λ, choices dotted, model size on top.

    Args:
        data: the data to show.
        file: a file name or file object to save the figure to; the extension of the name determines the format, PNG
            without an extension.
        title: the title of the figure.

    Returns:
        The figure, which is not registered with pyplot and has no window.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(7.6, 4.8), dpi=150, layout="constrained")
        axes = figure.add_subplot()
        axes.set_title(title, loc="left", fontsize=13, pad=10)
        _draw_choices(axes, data)
        handles = [*_draw_held_out(axes, data), *_draw_training(axes, data), *_draw_arrows(axes, data)]
        handles += _draw_constant(axes, data)
        if (index_model := data.index_model) is not None:
            style = {"color": _TRAINING, "linewidth": 1, "linestyle": "-."}
            label = f"model: λ = {lam_text(data.lams[index_model])}"
            handles.append(axes.axvline(data.position[index_model], ymax=1 - _LABEL_SHARE, label=label, **style))
        _draw_axes(axes, data)
        _draw_sizes(axes, data)
        # Outside the axes, because inside the legend could cover a curve.
        style: dict[str, Any] = {"frameon": False, "fontsize": 9.5, "handlelength": 1.6, "columnspacing": 1.4}
        figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4), **style)
        if file is not None:
            figure.savefig(file)
    return figure


# --- data


def _choices(curve: Curve) -> dict[str, int]:
    if curve.failed.all():
        return {}
    return {"choice": curve.index} if curve.budget is not None else {"min": curve.index_min, "1se": curve.index_1se}


def _complexity_words(curve: Curve) -> str:
    if curve.penalty.sparse:
        return "nonzero weights"
    return "distance from the first weights" if curve.penalty.name == "L2-SP" else "norm of the penalised weights"


def _positions(lams: Floats) -> Floats:
    positive = lams > 0
    position = np.log10(lams, out=np.zeros(len(lams)), where=positive)
    if positive.any():
        shown = position[positive]
        position[~positive] = shown.min() - max(0.5, 0.1 * np.ptp(shown))
    return position


def _limits(curve: Curve) -> tuple[float, float]:
    """Return a range of losses in which the choice is visible: the end of a curve may be a hundred times as high.

    Above the smallest loss, the range includes half of the strengths, three error bars, and no penalty if it is not far
    away. Below, there is space for the training loss, and for the best constant if all losses are above it.
    """
    mean, se, train = curve.mean, np.nan_to_num(curve.se), curve.train_mean
    mean = np.where(curve.failed, np.nan, mean)
    least, bar = mean[curve.index], se[curve.index]
    reach = max(np.nanmedian(mean) - least, 3 * bar, 1e-3 * abs(least), 1e-12)
    none = mean[-1] + se[-1] - least
    if reach < none <= 5 * reach:
        reach = none
    if curve.null_loss <= least:
        reach = max(reach, least - curve.null_loss)
    high = min(least + 3 * reach, np.nanmax(mean + se))
    low = max(least - 5 * reach, min(np.nanmin(mean - se), np.nanmin(train)))
    if curve.null_loss <= least:
        low = min(low, curve.null_loss)
    height = max(high - low, reach)
    return float(low - 0.06 * height), float(high + 0.06 * height)


def _limits_without_choice(curve: Curve) -> tuple[float, float]:
    """Return a range around the best constant if every strength diverged; (0, 1) if there is no best constant."""
    high = 2 * curve.null_loss if curve.null_loss > 0 and np.isfinite(curve.null_loss) else 1.0
    return 0.0, float(high)


# --- drawing


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
        _draw_choice(axes, data, index, " = ".join(data.choices), row=0, left=room > _LABEL_WIDTH)
        return
    first, second = sorted(names, key=lambda index: data.position[index])
    room_at_left = (data.position[first] - start) / width > _LABEL_WIDTH
    room_at_right = (data.position[second] - start) / width < 1 - _LABEL_WIDTH
    first_left, second_left = room_at_left, not room_at_right
    first_low = first_left and second_left
    _draw_choice(axes, data, first, names[first], row=int(first_low), left=first_left)
    _draw_choice(axes, data, second, names[second], row=int(not first_low), left=second_left)


_LABEL_WIDTH = 0.3  # share of the width that a label needs


def _draw_choice(axes: Axes, data: CurveData, index: int, name: str, *, row: int, left: bool) -> None:
    height = 0.98 - row * (_LABEL_SHARE - 0.02) / 2
    axes.axvline(data.position[index], ymax=height, color=_INK, linewidth=1, linestyle=":")
    style: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "va": "top"}
    style |= {"xytext": (-4, 0), "ha": "right"} if left else {"xytext": (4, 0), "ha": "left"}
    style["bbox"] = {"facecolor": "white", "edgecolor": "none", "pad": 0.8}  # hides the grid
    axes.annotate(f"{name}: λ = {lam_text(data.lams[index])}", (data.position[index], height), fontsize=9, **style)


def _draw_constant(axes: Axes, data: CurveData) -> list[Any]:
    """Draw the loss of the best constant, or write it in the legend if it is outside the range."""
    if not np.isfinite(data.null):
        return []
    style: dict[str, Any] = {"color": _FAINT, "linewidth": 1, "linestyle": "--"}
    if data.low < data.null < data.high:
        return [axes.axhline(data.null, label="best constant", **style)]
    where = "above" if data.null >= data.high else "below"
    return axes.plot([], [], label=f"best constant: {figures(data.null)}, {where}", **style)


def _draw_held_out(axes: Axes, data: CurveData) -> list[Any]:
    inside = ~data.is_above & ~data.failed
    if not inside.any():
        return []
    style: dict[str, Any] = {"fmt": "o", "color": _HELD_OUT, "markersize": 5.5, "zorder": 3}
    style |= {"ecolor": _FAINT, "elinewidth": 1.1, "capsize": 2.5}
    return [axes.errorbar(data.position[inside], data.mean[inside], data.se[inside], label=data.bars, **style)]


def _draw_training(axes: Axes, data: CurveData) -> list[Any]:
    from matplotlib.patches import Rectangle

    shown = np.where(data.failed, np.nan, data.train)
    if np.isnan(shown).all():
        return []
    positive = data.lams > 0
    style: dict[str, Any] = {"color": _TRAINING, "marker": "o", "markersize": 3.2, "linewidth": 1.3}
    axes.plot(data.position[~positive], shown[~positive], **style)
    line = axes.plot(data.position[positive], shown[positive], label=_training_words(data), **style)[0]
    below = Rectangle((0, data.low), 1, data.high - data.low, transform=axes.get_yaxis_transform())
    line.set_clip_path(below)  # the space above is for labels
    return [line]


def _training_words(data: CurveData) -> str:
    """Return the legend of the training loss, with a remark if all of it is outside the range."""
    train = data.train[~data.failed & np.isfinite(data.train)]
    if len(train) and (train > data.high).all():
        return "training: higher than shown"
    return "training: lower than shown" if len(train) and (train < data.low).all() else "training"


def _draw_arrows(axes: Axes, data: CurveData) -> list[Any]:
    """Draw filled arrows for losses outside the range, and hollow arrows for diverged strengths."""
    top = data.high - 0.022 * (data.high - data.low)
    style: dict[str, Any] = {"color": _HELD_OUT, "markersize": 6.5, "zorder": 3}
    kinds = ((data.is_above & ~data.failed, _HELD_OUT, "higher than shown"), (data.failed, "white", "diverged"))
    return [
        axes.plot(data.position[hit], np.full(hit.sum(), top), "^", markerfacecolor=face, label=label, **style)[0]
        for hit, face, label in kinds
        if hit.any()
    ]


def _draw_axes(axes: Axes, data: CurveData) -> None:
    axes.set_ylim(data.low, data.low + (data.high - data.low) / (1 - _LABEL_SHARE))
    axes.margins(x=0.04)
    axes.set_ylabel(data.loss + _draw_power(axes, data))
    axes.set_xlabel("strength λ of the penalty")
    axes.set_xticks(*_decades(data))
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.7)
    axes.set_axisbelow(True)
    if (data.lams > 0).any() and (data.lams == 0).any():  # the axis is broken between λ = 0 and the others
        gap = float(np.mean([data.position[data.lams == 0].max(), data.position[data.lams > 0].min()]))
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 10, "color": _FAINT}
        where = {"xy": (gap, 0), "xycoords": ("data", "axes fraction")}
        axes.annotate("//", **where, **style, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})


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
    shown = [*range(0, n - 1, max(1, round(n / 7))), n - 1]
    values = data.complexity[shown]
    sizes = axes.secondary_xaxis("top")
    sizes.set_xticks(data.position[shown], [_size(value) for value in values])
    sizes.tick_params(labelsize=9)
    if bool((np.diff(values) < -0.01 * np.abs(values[:-1])).any()):
        sizes.tick_params(length=0)
        sizes.spines["top"].set_visible(False)
        sizes.set_xlabel(f"{data.complexity_label}, of each model at its epoch", fontsize=9.5)
    else:
        sizes.set_xlabel(data.complexity_label, fontsize=9.5)


def _decades(data: CurveData) -> tuple[list[float], list[str]]:
    """Return ticks and labels for powers of ten, at most about eight, and for λ = 0."""
    positive = data.position[data.lams > 0]
    exponents = range(int(np.ceil(positive.min())), int(np.floor(positive.max())) + 1) if len(positive) else []
    exponents = list(exponents)[:: max(1, len(exponents) // 8)]
    zeros = data.position[data.lams == 0]
    return [*zeros, *exponents], ["0"] * len(zeros) + [f"$10^{{{exponent}}}$" for exponent in exponents]


def _size(value: float) -> str:
    if not np.isfinite(value):
        return "-"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
