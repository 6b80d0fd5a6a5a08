"""Folds and parts on workers."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shrinkage._cohort._run_part import RunPart
from shrinkage._plan._cluster._layout import compute_layout
from shrinkage._search._wave import Wave

COUNTS = st.integers(1, 12)


@pytest.mark.parametrize(
    ("folds", "parts", "workers", "expected"),
    [
        (5, 1, 1, (1, 1)),
        (5, 1, 2, (2, 1)),
        (5, 1, 3, (3, 1)),  # 2, 2 and 1 folds
        (5, 1, 4, (3, 1)),  # a fourth worker would not make it shorter
        (5, 4, 2, (1, 2)),  # 10 rounds, and 12 with two groups of folds
        (5, 1, 50, (5, 1)),
        (5, 4, 50, (5, 4)),
        (1, 3, 2, (1, 2)),  # all rows
    ],
)
def test_layouts(folds, parts, workers, expected):
    assert compute_layout(folds, parts, workers) == expected


@given(COUNTS, COUNTS, COUNTS)
def test_no_layout_has_fewer_rounds(folds, parts, workers):
    groups, together = compute_layout(folds, parts, workers)
    assert groups * together <= workers

    def rounds(groups: int, together: int) -> int:
        return math.ceil(parts / together) * math.ceil(folds / groups)

    others = [(g, k) for g in range(1, folds + 1) for k in range(1, parts + 1) if g * k <= workers]
    assert rounds(groups, together) == min(rounds(*each) for each in others)


class _Noted(RunPart):
    def __init__(self):
        self.found: Any = None

    def stop_if_requested(self) -> None:
        raise KeyboardInterrupt

    def finish(self, result, summary):
        self.found = result, summary


def test_the_result_of_a_wave_is_recorded_part_by_part():
    parts = [_Noted(), _Noted()]
    wave = Wave(parts, [2, 3], lambda result, place: result[:, place])
    wave.finish(np.arange(10).reshape(2, 5), {"loss": [0, 1, 2, 3, 4], "epochs": 7})
    (first, of_first), (second, of_second) = (part.found for part in parts)
    assert first.tolist() == [[0, 1], [5, 6]] and of_first == {"loss": [0, 1], "epochs": 7}
    assert second.tolist() == [[2, 3, 4], [7, 8, 9]] and of_second == {"loss": [2, 3, 4], "epochs": 7}
    with pytest.raises(KeyboardInterrupt):
        wave.keep(1, dict, dict)
