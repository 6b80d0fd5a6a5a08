"""The cases of every day of a product of cases."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import product
from typing import Any

import pytest

full = partial(pytest.param, marks=pytest.mark.full)
"""A case that `make test-all` runs."""


def some_every_day(cases: Iterable[Any], *daily: Any) -> list[Any]:
    """Return cases of which `daily` run every day; the rest is `full`."""
    return [case if case in daily else full(case) for case in cases]


def each_value(*axes: Sequence[Any]) -> list[Any]:
    """Return the product of axes as cases. Every day a diagonal runs, in which each value occurs; the rest is `full`.

    Example:
        >>> [case.values for case in each_value("ab", "xyz") if not case.marks]
        [('a', 'x'), ('a', 'z'), ('b', 'y')]
    """
    lengths = [len(axis) for axis in axes]
    diagonal = {tuple(place % length for length in lengths) for place in range(max(lengths))}
    cases = zip(product(*map(range, lengths)), product(*axes), strict=True)
    return [pytest.param(*case) if place in diagonal else full(*case) for place, case in cases]
