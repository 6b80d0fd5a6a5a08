"""The data of the picture "loss": held-out and training loss against the strength, and the choices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shrinkage._path._curve import Curve
from shrinkage._path._pictures._style import compute_positions
from shrinkage._path._split_words import format_split
from shrinkage._path._words import format_loss_name

Floats = NDArray[np.float64]


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
        failed: whether a model diverged at the strength, or has no minimum.
        failure: the word for it.
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
    failure: str
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


def compute_curve_data(curve: Curve) -> CurveData:
    """Collect the data of a figure."""
    sparse = curve.penalty.sparse
    chosen = not curve.failed.all()
    low, high = _compute_limits(curve) if chosen else _compute_limits_without_choice(curve)
    return CurveData(
        loss=format_loss_name(curve.loss_name),
        bars=f"held out, ± 1 SE over {curve.error_units if curve.single_split else format_split(curve)}",
        position=compute_positions(curve.lams),
        lams=curve.lams,
        mean=curve.mean,
        se=curve.se,
        train=curve.train_mean,
        failed=curve.failed,
        failure="no minimum" if curve.solver == "exact" else "diverged",
        choices=find_choices(curve),
        null=curve.null_loss,
        complexity=curve.nonzero if sparse else curve.norm,
        complexity_label=_format_complexity_label(curve),
        low=low,
        high=high,
        index_model=curve.index_model,
    )


def find_choices(curve: Curve) -> dict[str, int]:
    """Return the index of each choice by label; empty if a model diverged at every strength."""
    if curve.failed.all():
        return {}
    return {"choice": curve.index} if curve.budget is not None else {"min": curve.index_min, "1se": curve.index_1se}


def _format_complexity_label(curve: Curve) -> str:
    if curve.penalty.sparse:
        return "nonzero weights"
    return "distance from the first weights" if curve.penalty.name == "L2-SP" else "norm of the penalised weights"


def _compute_limits(curve: Curve) -> tuple[float, float]:
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


def _compute_limits_without_choice(curve: Curve) -> tuple[float, float]:
    """Return a range around the best constant if every strength diverged; (0, 1) if there is no best constant."""
    high = 2 * curve.null_loss if curve.null_loss > 0 and np.isfinite(curve.null_loss) else 1.0
    return 0.0, float(high)
