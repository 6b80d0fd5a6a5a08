"""The kinds of pictures: what `Path.plot` draws for each."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, get_args

from shrinkage._messages._note import quote
from shrinkage._path._curve import Curve
from shrinkage._path._pictures import _draw
from shrinkage._path._pictures._curve_data import compute_curve_data
from shrinkage._path._pictures._draw_loss import draw_loss
from shrinkage._path._pictures._held_out import compute_calibration_data, compute_classes_data, compute_residuals_data
from shrinkage._path._pictures._no_picture import NoPicture
from shrinkage._path._pictures._plot import Draw
from shrinkage._path._pictures._rows import compute_rows_data
from shrinkage._path._pictures._training import compute_epochs_data, compute_folds_data
from shrinkage._path._pictures._weights import WeightsData

Kind = Literal["loss", "epochs", "folds", "weights", "calibration", "residuals", "classes", "rows"]
_KINDS: tuple[str, ...] = get_args(Kind)
_SINGLE_STRENGTH_KINDS = ("epochs", "calibration", "residuals", "classes")


def check_kind(kind: Any, lam: Any) -> bool:
    """Return whether a picture of this kind is of one strength.

    Raises:
        ValueError: if there is no such kind, or if it is of all strengths and `lam` is given.
    """
    if kind not in _KINDS:
        raise ValueError(f"`kind` must be one of {', '.join(map(repr, _KINDS))}. Received: {quote(kind)}.")
    if lam is not None and kind not in _SINGLE_STRENGTH_KINDS:
        about = "the choice" if kind == "rows" else "all strengths"
        raise ValueError(
            f"`lam` must be None for the kind {kind!r}, which shows {about}. Received: {lam!r}. Leave `lam` out, or "
            f"give one of the kinds {', '.join(map(repr, _SINGLE_STRENGTH_KINDS))}."
        )
    return kind in _SINGLE_STRENGTH_KINDS


def select_compared_strengths(curve: Curve, index: int) -> dict[str, int]:
    """Return the index of a strength and of no penalty by label; one of them if they are the same."""
    last = len(curve.lams) - 1
    if index == last:
        return {"none": last}
    chosen = not curve.failed.all() and index == curve.index
    return {"choice" if chosen else "penalty": index, "none": last}


def make_drawings(
    kind: Kind, curve: Curve, index: int, weights: Callable[[], WeightsData], *, from_logits: bool
) -> list[Draw]:
    """Return a function that draws each part of a picture, one below the other.

    Args:
        kind: the kind.
        curve: the curve.
        index: the strength of a kind that is of one strength.
        weights: returns the data of the kind "weights".
        from_logits: whether predictions are logits.

    Raises:
        NoPicture: if the path has no data for the picture.
    """
    try:
        return _make_drawings(kind, curve, index, weights, from_logits=from_logits)
    except NoPicture as error:
        raise NoPicture(f"`kind` must be a picture that the path has. Received: {kind!r}. {error}") from error


def _make_drawings(
    kind: Kind, curve: Curve, index: int, weights: Callable[[], WeightsData], *, from_logits: bool
) -> list[Draw]:
    if kind == "epochs":
        return [partial(_draw.draw_epochs, data=compute_epochs_data(curve), index=index)]
    if kind == "folds":
        return [partial(_draw.draw_folds, data=compute_folds_data(curve))]
    if kind == "weights":
        data = weights()
        return [partial(draw, data=data) for draw in (_draw.draw_norms, _draw.draw_nonzero)[: 1 + data.sparse]]
    if kind == "calibration":
        pair = select_compared_strengths(curve, index)
        return [partial(_draw.draw_calibration, data=compute_calibration_data(curve, pair, from_logits=from_logits))]
    if kind == "residuals":
        return [partial(_draw.draw_residuals, data=compute_residuals_data(curve, index))]
    if kind == "classes":
        return [partial(_draw.draw_classes, data=compute_classes_data(curve, select_compared_strengths(curve, index)))]
    if kind == "rows":
        return [partial(_draw.draw_rows, data=compute_rows_data(curve))]
    return [partial(draw_loss, data=compute_curve_data(curve))]
