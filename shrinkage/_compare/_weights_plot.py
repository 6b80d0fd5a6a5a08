"""The picture of the first layer along each path: the norm of the weights out of each input against the strength."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from shrinkage._compare._model_facts import find_input_kernel
from shrinkage._messages._note import quote
from shrinkage._path._path import Path
from shrinkage._path._pictures._save import check_picture_file, save_picture
from shrinkage._path._pictures._style import FAINT, HELD_OUT, INK, STYLE, TRAINING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class WeightData:
    """The weights of the first penalised kernel along a path, T strengths above 0, descending.

    Attributes:
        lams: (T,) the strengths.
        norms: (T, inputs) Euclidean norm of the weights out of each input.
        lam: the chosen strength; NaN without a choice, or for no penalty.
        nonzero_inputs: (inputs,) whether a weight of the input is not 0 at the choice, or None without a choice.
    """

    lams: Any
    norms: Any
    lam: float
    nonzero_inputs: Any


def compute_weight_data(path: Path) -> WeightData | None:
    """Return the data of a path, or None if fewer than two strengths have weights, or no kernel has inputs."""
    kernel = find_input_kernel(path)
    models = np.flatnonzero(path.has_model)
    is_penalised = path.lams[models] > 0
    if kernel is None or is_penalised.sum() < 2:
        return None
    weight, place = kernel
    values = path.weights[place].astype(np.float64)
    norms = np.sqrt((values**2).sum(axis=weight.per_input)).reshape(len(models), -1)
    index = None if path.failed.all() else path.index
    at = [] if index is None else np.flatnonzero(models == index)
    is_kept = norms[at[0]] > 0 if len(at) else None
    lam = np.nan if index is None or not path.lams[index] else float(path.lams[index])
    return WeightData(path.lams[models][is_penalised], norms[is_penalised], lam, is_kept)


def draw_weights(paths: Mapping[str, Path], file: Any = None, *, marked: Sequence[int] = ()) -> Figure:
    """Draw a panel for each path: a line for each input, and the choice as a dotted line.

    Args:
        paths: the paths, by name.
        file: a file name or file object to save the figure to.
        marked: numbers of inputs to draw in another colour, counted from 0.

    Raises:
        ValueError: If no path has weights of several strengths, or if `marked` is no list of numbers of inputs.
    """
    import matplotlib
    from matplotlib.figure import Figure

    file = check_picture_file(file)
    found = {name: data for name, path in paths.items() if (data := compute_weight_data(path)) is not None}
    if not found:
        raise ValueError(
            'kind="weights" must have a kernel with the weights of several strengths. Received: paths without such a '
            'kernel. Call compare with models="all".'
        )
    n_inputs = min(data.norms.shape[1] for data in found.values())
    if not _are_numbers(marked, n_inputs):
        raise ValueError(f"`marked` must be numbers of inputs from 0 to {n_inputs - 1}. Received: {quote(marked)}.")
    columns = min(len(found), 3)
    rows = -(-len(found) // columns)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(0.6 + 3.5 * columns, 0.7 + 3.0 * rows), dpi=150, layout="constrained")
        grid = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
        for axes, (name, data) in zip(grid, found.items(), strict=False):
            _draw_panel(axes, name, data, set(marked))
        for axes in grid[len(found) :]:
            axes.set_visible(False)
        grid[0].set_ylabel("norm of the weights of each input")
        if marked:
            axes = grid[0]
            axes.plot([], [], color=TRAINING, linewidth=1.4, label="marked inputs")
            axes.plot([], [], color=HELD_OUT, linewidth=1.4, label="other inputs")
            figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=9.5)
        save_picture(figure, file)
    return figure


def _are_numbers(marked: Any, n: int) -> bool:
    """Return whether `marked` is a list of whole numbers from 0 to n - 1."""
    numbers = np.asarray(marked)
    return numbers.ndim == 1 and (
        not numbers.size or numbers.dtype.kind in "iu" and 0 <= numbers.min() and numbers.max() < n
    )


def _draw_panel(axes: Any, name: str, data: WeightData, marked: set[int]) -> None:
    for number in range(data.norms.shape[1]):
        is_marked = number in marked
        style = {
            "color": TRAINING if is_marked else HELD_OUT,
            "linewidth": 1.1,
            "alpha": 0.8,
            "zorder": 2 + is_marked,
        }
        axes.plot(np.log10(data.lams), data.norms[:, number], **style)
    if np.isfinite(data.lam):
        axes.axvline(np.log10(data.lam), color=INK, linewidth=1, linestyle=":")
    kept_text = (
        ""
        if data.nonzero_inputs is None
        else f"\n{int(data.nonzero_inputs.sum())} of {len(data.nonzero_inputs)} inputs at the choice"
    )
    axes.set_title(f"{name}{kept_text}", loc="left", fontsize=10)
    axes.set_xlabel("log10 of the strength")
    axes.axhline(0, color=FAINT, linewidth=0.7)
