"""A wave: parts of a run that are trained side by side. Their results are recorded one by one."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from shrinkage._cohort._run_part import RunPart, Summary

Take = Callable[[Any, slice], Any]
"""A function that takes some strengths of a result."""


class Wave(RunPart):
    """Several parts, with the methods of a part. The strengths are those of the parts, one after another.

    A wave has no checkpoints: parts that are not finished begin anew.

    Args:
        parts: The parts, at least two.
        sizes: The number of strengths of each part.
        take: Takes the strengths of a part from the result of the wave.
    """

    def __init__(self, parts: Sequence[RunPart], sizes: Sequence[int], take: Take):
        ends = np.cumsum(sizes).tolist()
        self._parts, self._take = parts, take
        self._places = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]

    def keep(self, n_epochs: int, state: Callable[[], Any], summary: Callable[[], Summary]) -> None:
        self._parts[0].stop_if_requested()

    def finish(self, result: Any, summary: Summary) -> None:
        for part, place in zip(self._parts, self._places, strict=True):
            values = {name: value[place] if isinstance(value, list) else value for name, value in summary.items()}
            part.finish(self._take(result, place), values)
