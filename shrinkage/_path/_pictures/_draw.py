"""The drawing of all pictures but "loss" by Matplotlib. Each function returns what the legend shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from shrinkage._path._pictures._held_out import CalibrationData, ClassesData, ResidualsData
from shrinkage._path._pictures._rows import RowsData
from shrinkage._path._pictures._style import FAINT, HELD_OUT, INK, LAYERS, TRAINING, add_grid, finish_strengths
from shrinkage._path._pictures._training import EpochsData, FoldsData
from shrinkage._path._pictures._weights import WeightsData
from shrinkage._path._words import format_lam

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = (HELD_OUT, TRAINING)


def draw_epochs(axes: Axes, data: EpochsData, index: int) -> list[Any]:
    """Draw training and held-out loss by epoch at a strength, and the chosen epoch."""
    style: dict[str, Any] = {"linewidth": 1.6, "marker": "o" if data.has_gaps else "", "markersize": 4}
    lines = axes.plot(data.epochs, data.held_out[index], color=HELD_OUT, label="held out", **style)
    lines += axes.plot(data.epochs, data.training[index], color=TRAINING, label="training", **style)
    epoch = int(data.chosen_epochs[index])
    lines.append(axes.axvline(epoch, color=INK, linewidth=1, linestyle=":", label=f"chosen epoch: {epoch}"))
    axes.set_ylabel(data.loss)
    axes.set_xlabel(f"epoch, at λ = {format_lam(data.lams[index])}")
    add_grid(axes)
    return lines


def draw_folds(axes: Axes, data: FoldsData) -> list[Any]:
    """Draw the held-out loss of each fold, a dot at its least, and the mean."""
    folds: list[Any] = []
    for fold, least in zip(data.folds, data.least, strict=True):
        folds = axes.plot(data.position, fold, color=TRAINING, alpha=0.45, linewidth=1, label="each fold")
        if least >= 0:
            style: dict[str, Any] = {"marker": "o", "markersize": 4, "linestyle": "none", "label": "its least"}
            folds += axes.plot(data.position[least], fold[least], color=TRAINING, **style)
    mean = axes.plot(data.position, data.mean, color=HELD_OUT, linewidth=2, label="mean")
    _mark(axes, data.position, data.choices)
    axes.set_ylabel(data.loss)
    _set_limits(axes, data.folds, data.mean)
    finish_strengths(axes, data.position, data.lams)
    return [*mean, *folds]


def _set_limits(axes: Axes, folds: Any, mean: Any) -> None:
    """Show the lower three quarters of the means whole: the end of a curve may be a hundred times as high."""
    usable = folds[:, np.isfinite(mean)]
    if not usable.size:
        return
    low, high = np.nanmin(usable), np.nanmax(usable[:, mean[np.isfinite(mean)] <= np.nanquantile(mean, 0.75)])
    margin = 0.06 * (high - low) or 1e-12
    axes.set_ylim(low - margin, high + margin)


def draw_norms(axes: Axes, data: WeightsData) -> list[Any]:
    """Draw the norm of the penalised weights of each layer."""
    lines = _draw_layers(axes, data, data.norm)
    axes.set_ylabel("norm of the weights")
    axes.set_ylim(bottom=0)
    return lines


def draw_nonzero(axes: Axes, data: WeightsData) -> list[Any]:
    """Draw the share of the penalised weights of each layer that are not zero."""
    lines = _draw_layers(axes, data, 100 * data.nonzero)
    axes.set_ylabel("weights not zero, in %")
    axes.set_ylim(-4, 104)
    return lines


def _draw_layers(axes: Axes, data: WeightsData, values: Any) -> list[Any]:
    lines = []
    for place, (layer, row) in enumerate(zip(data.layers, values, strict=True)):
        style: dict[str, Any] = {"color": LAYERS[place % len(LAYERS)], "marker": "o", "markersize": 3}
        style["linestyle"] = ("-", "--", ":", "-.")[place // len(LAYERS) % 4]
        label = f"{layer} ({data.sizes[place]:,})".replace("$", r"\$")
        lines += axes.plot(data.position, row, linewidth=1.3, label=label, **style)
    _mark(axes, data.position, data.choices)
    finish_strengths(axes, data.position, data.lams)
    return lines


def _mark(axes: Axes, position: Any, choices: dict[str, int]) -> None:
    """Draw a dotted line at each choice, with its name above, away from the other name."""
    indices = sorted(set(choices.values()), key=lambda index: position[index])
    for place, index in enumerate(indices):
        axes.axvline(position[index], color=INK, linewidth=1, linestyle=":", zorder=0.5)
        style: dict[str, Any] = {"xycoords": ("data", "axes fraction"), "textcoords": "offset points", "fontsize": 9}
        style["ha"] = "center" if len(indices) == 1 else ("right", "left")[place]
        offset = 0 if len(indices) == 1 else (3, -3)[place]
        names = " = ".join(name for name, chosen in choices.items() if chosen == index)
        axes.annotate(names, (position[index], 1.0), xytext=(offset, 2), **style)


def draw_calibration(axes: Axes, data: CalibrationData) -> list[Any]:
    """Draw how often the event occurred against its predicted probability, with 95 % intervals."""
    handles: list[Any] = axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--", label="perfect")
    for (label, bins), colour in zip(data.bins.items(), _COLOURS, strict=False):
        error = [bins.observed - bins.low, bins.high - bins.observed]
        style: dict[str, Any] = {"fmt": "o-", "color": colour, "markersize": 5, "linewidth": 1.2, "capsize": 2}
        words = f"{label}, λ = {format_lam(bins.lam)}: off by {100 * bins.error:.1f} % on average"
        handles.append(axes.errorbar(bins.predicted, bins.observed, error, elinewidth=0.9, label=words, **style))
    axes.set_xlabel(f"predicted probability that {data.event}" if " " in data.event[6:] else "predicted probability")
    axes.set_ylabel("share of the held-out rows")
    add_grid(axes)
    return handles


def draw_residuals(axes: Axes, data: ResidualsData) -> list[Any]:
    """Draw residuals against predictions."""
    words = (
        "held-out rows" if len(data.residual) == data.n_all else f"{len(data.residual):,} of {data.n_all:,}, at random"
    )
    style: dict[str, Any] = {"marker": "o", "markersize": 3.5, "alpha": 0.5, "linestyle": "none", "markeredgewidth": 0}
    handles = axes.plot(data.predicted, data.residual, color=HELD_OUT, label=words, **style)
    axes.axhline(0, color=FAINT, linewidth=1)
    axes.set_xlabel(f"prediction, at λ = {format_lam(data.lam)}")
    axes.set_ylabel("residual: target minus prediction")
    add_grid(axes)
    return handles


def draw_classes(axes: Axes, data: ClassesData) -> list[Any]:
    """Draw the held-out loss of each class at each strength."""
    places = np.arange(len(data.classes))[::-1]
    handles = []
    for (label, losses), colour, marker in zip(data.losses.items(), _COLOURS, "os", strict=False):
        words = f"{label}, λ = {format_lam(data.lams[label])}"
        handles += axes.plot(losses, places, marker, color=colour, markersize=6, label=words)
    if len(data.losses) == 2:
        left, right = data.losses.values()
        axes.hlines(places, left, right, color=FAINT, linewidth=1, zorder=1)
    axes.set_yticks(places, [f"class {number}" for number in data.classes])
    axes.set_xlabel(data.loss)
    axes.grid(axis="x", color="#E6E6E6", linewidth=0.7)
    axes.set_axisbelow(True)
    return handles


def draw_rows(axes: Axes, data: RowsData) -> list[Any]:
    """Draw the held-out loss against the number of training rows, with one-standard-error bars, and training loss."""
    handles: list[Any] = []
    for name, held_out, se, line in zip(data.names, data.held_out, data.se, ("-", "--"), strict=False):
        style: dict[str, Any] = {"fmt": f"o{line}", "color": HELD_OUT, "markersize": 5, "linewidth": 1.3, "capsize": 2}
        label = f"held out, {name}, ± 1 SE"
        handles.append(axes.errorbar(data.rows, held_out, se, ecolor=FAINT, elinewidth=1, label=label, **style))
    style = {"color": TRAINING, "marker": "o", "markersize": 3.2, "linewidth": 1.3}
    handles += axes.plot(data.rows, data.training, label=f"training, {data.names[0]}", **style)
    low, high = axes.get_ylim()
    if low < data.null < high:
        handles.append(axes.axhline(data.null, color=FAINT, linewidth=1, linestyle="--", label="best constant"))
    axes.set_xscale("log", base=2)
    axes.set_xticks(data.rows, [f"{round(rows):,}" for rows in data.rows])
    axes.minorticks_off()
    axes.set_xlabel("training rows of a fold")
    axes.set_ylabel(data.loss)
    add_grid(axes)
    return handles
