"""The random splits of scikit-learn's splitters, to the bit, in few bytes per row.

The splitters return arrays of 8-byte row numbers, and some make lists of Python numbers: 20 to 100 bytes per row, which
is too much for rows that do not fit into memory. Here a row takes about 6 bytes.
"""

from typing import Any

import numpy as np


def make_k_fold_parts(n_rows: int, k: int, seed: int) -> np.ndarray:
    """Return the fold that holds out each row, (n,), as in `KFold(k, shuffle=True, random_state=seed)`."""
    parts = np.empty(n_rows, np.min_scalar_type(k))
    for part, rows in enumerate(np.array_split(_shuffle_rows(n_rows, np.random.RandomState(seed)), k)):
        parts[rows] = part
    return parts


def make_stratified_parts(classes: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Return the fold that holds out each row, (n,), as in `StratifiedKFold(k, shuffle=True, random_state=seed)`."""
    random, parts = np.random.RandomState(seed), np.empty(len(classes), np.min_scalar_type(k))
    start, folds = 0, np.arange(k)
    for label, size in _count_classes(classes):
        # In the sorted classes, the rows of a fold are those at every k-th place.
        counts = -(-(start + size - folds) // k) - -(-(start - folds) // k)
        dealt = np.repeat(folds.astype(parts.dtype), counts)
        random.shuffle(dealt)
        parts[classes == label] = dealt
        start += size
    return parts


def make_hold_out_part(n_rows: int, n_held_out: int, seed: int) -> np.ndarray:
    """Return whether each row is held out, (n,), as in `ShuffleSplit(1, test_size=n_held_out, random_state=seed)`."""
    part = np.zeros(n_rows, bool)
    part[_shuffle_rows(n_rows, np.random.RandomState(seed))[:n_held_out]] = True
    return part


def make_stratified_hold_out_part(classes: np.ndarray, n_held_out: int, seed: int) -> np.ndarray:
    """Return whether each row is held out, (n,), as in `StratifiedShuffleSplit` with these arguments."""
    random, part = np.random.RandomState(seed), np.empty(len(classes), bool)
    names, sizes = np.unique(classes, return_counts=True)
    n_train = _draw_sizes(sizes, len(classes) - n_held_out, random)
    n_drawn = _draw_sizes(sizes - n_train, n_held_out, random)
    for label, size, first, more in zip(names, sizes.tolist(), n_train, n_drawn, strict=True):
        drawn = np.zeros(size, bool)
        drawn[_shuffle_rows(size, random)[first : first + more]] = True
        part[classes == label] = drawn
    return part


def _shuffle_rows(n: int, random: np.random.RandomState) -> np.ndarray:
    """Return the numbers from 0 to n - 1 in the order of `random.permutation(n)`, in the smallest type."""
    numbers = np.arange(n, dtype=np.min_scalar_type(n))
    random.shuffle(numbers)  # the order does not depend on the type
    return numbers


def _count_classes(classes: np.ndarray) -> list[tuple[Any, int]]:
    """Return each class with its number of rows, in the order of the first rows of the classes."""
    names, sizes = np.unique(classes, return_counts=True)
    firsts = [int(np.argmax(classes == name)) for name in names]
    return [(names[place], int(sizes[place])) for place in np.argsort(firsts)]


def _draw_sizes(sizes: np.ndarray, n_drawn: int, random: np.random.RandomState) -> np.ndarray:
    """Return how many rows of each class are drawn, in proportion to the sizes. Ties are resolved at random."""
    shares = sizes / sizes.sum() * n_drawn
    counts = np.floor(shares)
    n_missing, remainders = int(n_drawn - counts.sum()), shares - counts
    for remainder in np.unique(remainders)[::-1]:
        if n_missing <= 0:
            break
        (tied,) = np.nonzero(remainders == remainder)
        chosen = random.choice(tied, size=min(len(tied), n_missing), replace=False)
        counts[chosen] += 1
        n_missing -= len(chosen)
    return counts.astype(int)
