"""The picture of how cost grows: a panel for each thing that is changed."""

from pathlib import Path
from typing import Any

from benchmarks._curves import Point
from shrinkage._path._pictures._style import FAINT, HELD_OUT, INK, STYLE, TRAINING

_TITLES = {
    "members": "members",
    "batch": "rows in a batch",
    "width": "units in each hidden layer",
    "rows": "rows of the data",
}


def draw(curves: dict[str, dict[int, Point]], rate: float, file: Path) -> None:
    """Draw microseconds of a model-step over each axis, both logarithmic, and save the picture.

    Args:
        curves: For each axis its points.
        rate: The machine's, in GFLOP a second.
        file: Where to save it.
    """
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 7.0), dpi=150, layout="constrained")
        panels = figure.subplots(2, 2, sharey=True)
        for axes, (axis, points) in zip(panels.flat, curves.items(), strict=True):
            _panel(axes, axis, points, rate)
        for axes in panels[:, 0]:
            axes.set_ylabel("microseconds of a model-step")
        handles, labels = panels.flat[0].get_legend_handles_labels()
        style: dict[str, Any] = {"frameon": False, "fontsize": 9.5, "handlelength": 2.2, "columnspacing": 1.6}
        figure.legend(handles, labels, loc="outside lower center", ncols=len(handles), **style)
        figure.savefig(file)


def _panel(axes: Any, axis: str, points: dict[int, Point], rate: float) -> None:
    values = list(points)
    lines: list[tuple[str, str, dict[str, Any]]] = [
        ("loop", "best loop", {"color": TRAINING, "marker": "s", "markersize": 3.6}),
        ("scored", "shrinkage, every epoch scored", {"color": HELD_OUT, "linestyle": "--", "linewidth": 1.1}),
        ("training", "shrinkage, training", {"color": HELD_OUT, "marker": "o", "markersize": 4.4}),
        ("arithmetic", f"arithmetic alone, at {rate:.0f} GFLOP/s", {"color": INK, "linestyle": ":"}),
    ]
    for name, label, style in lines:
        axes.plot(values, [getattr(point, name) for point in points.values()], label=label, **style)
    for value, point in list(points.items())[:: max(1, len(points) // 3)]:
        axes.annotate(
            f"{point.share:.0%}", (value, point.training), xytext=(0, -13), textcoords="offset points",
            ha="center", fontsize=8.5, color=HELD_OUT,
        )  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xticks(values, [f"{value:,}" for value in values])
    axes.minorticks_off()
    axes.tick_params(labelsize=9)
    axes.set_xlabel(_TITLES[axis])
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.7)
    axes.spines["top"].set_visible(False)
    axes.spines["right"].set_color(FAINT)
