"""Stratification by several labels per row, which scikit-learn does not support."""

from collections.abc import Sequence

import numpy as np


def spread_labels(labels: np.ndarray, sizes: Sequence[int], seed: int) -> np.ndarray:
    """Assign rows at random to parts of fixed sizes, with nearly the same share of each label in every part.

    Iterative stratification starts with the rarest label among the remaining rows. Each row goes to the part that lacks
    the most rows with that label, and in a tie to the part with the most room. Rows without a label come last.

    Args:
        labels: Whether each row has each label, boolean, (n, L).
        sizes: Number of rows in each part. The sum is n.
        seed: The same seed gives the same parts.

    Returns:
        The part of each row, (n,).

    Source: K. Sechidis, G. Tsoumakas and I. Vlahavas, On the stratification of multi-label data, ECML PKDD (2011),
    145-158; here parts also have exact sizes.

    Example:
        >>> labels = np.array([[1, 0], [1, 0], [1, 1], [1, 1]], bool)
        >>> parts = spread_labels(labels, [2, 2], seed=0)
        >>> [labels[parts == part].sum(axis=0).tolist() for part in (0, 1)]
        [[2, 1], [2, 1]]
    """
    generator = np.random.default_rng((seed, 7))
    labels = np.asarray(labels, bool)
    order, parts = generator.permutation(len(labels)), np.full(len(labels), -1)
    room, left = np.array(sizes), labels.sum(axis=0)
    lacking = np.outer(room / len(labels), left)
    while left.any():
        rarest = int(np.where(left > 0, left, len(labels) + 1).argmin())
        for row in order[labels[order, rarest] & (parts[order] < 0)]:
            (open_parts,) = np.nonzero(room)
            ties = generator.random(len(open_parts))
            place = open_parts[np.lexsort((ties, room[open_parts], lacking[open_parts, rarest]))[-1]]
            parts[row] = place
            room[place] -= 1
            lacking[place] -= labels[row]
            left = left - labels[row]
    parts[order[parts[order] < 0]] = np.repeat(np.arange(len(room)), room)
    return parts
