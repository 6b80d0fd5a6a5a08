"""Decisions about the curves of a path, from numbers. `_verdict` puts the decisions into words."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shrinkage._cv._choice import find_far_fold
from shrinkage._cv._statistics import Difference, summarise
from shrinkage._path._convergence import Convergence, assess_convergence, select_finite_losses
from shrinkage._path._curve import Curve
from shrinkage._path._words import format_loss_name

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Overfitting:
    """A held-out loss that rises after the best epoch while the training loss falls; epochs count from 1."""

    best_epoch: int
    best_loss: float
    last_epoch: int
    last_loss: float
    last_training_loss: float
    """Training loss at the last epoch."""


def matters(difference: float, loss: float, scale: float) -> bool:
    """Return whether a difference is large enough to report: at least 5 % of the loss and 1 % of `scale`.

    Args:
        difference: difference of two losses.
        loss: the larger of the two losses.
        scale: the loss of the best constant, or the loss at the start of training.

    Example:
        >>> matters(0.0016, 0.0805, 2.3), matters(4e-7, 5e-7, 2.3), matters(0.06, 0.10, 2.3)
        (False, False, True)
    """
    return difference >= 0.05 * abs(loss) and difference >= 0.01 * abs(scale)


def find_overfitting(
    held_out: ArrayLike, fold_weight: ArrayLike, training: ArrayLike, se: float, scale: float, **split: Any
) -> Overfitting | None:
    """Detect a held-out loss that rises after the best epoch while the training loss falls.

    The rise must be larger than the standard error of the rise, occur in most folds, and be large enough to report.

    Args:
        held_out: (F, E) held-out loss of each fold after each epoch, NaN past the last one.
        fold_weight: (F,) weights of the folds.
        training: (E,) mean training loss.
        se: standard error of the mean loss, used for a single split, which has no variation over folds.
        scale: the argument of `matters`.
        split: the arguments `repeats` and `overlap` of `summarise`.
    """
    folds = np.asarray(held_out, float)
    mean, training = summarise(folds, fold_weight)[0], np.asarray(training, float)
    finite_epochs = np.flatnonzero(np.isfinite(mean))
    if not len(finite_epochs):
        return None
    best, last = int(np.nanargmin(mean)), int(finite_epochs[-1])
    rise = float(mean[last] - mean[best])
    rises = folds[:, last] - folds[:, best]
    paired = summarise(rises[:, None], fold_weight, **split)[1][0]
    noise = float(np.nan_to_num(se if math.isnan(paired) else paired))
    if (
        rise <= noise
        or not np.median(rises) > 0
        or not matters(rise, mean[last], scale)
        or not training[last] < training[best]
    ):
        return None
    return Overfitting(best + 1, float(mean[best]), last + 1, float(mean[last]), float(training[last]))


def find_strength_without_stopping(curve: Curve, overfitting: Overfitting) -> tuple[int, int, float, bool]:
    """Return the strength that can replace early stopping, or the strength that comes closest to it.

    A strength replaces early stopping if the loss after its last epoch avoids at least 75 % of the rise without a
    penalty.

    Returns:
        A tuple: the index of `min` if it replaces early stopping, otherwise of the strength with the smallest last
        loss; the number of epochs; the loss after the last epoch; and whether it replaces early stopping.
    """
    curves = compute_held_out_curve(curve)
    tried = find_usable_strengths(curve)
    last_losses_of = np.where(tried, select_last_losses(curves), np.inf)
    index = int(curve.index)
    limit = overfitting.best_loss + 0.25 * (overfitting.last_loss - overfitting.best_loss)
    if not tried[index] or last_losses_of[index] > limit:
        index = int(np.argmin(last_losses_of))
    n_epochs, last_loss = len(select_finite_losses(curves[index])), float(last_losses_of[index])
    return index, n_epochs, last_loss, bool(last_loss <= limit)


def select_last_losses(held_out: ArrayLike) -> Floats:
    """Return the loss of each strength after the last epoch that was trained, (S,), from curves (S, E)."""
    return np.array([np.append(math.nan, select_finite_losses(curve))[-1] for curve in np.asarray(held_out, float)])


def is_loss_near_perfect(loss: float, null: float, *, log_loss: bool) -> bool:
    """Return whether a loss is at most 0.3 % of the best constant's loss, or 1 % for a log loss.

    For a squared error, 0.3 % is an R squared of 0.997. Few models reach it if the target has noise.

    Example:
        >>> is_loss_near_perfect(5e-7, 2.3, log_loss=True), is_loss_near_perfect(0.06, 1.1, log_loss=True)
        (True, False)
    """
    return math.isfinite(null) and 0 <= loss <= (0.01 if log_loss else 0.003) * null


# --- decisions about a curve


def list_none_and_min(curve: Curve) -> list[int]:
    none = len(curve.lams) - 1
    return [index for index in dict.fromkeys((none, curve.index)) if not curve.failed[index]]


def find_usable_strengths(curve: Curve) -> np.ndarray:
    """Return which strengths are above 0 and have no diverged model, (S,)."""
    return (curve.lams > 0) & ~curve.failed


def assess_convergence_without_penalty(curve: Curve) -> Convergence:
    """Return how far training without a penalty converged, or training at `min` if a model without a penalty diverged.

    In the second case the result is never BEGINNING: the learning rate is already too high for more progress.
    """
    found = assess_convergence_at(curve, list_none_and_min(curve)[0])
    return Convergence.FALLING if curve.failed[-1] and found is Convergence.BEGINNING else found


def is_unsteady(curve: Curve) -> bool:
    """Return whether the training loss without a penalty swings, or ends above the minimum, by a reportable amount.

    Swings are measured by the mean rise from epoch to epoch in the second half of the epochs.
    """
    folds, mean = curve.train_loss[:, -1], select_finite_losses(compute_training_curve(curve)[-1])
    rises = np.maximum(np.diff(folds[:, (len(mean) - 1) // 2 : len(mean)]), 0)
    rise = max(mean[-1] - mean.min(), rises.mean() if rises.size else 0.0)
    return matters(rise, mean[-1], get_loss_scale(curve))


def assess_convergence_at(curve: Curve, index: int) -> Convergence:
    if curve.solver == "exact":
        return Convergence.LEVELLED
    held_out = compute_held_out_curve(curve)[index]
    return assess_convergence(held_out, curve.epochs[index], curve.se[index], curve.null_loss)


def training_is_stuck(curve: Curve) -> bool:
    """Return whether the training loss did not clearly fall in the second half of the epochs.

    The fall per epoch must exceed twice its standard error. The loss is taken without a penalty, or at `min` if a model
    without a penalty diverged.
    """
    losses = select_finite_losses(compute_training_curve(curve)[list_none_and_min(curve)[0]])
    steps = np.diff(losses)[(len(losses) - 1) // 2 :]
    return len(steps) > 1 and bool(steps.mean() >= -2 * steps.std() / math.sqrt(len(steps)))


def training_rises(curve: Curve) -> bool:
    """Return whether the training loss after the last epoch is higher than after the first, by a reportable amount."""
    losses = select_finite_losses(compute_training_curve(curve)[list_none_and_min(curve)[0]])
    return len(losses) > 1 and matters(float(losses[-1] - losses[0]), losses[-1], get_loss_scale(curve))


def is_far_above_constant(curve: Curve, loss: float) -> bool:
    """Return whether a loss is more than ten times the loss of the best constant.

    On inputs and targets of unit size, training does not start that high.
    """
    return loss - curve.null_loss > 9 * abs(curve.null_loss)


def is_above_constant(curve: Curve) -> bool:
    """Return whether the smallest held-out loss is more than a standard error above the loss of the best constant."""
    error = float(np.nan_to_num(curve.se[curve.index]))
    return bool(curve.mean[curve.index] - min(error, abs(curve.null_loss)) > curve.null_loss)


def trains_above_constant(curve: Curve) -> bool:
    """Return whether the training loss at every strength and epoch is at least the loss of the best constant.

    In a single split, and in folds that do not train on the rows of the next fold, as in a time series, the training
    loss and the loss of the constant are computed on different rows. The training loss may be larger for this reason;
    the result is then True only if the training loss still falls.
    """
    if curve.solver == "exact":  # the loss is then of rows without a relation of inputs and targets
        return False
    above = compute_least_training_loss(curve) >= curve.null_loss
    return above and not (curve.folds.next_folds is None and training_is_stuck(curve))


def find_overfitting_without_penalty(curve: Curve, *, has_schedule: bool) -> Overfitting | None:
    """Detect overfitting without a penalty: a held-out loss that rises after the best epoch.

    With a learning rate schedule and a chosen epoch after the best one, the result is None. Early epochs have a high
    learning rate, and a shorter training would have a different schedule.

    Args:
        curve: the curve.
        has_schedule: whether the learning rate follows a schedule.
    """
    training = compute_training_curve(curve)[-1]
    split = {"repeats": curve.folds.repeats, "overlap": curve.folds.overlap}
    held_out, se = curve.cv_loss[:, -1], curve.se[-1]
    found = find_overfitting(held_out, curve.fold_weight, training, se, get_loss_scale(curve), **split)
    return None if found and has_schedule and curve.epochs[-1] > found.best_epoch else found


def beats_constant(curve: Curve) -> bool:
    """Return whether the smallest loss is below the loss of the best constant by more than chance.

    At least one of three 95 % intervals must be above 0: the interval of `null_gain`; the interval of the relative gain
    over the constant per fold, because the constant's loss dominates the differences between folds if a model explains
    nearly everything; and the interval over rows, because few folds give wide intervals. The result is True if there is
    no best constant.
    """
    least = curve.mean[curve.index]
    if math.isnan(curve.null_loss):
        return True
    if not least < curve.null_loss:
        return False
    if not curve.null_gain.low <= 0:  # NaN if the losses of the folds are unknown: the result is then True
        return True
    return _compute_relative_null_gain(curve).low > 0 or _compute_row_gain_bound(curve) > 0


def _compute_row_gain_bound(curve: Curve) -> float:
    """Return the lower end of the 95 % interval of the gain over the best constant, from all held-out rows.

    Rows that train the same model are not independent. The variance is corrected as in the test over folds: for m rows
    it is multiplied by 1 + m / n_train, which is 1 + J / (J - 1) for J folds.
    """
    if curve.null_row_loss is None or curve.single_split:
        return -math.inf
    best = curve.index
    rows = curve.row_gain(curve.null_row_loss, curve.row_loss[:, best], curve.null_loss - curve.mean[best])
    wider = math.sqrt(1 + curve.folds.held_out.union_size / float(curve.folds.train.sizes.mean()))
    return rows.mean - wider * (rows.mean - rows.low)


def _compute_relative_null_gain(curve: Curve) -> Difference:
    """Return the gain over the best constant relative to the constant's loss, with an interval over folds."""
    null = curve.null_fold_loss
    if null is None or curve.single_split or not (null > 0).all():
        return Difference(math.nan, -math.inf, math.nan)
    return curve.fold_gain(np.ones(len(null)), curve.fold_loss[:, curve.index] / null)


def is_near_perfect(curve: Curve) -> bool:
    log_loss = format_loss_name(curve.loss_name) == "log loss"
    return is_loss_near_perfect(curve.mean[curve.index], curve.null_loss, log_loss=log_loss)


def closes_the_gap(curve: Curve) -> bool:
    """Return whether the gap of training and held-out loss at `min` is less than half the gap without a penalty."""
    gaps = curve.mean - curve.train_mean
    return bool(curve.lam > 0 and gaps[curve.index] < 0.5 * gaps[-1])


FEWEST_ROWS = 15
"""Held-out rows of a fold from which its loss says something of the fold.

With fewer rows, `find_far_fold` mistakes the chance of a few rows for a fold that differs. Of 100,000 draws of squared
normal errors, equal in all folds, it finds a far fold in this share:

| rows of a fold | 1 | 5 | 10 | 15 | 20 |
|---|---|---|---|---|---|
| 3 folds | 0.49 | 0.15 | 0.044 | 0.013 | 0.004 |
| 5 folds | 0.27 | 0.054 | 0.016 | 0.004 | 0.001 |
| 10 folds | 0.11 | 0.007 | 0.002 | 0.001 | 0.000 |
"""


def has_rows_in_folds(curve: Curve) -> bool:
    """Return whether every fold holds out enough rows to say something of single folds."""
    return bool(curve.folds.held_out.sizes.min() >= FEWEST_ROWS)


def find_far_folds(curve: Curve) -> dict[int, dict[float, float]]:
    """Find folds with a loss far from the other folds, without a penalty or at `min`.

    Only the first repeat with such a fold is reported, because every repeat holds out the same outliers in some fold.
    Nothing is said of folds with few rows.

    Returns:
        For each fold a dictionary from strengths to the ratio of `find_far_fold`.
    """
    found: dict[int, dict[float, float]] = {}
    n_train = curve.folds.train.sizes
    if not has_rows_in_folds(curve):
        return found
    if n_train.max() > 1.5 * n_train.min():  # a time series: the first folds train on fewer rows
        return found
    size = curve.folds.per_repeat if curve.folds.per_repeat > 1 else len(curve.fold_weight)
    for start in range(0, len(curve.fold_weight), size):
        for index in list_none_and_min(curve):
            fold, ratio = find_far_fold(curve.fold_loss[start : start + size, index])
            if fold is not None:
                found.setdefault(start + fold, {})[float(curve.lams[index])] = ratio
        if found:
            break
    return found


def has_raw_target(curve: Curve) -> bool:
    """Return whether `standardize_target` is possible and was not used."""
    one_output = getattr(curve.predictions, "shape", ())[2:] == (1,)
    squared = format_loss_name(curve.loss_name) == "squared error"
    return squared and one_output and (curve.target_mean, curve.target_sd) == (0, 1)


def has_far_target(curve: Curve) -> bool:
    """Return whether the target varies, could be standardised, was not, and has a variance outside 0.1 to 10."""
    return has_raw_target(curve) and curve.null_loss > 0 and not 0.1 <= curve.null_loss <= 10


def get_loss_scale(curve: Curve) -> float:
    """Return the loss of the best constant, or the loss after the first epoch if there is no best constant."""
    return curve.null_loss if math.isfinite(curve.null_loss) else float(compute_held_out_curve(curve)[-1, 0])


def is_small(curve: Curve, gain: float) -> bool:
    """Return whether a gain is below 1 % of the loss without a penalty, and below 1 % of the best constant's loss."""
    return gain < 0.01 * abs(curve.mean[-1]) and gain < 0.01 * abs(get_loss_scale(curve))


def compute_gap(curve: Curve) -> tuple[float, float]:
    """Return the held-out loss minus the training loss, without a penalty, and the standard error of the difference.

    In cross-validation both losses are computed on the same rows: the rows that a fold holds out are scored as training
    rows in the fold before. Differences between these parts of the rows are then not in the error. In a single split,
    and in folds that do not train on the rows of the next fold, the two losses are computed on different rows.
    """
    training, held_out = (
        losses[np.arange(len(losses)), -1, curve.epochs[-1] - 1] for losses in (curve.train_loss, curve.cv_loss)
    )
    if curve.single_split:
        return float(held_out[0] - training[0]), math.sqrt(2) * float(curve.se[-1])
    if curve.folds.next_folds is None:
        return float(curve.mean[-1] - curve.train_mean[-1]), float(
            curve.summarise((held_out - training)[:, None])[1][0]
        )
    before = np.argsort(curve.folds.next_folds)
    mean, se = curve.summarise((held_out - training[before])[:, None])
    return float(mean[0]), float(se[0])


def falls_towards(curve: Curve, neighbour: int) -> bool:
    """Return whether the smallest loss is clearly below the loss at index `neighbour`, by at least 1 %.

    In a flat curve the minimum may be at an end of the grid by chance.
    """
    difference = curve.gain_over(neighbour)
    return difference.low > 0 and difference.mean >= 0.01 * abs(curve.mean[neighbour])


def falls_towards_none(curve: Curve) -> bool:
    """Return whether no penalty is clearly better than the smallest strength above 0; see `falls_towards`."""
    last = int(np.sum(curve.lams > 0)) - 1
    return last >= 0 and curve.lam == 0 and falls_towards(curve, last)


def compute_losses_at_same_epoch(curve: Curve) -> tuple[Floats, Floats] | None:
    """Return training losses (2,) and held-out losses (2,), without a penalty and at `min`, after the same epoch.

    The same epoch is needed because without a penalty the best epoch is early if training overfits. The result is None
    if no epoch was trained at both strengths.
    """
    curves = compute_training_curve(curve), compute_held_out_curve(curve)
    train, held_out = (losses[[-1, curve.index]] for losses in curves)
    trained = np.flatnonzero(np.isfinite(train + held_out).all(axis=0))  # patience may have stopped a strength early
    trained = trained[trained < curve.epochs[curve.index]]
    return (train[:, trained[-1]], held_out[:, trained[-1]]) if len(trained) else None


def compute_least_training_loss(curve: Curve) -> float:
    return float(np.nanmin(compute_training_curve(curve)))


def compute_held_out_curve(curve: Curve) -> np.ndarray:
    """Average the held-out losses over folds, to (S, E)."""
    return np.tensordot(curve.fold_weight / curve.fold_weight.sum(), curve.cv_loss, axes=1)


def compute_training_curve(curve: Curve) -> np.ndarray:
    """Average the training losses over folds, to (S, E)."""
    return np.tensordot(curve.train_weight / curve.train_weight.sum(), curve.train_loss, axes=1)
