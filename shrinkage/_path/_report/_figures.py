"""The figures of a report for plotly.js, from the data of the pictures.

A figure is a dictionary with `data` and `layout`. Colours are names of the page's style sheet, such as "--held-out", so
that they fit light and dark pages, and print. Text from data is escaped, because plotly.js reads tags in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import numpy as np

from shrinkage._path._curve import Curve
from shrinkage._path._pictures._curve_data import CurveData
from shrinkage._path._pictures._held_out import CalibrationData, ClassesData, ResidualsData
from shrinkage._path._pictures._rows import RowsData
from shrinkage._path._pictures._style import compute_decades, compute_positions
from shrinkage._path._pictures._training import EpochsData, FoldsData
from shrinkage._path._pictures._weights import WeightsData
from shrinkage._path._words import format_figures, format_lam

Figure = dict[str, Any]

_PALETTE = tuple(f"--series-{number}" for number in range(1, 7))
_DASHES = ("solid", "dash", "dot", "dashdot")
_HIDDEN = "<extra></extra>"  # of plotly.js: no second box at the hover
_MAX_LOSSES = 50_000
_TICK = 20  # characters


def to_json_numbers(values: Any) -> list[float | None]:
    """Return numbers for JSON, with six significant figures; None for NaN and infinity."""
    return [float(f"{value:.6g}") if np.isfinite(value) else None for value in np.asarray(values, float).ravel()]


def make_loss_figure(data: CurveData, curve: Curve) -> Figure:
    """Return held-out and training loss against the strength."""
    is_shown = ~data.failed & ~data.is_above
    top = data.high - 0.03 * (data.high - data.low)
    hover = [
        f"<b>λ = {format_lam(lam)}</b><br>held-out loss {format_figures(mean)} ± {format_figures(se)}<br>δ = nλ = "
        f"{delta:.3g}" + f"<br>epoch {epoch}" * (curve.solver == "gradient")
        for lam, mean, se, delta, epoch in zip(
            data.lams, data.mean, data.se, data.lams * curve.n_rows, curve.epochs, strict=True
        )
    ]
    positive = data.lams > 0
    training = np.where(data.failed, np.nan, data.train)
    traces = [
        _make_trace(data.position[positive], training[positive], "training", "--training"),
        _make_trace(data.position[~positive], training[~positive], "training", "--training", showlegend=False),
        {
            **_make_trace(data.position[is_shown], data.mean[is_shown], data.bars, "--held-out", mode="markers"),
            "marker": {"color": "--held-out", "size": 9},
            "error_y": {"array": to_json_numbers(data.se[is_shown]), "color": "--faint", "thickness": 1.2, "width": 3},
            "hovertext": [hover[place] for place in np.flatnonzero(is_shown)],
            "hovertemplate": f"%{{hovertext}}{_HIDDEN}",
            "customdata": np.flatnonzero(is_shown).tolist(),
            "legendrank": 1,
        },
    ]
    for hit, name, symbol in (
        (data.is_above & ~data.failed, "higher than shown", "triangle-up"),
        (data.failed, data.failure, "triangle-up-open"),
    ):
        if hit.any():
            trace = _make_trace(data.position[hit], np.full(hit.sum(), top), name, "--held-out", mode="markers")
            words = [hover[place] if name != data.failure else f"λ = {format_lam(data.lams[place])}: {name}"
                     for place in np.flatnonzero(hit)]  # fmt: skip
            traces.append(trace | {"marker": {"color": "--held-out", "size": 10, "symbol": symbol}, "hovertext": words,
                                   "hovertemplate": f"%{{hovertext}}{_HIDDEN}",
                                   "customdata": np.flatnonzero(hit).tolist()})  # fmt: skip
    for trace in traces[:2]:
        trace["hovertemplate"] = f"training %{{y:.4g}}{_HIDDEN}"
    layout = _make_strengths_layout(data.position, data.lams, data.loss) | _make_marks(data.position, data.choices)
    layout["yaxis"] |= {"range": [data.low, data.high]}
    if np.isfinite(data.null) and data.low < data.null < data.high:
        traces.append(_make_trace(data.position[[-1, 0]], [data.null] * 2, "best constant", "--faint", mode="lines")
                      | {"line": {"color": "--faint", "dash": "dash", "width": 1.2}})  # fmt: skip
    return {"data": traces, "layout": layout}


def make_epochs_figure(data: EpochsData, index: int, names: Mapping[int, str], delta: Any) -> Figure:
    """Return the losses by epoch of every strength; the page shows one at a time.

    Of many epochs a part is kept: the chosen ones, and others at equal distances.
    """
    every = int(np.ceil(data.held_out.size / _MAX_LOSSES))
    is_kept = np.zeros(len(data.epochs), bool)
    is_kept[::every] = is_kept[-1] = True
    is_kept[data.chosen_epochs - 1] = True
    losses = np.stack([data.held_out, data.training])[:, :, is_kept]
    finite = losses[np.isfinite(losses)]
    low, high = (finite.min(), np.quantile(finite, 0.99)) if finite.size else (0.0, 1.0)
    margin = 0.05 * (high - low) or 1e-9
    layout = _make_layout(data.loss, "epoch")
    layout["yaxis"]["range"] = [float(low - margin), float(high + margin)]
    layout["xaxis"]["range"] = [float(data.epochs[0]) - 0.5, float(data.epochs[-1]) + 0.5]
    layout["hovermode"] = "x"
    traces = [
        _make_trace([], [], name, colour, mode="lines+markers" if data.has_gaps else "lines")
        | {"hovertemplate": f"{name} %{{y:.4g}}{_HIDDEN}"}
        for name, colour in (("held out", "--held-out"), ("training", "--training"))
    ]
    return {
        "data": traces,
        "layout": layout,
        "slider": {
            "index": index,
            "epochs": data.epochs[is_kept].tolist(),
            "losses": [[to_json_numbers(row) for row in part] for part in losses],
            "chosen": data.chosen_epochs.tolist(),
            "lams": [format_lam(lam) for lam in data.lams],
            "deltas": [f"{value:.3g}" for value in delta],
            "names": [names.get(place, "") for place in range(len(data.lams))],
            "every": every,
        },
    }


def make_folds_figure(data: FoldsData) -> Figure:
    """Return the held-out loss of each fold, and the mean."""
    traces = []
    for place, (name, fold) in enumerate(zip(data.names, data.folds, strict=True)):
        trace = _make_trace(data.position, fold, "each fold", "--training", mode="lines")
        trace |= {"opacity": 0.5, "showlegend": place == 0, "legendgroup": "folds"}
        traces.append(
            trace | {"hovertemplate": f"{name}: %{{y:.4g}}{_HIDDEN}", "line": {"color": "--training", "width": 1.2}}
        )
    found = np.flatnonzero(data.least >= 0)
    best = _make_trace(
        data.position[data.least[found]],
        data.folds[found, data.least[found]],
        "its least",
        "--training",
        mode="markers",
    )
    best |= {
        "hovertext": [
            f"{data.names[fold]}: least at λ = {format_lam(float(data.lams[data.least[fold]]))}" for fold in found
        ]
    }
    best |= {"hovertemplate": f"%{{hovertext}}{_HIDDEN}", "marker": {"color": "--training", "size": 6}}
    mean = _make_trace(data.position, data.mean, "mean", "--held-out", mode="lines") | {
        "line": {"color": "--held-out", "width": 2.6}
    }
    traces += [best, mean | {"legendrank": 1, "hovertemplate": f"mean: %{{y:.4g}}{_HIDDEN}"}]
    layout = _make_strengths_layout(data.position, data.lams, data.loss) | _make_marks(data.position, data.choices)
    usable = np.isfinite(data.mean)
    if usable.any():
        near = usable & (data.mean <= np.nanquantile(data.mean, 0.75))
        low, high = float(np.nanmin(data.folds[:, usable])), float(np.nanmax(data.folds[:, near]))
        margin = 0.06 * (high - low) or 1e-9
        layout["yaxis"]["range"] = [low - margin, high + margin]
    return {"data": traces, "layout": layout}


def make_norms_figure(data: WeightsData) -> Figure:
    """Return the norm of the penalised weights of each layer."""
    layout = _make_strengths_layout(data.position, data.lams, "norm of the weights") | _make_marks(
        data.position, data.choices
    )
    layout["yaxis"]["rangemode"] = "tozero"
    return {"data": _make_layer_traces(data, data.norm, "%{y:.4g}"), "layout": layout}


def make_nonzero_figure(data: WeightsData) -> Figure:
    """Return the share of the penalised weights of each layer that are not zero."""
    layout = _make_strengths_layout(data.position, data.lams, "weights not zero, in %") | _make_marks(
        data.position, data.choices
    )
    layout["yaxis"]["range"] = [-4, 104]
    return {"data": _make_layer_traces(data, 100 * data.nonzero, "%{y:.1f} %"), "layout": layout}


def _make_layer_traces(data: WeightsData, values: Any, form: str) -> list[Figure]:
    traces = []
    for place, (layer, row) in enumerate(zip(data.layers, values, strict=True)):
        name, colour = f"{escape(layer)} ({data.sizes[place]:,})", _PALETTE[place % len(_PALETTE)]
        line = {"color": colour, "width": 1.8, "dash": _DASHES[place // len(_PALETTE) % len(_DASHES)]}
        trace = _make_trace(data.position, row, name, colour)
        traces.append(trace | {"line": line, "hovertemplate": f"%{{fullData.name}}: {form}{_HIDDEN}"})
    return traces


def make_calibration_figure(data: CalibrationData, names: Mapping[str, str]) -> Figure:
    """Return how often the event occurred against its predicted probability."""
    diagonal = _make_trace([0, 1], [0, 1], "perfect", "--faint", mode="lines") | {"hoverinfo": "skip"}
    traces = [diagonal | {"line": {"color": "--faint", "dash": "dash", "width": 1.2}}]
    for (label, bins), colour in zip(data.bins.items(), ("--held-out", "--training"), strict=False):
        trace = _make_trace(bins.predicted, bins.observed, names[label], colour)
        ends = {
            "array": to_json_numbers(bins.high - bins.observed),
            "arrayminus": to_json_numbers(bins.observed - bins.low),
        }
        bars = {**ends, "symmetric": False, "color": colour, "thickness": 1, "width": 2}
        words = [
            f"predicted {predicted:.2f}, observed {observed:.2f}<br>{count:,} held-out rows"
            for predicted, observed, count in zip(bins.predicted, bins.observed, bins.count, strict=True)
        ]
        traces.append(trace | {"error_y": bars, "hovertext": words, "hovertemplate": f"%{{hovertext}}{_HIDDEN}"})
    layout = _make_layout("share of the held-out rows", "predicted probability")
    layout["xaxis"]["range"] = layout["yaxis"]["range"] = [-0.03, 1.03]
    return {"data": traces, "layout": layout}


def make_residuals_figure(data: ResidualsData) -> Figure:
    """Return residuals against predictions."""
    trace = _make_trace(data.predicted, data.residual, "held-out rows", "--held-out", mode="markers")
    words = [f"row {row}" for row in data.rows]
    trace |= {"marker": {"color": "--held-out", "size": 6, "opacity": 0.5}, "hovertext": words, "showlegend": False}
    trace |= {"hovertemplate": f"%{{hovertext}}<br>prediction %{{x:.4g}}<br>residual %{{y:.4g}}{_HIDDEN}"}
    layout = _make_layout("target minus prediction", "prediction")
    layout["yaxis"] |= {"zeroline": True, "zerolinecolor": "--faint"}
    return {"data": [trace], "layout": layout}


def make_classes_figure(data: ClassesData, names: Mapping[str, str], classes: Sequence[str]) -> Figure:
    """Return the held-out loss of each class at each strength."""
    class_names, places = [escape(name) for name in classes], list(range(len(classes)))
    ticks = [escape(name if len(name) <= _TICK else f"{name[: _TICK - 1]}…") for name in classes]
    traces = []
    for (label, losses), colour, symbol in zip(
        data.losses.items(), ("--held-out", "--training"), ("circle", "square"), strict=False
    ):
        trace = _make_trace(losses, [], names[label], colour, mode="markers") | {"y": places}
        words = [f"{name}: {count:,} held-out rows" for name, count in zip(class_names, data.counts, strict=True)]
        trace |= {"marker": {"color": colour, "size": 9, "symbol": symbol}, "hovertext": words}
        traces.append(trace | {"hovertemplate": f"%{{hovertext}}<br>loss %{{x:.4g}}{_HIDDEN}"})
    layout = _make_layout("", data.loss)
    layout["yaxis"] |= {"tickvals": places, "ticktext": ticks, "autorange": "reversed", "showgrid": False}
    layout["xaxis"] |= {"showgrid": True}
    layout["height"] = 150 + 26 * len(classes)
    return {"data": traces, "layout": layout}


def make_rows_figure(data: RowsData) -> Figure:
    """Return held-out and training loss against the number of training rows."""
    traces = []
    for name, held_out, se, dash in zip(data.names, data.held_out, data.se, ("solid", "dash"), strict=False):
        trace = _make_trace(data.rows, held_out, f"held out, {name}", "--held-out")
        bars = {"array": to_json_numbers(se), "color": "--faint", "thickness": 1.2, "width": 3}
        trace |= {"error_y": bars, "line": {"color": "--held-out", "width": 2, "dash": dash}}
        traces.append(trace | {"hovertemplate": f"%{{x}} rows, {name}: %{{y:.4g}}{_HIDDEN}"})
    training = _make_trace(data.rows, data.training, f"training, {data.names[0]}", "--training")
    traces.append(training | {"hovertemplate": f"%{{x}} rows, training: %{{y:.4g}}{_HIDDEN}"})
    layout = _make_layout(data.loss, "training rows of a fold")
    ticks = [f"{round(rows):,}" for rows in data.rows]
    layout["xaxis"] |= {"type": "log", "tickvals": to_json_numbers(data.rows), "ticktext": ticks}
    return {"data": traces, "layout": layout}


def make_comparison_figure(curves: Mapping[str, Curve], loss: str) -> Figure:
    """Return the held-out loss of several paths against the strength, with their choices."""
    traces, every = [], np.concatenate([curve.lams for curve in curves.values()])
    position = compute_positions(every)
    for place, (name, curve) in enumerate(curves.items()):
        colour, at = _PALETTE[place % len(_PALETTE)], np.isin(every, curve.lams)
        where = {lam: spot for lam, spot in zip(every[at], position[at], strict=True)}
        spots = np.array([where[lam] for lam in curve.lams])
        trace = _make_trace(spots, curve.candidates, escape(name), colour)
        traces.append(trace | {"hovertemplate": f"%{{fullData.name}}: %{{y:.4g}}{_HIDDEN}"})
    return {"data": traces, "layout": _make_strengths_layout(position, every, loss)}


# --- parts of figures


def _make_trace(x: Any, y: Any, name: str, colour: str, mode: str = "lines+markers", **more: Any) -> Figure:
    return {
        **{"type": "scatter", "x": to_json_numbers(x), "y": to_json_numbers(y), "name": name, "mode": mode},
        **{"line": {"color": colour, "width": 2}, "marker": {"color": colour, "size": 5}, **more},
    }


def _make_layout(y: str, x: str) -> Figure:
    axis = {"gridcolor": "--line", "linecolor": "--faint", "zeroline": False, "ticks": "outside", "tickcolor": "--line"}
    return {
        "xaxis": {**axis, "title": {"text": escape(x)}, "showgrid": False, "showline": True},
        "yaxis": {**axis, "title": {"text": escape(y)}, "automargin": True},
        "hovermode": "closest",
    }


def _make_strengths_layout(position: Any, lams: Any, y: str) -> Figure:
    layout = _make_layout(y, "strength λ of the penalty")
    places, exponents = compute_decades(position, lams)
    texts = ["0" if exponent is None else f"10<sup>{exponent}</sup>" for exponent in exponents]
    width = float(np.ptp(position)) or 1.0
    ends = [float(position.min()) - 0.04 * width, float(position.max()) + 0.04 * width]
    layout["xaxis"] |= {"tickvals": places, "ticktext": [text.replace("-", "−") for text in texts], "range": ends}
    return layout


def _make_marks(position: Any, choices: Mapping[str, int]) -> Figure:
    """Return a dotted line at each choice, with its name above, away from the other name."""
    shapes, notes = [], []
    indices = sorted(set(choices.values()), key=lambda index: position[index])
    for place, index in enumerate(indices):
        x = float(position[index])
        line = {"color": "--ink", "width": 1, "dash": "dot"}
        shapes.append(
            {"type": "line", "x0": x, "x1": x, "y0": 0, "y1": 1, "yref": "paper", "line": line, "layer": "below"}
        )
        anchor = "center" if len(indices) == 1 else ("right", "left")[place]
        names = " = ".join(name for name, chosen in choices.items() if chosen == index)
        notes.append(
            {"x": x, "y": 1, "yref": "paper", "yanchor": "bottom", "xanchor": anchor, "text": names, "showarrow": False}
        )
    return {"shapes": shapes, "annotations": notes}
