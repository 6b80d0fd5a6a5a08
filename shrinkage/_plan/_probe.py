"""Timing of two ways to run a model, by a few steps on the caller's model and rows."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from shrinkage._cohort._cohort import Cohort
from shrinkage._cohort._stream import StreamCohort
from shrinkage._plan._plan import Way

_TIMING_SECONDS = 0.15  # duration of a timing
_MIN_SECONDS_TO_TIME = 10.0  # shorter trainings are not timed
_PROBE_SHARE, _PROBE_SECONDS = 0.1, 5.0  # a probe takes a tenth of the run or 5 s, whichever is longer


@dataclass(frozen=True)
class Timing:
    """The time that a way takes."""

    compile_seconds: float
    """Seconds before the first step."""
    step_seconds: float
    """Seconds per step and member."""

    def run(self, model_steps: float) -> float:
        """Return the seconds for `model_steps` steps, summed over members."""
        return self.compile_seconds + self.step_seconds * model_steps


def time_steps(cohort: Cohort | StreamCohort, start: Callable[[Cohort | StreamCohort], None], members: int) -> Timing:
    """Compile a cohort's steps, if they are not yet, and time a few.

    Args:
        cohort: F x S members.
        start: A function that starts the cohort at some strengths.
        members: Number of members F * S.
    """
    began = time.perf_counter()
    start(cohort)
    compile_seconds = time.perf_counter() - began
    steps = max(1, min(cohort.steps, int(_TIMING_SECONDS / max(cohort.time_steps(1), 1e-6))))
    return Timing(compile_seconds, min(cohort.time_steps(steps) for _ in range(2)) / (steps * members))


def choose(candidates: list[Way], time_way: Callable[[Way], Timing], model_steps: float) -> tuple[Way, str]:
    """Return the faster of one or two ways, and the reason as a sentence.

    Args:
        candidates: The ways, first the way that is probably faster.
        time_way: A function that times a way. It is called for the second way only if the run is long enough.
        model_steps: Number of steps in the run, summed over members.
    """
    first = candidates[0]
    if len(candidates) == 1:
        return first, f"{first}: the only way"
    first_timing = time_way(first)
    run = first_timing.run(model_steps)
    if run < _MIN_SECONDS_TO_TIME:
        return first, f"{first}: about {run:.1f} s of training, too short to time another way"
    if 2 * first_timing.compile_seconds > max(_PROBE_SECONDS, _PROBE_SHARE * run):
        return first, f"{first}: timing another way would take too long for about {run:.0f} s of training"
    second = candidates[1]
    second_timing = time_way(second)
    costs = [
        f"{way} {timing.step_seconds * 1e3:.3g} ms" for way, timing in ((first, first_timing), (second, second_timing))
    ]
    best = first if run <= second_timing.run(model_steps) else second
    return best, f"{best}: timed for a step of one member: {'; '.join(costs)}"
