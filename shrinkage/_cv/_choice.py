"""Statistics of held-out losses, and the choice of an epoch per strength and of a strength.

A smaller *loss* is better. Negate scores for which larger is better. A loss that is not finite comes from a diverged
member, is treated as NaN, and is never chosen. Strengths are in descending order.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shrinkage._cv._folds import Folds

Floats = NDArray[np.float64]


class NothingToChoose(ValueError):
    """Raised by the choice of a strength if at least one model diverged at every strength.

    The path remains usable: `cv_loss` and `status` show the diverged models, and `print(path)` suggests a remedy.

    Example:
        >>> import shrinkage as sh
        >>> issubclass(sh.NothingToChoose, ValueError)
        True
    """


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
    loss, weight = _finite_or_nan(fold_loss), np.asarray(fold_weight, dtype=np.float64)
    mean = _weighted_mean(loss, weight)
    if len(loss) == 1:
        return mean, np.full_like(mean, np.nan)
    parts = zip(*(np.split(part, repeats if repeats < len(loss) else 1) for part in (loss, weight)), strict=True)
    with np.errstate(over="ignore"):  # losses of a diverging member
        squares = [_weighted_mean((e - _weighted_mean(e, v)) ** 2, v) for e, v in parts]
        degrees = len(loss) / len(squares) / overlap - 1
        return mean, np.sqrt(np.mean(squares, axis=0) / degrees) if degrees > 0 else np.full_like(mean, np.nan)


def row_se(row_loss: ArrayLike, weight: ArrayLike | None = None) -> Floats:
    """Return the jackknife standard error of the (weighted) mean over the rows of a single split.

    Without row i the mean `m = Σ w_j l_j / W` changes by `w_i (m − l_i) / (W − w_i)`, with `W = Σ w_j`, and
    `se = √((n − 1)/n · Σ_i (w_i (l_i − m) / (W − w_i))²)`. For equal weights that is `sd(row losses) / √n`. Rows
    with weight 0 are ignored, and only the ratios of weights matter.

    The standard error measures the variation from the choice of held-out rows, not of training rows.

    Args:
        row_loss: (n, S) loss of each held-out row.
        weight: (n,) weights of the rows, not negative; None if all are equal.

    Returns:
        se (S,) as float64; NaN for a strength with a non-finite loss, and for fewer than two rows with weight.

    Source: B. Efron and C. Stein, The jackknife estimate of variance, Annals of Statistics 9 (1981), 586-596.

    Example:
        >>> row_se([[1.0], [2.0], [3.0], [6.0]])
        array([1.08012345])
        >>> row_se([[1.0], [2.0], [3.0], [6.0], [99.0]], weight=[1, 1, 1, 1, 0])
        array([1.08012345])
    """
    loss, weight = _counting_rows(row_loss, weight)
    if len(loss) < 2:
        return np.full(loss.shape[1:], np.nan)
    pull = (weight / (weight.sum() - weight)).reshape(-1, *[1] * (loss.ndim - 1))
    with np.errstate(over="ignore"):  # losses of a diverging member
        changes = pull * (loss - _weighted_mean(loss, weight))
        return np.sqrt((1 - 1 / len(loss)) * (changes**2).sum(axis=0))


def summarise_split(
    fold_loss: ArrayLike,
    fold_weight: ArrayLike,
    folds: Folds,
    row_loss: Floats,
    row_weight: ArrayLike | None = None,
) -> tuple[Floats, Floats]:
    """Return the mean of the fold losses and the standard error, over folds or, for a single split, over rows.

    Args:
        fold_loss: (F, S) mean loss of the held-out rows of each fold.
        fold_weight: (F,) number of held-out rows, or the sum of the weights.
        folds: the split.
        row_loss: (m, S) loss of each held-out row, or of a sample of the held-out rows.
        row_weight: (m,) weights of the rows; None if all are equal.

    Returns:
        mean (S,) and se (S,) as float64.
    """
    mean, se = summarise(fold_loss, fold_weight, repeats=folds.repeats, overlap=folds.overlap)
    if len(folds.train) > 1:
        return mean, se
    share = len(row_loss) / folds.held_out.union_size
    return mean, row_se(row_loss, row_weight) * np.sqrt(share)


def choose(mean: ArrayLike, se: ArrayLike) -> tuple[int, int]:
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
        >>> choose([0.9, 0.5, 0.4, 0.4, 0.6], [0.1, 0.1, 0.1, 0.1, 0.1])
        (2, 1)
    """
    mean = _finite_or_nan(mean)
    if np.isnan(mean).all():
        raise NothingToChoose(
            "Nothing to choose from: at every strength at least one model diverged. Lower the learning rate, or scale "
            "the inputs."
        )
    index_min = int(np.nanargmin(mean))
    threshold = mean[index_min] + np.nan_to_num(np.asarray(se, float)[index_min])
    return index_min, int(np.flatnonzero(mean <= threshold)[0])


def choose_paired(mean: ArrayLike, row_loss: ArrayLike, weight: ArrayLike | None = None) -> int:
    """Choose the largest strength within one paired standard error of the least mean loss, over held-out rows.

    The paired standard error is that of the mean of the differences of the row losses, `row_se`. It is smaller than the
    standard error of the mean loss, because the same rows are difficult at every strength.

    Args:
        mean: (S,) mean loss of each strength, strengths descending; NaN is never chosen.
        row_loss: (m, S) loss of each held-out row; NaN if there is none, and then the least loss is chosen.
        weight: (m,) weights of the rows, not negative; None if all are equal.

    Returns:
        The index of the choice, counted from 0.

    Raises:
        NothingToChoose: if no mean is finite.

    Example:
        >>> choose_paired([0.51, 0.5], [[0.4, 0.4], [0.62, 0.6]]), choose_paired([0.6, 0.5], [[0.5, 0.4], [0.7, 0.6]])
        (0, 1)
    """
    best, _ = choose(mean, np.zeros(len(np.asarray(mean))))
    error = np.nan_to_num(paired_errors(row_loss, best, weight))
    within = _finite_or_nan(mean) <= np.asarray(mean)[best] + error
    return int(np.flatnonzero(within)[0])


def paired_errors(row_loss: ArrayLike, index: int, weight: ArrayLike | None = None) -> Floats:
    """Return the standard errors of the mean differences to the strength at `index`, over rows, (S,)."""
    row_loss = np.asarray(row_loss, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # losses of a diverged member
        return row_se(row_loss - row_loss[:, [index]], weight)


def far_fold(fold_loss: ArrayLike) -> tuple[int | None, float]:
    """Find a fold with a loss far above the other folds, for example because of outliers.

    A loss is far above if the loss is at least 3 times the median of the other folds, and exceeds the median by more
    than 3 times the range of the other folds.

    Args:
        fold_loss: (F,) mean loss of the held-out rows of each fold at a single strength.

    Returns:
        The fold, counted from 0, or None; and the ratio of the loss to the median of the other folds, or NaN.

    Example:
        >>> fold, times = far_fold([0.45, 0.43, 0.42, 0.49, 3.35])
        >>> fold, round(times, 2)
        (4, 7.61)
    """
    loss = _finite_or_nan(fold_loss)
    if len(loss) < 3 or np.isnan(loss).any():
        return None, float("nan")
    fold = int(loss.argmax())
    others = np.delete(loss, fold)
    middle = float(np.median(others))
    if middle <= 0 or loss[fold] < 3 * middle or loss[fold] - middle <= 3 * np.ptp(others):
        return None, float("nan")
    return fold, float(loss[fold] / middle)


def at_epochs(loss: NDArray[np.float64], epochs: ArrayLike) -> Floats:
    """Return the losses (F, S) of curves (F, S, E) at an epoch of each strength, counted from 1, (S,)."""
    return np.take_along_axis(loss, np.asarray(epochs)[None, :, None] - 1, axis=2)[:, :, 0]


def best_epochs(
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
        >>> best_epochs([[[0.9, 0.5, 0.7]], [[0.9, 0.7, 0.4]]], [1, 1])
        array([3])
    """
    curve = _weighted_mean(_finite_or_nan(cv_loss), fold_weight)
    n_strengths, n_epochs = curve.shape
    if epoch == "best":
        return np.argmin(np.where(np.isnan(curve), np.inf, curve), axis=1) + 1
    if epoch == "last":
        return np.max(np.where(np.isnan(curve), 1, np.arange(1, n_epochs + 1)), axis=1)
    if isinstance(epoch, bool) or not isinstance(epoch, int | np.integer) or not 1 <= epoch <= n_epochs:
        raise ValueError(f'`epoch` must be "best", "last" or a number from 1 to {n_epochs}. Received: {epoch!r}.')
    return np.full(n_strengths, epoch, dtype=np.int64)


def gain(
    fold_loss_a: ArrayLike, fold_loss_b: ArrayLike, fold_weight: ArrayLike, n_train: float, n_test: float
) -> Difference:
    """Estimate the decrease in loss from a to b over J common folds, by the corrected resampled t-test.

    With paired differences `d_f = a_f − b_f` and their weighted mean and variance s², the interval is
    `mean ± t(0.975; J − 1) · √((1/J + n_test/n_train) · s²)`. The second term corrects for training rows that
    the folds share; with 1/J alone the interval is far too narrow. The interval does not account for a choice of b
    because of a low loss on the same folds: see `optimism`.

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
        >>> gain([0.5, 0.7, 0.6], [0.4, 0.5, 0.6], [10, 10, 10], n_train=20, n_test=10)
        Difference(mean=0.099..., low=-0.292..., high=0.492...)
    """
    difference = _finite_or_nan(fold_loss_a) - _finite_or_nan(fold_loss_b)
    n_folds = len(difference)
    if n_folds < 2:
        raise ValueError(f"`gain` compares folds and needs at least 2. Received: {n_folds}. Use `row_gain`.")
    mean = _weighted_mean(difference, fold_weight)
    variance = _weighted_mean((difference - mean) ** 2, fold_weight) * n_folds / (n_folds - 1)
    return _interval(mean, np.sqrt((1 / n_folds + n_test / n_train) * variance), n_folds - 1)


def row_gain(row_loss_a: ArrayLike, row_loss_b: ArrayLike, weight: ArrayLike | None = None) -> Difference:
    """Estimate the decrease in loss from a to b over the rows of a single split, by the paired t-test.

    The interval is `mean ± t(0.975; n − 1) · sd(d) / √n` with `d_i = a_i − b_i`. With weights the mean is
    weighted, the standard error is `row_se`, and n is the effective number of rows, `(Σw)² / Σw²` (Kish). The interval
    compares two trained models on new rows. A single split cannot show the effect of another training sample.

    Args:
        row_loss_a: (n,) loss of each held-out row for a, the baseline.
        row_loss_b: (n,) loss of each held-out row for b; positive differences mean that b is better.
        weight: (n,) weights of the rows, not negative; None if all are equal.

    Returns:
        The mean difference and the 95 % interval; NaN if the loss of a row is not finite.

    Source: L. Kish, Survey Sampling (1965), section 11.7, for the effective number of rows.

    Example:
        >>> row_gain([0.5, 0.7, 0.6], [0.4, 0.5, 0.6])
        Difference(mean=0.099..., low=-0.148..., high=0.348...)
    """
    difference, weight = _counting_rows(_finite_or_nan(row_loss_a) - _finite_or_nan(row_loss_b), weight)
    effective = weight.sum() ** 2 / (weight**2).sum()
    return _interval(_weighted_mean(difference, weight), row_se(difference, weight), effective - 1)


def optimism(fold_loss: ArrayLike, fold_weight: ArrayLike, chosen: int) -> float:
    """Estimate the selection bias of the least mean loss.

    The estimate is `Σ_k v_k [e_k(λ̂) − e_k(λ̂_k)] ≥ 0`, where λ̂_k is the best strength on fold k alone, and v are the
    weights of the mean loss. As in the source, the weights are 1/K for equal folds. Add the estimate to the mean loss
    at λ̂ to estimate the loss on new rows.

    Args:
        fold_loss: (K, S) mean loss of the held-out rows of each fold; strengths with a NaN are excluded.
        fold_weight: (K,) number of held-out rows, or the sum of the weights.
        chosen: index of λ̂, the strength chosen by the mean loss of the folds.

    Returns:
        The estimated bias, in the units of the loss; NaN for a single fold, where λ̂_k equals λ̂.

    Source: R. J. Tibshirani and R. Tibshirani, A bias correction for the minimum error rate in cross-validation,
    Annals of Applied Statistics 3 (2009), 822-829.

    Example:
        >>> optimism([[0.5, 0.4], [0.2, 0.5]], [10, 10], chosen=0)
        0.0499...
    """
    loss = _finite_or_nan(fold_loss)
    if len(loss) < 2:
        return float("nan")
    candidates = loss[:, ~np.isnan(loss).any(axis=0)]
    return float(_weighted_mean(loss[:, chosen] - candidates.min(axis=1), fold_weight))


def _interval(mean: Floats | np.floating, se: Floats | np.floating, degrees_of_freedom: float) -> Difference:
    from scipy.special import stdtrit  # imported here, as the import of SciPy is slow and rarely needed

    margin = stdtrit(degrees_of_freedom, 0.975) * se
    return Difference(float(mean), float(mean - margin), float(mean + margin))


def _counting_rows(row_loss: ArrayLike, weight: ArrayLike | None) -> tuple[Floats, Floats]:
    """Return the losses and weights of the rows with a weight above 0."""
    loss = _finite_or_nan(row_loss)
    weight = np.ones(len(loss)) if weight is None else np.asarray(weight, dtype=np.float64)
    return loss[weight > 0], weight[weight > 0]


def _finite_or_nan(values: ArrayLike) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    return np.where(np.isfinite(values), values, np.nan)


def _weighted_mean(values: Floats, weight: ArrayLike) -> Floats:
    """Average over the first axis, with the same order of summation for all columns.

    A matrix product does not guarantee the order. Sums of equal columns may then differ in the last bit, and
    ties are lost.
    """
    weight = np.asarray(weight, dtype=np.float64)
    share = (weight / weight.sum()).reshape(-1, *[1] * (values.ndim - 1))
    return (share * values).sum(axis=0)
