"""The loop that decides what is trained: a grid that grows at its ends, in chunks of strengths, and then all rows."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shrinkage._cohort._train import Last, Scores, join, refit, score
from shrinkage._cv._choice import best_epochs, summarise
from shrinkage._cv._strengths import extension, fold_lams
from shrinkage._data._data import take
from shrinkage._model._behaviour import COMPARED, describe_difference
from shrinkage._note import Note
from shrinkage._penalties import Decoupled
from shrinkage._plan._trainer import Trainer

Tick = Callable[[], None]
Expect = Callable[[int], None]


@dataclass(frozen=True)
class Outcome:
    """What a search found."""

    lams: np.ndarray
    """Strengths, descending, 0 last, (S,)."""
    scores: Scores
    """Of all folds."""
    epochs: np.ndarray
    """The epoch that each strength keeps, counted from 1, (S,)."""
    values: list[list[np.ndarray]]
    """For each strength the values of the variables of the model trained on all rows; empty where none was trained."""
    diverged: np.ndarray
    """Which of these models diverged, (S,)."""
    notes: tuple[str, ...]
    """What happened on the way, in words."""


class Search:
    """Trains what the choice needs: a grid that grows at its ends, in chunks of strengths, then all rows.

    Args:
        trainer: The problem, and how it is run.
    """

    def __init__(self, trainer: Trainer):
        self._trainer, self._problem = trainer, trainer.problem
        self.notes: list[str] = []
        self._sizes: set[int] = set()  # numbers of strengths that steps were compiled for
        self.expected = 2 * self._problem.epochs * math.ceil(len(self._problem.lams) / trainer.plan.chunk)

    def run(self, tick: Tick, expect: Expect) -> Outcome:
        """Score the strengths in all folds, choose each one's epoch, and train on all rows up to it."""
        scores, lams = self.grid(tick, expect)
        kept = best_epochs(scores.cv_loss, self._problem.fold_weight, self._problem.epoch)
        values, diverged = [], np.ones(len(lams), bool)
        if not scores.diverged.any(axis=0).all():  # or no strength can be chosen, and no model is asked for
            values, diverged = self.all_rows(lams, kept, tick, expect)
        return Outcome(lams, scores, kept, values, diverged, tuple(self.notes))

    def grid(self, tick: Tick, expect: Expect) -> tuple[Scores, np.ndarray]:
        """Score the strengths, and more at an end where the minimum lies; return scores and strengths, descending."""
        lams = self._problem.lams
        scores = self._score(lams, tick)
        up = down = 0
        lam_max, is_far_from_unit = self._problem.grid.lam_max, self._problem.grid.is_far_from_unit
        while lam_max is not None:
            mean = self._mean(scores)
            more = extension(
                lams, mean, decades_up=up, decades_down=down, lam_max=lam_max, is_far_from_unit=is_far_from_unit
            )
            if more is None:
                break
            upwards = more[0] > lams[0]
            up, down = up + upwards, down + (not upwards)
            expect(self._problem.epochs * len(self._parts(more)))
            lams, scores = np.concatenate([lams, more]), join([scores, self._score(more, tick)])
            order = np.argsort(-lams, kind="stable")
            lams, scores = lams[order], scores.take(order)
        if up == 3 or down == 3:
            self._warn_at_limit(lams, self._mean(scores), up, down)
        self._warn_of_divergence(np.any(scores.diverged, axis=0))
        return scores, lams

    def _warn_at_limit(self, lams: np.ndarray, mean: np.ndarray, up: int, down: int) -> None:
        if np.isnan(mean).all():
            return
        best = int(np.nanargmin(mean))
        beside = mean[best + 1] if best == 0 else mean[best - 1]
        if np.isclose(beside, mean[best], rtol=1e-3, atol=0):
            return  # where all are alike, the least is at an end by chance, and further ones are no better
        if (up == 3 and best == 0) or (down == 3 and best == len(lams) - 2):
            text = (
                f"The grid was extended by three decades and its minimum is still at the end, lambda = "
                f"{lams[best]:.3g}: $give_lams to go further."
            )
            self.notes.append(Note(text))

    def _warn_of_divergence(self, diverged: np.ndarray) -> None:
        """Say it where most strengths above 0 diverged, of (S,): the choice was then made from few."""
        above = diverged[:-1]
        if 2 * above.sum() > len(above) and not diverged.all():  # where all did, there is no choice, and print says so
            text = (
                f"{above.sum()} of the {len(above)} strengths above 0 diverged, and the choice is among the "
                f"others: lower $learning_rate$or_smaller_lams."
            )
            self.notes.append(Note(text))

    def _mean(self, scores: Scores) -> np.ndarray:
        kept = best_epochs(scores.cv_loss, self._problem.fold_weight, self._problem.epoch)
        fold_loss = np.take_along_axis(scores.cv_loss, (kept - 1)[None, :, None], axis=2)[..., 0]
        # Before it diverged, a member may have had any loss: it is no candidate.
        return np.where(scores.diverged.any(axis=0), np.nan, self._average(fold_loss))

    def _average(self, fold_loss: np.ndarray) -> np.ndarray:
        return summarise(fold_loss, self._problem.fold_weight)[0]

    def _score(self, lams: np.ndarray, tick: Tick) -> Scores:
        n_rows, n_train = len(self._problem.all_rows), np.array([len(rows) for rows in self._problem.folds.train])
        decoupled = isinstance(self._problem.training.how, Decoupled)
        found, cohorts = [], {}
        for size, part in self._parts(lams):
            if size not in cohorts:
                cohorts[size] = self._trainer.cohort(size)
            lam = fold_lams(_pad(part, size), n_rows, n_train, decoupled=decoupled)
            one = score(
                cohorts[size], lam, epochs=self._problem.epochs,
                patience=self._problem.patience, keep=self._problem.epoch, average=self._average, tick=tick,
            )  # fmt: skip
            found.append(one.take(slice(len(part))))
        return join(found)

    def all_rows(
        self, lams: np.ndarray, kept: np.ndarray, tick: Tick, expect: Expect
    ) -> tuple[list[list[np.ndarray]], np.ndarray]:
        """Train every strength on all rows to its kept epoch; return its values and which diverged."""
        values, diverged, start, cohorts = [], [], 0, {}
        last: Last | None = None
        for size, part in self._parts(lams):
            if size not in cohorts:
                cohorts[size] = self._trainer.cohort_of_all_rows(size)
            epochs = _pad(kept[start : start + len(part)], size)
            expect(int(epochs.max()) - self._problem.epochs)
            some, bad, last = refit(cohorts[size], _pad(part, size)[None], epochs, self._compared, tick)
            values += some[: len(part)]
            diverged.append(bad[: len(part)])
            start += len(part)
        if last is not None:
            self._warn_unless_equal(last)
        return values, np.concatenate(diverged)

    @property
    def _compared(self) -> np.ndarray:
        """A few rows, as many as steps are compiled for where a model mixes them."""
        training = self._problem.training
        return self._problem.folds.held_out[0][: COMPARED if training.by_rows else training.batch_size]

    def _warn_unless_equal(self, last: Last) -> None:
        """Say it where the model that comes back is not what was trained: one of the members stands for all."""
        training, rows = self._problem.training, take(self._problem.training.data.x, self._compared)
        note = describe_difference(training.template, training.behaviour, last.values, rows, last.predictions)
        if note:
            self.notes.append(note)
            warnings.warn(note, stacklevel=6)

    def _parts(self, lams: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Cut strengths into parts for numbers that steps are compiled for: (number, strengths, at most so many)."""
        if not self._sizes or len(lams) < min(self._sizes):
            self._sizes.add(min(len(lams), self._trainer.plan.chunk))
        parts = []
        while len(lams):
            fitting = [size for size in self._sizes if size <= len(lams)]
            size = max(fitting) if fitting else min(self._sizes)
            parts.append((size, lams[:size]))
            lams = lams[size:]
        return parts


def _pad(part: np.ndarray, size: int) -> np.ndarray:
    """Repeat the last value, so that a part has the number of strengths that steps are compiled for."""
    return np.concatenate([part, np.repeat(part[-1:], size - len(part))])
