"""The search: score a grid of strengths, extend it if the minimum is at an end, then train on all rows."""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from shrinkage._cohort._train import Scores, TrainedMember, join, refit, score
from shrinkage._cv._choice import best_epochs, summarise
from shrinkage._cv._strengths import extension, fold_lams
from shrinkage._data._data import take
from shrinkage._model._behaviour import COMPARED, describe_difference
from shrinkage._note import Note
from shrinkage._penalties import Decoupled
from shrinkage._plan._runner import Runner

Tick = Callable[[], None]
Expect = Callable[[int], None]


@dataclass(frozen=True)
class Outcome:
    """The result of a search."""

    lams: np.ndarray
    """Strengths, descending, 0 last, (S,)."""
    scores: Scores
    """Scores of all folds, with strengths in the order of `lams`."""
    epochs: np.ndarray
    """The chosen epoch of each strength, counted from 1, (S,)."""
    values: list[list[np.ndarray]]
    """For each strength the variables of the model trained on all rows; empty if no model was trained on all rows."""
    diverged: np.ndarray
    """Which models trained on all rows diverged, (S,)."""
    notes: tuple[str, ...]
    """Notes for the user."""


class Search:
    """The search over strengths: a grid, trained in chunks and extended at the ends, and then training on all rows.

    Args:
        runner: The problem and the plan.
    """

    def __init__(self, runner: Runner):
        self._runner, self._problem = runner, runner.problem
        self.notes: list[str] = []
        self._sizes: set[int] = set()  # numbers of strengths with compiled steps
        self.expected_epochs = 2 * self._problem.epochs * math.ceil(len(self._problem.lams) / runner.plan.chunk)

    def run(self, tick: Tick, expect: Expect) -> Outcome:
        """Score the strengths in all folds, choose an epoch for each strength, and train on all rows up to it."""
        scores, lams = self.score_grid(tick, expect)
        kept = best_epochs(scores.cv_loss, self._problem.fold_weight, self._problem.epoch)
        values, diverged = [], np.ones(len(lams), bool)
        if not scores.diverged.any(axis=0).all():  # otherwise no strength can be chosen, and no model is needed
            values, diverged = self.train_all_rows(lams, kept, tick, expect)
        return Outcome(lams, scores, kept, values, diverged, tuple(self.notes))

    def score_grid(self, tick: Tick, expect: Expect) -> tuple[Scores, np.ndarray]:
        """Score the grid, and extend it if the minimum is at an end; return scores and strengths, descending."""
        lams = self._problem.lams
        scores = self._score(lams, tick)
        decades_up = decades_down = 0
        grid = self._problem.grid
        while grid.lam_max is not None:
            mean = self._mean(scores)
            new_lams = extension(
                lams, mean, decades_up=decades_up, decades_down=decades_down,
                lam_max=grid.lam_max, is_far_from_unit=grid.is_far_from_unit,
            )  # fmt: skip
            if new_lams is None:
                break
            upwards = new_lams[0] > lams[0]
            decades_up, decades_down = decades_up + upwards, decades_down + (not upwards)
            expect(self._problem.epochs * len(self._parts(new_lams)))
            lams, scores = np.concatenate([lams, new_lams]), join([scores, self._score(new_lams, tick)])
            order = np.argsort(-lams, kind="stable")
            lams, scores = lams[order], scores.take(order)
        if decades_up == 3 or decades_down == 3:
            self._warn_at_limit(lams, self._mean(scores), decades_up, decades_down)
        self._warn_of_divergence(np.any(scores.diverged, axis=0))
        return scores, lams

    def _warn_at_limit(self, lams: np.ndarray, mean: np.ndarray, decades_up: int, decades_down: int) -> None:
        if np.isnan(mean).all():
            return
        best = int(np.nanargmin(mean))
        neighbour = mean[best + 1] if best == 0 else mean[best - 1]
        if np.isclose(neighbour, mean[best], rtol=1e-3, atol=0):
            return  # in a flat curve the minimum is at an end by chance, and a longer grid does not help
        if (decades_up == 3 and best == 0) or (decades_down == 3 and best == len(lams) - 2):
            text = (
                f"The grid was extended by three decades and its minimum is still at the end, lambda = "
                f"{lams[best]:.3g}: $give_lams to go further."
            )
            self.notes.append(Note(text))

    def _warn_of_divergence(self, diverged: np.ndarray) -> None:
        """Add a note if most strengths above 0 diverged; `diverged` is (S,)."""
        above = diverged[:-1]
        if 2 * above.sum() > len(above) and not diverged.all():  # if all diverged, the verdict says so
            text = (
                f"{above.sum()} of the {len(above)} strengths above 0 diverged, and the choice is among the "
                f"others: lower $learning_rate$or_smaller_lams."
            )
            self.notes.append(Note(text))

    def _mean(self, scores: Scores) -> np.ndarray:
        kept = best_epochs(scores.cv_loss, self._problem.fold_weight, self._problem.epoch)
        fold_loss = np.take_along_axis(scores.cv_loss, (kept - 1)[None, :, None], axis=2)[..., 0]
        # A strength with a diverged member is not a candidate, whatever the loss was before.
        return np.where(scores.diverged.any(axis=0), np.nan, self._average(fold_loss))

    def _average(self, fold_loss: np.ndarray) -> np.ndarray:
        return summarise(fold_loss, self._problem.fold_weight)[0]

    def _score(self, lams: np.ndarray, tick: Tick) -> Scores:
        n_rows, n_train = self._problem.n_rows, self._problem.n_train
        decoupled = isinstance(self._problem.training.how, Decoupled)
        chunks, cohorts = [], {}
        for size, part in self._parts(lams):
            if size not in cohorts:
                cohorts[size] = self._runner.cohort(size)
            lam = fold_lams(_pad(part, size), n_rows, n_train, decoupled=decoupled)
            chunk = score(
                cohorts[size], lam, epochs=self._problem.epochs,
                patience=self._problem.patience, keep=self._problem.epoch, average=self._average, tick=tick,
            )  # fmt: skip
            chunks.append(chunk.take(slice(len(part))))
        return join(chunks)

    def train_all_rows(
        self, lams: np.ndarray, kept: np.ndarray, tick: Tick, expect: Expect
    ) -> tuple[list[list[np.ndarray]], np.ndarray]:
        """Train every strength on all rows up to the chosen epoch; return the variables, and which diverged, (S,)."""
        values, diverged, start, cohorts = [], [], 0, {}
        last: TrainedMember | None = None
        for size, part in self._parts(lams):
            if size not in cohorts:
                cohorts[size] = self._runner.cohort_of_all_rows(size)
            epochs = _pad(kept[start : start + len(part)], size)
            expect(int(epochs.max()) - self._problem.epochs)
            chunk_values, chunk_diverged, last = refit(
                cohorts[size], _pad(part, size)[None], epochs, self._comparison_rows, tick
            )
            values += chunk_values[: len(part)]
            diverged.append(chunk_diverged[: len(part)])
            start += len(part)
        if last is not None:
            self._warn_unless_equal(last)
        return values, np.concatenate(diverged)

    @property
    def _comparison_rows(self) -> np.ndarray:
        """A few held-out rows; a full batch if the model mixes rows, because the steps are compiled for this size."""
        training = self._problem.training
        return self._problem.held_out[0][: COMPARED if training.by_rows else training.batch_size]

    def _warn_unless_equal(self, last: TrainedMember) -> None:
        """Warn if the returned model does not predict like the trained member; one member is tested for all."""
        training, rows = self._problem.training, take(self._problem.training.data.x, self._comparison_rows)
        note = describe_difference(training.template, training.behaviour, last.values, rows, last.predictions)
        if note:
            self.notes.append(note)
            warnings.warn(note, stacklevel=6)

    def _parts(self, lams: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """Split strengths into parts of sizes with compiled steps.

        Returns:
            Pairs (size, part): the steps are compiled for `size` strengths, and `part` has at most `size` strengths.
        """
        if not self._sizes or len(lams) < min(self._sizes):
            self._sizes.add(min(len(lams), self._runner.plan.chunk))
        parts = []
        while len(lams):
            fitting = [size for size in self._sizes if size <= len(lams)]
            size = max(fitting) if fitting else min(self._sizes)
            parts.append((size, lams[:size]))
            lams = lams[size:]
        return parts


def _pad(part: np.ndarray, size: int) -> np.ndarray:
    """Repeat the last value up to length `size`, for which steps are compiled."""
    return np.concatenate([part, np.repeat(part[-1:], size - len(part))])
