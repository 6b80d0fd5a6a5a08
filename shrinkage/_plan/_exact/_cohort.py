"""A cohort that is not trained: its only epoch computes the minimum of each member."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np
from keras import tree
from threadpoolctl import ThreadpoolController

from shrinkage._cohort._cohort import Evaluation
from shrinkage._data._data import take
from shrinkage._data._stored import Block
from shrinkage._model._metrics import RunningMetrics
from shrinkage._plan._exact._head import Head
from shrinkage._plan._exact._losses import compute_head_losses, compute_head_predictions
from shrinkage._plan._exact._ridge import Solution
from shrinkage._plan._exact._rows import ExactRows
from shrinkage._problem._problem import Problem

_CONTROLLER = ThreadpoolController()


def limit_threads() -> Any:
    """Return a context in which linear algebra takes one thread: the arrays of a block are too small for several."""
    return _CONTROLLER.limit(limits=1, user_api="blas")


class Solver(Protocol):
    """A solver of the members of some sets of rows."""

    def solve(self, sets: Sequence[int], lam: np.ndarray) -> list[Solution]:
        """Return the solution of each set at strengths (f, S)."""
        ...


class ExactCohort:
    """F x S members, with the methods of `Cohort`.

    Args:
        problem: The checked call of `fit`.
        head: The head of the model.
        rows: The rows.
        solver: The solver.
        sets: The sets of rows of the members, by their numbers in `rows`.
        unsolved_lams: Strengths above 0 whose members did not converge are appended, one for each member.
    """

    def __init__(
        self,
        problem: Problem,
        head: Head,
        rows: ExactRows,
        solver: Solver,
        sets: Sequence[int],
        unsolved_lams: list[float],
    ):
        self._problem, self._head, self._rows, self._solver, self._sets = problem, head, rows, solver, sets
        self._unsolved_lams = unsolved_lams
        self._lam = np.zeros((len(sets), 0))
        self._weights: list[np.ndarray] = []

    def start(self, lam: np.ndarray) -> None:
        """Begin at strengths (f, s)."""
        self._lam, self._weights = lam, []

    def get_state(self) -> list[np.ndarray]:
        """Return the coefficients of all members, (P, k, s) for each set."""
        return self._weights

    def restore(self, state: list[np.ndarray]) -> None:
        """Take over a `state`, after `start` at the same strengths."""
        self._weights = state

    def train_epoch(self, epoch: int) -> np.ndarray:
        """Compute the minima; return whether each member diverged, (f, s).

        Without a penalty, log loss has no minimum if the inputs separate the classes: the weights grow without end.
        """
        self._weights, diverged = [], []
        with limit_threads(), np.errstate(over="ignore", invalid="ignore"):  # weights that grow without end
            solutions = self._solver.solve(self._sets, self._lam)
        for place, (f, (weights, converged)) in enumerate(zip(self._sets, solutions, strict=True)):
            self._weights.append(self._round(weights))
            without_minimum = ~converged & (self._lam[place] == 0)
            diverged.append(~np.isfinite(weights).all(axis=(0, 1)) | without_minimum)
            n_rows = self._rows.n_train[f] / self._rows.n_train[-1]
            self._unsolved_lams += (
                self._lam[place][~converged & ~without_minimum] * n_rows
            ).tolist()  # as strengths of all rows
        return np.stack(diverged)

    def _round(self, weights: np.ndarray) -> np.ndarray:
        """Round coefficients to those that the variables can have: these are scored, and returned."""
        return weights.astype(self._head.layer.kernel.dtype).astype(np.float64)

    def get_values(self, f: int, s: int) -> list[np.ndarray]:
        """Return the values of a member, one array for each of the network's variables."""
        head, weights = self._head, self._weights[f][:, :, s]
        values, dtype = list(self._rows.values[self._sets[f]]), self._head.layer.kernel.dtype
        values[head.kernel] = weights[: head.layer.kernel.shape[0]].astype(dtype)
        if head.bias is not None:
            values[head.bias] = (weights[-1] * head.constant).astype(dtype)
        return values

    def predict(self, f: int, rows: np.ndarray) -> np.ndarray:
        """Return the predictions of a set's members for a few rows, (s, b, k), in the units of training."""
        found = self._rows.make_design(take(self._problem.training.data.x, rows), self._sets[f])
        return compute_head_predictions(self._head, self._compute_scores(found, f)).transpose(2, 0, 1)

    def _compute_scores(self, design: np.ndarray, f: int) -> np.ndarray:
        weights = self._weights[f]
        return (design @ weights.reshape(len(weights), -1)).reshape(len(design), *weights.shape[1:])

    def evaluate(self) -> Evaluation:
        """Score all members. Row losses and predictions are of the held-out rows, or of a sample of rows on disk."""
        problem, strengths = self._problem, self._lam.shape[1]
        stored = problem.stored_rows
        rows = problem.folds.held_out.union if stored is None else stored.sample_rows
        totals, weights = np.zeros((2, len(self._sets), strengths)), np.zeros((2, len(self._sets)))
        losses = np.zeros((len(rows), strengths))
        predictions = np.zeros((len(rows), self._head.units, strengths), self._head.layer.compute_dtype)
        metrics = None if stored is None else RunningMetrics(problem.training.template, strengths)
        for (_, block), scores in self._score_blocks():
            totals, weights = totals + scores.totals, weights + scores.weights
            held_out = block.rows[scores.places]
            place = np.searchsorted(rows, held_out)
            kept_rows = np.flatnonzero(rows[np.minimum(place, len(rows) - 1)] == held_out)
            losses[place[kept_rows]] = scores.losses[kept_rows]
            predictions[place[kept_rows]] = scores.predictions[kept_rows]
            if metrics is not None and metrics.has_metrics:
                found = scores.predictions.astype(predictions.dtype)
                metrics.update(block.data, scores.places, self._order_axes(found))
        cv_loss, train_loss = totals / weights[:, :, None]
        by_name = {} if metrics is None else {name: values[None] for name, values in metrics.result().items()}
        return Evaluation(cv_loss, train_loss, losses, self._order_axes(predictions), by_name)

    def _order_axes(self, predictions: np.ndarray) -> Any:
        """Return predictions (m, k, s) as (m, s, k), in the structure of the output."""
        structure = self._problem.training.data.targets
        return tree.pack_sequence_as(structure, [np.ascontiguousarray(predictions.swapaxes(1, 2))])

    def _score_blocks(self) -> Iterator[tuple[tuple[int, Block], "_BlockScores"]]:
        """Yield each numbered block with its scores: side by side if all blocks are in memory."""
        with limit_threads():
            if self._rows.are_on_disk:
                yield from ((numbered, self._score_block(numbered)) for numbered in self._rows.read_blocks())
                return
            blocks = [*self._rows.read_blocks()]
            yield from zip(blocks, self._rows.map_in_parallel(self._score_block, blocks), strict=True)

    def _score_block(self, numbered_block: tuple[int, Block]) -> "_BlockScores":
        number, block = numbered_block
        kind, target, strengths = self._head.kind, self._problem.target, self._lam.shape[1]
        y, weight = self._rows.get_targets(number, block), block.data.weight.astype(np.float64)
        totals, weights = np.zeros((2, len(self._sets), strengths)), np.zeros((2, len(self._sets)))
        times = block.sides.held_out[self._sets].sum(axis=0)
        losses, predictions = np.zeros((len(y), strengths)), np.zeros((len(y), self._head.units, strengths))
        design = self._rows.get_design(number, block, self._sets[0]).astype(np.float64, copy=False)
        for place, f in enumerate(self._sets):
            sides = block.sides.held_out[f], block.sides.scored_rows[f]
            used = np.flatnonzero(sides[0] | sides[1])
            design = self._rows.get_design(number, block, f) if self._rows.adapts and place else design
            scores = self._compute_scores(design[used], place)
            of_fold = y[used] if target is None else target.standardize(y[used], f)
            held_out = sides[0][used]
            loss, found = compute_head_losses(kind, of_fold, scores), scores[held_out]
            found = compute_head_predictions(self._head, found)
            if target is not None:
                loss, found = target.restore(loss, found, f)
            for side, rows in enumerate(sides):
                totals[side, place] = (weight[used] * rows[used]) @ loss
                weights[side, place] = weight[rows].sum()
            losses[used[held_out]] += loss[held_out] / times[used[held_out], None]
            predictions[used[held_out]] += found / times[used[held_out], None, None]
        places = np.flatnonzero(times)
        return _BlockScores(totals, weights, losses[places], predictions[places], places)


class _BlockScores(NamedTuple):
    """The scores of a block: of held-out rows, and of scored training rows."""

    totals: np.ndarray
    """The sums of the weighted losses, (2, f, S)."""
    weights: np.ndarray
    """The sums of the weights, (2, f)."""
    losses: np.ndarray
    """The loss of each held-out row, averaged over the folds that hold it out, (b, S)."""
    predictions: np.ndarray
    """The predictions for these rows, averaged alike, (b, k, S)."""
    places: np.ndarray
    """The places of these rows in the block, (b,)."""
