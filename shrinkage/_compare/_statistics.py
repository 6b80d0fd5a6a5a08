"""Statistics of a comparison: p-values of paired differences, adjusted by Holm's method."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shrinkage._cv._statistics import Difference


def compute_p_value(difference: Difference, degrees_of_freedom: float) -> float:
    """Return the two-sided p-value of the t-test that gives the 95 % interval of a difference.

    With `se = (high - mean) / t(0.975; df)`, the value is `2 (1 - T(|mean| / se; df))`, where T is the distribution
    function of Student's t. It is below 0.05 if and only if the interval excludes 0.

    Args:
        difference: a mean and its interval, as `estimate_gain` and `estimate_row_gain` return them.
        degrees_of_freedom: df of the interval: the number of folds minus 1, or of rows.

    Returns:
        The p-value; NaN if the interval is not known. It is 1 for a difference of 0 in every fold.

    Example:
        >>> round(compute_p_value(Difference(0.1, -0.2927, 0.4927), 2), 2)
        0.39
    """
    from scipy.special import stdtr, stdtrit  # imported here, as the import of SciPy is slow

    if not math.isfinite(difference.mean) or not math.isfinite(difference.high):
        return math.nan
    se = (difference.high - difference.mean) / stdtrit(degrees_of_freedom, 0.975)
    if se == 0:
        return 1.0 if difference.mean == 0 else 0.0
    return float(2 * stdtr(degrees_of_freedom, -abs(difference.mean) / se))


def adjust_p_values(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values adjusted for the number of tests by Holm's method.

    Of m tests, the k-th smallest p-value becomes `min(1, max over j <= k of (m - j + 1) p_j)`. Tests with an adjusted
    value below 0.05 contain an error with a probability of at most 0.05, however the tests depend on each other.

    Args:
        p_values: (m,) p-values; a NaN is of a test that was not made, and stays NaN.

    Returns:
        The adjusted p-values, (m,) as float64.

    Source: S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6
    (1979), 65-70. The same numbers as `p.adjust(p, "holm")` in R.

    Example:
        >>> adjust_p_values([0.01, 0.04, 0.03, 0.005]).tolist()
        [0.03, 0.06, 0.06, 0.02]
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted, places = np.full(p.shape, np.nan), np.flatnonzero(np.isfinite(p))
    order = places[np.argsort(p[places], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(factors * p[order]))
    return adjusted
