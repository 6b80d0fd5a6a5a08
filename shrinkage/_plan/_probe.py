"""Which of two ways to run a model is faster: a few steps of each, on the caller's own model and rows."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from shrinkage._cohort._cohort import Cohort
from shrinkage._plan._plan import Way

_SECONDS = 0.15  # of steps, for one timing
_WORTH = 10.0  # seconds of training from which on another way is tried
_SHARE, _LEAST = 0.1, 5.0  # a probe takes a tenth of the run or 5 s, whichever is longer


@dataclass(frozen=True)
class Timing:
    """What a way costs."""

    compiling: float
    """Seconds before the first step."""
    step: float
    """Seconds a step of one member."""

    def run(self, model_steps: float) -> float:
        """Return the seconds of training so many steps of one member."""
        return self.compiling + self.step * model_steps


def time_steps(cohort: Cohort, start: Callable[[Cohort], None], members: int) -> Timing:
    """Compile a cohort's steps, if they are not yet, and time a few.

    Args:
        cohort: F x S members.
        start: Sets its strengths.
        members: F * S.
    """
    began = time.perf_counter()
    start(cohort)
    compiling = time.perf_counter() - began
    steps = max(1, min(cohort.steps, int(_SECONDS / max(cohort.time_steps(1), 1e-6))))
    return Timing(compiling, min(cohort.time_steps(steps) for _ in range(2)) / (steps * members))


def choose(found: list[Way], timed: Callable[[Way], Timing], model_steps: float) -> tuple[Way, str]:
    """Return the faster of one or two ways, and why in words.

    Args:
        found: The ways, the likeliest first.
        timed: Times a way; called for the second only where the run is long enough for that to pay.
        model_steps: Steps of the run, of all members.
    """
    first = found[0]
    if len(found) == 1:
        return first, f"{first}: the only way"
    one = timed(first)
    run = one.run(model_steps)
    if run < _WORTH:
        return first, f"{first}: about {run:.1f} s of training, too short to time another way"
    if 2 * one.compiling > max(_LEAST, _SHARE * run):
        return first, f"{first}: timing another way would take too long for about {run:.0f} s of training"
    second = found[1]
    other = timed(second)
    texts = [f"{way} {timing.step * 1e3:.3g} ms" for way, timing in ((first, one), (second, other))]
    best = first if run <= other.run(model_steps) else second
    return best, f"{best}: timed for a step of one member: {'; '.join(texts)}"
