"""The choice of an epoch per strength, and of a strength.

A smaller *loss* is better, and a loss that is not finite is never chosen. Strengths are in descending order.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shrinkage._cv._statistics import Floats, compute_paired_errors, to_finite_or_nan, weighted_mean


class NothingToChoose(ValueError):
    """Raised by the choice of a strength if at least one model diverged at every strength.

    The path remains usable: `cv_loss` and `status` show the diverged models, and `print(path)` suggests a remedy.

    Example:
        >>> import shrinkage as sh
        >>> issubclass(sh.NothingToChoose, ValueError)
        True
    """


def choose_strengths(mean: ArrayLike, se: ArrayLike) -> tuple[int, int]:
    """Choose the strength with the least mean loss, and the largest strength within one standard error.

    `min` is the first (largest) strength with `mean ≤ min(mean)`; `1se` is the first with `mean ≤ mean[min] + se[min]`.

    Args:
        mean: (S,) mean loss of each strength, strengths descending; NaN is never chosen.
        se: (S,) standard errors of the means; if the standard error at `min` is NaN, `1se` is `min`.

    Returns:
        index_min and index_1se, counted from 0; index_1se ≤ index_min.

    Raises:
        NothingToChoose: if no mean is finite.

    Source: `getOptcv.glmnet` in R's glmnet 4.1.

    Example:
        >>> choose_strengths([0.9, 0.5, 0.4, 0.4, 0.6], [0.1, 0.1, 0.1, 0.1, 0.1])
        (2, 1)
    """
    mean = to_finite_or_nan(mean)
    if np.isnan(mean).all():
        raise NothingToChoose(
            "Nothing to choose from: at every strength at least one model diverged. Lower the learning rate, or scale "
            "the inputs."
        )
    index_min = int(np.nanargmin(mean))
    threshold = mean[index_min] + np.nan_to_num(np.asarray(se, float)[index_min])
    return index_min, int(np.flatnonzero(mean <= threshold)[0])


def choose_paired_strength(
    mean: ArrayLike, row_loss: ArrayLike, weight: ArrayLike | None = None, groups: ArrayLike | None = None
) -> int:
    """Choose the largest strength within one paired standard error of the least mean loss, over held-out rows.

    The paired standard error is that of the mean of the differences of the row losses, `compute_row_se`. It is smaller
    than the standard error of the mean loss, because the same rows are difficult at every strength.

    Args:
        mean: (S,) mean loss of each strength, strengths descending; NaN is never chosen.
        row_loss: (m, S) loss of each held-out row; NaN if there is none, and then the least loss is chosen.
        weight: (m,) weights of the rows, not negative; None if all are equal.
        groups: (m,) the group of each row; None if all rows are independent.

    Returns:
        The index of the choice, counted from 0.

    Raises:
        NothingToChoose: if no mean is finite.

    Example:
        >>> choose_paired_strength([0.51, 0.5], [[0.4, 0.4], [0.62, 0.6]])
        0
        >>> choose_paired_strength([0.6, 0.5], [[0.5, 0.4], [0.7, 0.6]])
        1
    """
    best, _ = choose_strengths(mean, np.zeros(len(np.asarray(mean))))
    error = np.nan_to_num(compute_paired_errors(row_loss, best, weight, groups))
    within = to_finite_or_nan(mean) <= np.asarray(mean)[best] + error
    return int(np.flatnonzero(within)[0])


def find_far_fold(fold_loss: ArrayLike) -> tuple[int | None, float]:
    """Find a fold with a loss far above the other folds, for example because of outliers.

    A loss is far above if the loss is at least 3 times the median of the other folds, and exceeds the median by more
    than 3 times the range of the other folds.

    Args:
        fold_loss: (F,) mean loss of the held-out rows of each fold at a single strength.

    Returns:
        The fold, counted from 0, or None; and the ratio of the loss to the median of the other folds, or NaN.

    Example:
        >>> fold, times = find_far_fold([0.45, 0.43, 0.42, 0.49, 3.35])
        >>> fold, round(times, 2)
        (4, 7.61)
    """
    loss = to_finite_or_nan(fold_loss)
    if len(loss) < 3 or np.isnan(loss).any():
        return None, float("nan")
    fold = int(loss.argmax())
    others = np.delete(loss, fold)
    middle = float(np.median(others))
    if middle <= 0 or loss[fold] < 3 * middle or loss[fold] - middle <= 3 * np.ptp(others):
        return None, float("nan")
    return fold, float(loss[fold] / middle)


def get_losses_at_epochs(loss: NDArray[np.float64], epochs: ArrayLike) -> Floats:
    """Return the losses (F, S) of curves (F, S, E) at an epoch of each strength, counted from 1, (S,)."""
    return np.take_along_axis(loss, np.asarray(epochs)[None, :, None] - 1, axis=2)[:, :, 0]


def choose_epochs(
    cv_loss: ArrayLike, fold_weight: ArrayLike, epoch: Literal["best", "last"] | int = "best"
) -> NDArray[np.int64]:
    """Choose an epoch for each strength, the same in all folds.

    Args:
        cv_loss: (F, S, E) mean held-out loss after each epoch; epochs with a non-finite loss are excluded.
        fold_weight: (F,) number of held-out rows, or the sum of the weights.
        epoch: "best" is the first epoch with the least mean over folds; "last" is the last epoch with finite losses;
            a number is the same epoch for every strength.

    Returns:
        (S,) epochs counted from 1; 1 for a strength without a finite epoch.

    Raises:
        ValueError: if `epoch` has another value.

    Example:
        >>> choose_epochs([[[0.9, 0.5, 0.7]], [[0.9, 0.7, 0.4]]], [1, 1])
        array([3])
    """
    curve = weighted_mean(to_finite_or_nan(cv_loss), fold_weight)
    n_strengths, n_epochs = curve.shape
    if epoch == "best":
        return np.argmin(np.where(np.isnan(curve), np.inf, curve), axis=1) + 1
    if epoch == "last":
        return np.max(np.where(np.isnan(curve), 1, np.arange(1, n_epochs + 1)), axis=1)
    if isinstance(epoch, bool) or not isinstance(epoch, int | np.integer) or not 1 <= epoch <= n_epochs:
        raise ValueError(f'`epoch` must be "best", "last" or a number from 1 to {n_epochs}. Received: {epoch!r}.')
    return np.full(n_strengths, epoch, dtype=np.int64)
