"""Colours, fonts and the axis of strengths, which all pictures share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Colours of Okabe and Ito, which colour-blind readers can distinguish.
HELD_OUT, TRAINING, INK, FAINT = "#D55E00", "#0072B2", "#333333", "#8C8C8C"
LAYERS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLE: Any = {
    **{"font.family": "sans-serif", "font.size": 11, "text.color": INK, "axes.labelcolor": INK},
    **{"axes.edgecolor": FAINT, "xtick.color": FAINT, "ytick.color": FAINT},
    **{"xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.spines.right": False, "svg.fonttype": "none"},
}


def compute_positions(lams: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log10(lam) for each strength; lam = 0 is placed to the left of the others."""
    positive = lams > 0
    position = np.log10(lams, out=np.zeros(len(lams)), where=positive)
    if positive.any():
        shown_positions = position[positive]
        position[~positive] = shown_positions.min() - max(0.5, 0.1 * np.ptp(shown_positions))
    return position


def compute_decades(position: NDArray[np.float64], lams: NDArray[np.float64]) -> tuple[list[float], list[int | None]]:
    """Return the positions of λ = 0 and of powers of ten, at most about eight; and the exponents, None for λ = 0."""
    positive = position[lams > 0]
    exponents = range(int(np.ceil(positive.min())), int(np.floor(positive.max())) + 1) if len(positive) else []
    exponents = list(exponents)[:: max(1, len(exponents) // 8)]
    zeros = [float(place) for place in position[lams == 0]]
    return [*zeros, *map(float, exponents)], [*[None] * len(zeros), *exponents]


def finish_strengths(axes: Axes, position: NDArray[np.float64], lams: NDArray[np.float64]) -> None:
    """Set the ticks of an axis of strengths, the grid, and the break of the axis between λ = 0 and the others."""
    places, exponents = compute_decades(position, lams)
    axes.set_xticks(places, ["0" if exponent is None else f"$10^{{{exponent}}}$" for exponent in exponents])
    axes.set_xlabel("strength λ of the penalty")
    # Of all strengths, also those without a value: what stands outside the axes leaves them no room.
    margin = 0.04 * (np.ptp(position) or 1.0)
    axes.set_xlim(position.min() - margin, position.max() + margin)
    add_grid(axes)
    if (lams > 0).any() and (lams == 0).any():
        gap = float(np.mean([position[lams == 0].max(), position[lams > 0].min()]))
        style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 10, "color": FAINT}
        where = {"xy": (gap, 0), "xycoords": ("data", "axes fraction")}
        axes.annotate("//", **where, **style, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})


def add_grid(axes: Axes) -> None:
    """Draw faint horizontal lines below everything else."""
    axes.grid(axis="y", color="#E6E6E6", linewidth=0.7)
    axes.set_axisbelow(True)
