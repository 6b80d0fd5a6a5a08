"""The search: score strengths in the folds, choose, and train on all rows."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from shrinkage._cohort._run_part import ChunkReduction, RunPart
from shrinkage._cohort._tensorflow import get_memory_errors
from shrinkage._cohort._train import AnyCohort, Scores, TrainedModel, TrainedModels, join_scores, refit, score
from shrinkage._cv._choice import choose_epochs, choose_paired_strength, choose_strengths, get_losses_at_epochs
from shrinkage._cv._statistics import summarise, summarise_split
from shrinkage._cv._strengths import compute_fold_lams
from shrinkage._data._data import take
from shrinkage._messages._note import Note, warn_caller
from shrinkage._model._behaviour import COMPARED_ROWS, describe_difference
from shrinkage._penalties import Decoupled
from shrinkage._plan._any_runner import AnyRunner
from shrinkage._progress._monitor import Monitor
from shrinkage._search._grid import score_grid
from shrinkage._search._record._record import Record
from shrinkage._search._record._unrecorded import Unrecorded
from shrinkage._search._rung import score_rung
from shrinkage._search._tracker import InFolds, Tracker
from shrinkage._search._wave import Take, Wave

MakeCohort = Callable[[], AnyCohort]


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
        scores, lams = score_grid(self) if rung is None else score_rung(self, rung)
        self._tracker.end_folds(lams, scores)
        epochs = choose_epochs(scores.cv_loss, self.problem.fold_weight, self.problem.epoch)
        models = self._take_models(scores, epochs)
        while new := [index for index in self._select_strengths(scores, epochs, models) if index not in models]:
            trained = self.train_all_rows(lams[new], epochs[new])
            models |= dict(zip(new, trained, strict=True))
        notes = *self.notes, *(self._monitor.board.notes if self._monitor.board else ())
        return Outcome(lams, scores, epochs, dict(sorted(models.items())), notes)

    def _take_models(self, scores: Scores, chosen_epochs: np.ndarray) -> dict[int, TrainedModel]:
        """Return the models that were trained with the folds, up to the chosen epochs, by the index of the strength."""
        trained = scores.models
        if trained is None or scores.diverged.any(axis=0).all():
            return {}
        self._warn_unless_equal(trained)
        return {index: trained.get(index) for index in np.flatnonzero(trained.epochs == chosen_epochs).tolist()}

    def _select_strengths(
        self, scores: Scores, chosen_epochs: np.ndarray, models: dict[int, TrainedModel]
    ) -> list[int]:
        """Return the indices of the strengths to train on all rows. A model that diverged there is not chosen."""
        failed = np.asarray(np.any(scores.diverged, axis=0))
        if failed.all():
            return []  # no strength can be chosen, and no model is needed
        if self.problem.models == "all":
            return list(range(len(failed)))
        failed[[index for index, model in models.items() if model.diverged]] = True
        problem = self.problem
        if failed.all():
            return []
        mean, se = self._compute_mean_and_se(scores, chosen_epochs)
        mean = np.where(failed, np.nan, mean)
        if problem.rung is not None:
            return [choose_paired_strength(mean, scores.row_loss, problem.row_weight, problem.row_groups)]
        return sorted(set(choose_strengths(mean, se)))

    def _compute_mean_and_se(self, scores: Scores, chosen_epochs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the mean held-out loss of each strength at its epoch, and its standard error, (S,)."""
        problem, fold_loss = self.problem, get_losses_at_epochs(scores.cv_loss, chosen_epochs)
        rows = scores.row_loss, problem.row_weight, problem.row_groups
        return summarise_split(fold_loss, problem.fold_weight, problem.folds, *rows)

    def mean(self, scores: Scores) -> np.ndarray:
        """Return the mean held-out loss of each strength, (S,); NaN if a member diverged, whatever the loss before."""
        epochs = choose_epochs(scores.cv_loss, self.problem.fold_weight, self.problem.epoch)
        return np.where(
            scores.diverged.any(axis=0), np.nan, self._average(get_losses_at_epochs(scores.cv_loss, epochs))
        )

    def find_index_1se(self, scores: Scores) -> int | None:
        """Return the index of `1se` if further strengths are cheap enough to extend the grid for it, or None."""
        if self.problem.solver == "gradient" or scores.diverged.any(axis=0).all():
            return None
        epochs = choose_epochs(scores.cv_loss, self.problem.fold_weight, self.problem.epoch)
        return choose_strengths(self.mean(scores), self._compute_mean_and_se(scores, epochs)[1])[1]

    def _average(self, fold_loss: np.ndarray) -> np.ndarray:
        return summarise(fold_loss, self.problem.fold_weight)[0]

    def score(self, lams: np.ndarray) -> Scores:
        """Train strengths in all folds."""
        problem = self.problem
        # On a rung, the schedule of the learning rate is stretched to fewer steps, whose rates have a smaller sum.
        decoupled = isinstance(problem.training.how, Decoupled) and problem.rung is None

        def train(cohort: MakeCohort, lams: np.ndarray, _start: int, part: RunPart) -> Scores:
            self._tracker.begin(lams, problem.epochs)
            if part.result is None:
                scored = None if problem.rung is None else problem.rung.scored_epochs
                lam = compute_fold_lams(lams, problem.n_rows, problem.n_train, is_decoupled=decoupled)
                joins = self._runner.joins_all_rows
                scores = score(
                    cohort(), np.vstack([lam, lams]) if joins else lam, epochs=problem.epochs,
                    patience=problem.patience, keep=problem.epoch, average=self._average, part=part,
                    tick=self._tracker.tick, scored_epochs=scored,
                    compared_rows=self._comparison_rows if joins else None,
                )  # fmt: skip
            else:
                models = part.result.get("models")
                scores = Scores(**part.result | {"models": models and TrainedModels.read(models)})
            self._tracker.finish(scores)
            return scores

        def take_scores(result: dict[str, Any], place: slice) -> dict[str, Any]:
            return vars(Scores(**result).take(place))

        self._tracker.expect(self._stage, len(lams))
        stage = _Stage(self._stage, len(problem.folds.train), self._runner.make_cohort, train, take_scores)
        return join_scores(self._train_parts(stage, lams))

    def train_all_rows(self, lams: np.ndarray, chosen_epochs: np.ndarray) -> list[TrainedModel]:
        """Train strengths on all rows up to their epochs."""

        def train(cohort: MakeCohort, lams: np.ndarray, start: int, part: RunPart) -> TrainedModels:
            epochs = chosen_epochs[start : start + len(lams)]
            self._tracker.begin(lams, int(epochs.max()))
            if part.result is None:
                models = refit(cohort(), lams[None], epochs, self._comparison_rows, part, self._tracker.tick)
            else:
                models = TrainedModels.read([*part.result[:3], epochs])  # once recorded without epochs
            self._tracker.finish()
            return models

        self._tracker.expect("all rows", len(lams))
        stage = _Stage("all rows", 1, self._runner.make_full_cohort, train, TrainedModels.take)
        found = self._train_parts(stage, lams)
        self._warn_unless_equal(found[-1])
        return [each.get(place) for each in found for place in range(len(each.values))]

    def _train_parts(self, stage: "_Stage", lams: np.ndarray) -> list[Any]:
        """Train strengths in parts, several at a time on a cluster.

        Parts that do not fit into memory are trained again as smaller parts.
        """
        results, start, cohorts = [], 0, _Cohorts(stage.make_cohort)
        while start < len(lams):
            parts, sizes = self._make_next_parts(stage, lams[start:])
            part = parts[0] if len(parts) == 1 else Wave(parts, sizes, stage.take)
            end = start + sum(sizes)
            try:
                results.append(stage.train(partial(cohorts.get, *sizes), lams[start:end], start, part))
            except get_memory_errors() as error:
                cohorts.clear()
                if max(sizes) == 1:
                    raise _make_memory_error(error) from error
                self._record.shrink(half := math.ceil(max(sizes) / 2), len(parts))
                self._shrink(ChunkReduction(half, "memory"))
                continue
            start = end
        return results

    def _make_next_parts(self, stage: "_Stage", lams: np.ndarray) -> tuple[list[RunPart], list[int]]:
        """Return the parts that are trained next, side by side, and the number of strengths of each.

        A part with a result or a state in the record ends them.
        """
        parts, sizes = list[RunPart](), list[int]()
        most = self._runner.count_parallel_parts(stage.folds, math.ceil(len(lams) / self._runner.plan.chunk))
        while len(lams) and len(parts) < most:
            if (chunk := self._record.pop_chunk()) is not None:
                self._shrink(chunk)
            size = self._choose_size(len(lams))
            parts.append(part := self._record.make_part(stage.name, lams[:size]))
            sizes.append(size)
            lams = lams[size:]
            if part.result is not None or part.state is not None:
                break
        return parts, sizes

    def _choose_size(self, n_lams: int) -> int:
        """Return the number of strengths of the next part: one with compiled steps, if there is one."""
        if not self._sizes or n_lams < min(self._sizes):
            self._sizes.add(min(n_lams, self._runner.plan.chunk))
        return max(size for size in self._sizes if size <= n_lams)

    def _shrink(self, chunk: ChunkReduction) -> None:
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
        return self.problem.held_out[0][: COMPARED_ROWS if training.by_rows else training.batch_size]

    def _warn_unless_equal(self, models: TrainedModels) -> None:
        """Warn if the returned model does not predict like the trained member; one member is tested for all."""
        member = models.last_member
        if member is None:
            return
        training, rows = self.problem.training, take(self.problem.training.data.x, self._comparison_rows)
        note = describe_difference(training.template, training.behaviour, member.values, rows, member.predictions)
        if note:
            self.notes.append(note)
            warn_caller(note)


class _Stage(NamedTuple):
    """A stage of the search: the training in folds, or on all rows."""

    name: str
    """The name in the record."""
    folds: int
    """Number of folds."""
    make_cohort: Callable[..., AnyCohort]
    """Returns the members, for the number of strengths of each part."""
    train: Callable[[MakeCohort, np.ndarray, int, RunPart], Any]
    """Returns the result of a part. The arguments are a function that returns the members, the strengths of the part,
    the number of strengths in earlier parts, and the part."""
    take: Take
    """Takes some strengths of a result."""


class _Cohorts:
    """The members by the number of strengths of each part, made when they are first used."""

    def __init__(self, make: Callable[..., AnyCohort]):
        self._make, self._cohorts = make, dict[tuple[int, ...], AnyCohort]()

    def get(self, *sizes: int) -> AnyCohort:
        """Return the members for the number of strengths of each part."""
        if sizes not in self._cohorts:
            self._cohorts[sizes] = self._make(*sizes)
        return self._cohorts[sizes]

    def clear(self) -> None:
        """Free the memory of all members."""
        self._cohorts.clear()


def _make_memory_error(error: Exception) -> MemoryError:
    reason = str(error).partition("\n")[0]
    text = "Memory ran out with one strength at a time: give a smaller $batch_size, fewer $folds, or a smaller model"
    return MemoryError(Note(f"{text} ({reason})."))
