"""The search: score strengths in the folds, choose, and train on all rows."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from shrinkage._cohort._part import Chunk, Part
from shrinkage._cohort._tensorflow import out_of_memory
from shrinkage._cohort._train import Members, Scores, TrainedMember, TrainedModels, join, refit, score
from shrinkage._cv._choice import at_epochs, best_epochs, choose, choose_paired, summarise, summarise_split
from shrinkage._cv._strengths import fold_lams
from shrinkage._data._data import take
from shrinkage._exact._runner import AnyRunner
from shrinkage._model._behaviour import COMPARED, describe_difference
from shrinkage._note import Note, warn_caller
from shrinkage._penalties import Decoupled
from shrinkage._progress._monitor import Monitor
from shrinkage._record._record import Record
from shrinkage._record._unrecorded import Unrecorded
from shrinkage._search._grid import score_grid
from shrinkage._search._tracker import InFolds, Tracker
from shrinkage._search._walk import walk

MakeCohort = Callable[[], Members]


class TrainedModel(NamedTuple):
    """A model trained on all rows."""

    values: list[np.ndarray]
    """The values of the network's variables."""
    diverged: bool
    """Whether the model diverged up to the chosen epoch."""


@dataclass(frozen=True)
class Outcome:
    """The result of a search."""

    lams: np.ndarray
    """Strengths, descending, 0 last, (S,)."""
    scores: Scores
    """Scores of all folds, with strengths in the order of `lams`."""
    epochs: np.ndarray
    """The chosen epoch of each strength, counted from 1, (S,)."""
    models: dict[int, TrainedModel]
    """The models trained on all rows, in the order of the strengths, by the index of the strength."""
    notes: tuple[str, ...]
    """Notes for the user."""


class Search:
    """The search over strengths: a grid in the folds, trained in chunks, and then training on all rows.

    Args:
        runner: The problem and the plan.
        record: The record of the run.
        monitor: The monitor of the run.
        stage: The name in the record and in the progress of the training in folds.
    """

    def __init__(self, runner: AnyRunner, record: Record | Unrecorded, monitor: Monitor, stage: InFolds = "folds"):
        self._runner, self.problem, self._record = runner, runner.problem, record
        self._monitor, self._tracker = monitor, Tracker(runner, monitor, stage)
        self._stage: InFolds = stage
        self.notes: list[str] = []
        self._sizes: set[int] = set()  # numbers of strengths with compiled steps

    def run(self) -> Outcome:
        """Score the strengths in all folds, choose an epoch for each strength, and train on all rows up to it."""
        rung = self.problem.rung
        scores, lams = score_grid(self) if rung is None else walk(self, rung)
        self._tracker.end_folds(lams, scores)
        kept = best_epochs(scores.cv_loss, self.problem.fold_weight, self.problem.epoch)
        models: dict[int, TrainedModel] = {}
        while new := [index for index in self._wanted(scores, kept, models) if index not in models]:
            trained = self.train_all_rows(lams[new], kept[new])
            models |= dict(zip(new, trained, strict=True))
        notes = *self.notes, *(self._monitor.board.notes if self._monitor.board else ())
        return Outcome(lams, scores, kept, dict(sorted(models.items())), notes)

    def _wanted(self, scores: Scores, kept: np.ndarray, models: dict[int, TrainedModel]) -> list[int]:
        """Return the indices of the strengths to train on all rows. A model that diverged there is not chosen."""
        failed = np.asarray(np.any(scores.diverged, axis=0))
        if failed.all():
            return []  # no strength can be chosen, and no model is needed
        if self.problem.models == "all":
            return list(range(len(failed)))
        failed[[index for index, model in models.items() if model.diverged]] = True
        problem, fold_loss = self.problem, at_epochs(scores.cv_loss, kept)
        mean, se = summarise_split(fold_loss, problem.fold_weight, problem.folds, scores.row_loss, problem.row_weight)
        mean = np.where(failed, np.nan, mean)
        if failed.all():
            return []
        if problem.rung is not None:
            return [choose_paired(mean, scores.row_loss, problem.row_weight)]
        return sorted(set(choose(mean, se)))

    def mean(self, scores: Scores) -> np.ndarray:
        """Return the mean held-out loss of each strength, (S,); NaN if a member diverged, whatever the loss before."""
        kept = best_epochs(scores.cv_loss, self.problem.fold_weight, self.problem.epoch)
        return np.where(scores.diverged.any(axis=0), np.nan, self._average(at_epochs(scores.cv_loss, kept)))

    def _average(self, fold_loss: np.ndarray) -> np.ndarray:
        return summarise(fold_loss, self.problem.fold_weight)[0]

    def score(self, lams: np.ndarray) -> Scores:
        """Train strengths in all folds."""
        problem = self.problem
        # On a rung, the schedule of the learning rate is stretched to fewer steps, whose rates have a smaller sum.
        decoupled = isinstance(problem.training.how, Decoupled) and problem.rung is None

        def train(cohort: MakeCohort, size: int, lams: np.ndarray, _start: int, part: Part) -> Scores:
            self._tracker.begin(lams, problem.epochs)
            if part.result is None:
                scored = None if problem.rung is None else problem.rung.scored
                lam = fold_lams(_pad(lams, size), problem.n_rows, problem.n_train, decoupled=decoupled)
                scores = score(
                    cohort(), lam, epochs=problem.epochs, patience=problem.patience, keep=problem.epoch,
                    average=self._average, part=part, tick=self._tracker.tick, scored=scored,
                )  # fmt: skip
            else:
                scores = Scores(**part.result)
            scores = scores.take(slice(len(lams)))
            self._tracker.finish(scores)
            return scores

        self._tracker.expect(self._stage, len(lams))
        return join(self._train_parts(self._stage, lams, self._runner.cohort, train))

    def train_all_rows(self, lams: np.ndarray, kept: np.ndarray) -> list[TrainedModel]:
        """Train strengths on all rows up to their epochs."""

        def train(cohort: MakeCohort, size: int, lams: np.ndarray, start: int, part: Part) -> TrainedModels:
            epochs = _pad(kept[start : start + len(lams)], size)
            self._tracker.begin(lams, int(epochs.max()))
            if part.result is None:
                lam, rows = _pad(lams, size)[None], self._comparison_rows
                models = refit(cohort(), lam, epochs, rows, part, self._tracker.tick)
            else:
                values, diverged, last = part.result
                models = TrainedModels(values, diverged, None if last is None else TrainedMember(*last))
            self._tracker.finish()
            return models._replace(values=models.values[: len(lams)], diverged=models.diverged[: len(lams)])

        self._tracker.expect("all rows", len(lams))
        found = self._train_parts("all rows", lams, self._runner.cohort_of_all_rows, train)
        if found[-1].last is not None:
            self._warn_unless_equal(found[-1].last)
        return [
            TrainedModel(values, bool(diverged))
            for each in found
            for values, diverged in zip(each.values, each.diverged, strict=True)
        ]

    def _train_parts(
        self,
        stage: str,
        lams: np.ndarray,
        make_cohort: Callable[[int], Members],
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
            size, some = self.parts(lams[start:])[0]
            part = self._record.part(stage, some)
            try:
                results.append(train(partial(cohorts.get, size), size, some, start, part))
            except out_of_memory() as error:
                cohorts.clear()
                if size == 1:
                    raise _too_large(error) from error
                self._record.shrink(half := math.ceil(size / 2))
                self._shrink(Chunk(half, "memory"))
                continue
            start += len(some)
        return results

    def _shrink(self, chunk: Chunk) -> None:
        """Train fewer strengths at a time from now on."""
        before, most = self._runner.plan.chunk, chunk.size
        cause = f"Memory ran out with {before} strengths at a time."
        if chunk.cause == "plan":
            cause = f"The run began with {before} strengths at a time, and went on with a smaller `plan`."
        self.notes.append(f"{cause} At most {most} are trained at a time.")
        self._runner.shrink(most)
        self._sizes = {size for size in self._sizes if size <= most} or {most}

    @property
    def _comparison_rows(self) -> np.ndarray:
        """A few held-out rows; a full batch if the model mixes rows, because the steps are compiled for this size."""
        training = self.problem.training
        return self.problem.held_out[0][: COMPARED if training.by_rows else training.batch_size]

    def _warn_unless_equal(self, last: TrainedMember) -> None:
        """Warn if the returned model does not predict like the trained member; one member is tested for all."""
        training, rows = self.problem.training, take(self.problem.training.data.x, self._comparison_rows)
        note = describe_difference(training.template, training.behaviour, last.values, rows, last.predictions)
        if note:
            self.notes.append(note)
            warn_caller(note)

    def parts(self, lams: np.ndarray) -> list[tuple[int, np.ndarray]]:
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

    def __init__(self, make: Callable[[int], Members]):
        self._make, self._cohorts = make, dict[int, Members]()

    def get(self, size: int) -> Members:
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


def _pad(part: np.ndarray, size: int) -> np.ndarray:
    """Repeat the last value up to length `size`, for which steps are compiled."""
    return np.concatenate([part, np.repeat(part[-1:], size - len(part))])
