"""Splits from the user: a scikit-learn splitter, a fold number for each row, or pairs of row numbers."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from numbers import Real
from typing import Any

import numpy as np
from sklearn.model_selection import PredefinedSplit

from shrinkage._cv._folds import Folds, to_folds
from shrinkage._cv._splits import EXPECTED_CV
from shrinkage._host._private import UnsupportedVersion
from shrinkage._messages._note import quote


def read_folds(cv: Any, n_rows: int, y: np.ndarray | None, groups: np.ndarray | None = None) -> Folds:
    """Create folds from a splitter, fold numbers or pairs of row numbers.

    Args:
        cv: An object with `split(X, y, groups)`; n fold numbers, with -1 for rows that are never held out; or pairs
            (training rows, held-out rows).
        n_rows: The number of rows, n.
        y: Targets for the splitter, (n, ...), or None.
        groups: Group labels for the splitter, (n,), or None.

    Raises:
        ValueError: If `cv` is invalid, or does not fit the rows or the groups.

    Example:
        >>> folds = read_folds([0, 0, 1, 1, -1], 5, np.zeros(5))
        >>> folds.kind, [rows.tolist() for rows in folds.held_out]
        ('fold numbers', [[0, 1], [2, 3]])
        >>> read_folds([([0, 1], [2]), ([0, 1, 2], [3])], 4, np.zeros(4)).kind
        'pairs of rows'
    """
    if is_splitter(cv):
        name = type(cv).__name__
        pairs = _check_pairs(_split(cv, n_rows, y, groups), n_rows, f"`cv` ({name})")
        if groups is not None:
            _check_groups(pairs, groups, name)
        return to_folds(pairs, n_rows, name)
    if groups is not None:
        raise ValueError(
            f"`cv` must be a number of folds, a share or a splitter with `groups`. Received: cv={quote(cv)}, which "
            f"says of every row where it belongs. Leave `groups` out, or say cv=5."
        )
    numbers = _read_numbers(cv)
    if numbers is not None:
        _check_numbers(numbers, n_rows)
        return to_folds(PredefinedSplit(numbers.astype(np.int64)).split(), n_rows, "fold numbers")
    return to_folds(_check_pairs(_read_pairs(cv), n_rows, "`cv`"), n_rows, "pairs of rows")


def is_splitter(cv: Any) -> bool:
    """Whether an object has a `split` method, as scikit-learn splitters do."""
    return callable(getattr(cv, "split", None)) and not isinstance(cv, (str, bytes, type))


def _split(cv: Any, n_rows: int, y: np.ndarray | None, groups: np.ndarray | None) -> list[Any]:
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The groups parameter is ignored")  # see `_check_groups`
            warnings.filterwarnings("ignore", message="The least populated class")
            return list(cv.split(np.zeros(n_rows), y, groups))
    except UnsupportedVersion:
        raise
    except Exception as error:  # of any class: a splitter may run code of the user
        needed = " Give `groups`, one label a row." if groups is None and "group" in str(error) else ""
        raise ValueError(
            f"`cv` must be able to split the {n_rows} rows. Received: {type(cv).__name__}, which fails: {error}{needed}"
        ) from error


def _check_groups(pairs: list[tuple[np.ndarray, np.ndarray]], groups: np.ndarray, name: str) -> None:
    """Refuse a splitter that ignores the groups."""
    for place, (train, held_out) in enumerate(pairs):
        both = set(groups[train].tolist()) & set(groups[held_out].tolist())
        if both:
            raise ValueError(
                f"`groups` must not have rows on both sides of a fold. Received: cv={name}, of which fold {place + 1} "
                f"trains on rows of group {min(both, key=str)!r} and holds out others. Say cv=5 or cv=GroupKFold(5), "
                f"or leave `groups` out."
            )


def _read_numbers(cv: Any) -> np.ndarray | None:
    """Return the fold numbers as an array, or None if `cv` contains pairs."""
    if isinstance(cv, (str, bytes, Mapping, type)) or not isinstance(cv, Iterable) or getattr(cv, "ndim", 1) == 0:
        made = f" Say cv={cv.__name__}(5)." if isinstance(cv, type) else " Say cv=5, or cv=0.2 for a single split."
        raise ValueError(f"{EXPECTED_CV} Received: {quote(cv)}.{made}")
    if not (isinstance(cv, (list, tuple)) or hasattr(cv, "__array__")):
        return None
    try:
        array = np.asarray(cv)
    except ValueError:  # lists of different lengths are pairs
        return None
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    holds_lists = array.dtype == object and any(np.ndim(value) for value in array.ravel()[:1])
    return None if array.ndim != 1 or not len(array) or holds_lists else array


def _check_numbers(numbers: np.ndarray, n_rows: int) -> None:
    expected = f"`cv` as fold numbers must be {n_rows} whole numbers, one a row, and -1 for rows that only train."
    if len(numbers) != n_rows:
        raise ValueError(f"{expected} Received: {len(numbers)} values.")
    if numbers.dtype == bool:
        raise ValueError(f"{expected} Received: truth values. To hold out the true ones say cv=numpy.where(cv, 0, -1).")
    try:
        values = numbers.astype(np.float64)
    except (TypeError, ValueError):
        odd = next((value for value in numbers.tolist() if not isinstance(value, Real)), numbers[0])
        hint = " To hold out groups of rows say cv=5, groups=... with these." if isinstance(odd, str) else ""
        raise ValueError(f"{expected} Received: values such as {odd!r}.{hint}") from None
    odd = values[~(np.isfinite(values) & (values == np.floor(values)) & (values >= -1))]
    if len(odd):
        raise ValueError(f"{expected} Received: {odd[0]:g}, and {len(odd)} such values in all.")
    folds = np.unique(values[values >= 0])
    if not len(folds):
        raise ValueError(f"{expected} Received: -1 in every row, which holds out none. Give a row a number from 0 on.")
    if len(folds) == 1 and values.min() >= 0:
        raise ValueError(
            f"{expected} Received: {folds[0]:g} in every row, one fold that holds out all rows and trains on none. "
            f"Give two numbers or more, or -1 to rows that only train."
        )


def _read_pairs(cv: Any) -> list[Any]:
    pairs = list(cv)
    if not pairs:
        once = "A generator can be read only once: say cv=list(...) where it is made."
        raise ValueError(
            "`cv` must yield pairs (training rows, held-out rows). Received: none. "
            f"{once if isinstance(cv, Iterator) else 'Give at least one pair, or say cv=5.'}"
        )
    return pairs


def _check_pairs(pairs: list[Any], n_rows: int, name: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the row numbers (train, held_out) of each fold, checked for range and for rows on both sides."""
    if not pairs:
        raise ValueError(f"{name} must yield at least one pair (training rows, held-out rows). Received: none.")
    found = []
    for place, pair in enumerate(pairs):
        where = f"{name}, fold {place + 1},"
        if not isinstance(pair, (tuple, list, np.ndarray)) or len(pair) != 2:
            raise ValueError(f"{where} must be a pair (training rows, held-out rows). Received: {quote(pair)}.")
        sides = zip(pair, ("training", "held-out"), strict=True)
        train, held_out = (_read_row_numbers(rows, n_rows, f"{where} {side} rows") for rows, side in sides)
        both = np.intersect1d(train, held_out)
        if len(both):
            raise ValueError(
                f"{where} must not train on rows that it holds out. Received: {len(both)} rows on both sides, such as "
                f"row {both[0]}. Take them out of one."
            )
        found.append((train, held_out))
    return found


def _read_row_numbers(rows: Any, n_rows: int, name: str) -> np.ndarray:
    array = np.asarray(rows)
    if array.shape == (n_rows,) and array.dtype == bool:
        array = np.flatnonzero(array)
    expected = f"{name} must be whole numbers from 0 to {n_rows - 1}, each once."
    if array.ndim != 1 or (len(array) and array.dtype.kind not in "iu"):
        raise ValueError(f"{expected} Received: an array of shape {array.shape} and type {array.dtype}.")
    if not len(array):
        raise ValueError(f"{name} must not be empty. Received: none. Give it rows, or leave the fold out.")
    if array.min() < 0 or array.max() >= n_rows:
        odd = array[(array < 0) | (array >= n_rows)]
        raise ValueError(f"{expected} Received: {odd[0]}. There are {n_rows} rows in `x`.")
    names, counts = np.unique(array, return_counts=True)
    if len(names) < len(array):
        twice = names[counts.argmax()]
        raise ValueError(
            f"{expected} Received: row {twice} more than once. For rows that count more say sample_weight."
        )
    return array
