"""The two jobs of a cohort: score strengths on held-out rows, and train all rows to each strength's epoch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from shrinkage._cohort._cohort import Cohort

Tick = Callable[[], None]
Average = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Scores:
    """What training a chunk of strengths in all folds gave."""

    cv_loss: np.ndarray
    """Mean held-out loss, (fold, lam, epoch); NaN from the epoch on at which a member diverged."""
    train_loss: np.ndarray
    """Mean training loss in inference mode, (fold, lam, epoch)."""
    row_loss: np.ndarray
    """Held-out rows' losses at each strength's kept epoch, (m, lam)."""
    predictions: np.ndarray
    """Held-out rows' predictions at each strength's kept epoch, (m, lam, ...)."""
    diverged: np.ndarray
    """Members whose loss stopped being finite, (fold, lam)."""

    def take(self, order: np.ndarray | slice) -> "Scores":
        """Return the scores of some strengths, in the given order."""
        return Scores(*(getattr(self, field.name)[:, order] for field in fields(self)))


def join(parts: Sequence[Scores]) -> Scores:
    """Return the scores of all parts' strengths; curves that stopped earlier end in NaN."""
    longest = max(part.cv_loss.shape[2] for part in parts)

    def joined(name: str) -> np.ndarray:
        values = [getattr(part, name) for part in parts]
        if name in ("cv_loss", "train_loss"):
            missing = [[(0, 0), (0, 0), (0, longest - value.shape[2])] for value in values]
            values = [np.pad(v, pad, constant_values=np.nan) for v, pad in zip(values, missing, strict=True)]
        return np.concatenate(values, axis=1)

    return Scores(*(joined(field.name) for field in fields(Scores)))


def score(
    cohort: Cohort,
    lam: np.ndarray,
    *,
    epochs: int,
    patience: int | None,
    keep: str | int,
    average: Average,
    tick: Tick,
) -> Scores:
    """Train strengths (f, s) from the start and score them after every epoch.

    Args:
        cohort: F x S members.
        lam: Their strengths, (f, s).
        epochs: At most so many.
        patience: Stop when no strength's mean curve has improved for so many epochs; None never stops early.
        keep: Which epoch's predictions to keep: "best" of the mean curve, "last", or a number counted from 1.
        average: Gives the mean curve (s,) of losses (f, s).
        tick: Called after every epoch.
    """
    cohort.start(lam)
    diverged = np.zeros(lam.shape, bool)
    best, waited = np.full(lam.shape[1], np.inf), 0
    cv_loss, train_loss = [], []
    row_loss = predictions = None
    for epoch in range(epochs):
        diverged = diverged | cohort.train_epoch(epoch)
        now = cohort.evaluate()
        diverged = diverged | ~np.isfinite(now.cv_loss)
        cv_loss.append(np.where(diverged, np.nan, now.cv_loss))
        train_loss.append(np.where(diverged, np.nan, now.train_loss))
        mean = average(cv_loss[-1])
        improved = mean < best
        best, waited = np.where(improved, mean, best), 0 if improved.any() else waited + 1
        if row_loss is None or predictions is None:
            row_loss, predictions = np.full_like(now.row_loss, np.nan), np.full_like(now.predictions, np.nan)
        kept = _kept(keep, epoch, improved)
        row_loss[:, kept], predictions[:, kept] = now.row_loss[:, kept], now.predictions[:, kept]
        tick()
        if patience is not None and waited >= patience:
            break
    if row_loss is None or predictions is None:
        raise ValueError(f"`epochs` must be at least 1. Received: {epochs}.")
    return Scores(np.stack(cv_loss, -1), np.stack(train_loss, -1), row_loss, predictions, diverged)


def _kept(keep: str | int, epoch: int, improved: np.ndarray) -> np.ndarray:
    if keep == "best":
        return improved
    return np.full(improved.shape, keep == "last" or keep == epoch + 1)


def refit(cohort: Cohort, lam: np.ndarray, epochs: np.ndarray, tick: Tick) -> tuple[list[list[np.ndarray]], np.ndarray]:
    """Train strengths (1, s) on all rows, each to its own epoch.

    Args:
        cohort: 1 x S members on all rows.
        lam: Their strengths, (1, s).
        epochs: The epoch, counted from 1, whose weights each keeps, (s,).
        tick: Called after every epoch.

    Returns:
        For each strength the values of the network's variables; and which diverged on the way there, (s,).
    """
    cohort.start(lam)
    values: list[list[np.ndarray]] = [[] for _ in epochs]
    diverged, until = np.zeros(len(epochs), bool), np.zeros(len(epochs), bool)
    for epoch in range(int(epochs.max())):
        diverged = diverged | cohort.train_epoch(epoch)[0]
        for s in np.flatnonzero(epochs == epoch + 1):
            values[s] = cohort.values(0, int(s))
            until[s] = diverged[s] or not all(np.isfinite(value).all() for value in values[s])
        tick()
    return values, until
