"""The data of the picture "weights": norms and zeros of each layer along the path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shrinkage._path._curve import Curve, Status
from shrinkage._path._pictures._curve_data import find_choices
from shrinkage._path._pictures._no_picture import NoPicture
from shrinkage._path._pictures._style import compute_positions
from shrinkage._weights._selection import Selection

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class WeightsData:
    """The penalised weights of each layer, in the models trained on all rows.

    Attributes:
        position: (S,) log10(lam); lam = 0 is placed to the left of the others.
        lams: (S,) the strengths.
        layers: (L,) the paths of the layers, in the order of the model.
        sizes: (L,) number of penalised weights.
        norm: (L, S) Euclidean norm; NaN where there is no model, or it diverged.
        nonzero: (L, S) share of the weights that are not zero; NaN as in `norm`.
        sparse: whether the penalty makes weights zero.
        choices: index of each choice by label, such as "min".
    """

    position: Floats
    lams: Floats
    layers: tuple[str, ...]
    sizes: NDArray[np.int64]
    norm: Floats
    nonzero: Floats
    sparse: bool
    choices: dict[str, int]


def compute_weights_data(curve: Curve, selection: Selection, values: Sequence[NDArray[np.floating]]) -> WeightsData:
    """Collect norms and zeros by layer.

    Args:
        curve: the curve.
        selection: the trainable weights.
        values: their values in the models trained on all rows, (T, ...) each, in the order of `selection`.

    Raises:
        NoPicture: if no model was trained on all rows, or no weight is penalised.
    """
    usable = curve.full_status == Status.OK
    if not values or not usable.any():
        raise NoPicture("No model was trained on all rows to its end, so there are no weights.")
    layers = tuple(dict.fromkeys(weight.layer for weight in selection.weights if weight.penalised))
    if not layers:
        raise NoPicture("No weight is penalised.")
    squares, nonzero = (np.full((len(layers), len(curve.lams)), np.nan) for _ in range(2))
    sizes = np.zeros(len(layers), int)
    for arrays in (squares, nonzero):
        arrays[:, usable] = 0.0
    for weight, value in zip(selection.weights, values, strict=True):
        if weight.penalised:
            place = layers.index(weight.layer)
            rows = value[usable[curve.has_model]].reshape(int(usable.sum()), -1).astype(np.float64)
            squares[place, usable] += np.square(rows).sum(axis=1)
            nonzero[place, usable] += np.count_nonzero(rows, axis=1)
            sizes[place] += weight.size
    return WeightsData(
        position=compute_positions(curve.lams),
        lams=curve.lams,
        layers=layers,
        sizes=sizes,
        norm=np.sqrt(squares),
        nonzero=nonzero / sizes[:, None],
        sparse=curve.penalty.sparse,
        choices=find_choices(curve),
    )
