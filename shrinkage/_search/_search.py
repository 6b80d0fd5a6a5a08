"""The search: score a grid of strengths, extend it if the minimum is at an end, then train on all rows."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from shrinkage._cohort._cohort import Cohort
from shrinkage._cohort._part import Part
from shrinkage._cohort._stream import StreamCohort
from shrinkage._cohort._tensorflow import out_of_memory
from shrinkage._cohort._train import Scores, TrainedMember, TrainedModels, join, refit, score
from shrinkage._cv._choice import best_epochs, summarise
from shrinkage._cv._strengths import extension, fold_lams
from shrinkage._data._data import take
from shrinkage._model._behaviour import COMPARED, describe_difference
from shrinkage._note import Note, warn_caller
from shrinkage._penalties import Decoupled
from shrinkage._plan._runner import Runner
from shrinkage._record._record import Record
from shrinkage._record._unrecorded import Unrecorded

Tick = Callable[[], None]
Expect = Callable[[int], None]
MakeCohort = Callable[[], Cohort | StreamCohort]


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
        record: The record of the run.
    """

    def __init__(self, runner: Runner, record: Record | Unrecorded):
        self._runner, self._problem, self._record = runner, runner.problem, record
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
        problem = self._problem
        decoupled = isinstance(problem.training.how, Decoupled)

        def train(cohort: MakeCohort, size: int, lams: np.ndarray, _start: int, part: Part) -> Scores:
            if part.result is None:
                lam = fold_lams(_pad(lams, size), problem.n_rows, problem.n_train, decoupled=decoupled)
                scores = score(
                    cohort(), lam, epochs=problem.epochs, patience=problem.patience, keep=problem.epoch,
                    average=self._average, part=part, tick=tick,
                )  # fmt: skip
            else:
                scores = Scores(**part.result)
                _skip(scores.cv_loss.shape[2], tick)
            return scores.take(slice(len(lams)))

        return join(self._train_parts("folds", lams, self._runner.cohort, train))

    def train_all_rows(
        self, lams: np.ndarray, kept: np.ndarray, tick: Tick, expect: Expect
    ) -> tuple[list[list[np.ndarray]], np.ndarray]:
        """Train every strength on all rows up to the chosen epoch; return the variables, and which diverged, (S,)."""

        def train(cohort: MakeCohort, size: int, lams: np.ndarray, start: int, part: Part) -> TrainedModels:
            epochs = _pad(kept[start : start + len(lams)], size)
            expect(int(epochs.max()) - self._problem.epochs)
            if part.result is None:
                models = refit(cohort(), _pad(lams, size)[None], epochs, self._comparison_rows, part, tick)
            else:
                values, diverged, last = part.result
                models = TrainedModels(values, diverged, None if last is None else TrainedMember(*last))
                _skip(int(epochs.max()), tick)
            return models._replace(values=models.values[: len(lams)], diverged=models.diverged[: len(lams)])

        found = self._train_parts("all rows", lams, self._runner.cohort_of_all_rows, train)
        if found[-1].last is not None:
            self._warn_unless_equal(found[-1].last)
        return [values for each in found for values in each.values], np.concatenate([each.diverged for each in found])

    def _train_parts(
        self,
        stage: str,
        lams: np.ndarray,
        make_cohort: Callable[[int], Cohort | StreamCohort],
        train: Callable[[MakeCohort, int, np.ndarray, int, Part], Any],
    ) -> list[Any]:
        """Train strengths in parts. A part that does not fit into memory is trained again in smaller parts.

        Args:
            stage: The name of the stage in the record.
            lams: The strengths.
            make_cohort: Returns the members for a number of strengths.
            train: Returns the result of a part. The arguments are a function that returns the members, the number of
                their strengths, the strengths of the part, the number of strengths in earlier parts, and the part.
        """
        results, start, cohorts = [], 0, _Cohorts(make_cohort)
        while start < len(lams):
            if (chunk := self._record.chunk()) is not None:
                self._shrink(chunk)
            size, some = self._parts(lams[start:])[0]
            part = self._record.part(stage, some)
            try:
                results.append(train(partial(cohorts.get, size), size, some, start, part))
            except out_of_memory() as error:
                cohorts.clear()
                if size == 1:
                    raise _too_large(error) from error
                self._record.shrink(chunk := math.ceil(size / 2))
                self._shrink(chunk)
                continue
            start += len(some)
        return results

    def _shrink(self, chunk: int) -> None:
        """Train at most `chunk` strengths at a time from now on."""
        before = self._runner.plan.chunk
        self.notes.append(f"Memory ran out with {before} strengths at a time. At most {chunk} are trained at a time.")
        self._runner.shrink(chunk)
        self._sizes = {size for size in self._sizes if size <= chunk} or {chunk}

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
            warn_caller(note)

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


class _Cohorts:
    """The members by number of strengths, made when they are first used."""

    def __init__(self, make: Callable[[int], Cohort | StreamCohort]):
        self._make, self._cohorts = make, dict[int, Cohort | StreamCohort]()

    def get(self, size: int) -> Cohort | StreamCohort:
        """Return the members for a number of strengths."""
        if size not in self._cohorts:
            self._cohorts[size] = self._make(size)
        return self._cohorts[size]

    def clear(self) -> None:
        """Free the memory of all members."""
        self._cohorts.clear()


def _too_large(error: Exception) -> MemoryError:
    reason = str(error).partition("\n")[0]
    text = "Memory ran out with one strength at a time: give a smaller $batch_size, fewer $folds, or a smaller model"
    return MemoryError(Note(f"{text} ({reason})."))


def _skip(epochs: int, tick: Tick) -> None:
    """Count the epochs of a part that is finished in the record."""
    for _ in range(epochs):
        tick()


def _pad(part: np.ndarray, size: int) -> np.ndarray:
    """Repeat the last value up to length `size`, for which steps are compiled."""
    return np.concatenate([part, np.repeat(part[-1:], size - len(part))])
