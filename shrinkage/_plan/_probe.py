"""Timing of the ways to run a model, by a few steps on the caller's model and rows."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from shrinkage._cohort._cohort import Cohort
from shrinkage._cohort._stream import StreamCohort
from shrinkage._plan._plan import Way

_TIMING_SECONDS = 0.15  # duration of a timing
_COARSE_STEPS, _COARSE_ERROR = 8, 3.0  # steps of a coarse timing, and the factor by which it may be too short
_MIN_SECONDS_TO_TIME = 10.0  # shorter trainings are not timed
_MIN_SECONDS_TO_TIME_ALONE = 4.0  # without compiling; below, compiling takes what it gains
_SLOW_STEP = 2e-4  # seconds for a step of one member; in shorter steps, strengths together were faster
_PROBE_SHARE, _PROBE_SECONDS = 0.1, 5.0  # a probe takes a tenth of the run or 5 s, whichever is longer


@dataclass(frozen=True)
class Timing:
    """The time that a way takes."""

    compile_seconds: float
    """Seconds before the first step."""
    step_seconds: float
    """Seconds per step and member, with their share of what an epoch takes without steps: shuffling, for example."""
    is_precise: bool = True
    """Whether the steps took long enough for a precise timing."""

    def predict_seconds(self, model_steps: float) -> float:
        """Return the seconds for `model_steps` steps, summed over members."""
        return self.compile_seconds + self.step_seconds * model_steps


def time_steps(
    cohort: Cohort | StreamCohort,
    start: Callable[[Cohort | StreamCohort], None],
    members: int,
    suffices: Callable[[Timing], bool] | None = None,
) -> Timing:
    """Compile a cohort's steps, if they are not yet, and time a few.

    Args:
        cohort: F x S members.
        start: A function that starts the cohort at some strengths.
        members: Number of members F * S.
        suffices: A function that says of a coarse timing whether a precise timing would lead to the same decision.
            None always times precisely.
    """
    began = time.perf_counter()
    start(cohort)
    compile_seconds = time.perf_counter() - began
    without_steps = min(cohort.time_steps(0) for _ in range(2))

    def make_timing(seconds: float, steps: int, is_precise: bool) -> Timing:
        step_seconds = (max(seconds, 1e-9) / steps + without_steps / cohort.steps) / members
        return Timing(compile_seconds, step_seconds, is_precise)

    steps, seconds = 1, cohort.time_steps(1) - without_steps
    while seconds < _TIMING_SECONDS and steps < cohort.steps:
        steps = min(cohort.steps, steps * _choose_factor(seconds))
        seconds = cohort.time_steps(steps) - without_steps
        timing = make_timing(seconds, steps, False)
        if suffices is not None and steps >= _COARSE_STEPS and suffices(timing):
            return timing
    return make_timing(min(seconds, cohort.time_steps(steps) - without_steps), steps, True)


def _choose_factor(seconds: float) -> int:
    """Return how many times as many steps take about `_TIMING_SECONDS`: at most 8, as a few steps say little."""
    return max(2, min(8, round(_TIMING_SECONDS / max(seconds, 1e-9))))


def choose_way(
    candidates: list[Way], time_way: Callable[[Way, Callable[[Timing], bool] | None], Timing], model_steps: float
) -> tuple[Way, str]:
    """Return the fastest of a few ways, and the reason as a sentence.

    Args:
        candidates: The ways, first the way that is probably the fastest.
        time_way: A function of a way and of `suffices` of `time_steps` that times the way. It is called for other ways
            only if the run is long enough.
        model_steps: Number of steps in the run, summed over members.
    """
    first, *others = candidates
    if not others:
        return first, f"{first}: the only way"

    def suffices(timing: Timing) -> bool:
        """Return whether no other way is worth timing even if the steps take longer than in a coarse timing."""
        longest = replace(timing, step_seconds=_COARSE_ERROR * timing.step_seconds)
        return not any(_is_worth_timing(way, longest, model_steps) for way in others)

    timings = {first: time_way(first, suffices)}
    run = timings[first].predict_seconds(model_steps)
    for way in others:
        if _is_worth_timing(way, timings[first], model_steps):
            timings[way] = time_way(way, None)
    if len(timings) == 1:
        return first, _describe_untimed_ways(first, others, timings[first], run)
    costs = [f"{way} {timing.step_seconds * 1e3:.3g} ms" for way, timing in timings.items()]
    best = min(timings, key=lambda way: timings[way].predict_seconds(model_steps))
    return best, f"{best}: timed for a step of one member: {'; '.join(costs)}"


def _is_worth_timing(way: Way, first: Timing, model_steps: float) -> bool:
    """Return whether a way may be faster than the first, and is compiled in a small part of the run."""
    run = first.predict_seconds(model_steps)
    if way.trains_alone:  # a single model is compiled sooner than the models of the first way
        is_long = first.step_seconds * model_steps >= _MIN_SECONDS_TO_TIME_ALONE
        return is_long and first.step_seconds > _SLOW_STEP
    return run >= _MIN_SECONDS_TO_TIME and 2 * first.compile_seconds <= max(_PROBE_SECONDS, _PROBE_SHARE * run)


def _describe_untimed_ways(first: Way, others: list[Way], timing: Timing, run_seconds: float) -> str:
    if run_seconds < _MIN_SECONDS_TO_TIME:
        return f"{first}: about {run_seconds:.1f} s of training, too short to time another way"
    if all(way.trains_alone for way in others):
        milliseconds = timing.step_seconds * 1e3
        return f"{first}: a step of one member takes {milliseconds:.2g} ms, too short to train strengths alone"
    return f"{first}: timing another way would take too long for about {run_seconds:.0f} s of training"
