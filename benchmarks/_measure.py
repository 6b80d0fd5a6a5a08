"""One measurement, in a process of its own: time, processor time and memory of one row, imports left out."""

import importlib
import resource
import sys
import time
from dataclasses import dataclass

import numpy as np

from benchmarks._rows import Case, Row, digits


@dataclass(frozen=True)
class Cost:
    """What a row costs, extrapolated to the whole."""

    wall: float
    """Seconds."""
    cpu: float
    """Processor seconds, those of other processes that the row started included."""
    peak: float
    """MiB: the most memory that the process had, plus that of the processes it started."""
    grown: float
    """MiB of that since the imports."""
    measured: int
    """Fits that were measured."""
    fits: int
    """Fits of the whole."""


def measure(row: Row, case: Case, *, full: bool = False) -> Cost:
    """Return what a row costs. Call it first thing in a new process.

    Args:
        row: The way.
        case: The job.
        full: Measure all fits, extrapolate nothing.
    """
    for name in ("sklearn.datasets", "sklearn.model_selection", "shrinkage._cv._strengths", *row.imports):
        importlib.import_module(name)
    digits(case)
    before = _peak(row)
    fits = row.fits(case)
    numbers = np.unique(np.linspace(0, fits - 1, fits if full else min(row.measured, fits)).astype(int))
    start = _clock()
    fit = row.prepare(case)
    ready = _clock()
    for number in numbers:
        fit(int(number))
    end = _clock()
    if row.processes > 1:
        _end_workers()
        end[1] = _clock()[1]
    each = (end - ready) / len(numbers)
    once = (ready - start) if row.once_counts else 0 * start
    wall, cpu = once + fits * each
    peak = _peak(row)
    return Cost(float(wall), float(cpu), peak, peak - before, len(numbers), fits)


def _clock() -> np.ndarray:
    """Return (seconds, processor seconds)."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return np.array([time.perf_counter(), sum(u.ru_utime + u.ru_stime for u in used)])


def _peak(row: Row) -> float:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    workers = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * row.processes if row.processes > 1 else 0
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss + workers) / unit


def _end_workers() -> None:
    """Wait for joblib's workers to end: the system counts what they used only then."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True)
