"""A picture of a path as a Matplotlib figure, on axes of its own or of the caller."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from shrinkage._path._pictures._save import check_picture_file, save_picture
from shrinkage._path._pictures._style import STYLE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = Callable[["Axes"], list[Any]]
"""A function that draws a picture on axes, and returns what the legend shows."""


def plot(pictures: Sequence[Draw], file: Any, ax: Any, *, title: str) -> Figure:
    """Draw pictures below each other, with one legend; see `Path.plot`.

    Args:
        pictures: one or two functions that draw.
        file: a file name or file object to save the figure to, or None.
        ax: the caller's axes, one or as many as there are pictures; None makes a figure.
        title: the title of the first axes.
    """
    import matplotlib

    file = check_picture_file(file)
    with matplotlib.rc_context(STYLE):
        user_axes = None if ax is None else [*np.ravel(np.array(ax, dtype=object))]
        figure, every = _make_axes(len(pictures)) if user_axes is None else (_get_figure(user_axes), user_axes)
        handles: list[Any] = []
        for draw, axes in zip(pictures, every, strict=False):
            handles = draw(axes)
        handles = list({handle.get_label(): handle for handle in handles}.values())
        every[0].set_title(title, loc="left", fontsize=13, pad=10)
        # Outside the axes, because inside the legend could cover a curve.
        style: dict[str, Any] = {"frameon": False, "fontsize": 9.5, "handlelength": 1.6, "columnspacing": 1.4}
        longest = max((len(handle.get_label()) for handle in handles), default=1)
        columns = max(1, min(len(handles), 4, 110 // longest))
        if user_axes is None:
            figure.legend(handles=handles, loc="outside lower center", ncols=columns, **style)
        else:
            every[-1].legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=columns, **style)
        save_picture(figure, file)
    return figure


def _make_axes(n: int) -> tuple[Figure, list[Axes]]:
    """Return a figure, which is not registered with pyplot and has no window, and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 1.4 + 3.4 * n), dpi=150, layout="constrained")
    return figure, [*np.ravel(np.array(figure.subplots(n, sharex=n > 1), dtype=object))]


def _get_figure(axes: Sequence[Any]) -> Figure:
    """Return the figure that has the caller's axes."""
    from matplotlib.axes import Axes

    for each in axes:
        if not isinstance(each, Axes):
            raise TypeError(
                f"`ax` must be Matplotlib axes, or two of them for the kind 'weights' of a sparse penalty. Received: "
                f"{type(each).__name__}."
            )
    figure: Any = axes[0].figure
    return figure.figure  # the whole, of a part of a figure
