"""A cohort whose rows do not fit into memory: an epoch reads blocks of rows for training, and again for scoring."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import tree

from shrinkage._cohort._cohort import Cohort, Evaluation, Gathering, map_folds
from shrinkage._cohort._initial import Moments, Statistics, compute_input_moments, find_adapted_layers
from shrinkage._data._data import Data, make_random_seeds, take
from shrinkage._data._stored import Block, StoredRows, merge_moments
from shrinkage._model._metrics import RunningMetrics


class StreamCohort:
    """F x S members that train on stored rows, with the methods of `Cohort`.

    A block is read once for all members. Each fold shuffles the rows of the block that it trains on, and takes steps on
    them; the rows left over, fewer than a batch, come first in the next block, or in the next epoch.

    Args:
        cohort: The same members on a sample of as many rows as a buffer has: it holds the members.
        stored_rows: All rows.
        folds: The folds by their number in `stored_rows`, the last of which trains on all rows.
    """

    def __init__(self, cohort: Cohort, stored_rows: StoredRows, folds: Sequence[int]):
        self._cohort, self._stored_rows, self._folds = cohort, stored_rows, folds
        self._left_rows: list[Data | None] = []
        self._metrics: RunningMetrics | None = None

    @property
    def steps(self) -> int:
        """Steps in an epoch of the fold with most of them, as far as the first block has rows for them."""
        return self._cohort.steps

    def start(self, lam: np.ndarray) -> None:
        """Begin anew at strengths (f, s)."""
        self._cohort.start(lam)
        self._left_rows = [None] * len(self._folds)
        self._metrics = None

    def get_state(self) -> dict[str, Any]:
        """Return the values of all members between two epochs, and the rows left over by each fold."""
        left = [None if each is None else [*tree.flatten((each.x, each.y)), each.weight] for each in self._left_rows]
        return {"members": self._cohort.get_state(), "left": left}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`, after `start` at the same strengths."""
        self._cohort.restore(state["members"])
        self._left_rows = [None if arrays is None else self._make_data(*arrays) for arrays in state["left"]]

    def _make_data(self, *arrays: np.ndarray) -> Data:
        x, y = tree.pack_sequence_as(self._stored_rows.structure, arrays[:-1])
        return Data(x, y, arrays[-1])

    def time_steps(self, steps: int) -> float:
        """Return the seconds that so many steps of all folds take; the members stay as they are."""
        return self._cohort.time_steps(steps)

    def time_scores(self) -> float:
        """Return the seconds in which all folds score as many rows as are scored together."""
        return self._cohort.time_scores()

    def get_values(self, f: int, s: int) -> list[np.ndarray]:
        """Return the values of a member, one array for each of the network's variables."""
        return self._cohort.get_values(f, s)

    def predict(self, f: int, rows: np.ndarray) -> Any:
        """Return the predictions of a fold's members for a few rows of the sample, a tree of (s, b, ...)."""
        return self._cohort.predict(f, rows)

    def train_epoch(self, epoch: int) -> np.ndarray:
        """Train one epoch, counted from 0; return which members' losses stopped being finite, (f, s)."""
        seed = self._cohort.training.seed
        order = np.random.default_rng((seed, 9, epoch)).permutation(self._stored_rows.n_blocks)
        blocks = enumerate(self._stored_rows.read_blocks(order.tolist()))
        return np.any([self._train_block(block, epoch, place) for place, block in blocks], axis=0)

    def _train_block(self, block: Block, epoch: int, place: int) -> np.ndarray:
        batch_size = self._cohort.training.batch_size
        buffer, starts = self._fill(block.data, self._left_rows)
        inputs = self._cohort.make_fold_tensors(buffer)
        batches = []
        for f, fold in enumerate(self._folds):
            carried, rows = starts[f], self._block_start + np.flatnonzero(block.sides.train[fold])
            random = np.random.default_rng((self._cohort.training.seed, 10, self._cohort.numbers[f], epoch, place))
            rows = random.permutation(np.concatenate([carried, rows]))
            steps = len(rows) // batch_size
            left = rows[steps * batch_size :]
            self._left_rows[f] = Data(take(buffer.x, left), take(buffer.y, left), buffer.weight[left])
            batches.append(rows[: steps * batch_size].reshape(steps, batch_size))

        def step(f: int) -> tuple[list[Any], Any]:
            count = len(self._cohort.engine.seeds)
            seeds = make_random_seeds(
                seed=self._cohort.training.seed, fold=self._cohort.numbers[f], epoch=epoch, count=count, block=place
            )
            return self._cohort.step_on(f, inputs[f], batches[f], seeds)

        return self._cohort.advance(step)

    @property
    def _block_start(self) -> int:
        """The place in the buffer of the first row of a block, behind the rows left over."""
        return len(self._folds) * self._cohort.training.batch_size

    def _fill(self, data: Data, left_rows: Sequence[Data | None]) -> tuple[Data, list[np.ndarray]]:
        """Return the buffer, (rows left over by each fold | block | unused), and where the rows left over are."""
        batch_size, n_rows, first = (
            self._cohort.training.batch_size,
            self._cohort.training.data.n_rows,
            self._block_start,
        )

        def fill(block: np.ndarray, *left: np.ndarray | None) -> np.ndarray:
            whole = np.zeros((n_rows, *block.shape[1:]), block.dtype)
            whole[first : first + len(block)] = block
            for f, rows in enumerate(left):
                if rows is not None:
                    whole[f * batch_size : f * batch_size + len(rows)] = rows
            return whole

        nothing = tree.map_structure(lambda array: array[:0], (data.x, data.y))
        trees = [nothing if each is None else (each.x, each.y) for each in left_rows]
        x, y = tree.map_structure(fill, (data.x, data.y), *trees)
        weight = fill(data.weight, *(None if each is None else each.weight for each in left_rows))
        starts = [f * batch_size + np.arange(0 if each is None else each.n_rows) for f, each in enumerate(left_rows)]
        return Data(x, y, weight), starts

    def evaluate(self) -> Evaluation:
        """Score all members on all rows. Row losses and predictions are of the sample of held-out rows."""
        shape = 2, len(self._folds), self._cohort.strengths
        totals, weights = np.zeros(shape), np.zeros(shape[:2])
        sample: Any = None
        self._metrics = self._metrics or RunningMetrics(self._cohort.training.template, self._cohort.strengths)
        for block in self._stored_rows.read_blocks():
            # Without metrics, only the predictions for the sample are needed.
            is_wanted = (
                np.full(len(block.rows), True)
                if self._metrics.has_metrics
                else self._stored_rows.is_sampled(block.rows)
            )
            scores = self._score_block(block, is_wanted)
            totals += np.stack([each.totals for each in scores], axis=1)
            weights += np.stack([each.weights for each in scores], axis=1)
            rows, values = _average_by_rows(scores)
            if len(rows):
                self._metrics.update(block.data, rows, values[1])
            if sample is None:
                n_rows = len(self._stored_rows.sample_rows)
                sample = tree.map_structure(lambda a: np.zeros((n_rows, *a.shape[1:]), a.dtype), values)  # noqa: B023
            place, found = self._stored_rows.find_sample_places(block.rows[rows])
            for whole, part in zip(tree.flatten(sample), tree.flatten(values), strict=True):
                whole[place] = part[found]
        cv_loss, train_loss = totals / weights[..., None]
        row_loss, predictions = sample
        metrics = {name: values[None] for name, values in self._metrics.result().items()}
        return Evaluation(cv_loss, train_loss, row_loss.astype(np.float64), predictions, metrics)

    def _score_block(self, block: Block, is_wanted: np.ndarray) -> "list[_FoldScores]":
        """Return the scores of each fold on a block; losses and predictions per row are of `is_wanted` rows, (n,)."""
        buffer, _ = self._fill(block.data, ())
        inputs, weight = self._cohort.make_fold_tensors(buffer), block.data.weight.astype(np.float64)

        def score(f: int) -> _FoldScores:
            held_out, train = (
                np.flatnonzero(side[self._folds[f]]) for side in (block.sides.held_out, block.sides.scored_rows)
            )
            # Without any rows, a row is scored for the shapes.
            rows = np.concatenate([held_out, train, np.zeros(int(len(held_out) + len(train) == 0), int)])
            losses, predictions = self._cohort.score_on(f, inputs[f], self._block_start + rows)
            n_held_out = len(held_out)
            sides = (losses[:, :n_held_out], held_out), (losses[:, n_held_out : n_held_out + len(train)], train)
            with np.errstate(invalid="ignore", over="ignore"):  # of a member that diverges
                totals = [loss[:, weight[rows] > 0] @ weight[rows][weight[rows] > 0] for loss, rows in sides]
            kept_rows = np.flatnonzero(is_wanted[held_out])
            return _FoldScores(
                np.stack(totals), np.array([weight[held_out].sum(), weight[train].sum()]), held_out[kept_rows],
                tree.map_structure(lambda values: values[:, kept_rows], (losses, predictions)),
            )  # fmt: skip

        return map_folds(score, len(self._folds), self._cohort.engine.evaluation.xla)


class _FoldScores(NamedTuple):
    """Scores of a fold on a block."""

    totals: np.ndarray
    """Weighted sums of the losses on held-out rows and on training rows, (2, s)."""
    weights: np.ndarray
    """Sums of the weights of these rows, (2,)."""
    held_out: np.ndarray
    """Held-out rows of the block that are wanted, (b,)."""
    values: Any
    """Losses and predictions for these rows, a tree of (s, b, ...)."""


def _average_by_rows(scores: Sequence[_FoldScores]) -> tuple[np.ndarray, Any]:
    """Return the rows in any of the scores, (m,), and their losses and predictions averaged over folds, (m, s, ...)."""
    rows = np.unique(np.concatenate([each.held_out for each in scores]))
    gather = Gathering([np.searchsorted(rows, each.held_out) for each in scores], len(rows))
    return rows, tree.map_structure(gather, *(each.values for each in scores))


def compute_stored_moments(network: keras.Model, stored_rows: StoredRows) -> list[Moments]:
    """Return the statistics of the inputs of adapted layers for each fold and, last, for all rows.

    Means and variances are merged over the blocks. Quantiles cannot be merged: the statistics of a `TableNormalization`
    are those of the first block, which is a random sample of the rows.
    """
    sets = stored_rows.n_folds + 1
    if not find_adapted_layers(network):
        return [[] for _ in range(sets)]
    totals: list[list[tuple[float, Statistics]]] = [[] for _ in range(sets)]
    for block in stored_rows.read_blocks():
        for place in range(sets):
            rows = block.sides.train[place]
            weight = block.data.weight[rows]
            if weight.any():
                found = compute_input_moments(network, take(block.data.x, rows), weight)
                share = float(weight.sum(dtype=np.float64))
                parts = [(share, statistics) for statistics in found]
                totals[place] = (
                    [_merge(*pair) for pair in zip(totals[place], parts, strict=True)] if totals[place] else parts
                )
    return [[statistics for _, statistics in layers] for layers in totals]


def _merge(first: tuple[float, Statistics], other: tuple[float, Statistics]) -> tuple[float, Statistics]:
    """Return weight, mean and variance of two sets of rows together; other statistics are those of `first`."""
    if len(first[1]) != 2:
        return first
    (mean, variance), (other_mean, other_variance) = first[1], other[1]
    total, mean, variance = merge_moments((first[0], mean, variance), (other[0], other_mean, other_variance))
    return total, (mean, variance)
