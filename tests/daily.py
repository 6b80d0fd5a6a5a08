"""The cases of every day of a product of cases."""

from collections.abc import Sequence
from itertools import product
from typing import Any

import pytest


def each_value(*axes: Sequence[Any]) -> list[Any]:
    """Return the product of axes as cases. Every day a diagonal runs, in which each value occurs; the rest is `full`.

    Example:
        >>> [case.values for case in each_value("ab", "xyz") if not case.marks]
        [('a', 'x'), ('a', 'z'), ('b', 'y')]
    """
    lengths = [len(axis) for axis in axes]
    diagonal = {tuple(place % length for length in lengths) for place in range(max(lengths))}
    cases = zip(product(*map(range, lengths)), product(*axes), strict=True)
    return [pytest.param(*case, marks=() if place in diagonal else pytest.mark.full) for place, case in cases]
