"""Statistics of columns of numbers with missing cells, robust against cells far outside the others."""

import numpy as np

# Bounds of clipping: the 1 % and 99 % quantiles, widened by three times their distance. Ordinary
# columns (uniform, normal, exponential) stay inside; a cell of a thousand times the usual size would dominate the
# network. Narrower bounds lose accuracy on columns with long tails, such as the departure delays of flights.
TAIL = 0.01
REACH = 3
LARGEST = float(np.finfo(np.float32).max)


def compute_clip_bounds(numbers: np.ndarray) -> tuple[float, float]:
    """Return the bounds of clipping for numbers (n,), far outside the bulk and in the range of float32."""
    # Order statistics without interpolation: the smallest and the largest number have no influence.
    low = np.float64(np.quantile(numbers, TAIL, method="higher"))
    high = np.float64(np.quantile(numbers, 1 - TAIL, method="lower"))
    with np.errstate(over="ignore"):
        reach = REACH * (high - low)
        if reach <= 0:  # nearly all numbers are equal: the others are the information, not outliers
            return float(numbers.min()), float(numbers.max())
        low, high = np.clip([low - reach, high + reach], -LARGEST, LARGEST)
    return float(low), float(high)


def compute_column_statistics(x: np.ndarray, weight: np.ndarray, clip: bool) -> tuple[np.ndarray, ...]:
    """Return clip bounds, and mean and standard deviation of the clipped numbers of each column, (d,) each.

    Missing numbers, which are NaN, and rows of weight 0 do not count. A column without variation has the deviation 1.

    Args:
        x: Numbers, (n, d).
        weight: Weights of the rows in mean and deviation, (n,).
        clip: Whether numbers are clipped; else the bounds are the range of float32.

    Returns:
        (lower bounds, upper bounds, means, standard deviations), float64.
    """
    columns = [_compute_statistics(x[:, j], weight, clip) for j in range(x.shape[1])]
    low, high, mean, deviation = np.array(columns, dtype=np.float64).T
    return low, high, mean, deviation


def _compute_statistics(x: np.ndarray, weight: np.ndarray, clip: bool) -> tuple[float, float, float, float]:
    counts = ~np.isnan(x) & (weight > 0)
    values, weight = x[counts].astype(np.float64), weight[counts].astype(np.float64)
    if not len(values):
        return -LARGEST, LARGEST, 0.0, 1.0
    low, high = compute_clip_bounds(values) if clip else (-LARGEST, LARGEST)
    values = values.clip(low, high)
    mean = float(np.average(values, weights=weight))
    deviation = float(np.sqrt(np.average((values - mean) ** 2, weights=weight)))
    return low, high, mean, deviation if deviation > np.finfo(np.float32).eps * abs(mean) else 1.0
