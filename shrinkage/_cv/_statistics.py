"""Statistics of held-out losses: means and standard errors, differences with intervals, and the bias of a choice.

A smaller *loss* is better. Negate scores for which larger is better. A loss that is not finite comes from a diverged
member, and is treated as NaN.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shrinkage._cv._folds import Folds

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Difference:
    """A mean paired difference and the 95 % confidence interval, in the units of the loss."""

    mean: float
    low: float
    high: float


def summarise(
    fold_loss: ArrayLike, fold_weight: ArrayLike, *, repeats: int = 1, overlap: float = 1.0
) -> tuple[Floats, Floats]:
    """Return the mean of the fold losses and the standard error of the mean, as in glmnet.

    With weights v summing to 1: `mean = Σ_f v_f e_f` and `se = √(Σ_f v_f (e_f − mean)² / (F − 1))`. With repeats the
    mean is over all folds, and se is the root of the mean se² of the repeats: all repeats use the same rows, so more
    repeats do not reduce the sampling error. For the same reason, if the folds of a repeat hold out each row c times on
    average, the folds count as F/c disjoint folds: F − 1 becomes F/c − 1.

    Args:
        fold_loss: (F, S) mean loss of the held-out rows of each fold.
        fold_weight: (F,) number of held-out rows, or the sum of the weights.
        repeats: number of splits of all rows, with adjacent folds for each repeat; repeated hold-outs count as a single
            repeat.
        overlap: c, the mean number of times that a repeat holds out a row.

    Returns:
        mean (S,) and se (S,) as float64; NaN for a strength with a non-finite loss. se is NaN for a single fold.

    Source: `cvstats` in R's glmnet 4.1.

    Example:
        >>> summarise([[1.0, 3.0], [2.0, 3.0]], [10, 30])
        (array([1.75, 3.  ]), array([0.4330127, 0.       ]))
    """
    loss, weight = to_finite_or_nan(fold_loss), np.asarray(fold_weight, dtype=np.float64)
    mean = weighted_mean(loss, weight)
    if len(loss) == 1:
        return mean, np.full_like(mean, np.nan)
    parts = zip(*(np.split(part, repeats if repeats < len(loss) else 1) for part in (loss, weight)), strict=True)
    with np.errstate(over="ignore"):  # losses of a diverging member
        squares = [weighted_mean((e - weighted_mean(e, v)) ** 2, v) for e, v in parts]
        degrees = len(loss) / len(squares) / overlap - 1
        return mean, np.sqrt(np.mean(squares, axis=0) / degrees) if degrees > 0 else np.full_like(mean, np.nan)


def compute_row_se(
    row_loss: ArrayLike, weight: ArrayLike | None = None, groups: ArrayLike | None = None, share: float = 1.0
) -> Floats:
    """Return the jackknife standard error of the (weighted) mean over the rows of a single split.

    Without row i the mean `m = Σ w_j l_j / W` changes by `w_i (m − l_i) / (W − w_i)`, with `W = Σ w_j`, and
    `se = √((n − 1)/n · Σ_i (w_i (l_i − m) / (W − w_i))²)`. For equal weights that is `sd(row losses) / √n`. Rows
    with weight 0 are ignored, and only the ratios of weights matter. With groups, a group takes the place of a row,
    with the mean loss of its rows and the sum of their weights: rows of a group depend on each other.

    If the rows are a random sample of all held-out rows, the result is the standard error of the mean over all of them:
    the variance without that of the sampling, `se² − (1 − share) se_rows²`, where se_rows is over rows. For independent
    rows that is `share · se²`.

    The standard error measures the variation from the choice of held-out rows, not of training rows.

    Args:
        row_loss: (n, S) loss of each held-out row.
        weight: (n,) weights of the rows, not negative; None if all are equal.
        groups: (n,) the group of each row; None if all rows are independent.
        share: number of rows relative to the rows of which they are a random sample.

    Returns:
        se (S,) as float64; NaN for a strength with a non-finite loss, and for fewer than two rows, or groups, with
        weight.

    Source: B. Efron and C. Stein, The jackknife estimate of variance, Annals of Statistics 9 (1981), 586-596.

    Example:
        >>> compute_row_se([[1.0], [2.0], [3.0], [6.0]])
        array([1.08012345])
        >>> compute_row_se([[1.0], [2.0], [3.0], [6.0], [99.0]], weight=[1, 1, 1, 1, 0])
        array([1.08012345])
        >>> compute_row_se([[1.0], [1.0], [3.0], [3.0]], groups=[0, 0, 1, 1])
        array([1.])
    """
    loss, unit_weight = _combine_groups(row_loss, weight, groups)
    if len(loss) < 2:
        return np.full(loss.shape[1:], np.nan)
    pull = (unit_weight / (unit_weight.sum() - unit_weight)).reshape(-1, *[1] * (loss.ndim - 1))
    with np.errstate(over="ignore", invalid="ignore"):  # losses of a diverging member
        changes = pull * (loss - weighted_mean(loss, unit_weight))
        variance = (1 - 1 / len(loss)) * (changes**2).sum(axis=0)
        if share < 1:
            of_rows = variance if groups is None else compute_row_se(row_loss, weight) ** 2
            variance = np.maximum(variance - (1 - share) * of_rows, share * of_rows)
        return np.sqrt(variance)


def summarise_split(
    fold_loss: ArrayLike,
    fold_weight: ArrayLike,
    folds: Folds,
    row_loss: Floats,
    row_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Return the mean of the fold losses and the standard error, for a single split over rows or groups.

    Args:
        fold_loss: (F, S) mean loss of the held-out rows of each fold.
        fold_weight: (F,) number of held-out rows, or the sum of the weights.
        folds: the split.
        row_loss: (m, S) loss of each held-out row, or of a sample of the held-out rows.
        row_weight: (m,) weights of the rows; None if all are equal.
        groups: (m,) the group of each row; None if all rows are independent.

    Returns:
        mean (S,) and se (S,) as float64.
    """
    mean, se = summarise(fold_loss, fold_weight, repeats=folds.repeats, overlap=folds.overlap)
    if len(folds.train) > 1:
        return mean, se
    return mean, compute_row_se(row_loss, row_weight, groups, len(row_loss) / folds.held_out.union_size)


def compute_paired_errors(
    row_loss: ArrayLike, index: int, weight: ArrayLike | None = None, groups: ArrayLike | None = None
) -> Floats:
    """Return the standard errors of the mean differences to the strength at `index`, over rows or groups, (S,)."""
    row_loss = np.asarray(row_loss, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # losses of a diverged member
        return compute_row_se(row_loss - row_loss[:, [index]], weight, groups)


def estimate_gain(
    fold_loss_a: ArrayLike, fold_loss_b: ArrayLike, fold_weight: ArrayLike, n_train: float, n_test: float
) -> Difference:
    """Estimate the decrease in loss from a to b over J common folds, by the corrected resampled t-test.

    With paired differences `d_f = a_f − b_f` and their weighted mean and variance s², the interval is
    `mean ± t(0.975; J − 1) · √((1/J + n_test/n_train) · s²)`. The second term corrects for training rows that
    the folds share; with 1/J alone the interval is far too narrow. The interval does not account for a choice of b
    because of a low loss on the same folds: see `estimate_optimism`.

    Args:
        fold_loss_a: (J,) loss of each fold for a, the baseline.
        fold_loss_b: (J,) loss of each fold for b; positive differences mean that b is better.
        fold_weight: (J,) number of held-out rows, or the sum of the weights.
        n_train: number of training rows of a fold (the mean, if folds differ).
        n_test: number of held-out rows of a fold (the mean, if folds differ).

    Returns:
        The mean difference and the 95 % interval; NaN if the loss of a fold is not finite.

    Raises:
        ValueError: for fewer than two folds.

    Source: C. Nadeau and Y. Bengio, Inference for the generalization error, Machine Learning 52 (2003), 239-281.

    Example:
        >>> estimate_gain([0.5, 0.7, 0.6], [0.4, 0.5, 0.6], [10, 10, 10], n_train=20, n_test=10)
        Difference(mean=0.099..., low=-0.292..., high=0.492...)
    """
    difference = to_finite_or_nan(fold_loss_a) - to_finite_or_nan(fold_loss_b)
    n_folds = len(difference)
    if n_folds < 2:
        raise ValueError(
            f"`fold_loss_a` must have the losses of at least 2 folds. Received: {n_folds}. Use `estimate_row_gain`."
        )
    mean = weighted_mean(difference, fold_weight)
    variance = weighted_mean((difference - mean) ** 2, fold_weight) * n_folds / (n_folds - 1)
    return _make_interval(mean, np.sqrt((1 / n_folds + n_test / n_train) * variance), n_folds - 1)


def estimate_row_gain(
    row_loss_a: ArrayLike,
    row_loss_b: ArrayLike,
    weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    share: float = 1.0,
) -> Difference:
    """Estimate the decrease in loss from a to b over the rows of a single split, by the paired t-test.

    The interval is `mean ± t(0.975; n − 1) · sd(d) / √n` with `d_i = a_i − b_i`. With weights the mean is
    weighted, the standard error is `compute_row_se`, and n is the effective number of rows, or groups,
    `(Σw)² / Σw²` (Kish). The interval compares two trained models on new rows. A single split cannot show the effect
    of another training sample.

    Args:
        row_loss_a: (n,) loss of each held-out row for a, the baseline.
        row_loss_b: (n,) loss of each held-out row for b; positive differences mean that b is better.
        weight: (n,) weights of the rows, not negative; None if all are equal.
        groups: (n,) the group of each row; None if all rows are independent.
        share: number of rows relative to the rows of which they are a random sample; see `compute_row_se`.

    Returns:
        The mean difference and the 95 % interval; NaN if the loss of a row is not finite, and for a single group.

    Source: L. Kish, Survey Sampling (1965), section 11.7, for the effective number of rows.

    Example:
        >>> estimate_row_gain([0.5, 0.7, 0.6], [0.4, 0.5, 0.6])
        Difference(mean=0.099..., low=-0.148..., high=0.348...)
    """
    difference = to_finite_or_nan(row_loss_a) - to_finite_or_nan(row_loss_b)
    mean = weighted_mean(*_combine_groups(difference, weight, groups))
    se = compute_row_se(difference, weight, groups, share)
    return _make_interval(mean, se, compute_row_degrees(len(difference), weight, groups))


def compute_row_degrees(n_rows: int, weight: ArrayLike | None = None, groups: ArrayLike | None = None) -> float:
    """Return the degrees of freedom of `estimate_row_gain`: the effective number of rows, or groups, minus 1."""
    weight = _combine_groups(np.zeros(n_rows), weight, groups)[1]
    return float(weight.sum() ** 2 / (weight**2).sum()) - 1


def estimate_optimism(fold_loss: ArrayLike, fold_weight: ArrayLike, chosen_index: int) -> float:
    """Estimate the selection bias of the least mean loss.

    The estimate is `Σ_k v_k [e_k(λ̂) − e_k(λ̂_k)] ≥ 0`, where λ̂_k is the best strength on fold k alone, and v are the
    weights of the mean loss. As in the source, the weights are 1/K for equal folds. Add the estimate to the mean loss
    at λ̂ to estimate the loss on new rows.

    Args:
        fold_loss: (K, S) mean loss of the held-out rows of each fold; strengths with a NaN are excluded.
        fold_weight: (K,) number of held-out rows, or the sum of the weights.
        chosen_index: index of λ̂, the strength chosen by the mean loss of the folds.

    Returns:
        The estimated bias, in the units of the loss; NaN for a single fold, where λ̂_k equals λ̂.

    Source: R. J. Tibshirani and R. Tibshirani, A bias correction for the minimum error rate in cross-validation,
    Annals of Applied Statistics 3 (2009), 822-829.

    Example:
        >>> estimate_optimism([[0.5, 0.4], [0.2, 0.5]], [10, 10], chosen_index=0)
        0.0499...
    """
    loss = to_finite_or_nan(fold_loss)
    if len(loss) < 2:
        return float("nan")
    candidates = loss[:, ~np.isnan(loss).any(axis=0)]
    return float(weighted_mean(loss[:, chosen_index] - candidates.min(axis=1), fold_weight))


def _make_interval(mean: Floats | np.floating, se: Floats | np.floating, degrees_of_freedom: float) -> Difference:
    from scipy.special import stdtrit  # imported here, as the import of SciPy is slow and rarely needed

    margin = stdtrit(degrees_of_freedom, 0.975) * se
    return Difference(float(mean), float(mean - margin), float(mean + margin))


def _combine_groups(row_loss: ArrayLike, weight: ArrayLike | None, groups: ArrayLike | None) -> tuple[Floats, Floats]:
    """Return the losses and weights of the rows with a weight above 0, or of their groups."""
    loss = to_finite_or_nan(row_loss)
    weight = np.ones(len(loss)) if weight is None else np.asarray(weight, dtype=np.float64)
    counts = weight > 0
    loss, weight = loss[counts], weight[counts]
    if groups is None:
        return loss, weight
    number, sizes = np.unique(np.asarray(groups)[counts], return_inverse=True, return_counts=True)[1:]
    order, starts = np.argsort(number, kind="stable"), np.cumsum(sizes) - sizes
    total = np.add.reduceat(weight[order], starts)
    share = (weight / total[number]).reshape(-1, *[1] * (loss.ndim - 1))
    return np.add.reduceat((share * loss)[order], starts), total


def to_finite_or_nan(values: ArrayLike) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def weighted_mean(values: Floats, weight: ArrayLike) -> Floats:
    """Average over the first axis, with the same order of summation for all columns.

    A matrix product does not guarantee the order. Sums of equal columns may then differ in the last bit, and
    ties are lost.
    """
    weight = np.asarray(weight, dtype=np.float64)
    share = (weight / weight.sum()).reshape(-1, *[1] * (values.ndim - 1))
    return (share * values).sum(axis=0)
