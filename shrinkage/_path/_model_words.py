"""The sentence of the verdict with `penalty="model"`, on the strength of the model's regularizers."""

import math

from shrinkage._path._convergence import Convergence
from shrinkage._path._curve import Curve
from shrinkage._path._findings import assess_convergence_without_penalty
from shrinkage._path._words import (
    count_decimals,
    count_loss_decimals,
    format_fixed_point,
    format_lam,
    format_loss,
    format_loss_name,
)


def describe_model_strength(curve: Curve) -> str:
    """Compare the strength of the model's regularizers with `min`; empty for other penalties."""
    index = curve.index_model
    if index is None or curve.failed.all():
        return ""
    best = curve.index
    loss, subject = (
        format_loss_name(curve.loss_name),
        f"The model's own strength ({_format_regularizer(curve)}, lambda = {format_lam(curve.lams[index])})",
    )
    if curve.failed[index]:
        return f"{subject} cannot be judged: a model diverged there."
    if curve.mean[best] >= curve.null_loss:
        return f"{subject} cannot be judged, as no strength beats the best constant."
    if assess_convergence_without_penalty(curve) is Convergence.BEGINNING:
        return f"{subject} cannot be judged yet."
    if index == best:
        return f"{subject} is the best of those tried."
    here, least = (format_loss(curve, curve.mean[i]) for i in (index, best))
    if not math.isfinite(curve.se[best]):
        return f"{subject} gives a {loss} of {here}, the best {least}: there is no standard error to judge that by."
    gain = curve.gain_over(index)
    digits = min(count_decimals((gain.high - gain.low) / 2), count_loss_decimals(curve) + 1)
    mean, low, high = (format_fixed_point(value, digits) for value in (gain.mean, gain.low, gain.high))
    lowers = f"`min` lowers the {loss} by {mean} (95 % interval {low} to {high}) against it"
    side = "small" if curve.lams[index] < curve.lams[best] else "large"
    if gain.low > 0:
        return f"{subject} is too {side}: {lowers}."
    if curve.mean[index] <= curve.mean[best] + curve.se[best]:
        return f"{subject} is within one standard error of the least: {lowers}, which may be chance."
    return f"{subject} may be too {side}: {lowers}, and the interval contains 0."


def _format_regularizer(curve: Curve) -> str:
    """Write the strength as arguments of a Keras regularizer."""
    lam, rho = curve.lam_model or 0.0, curve.penalty.rho
    if rho in (0, 1):
        return f"Keras' L1({lam:.6g})" if rho else f"Keras' L2({lam / 2:.6g})"
    return f"Keras' L1L2(l1={rho * lam:.6g}, l2={(1 - rho) * lam / 2:.6g})"
