"""A run at a moment, and the line that says it."""

import math
from dataclasses import dataclass
from typing import Literal

Stage = Literal[
    "reading", "planning", "starting workers", "compiling", "folds", "all rows", "learning curve", "assembling"
]


@dataclass(frozen=True)
class BestStrength:
    """The strength with the lowest held-out loss so far."""

    lam: float
    loss: float
    se: float
    """Standard error of the loss; NaN if it is not known."""


@dataclass(frozen=True)
class Snapshot:
    """A run at a moment."""

    stage: Stage
    rows: int = 0
    """Number of rows that were read; of the learning curve, the most training rows of a fold."""
    lams_done: int = 0
    """Number of strengths that the stage has finished."""
    lams: int = 0
    """Number of strengths of the stage, as far as it is known."""
    folds: int = 0
    """Number of folds."""
    epoch: int = 0
    """Number of finished epochs of the strengths in training."""
    epochs: int = 0
    """Maximum number of these epochs; 1 if the strengths are solved exactly."""
    best: BestStrength | None = None
    seconds_left: float | None = None
    """Expected seconds until the end of the run, from measured epochs; None before an epoch is measured."""
    stops_early: bool = False
    """Whether training may end before `epochs`, so that `seconds_left` is the most."""


def format_snapshot(snapshot: Snapshot, age: float = 0.0) -> str:
    """Return a snapshot in a line.

    Args:
        snapshot: The snapshot.
        age: Seconds since it was made, which have passed of `seconds_left`.

    Example:
        >>> format_snapshot(Snapshot("folds", lams_done=8, lams=21, folds=5, epoch=3, epochs=20, seconds_left=75.2))
        '5 folds | lambda 8/21 | epoch 3/20 | 1 min 15 s left'
    """
    if snapshot.stage in _STAGE_TEXTS:
        return _STAGE_TEXTS[snapshot.stage] + (f" ({snapshot.rows:,} so far)" if snapshot.rows else "")
    folds = f"{snapshot.folds} fold{'s' * (snapshot.folds > 1)}"
    where = {"all rows": "all rows", "learning curve": f"learning curve, {folds} of {snapshot.rows:,} rows"}
    parts = [where.get(snapshot.stage, folds), f"lambda {snapshot.lams_done}/{snapshot.lams}"]
    if snapshot.epochs > 1:
        parts.append(f"epoch {snapshot.epoch}/{snapshot.epochs}")
    if snapshot.best is not None:
        parts.append(_format_best(snapshot.best))
    if snapshot.seconds_left is not None:
        most = "at most " if snapshot.stops_early else ""
        parts.append(f"{most}{format_rounded_duration(max(0.0, snapshot.seconds_left - age))} left")
    return " | ".join(parts)


_STAGE_TEXTS: dict[str, str] = {
    "reading": "reading rows",
    "planning": "choosing the plan, and compiling",
    "starting workers": "starting workers, choosing the plan, and compiling",
    "compiling": "compiling",
    "assembling": "assembling the path",
}


def _format_best(best: BestStrength) -> str:
    se = "" if math.isnan(best.se) else f" ± {best.se:.2g}"
    return f"best {best.lam:.3g}: loss {best.loss:.4g}{se}"


def format_rounded_duration(seconds: float) -> str:
    """Return a time in words, to the second or the minute.

    >>> format_rounded_duration(7.6), format_rounded_duration(75), format_rounded_duration(7300)
    ('8 s', '1 min 15 s', '2 h 1 min')
    """
    seconds = round(seconds)
    if seconds < 60:
        return f"{seconds} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    return f"{minutes // 60} h {minutes % 60} min"
