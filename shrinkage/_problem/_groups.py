"""The argument `groups`: a group for each row."""

from typing import Any

import numpy as np
import pandas as pd


def read_groups(groups: Any, n_rows: int) -> np.ndarray | None:
    """Return the group label of each row, (n,), or None.

    Args:
        groups: An array or list of n labels of any type, or None.
        n_rows: The number of rows, n.

    Raises:
        ValueError: If the number of labels is not n, or a label is missing.

    Example:
        >>> read_groups(["ann", "bob", "ann"], 3).tolist()
        ['ann', 'bob', 'ann']
    """
    if groups is None:
        return None
    expected = f"`groups` must be {n_rows} labels, one a row, none missing."
    if isinstance(groups, str):
        raise ValueError(f"{expected} Received: {groups!r}. A group lasso has its own: GroupLasso({groups!r}).")
    try:
        labels = np.asarray(groups)
    except ValueError:  # lists of different lengths
        labels = np.empty(0)
    labels = labels.reshape(-1) if labels.shape[1:] == (1,) else labels
    if labels.shape != (n_rows,):
        raise ValueError(f"{expected} Received: shape {labels.shape}.")
    gaps = np.flatnonzero(pd.isna(labels))
    if len(gaps):
        raise ValueError(
            f"{expected} Received: {len(gaps)} missing, the first in row {gaps[0]}. Give each such row a label "
            f"that no other row has, or a label that all of them share."
        )
    return labels


def number_groups(labels: np.ndarray) -> np.ndarray:
    """Return the groups as numbers from 0, (n,), in the sort order of the labels if the labels are comparable.

    Example:
        >>> number_groups(np.array(["b", "a", "b"])).tolist()
        [1, 0, 1]
    """
    try:
        return np.unique(labels, return_inverse=True)[1]
    except TypeError:  # labels are not comparable, such as 1 and "a"
        return pd.factorize(labels)[0]


def as_plain_labels(labels: np.ndarray) -> np.ndarray:
    """Return the groups as numbers or text, which can be saved: other labels as text.

    Example:
        >>> as_plain_labels(np.array(["a", None], object)).tolist(), as_plain_labels(np.array([3, 4])).tolist()
        (['a', 'None'], [3, 4])
    """
    return labels if labels.dtype.kind in "biufU" else labels.astype(str)
