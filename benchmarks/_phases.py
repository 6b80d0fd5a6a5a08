"""Where the time of `shrinkage.fit` goes: its parts are wrapped in clocks, in a run of its own."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

from benchmarks._rows import Case, ours

PARTS = {
    "Checks, and one trial batch": "shrinkage._fit._fit.prepare_problem",
    "Drawing first weights": "shrinkage._cohort._cohort.make_initial_values",
    "Compiling": "shrinkage._cohort._cohort.Cohort._compile",
    "Training": "shrinkage._cohort._cohort.Cohort.train_epoch",
    "Evaluating every epoch": "shrinkage._cohort._cohort.Cohort.evaluate",
    "Metrics, the null model, the record": "shrinkage._fit._fit.assemble_path",
}
EPOCHS = ("Training", "Evaluating every epoch")
"""The parts that grow with the number of epochs and models."""
REST = "The rest"


def phases(case: Case) -> dict[str, float]:
    """Return the seconds of each part of one `fit`, which add up to the whole; a part within a part counts once."""
    import shrinkage._fit._fit  # noqa: F401

    clock = _Clock()
    fit = clock.timed(REST, ours(case))
    with ExitStack() as stack:
        for part, target in PARTS.items():
            stack.enter_context(patch(target, clock.timed(part, resolve_name(target))))
        fit(0)
    return clock.seconds


class _Clock:
    """Adds up the time spent in parts, less the time of the parts called from them."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys([*PARTS, REST], 0.0)
        self._inner = [0.0]

    def timed(self, part: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function with a clock around it."""

        def call(*args: Any, **kwargs: Any) -> Any:
            start = time.perf_counter()
            self._inner.append(0.0)
            try:
                return function(*args, **kwargs)
            finally:
                spent = time.perf_counter() - start
                self.seconds[part] += spent - self._inner.pop()
                self._inner[-1] += spent

        return call
