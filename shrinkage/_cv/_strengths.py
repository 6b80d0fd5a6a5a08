"""The grid of strengths, in descending order with lam = 0 last, and extensions of the grid."""

import numpy as np

from shrinkage._messages._note import quote

_STEP = 0.25  # decades between neighbours of the automatic grid
_TOP, _BOTTOM = 1.75, -3.0  # log10 of delta = n * lam at the ends of the grid
_DECADE = int(1 / _STEP)  # strengths in a decade
_ALIKE = 0.01  # the smallest strength equals no penalty if the relative difference of the losses is smaller
_FLAT = 1e-3  # a larger strength does nothing if the relative difference of the two losses is smaller
_LIMIT = 3  # maximum number of decades for an extension at each end


def make_automatic_grid(total: float, scale: float = 1.0, lam_max: float = np.inf) -> np.ndarray:
    """Return the automatic grid: delta = total * lam from 10^1.75 down to 10^-3 in quarter decades, then 0.

    Args:
        total: the number of rows, n, or for `Decoupled` the sum of the learning rates.
        scale: a factor on every delta, for a loss of another size than 1.
        lam_max: the largest strength allowed.

    Returns:
        At most 21 float64 strengths in descending order, with 0 last.

    Raises:
        ValueError: if `total` or `scale` is not positive.

    Example:
        >>> (100 * make_automatic_grid(100)).round(3)[:5]
        array([56.234, 31.623, 17.783, 10.   ,  5.623])
    """
    if not all(value > 0 and np.isfinite(value) for value in (total, scale)):
        raise ValueError(f"`total` and `scale` must be positive and finite. Received: {total} and {scale}.")
    grid = scale * 10.0 ** np.arange(_TOP, _BOTTOM - _STEP / 2, -_STEP) / total
    return np.append(grid[grid <= lam_max], 0.0)


def check_lams(lams: object) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return distinct strengths in descending order with 0 last, and notes on changes.

    There is no note on an added 0, as every path contains 0, and every table a row `none`.

    Raises:
        ValueError: if there are no strengths, or a strength is not a number, negative, NaN or infinite.

    Example:
        >>> check_lams([0.1, 1.0])
        (array([1. , 0.1, 0. ]), ('lams: sorted in descending order.',))
    """
    numbers = _as_floats(lams)
    bad = numbers[~(np.isfinite(numbers) & (numbers >= 0))]
    if bad.size:
        raise ValueError(f"`lams` must be finite and not negative. Received: {bad[0]} among them. Take it out.")
    checked = np.unique(np.append(numbers, 0.0))[::-1]
    return checked, tuple(f"lams: {change}." for change in _describe_changes(numbers))


def include(lams: np.ndarray, lam: float, *, fills_gap: bool = False) -> np.ndarray:
    """Insert a strength into a grid, in place of an existing strength that is equal up to rounding.

    Args:
        lams: the grid (S,), descending, 0 last.
        lam: the strength, positive.
        fills_gap: whether to fill a gap between the end of the grid and `lam`, where the best strength may be. The
            steps are quarter decades up to the limit of extensions, and decades beyond.

    Example:
        >>> include(np.array([1.0, 0.1, 0.0]), 0.2)
        array([1. , 0.2, 0.1, 0. ])
        >>> include(np.array([1.0, 0.1, 0.0]), 5.0, fills_gap=True).round(2)
        array([5.  , 3.16, 1.78, 1.  , 0.1 , 0.  ])
    """
    others, way = lams[~np.isclose(lams, lam, rtol=1e-6, atol=0)], np.zeros(0)
    if fills_gap and lam > lams[0] > 0:
        way = lams[0] * _list_factors(lam / lams[0])
    elif fills_gap and len(lams) > 1 and lam < lams[-2]:
        way = lams[-2] / _list_factors(lams[-2] / lam)
    return np.unique(np.concatenate([others, way, [lam]]))[::-1]


def _list_factors(ratio: float) -> np.ndarray:
    """Return the factors between 1 and `ratio`, both excluded."""
    quarters, decades = _STEP * np.arange(1, _LIMIT * _DECADE + 1), np.arange(_LIMIT + 1, _LIMIT + 300)
    steps = np.concatenate([quarters, decades])
    return 10.0 ** steps[steps < np.log10(ratio) - _STEP / 10]


def find_extension(
    lams: np.ndarray,
    mean: np.ndarray,
    *,
    decades_up: int,
    decades_down: int,
    lam_max: float = np.inf,
    is_far_from_unit: bool = False,
    index_1se: int | None = None,
) -> np.ndarray | None:
    """Return the next decade of strengths beyond the end of the grid with the minimum, or None.

    The grid is extended downwards if the smallest strength is best and lam = 0 is worse. If lam = 0 is best, smaller
    strengths usually cannot help. But if a strength diverged, or the target variance is far from 1, the grid is
    also extended until the loss at the smallest strength is within 1 % of the loss at lam = 0.

    With `index_1se` the grid is extended upwards for `1se` too, unless the curve is flat there.

    Args:
        lams: the grid so far (S,), descending, 0 last.
        mean: mean held-out loss at each strength (S,); NaN where a member diverged. NaN is never the minimum.
        decades_up: number of decades by which the grid was already extended upwards; the limit is three.
        decades_down: number of decades by which the grid was already extended downwards; the limit is three.
        lam_max: the largest strength allowed.
        is_far_from_unit: whether the variance of the target is far from 1.
        index_1se: index of `1se`; None if it may lie at the end.

    Returns:
        Four strengths in descending order, a quarter of a decade apart, all above or all below the positive strengths;
        fewer if `lam_max` excludes some; or None.

    Example:
        >>> find_extension(np.array([1.0, 0.1, 0.0]), np.array([0.2, 0.3, 0.4]), decades_up=0, decades_down=0).round(2)
        array([10.  ,  5.62,  3.16,  1.78])
    """
    last = len(lams) - 2  # index of the smallest positive strength
    if np.isnan(mean).all() or last < 0:
        return None
    best = int(np.nanargmin(mean))
    factors = 10.0 ** (_STEP * np.arange(_DECADE, 0, -1))
    one_se_above = index_1se == 0 and not np.isclose(mean[0], mean[1], rtol=_FLAT, atol=0)
    if (best == 0 or one_se_above) and decades_up < _LIMIT:
        more = lams[0] * factors
        return more[more <= lam_max] if more[-1] <= lam_max else None
    doubtful = is_far_from_unit or bool(np.isnan(mean[:-1]).any())
    unlike = not np.isclose(mean[last], mean[-1], rtol=_ALIKE, atol=0)  # NaN counts as unlike
    downwards = mean[-1] > mean[best] if best == last else best > last and doubtful and unlike
    return lams[last] / factors[::-1] if downwards and decades_down < _LIMIT else None


def compute_fold_lams(lams: np.ndarray, n_rows: int, n_train: np.ndarray, *, is_decoupled: bool = False) -> np.ndarray:
    """Return the strength of every member: lam * n / n_f, which keeps delta = n * lam the same in every fold.

    Args:
        lams: strengths on all n rows (S,).
        n_rows: the number of rows, n.
        n_train: training rows of each fold, n_f (F,).
        is_decoupled: whether the strength is a weight decay, which equals lam in every fold.

    Returns:
        (F, S) float64.

    Example:
        >>> compute_fold_lams(np.array([0.8, 0.0]), 10, np.array([8, 4]))
        array([[1., 0.],
               [2., 0.]])
    """
    by_rows = np.full(len(n_train), 1.0) if is_decoupled else n_rows / np.asarray(n_train)
    return np.asarray(lams, float) * by_rows[:, None]


def _as_floats(lams: object) -> np.ndarray:
    try:
        numbers = np.atleast_1d(np.asarray([] if lams is None or isinstance(lams, bool) else lams, dtype=float))
    except (TypeError, ValueError) as error:
        raise ValueError(f'`lams` must be "auto" or a list of numbers. Received: {quote(lams)}.') from error
    if numbers.ndim != 1 or not numbers.size:
        raise ValueError(f'`lams` must be "auto" or a list of at least one number. Received: {quote(lams)}.')
    return numbers


def _describe_changes(lams: np.ndarray) -> list[str]:
    changes = []
    if np.any(np.diff(lams) > 0):
        changes.append("sorted in descending order")
    if np.unique(lams).size < lams.size:
        changes.append("repeated values kept once")
    return changes
