"""A cohort whose rows do not fit into memory: an epoch reads blocks of rows for training, and again for scoring."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._cohort._cohort import Cohort, Evaluation
from shrinkage._cohort._initial import Moments, adapted_layers, input_moments
from shrinkage._data._data import Data, random_seeds, take
from shrinkage._data._stored import FoldSections, StoredRows


class StreamCohort:
    """F x S members that train on stored rows, with the methods of `Cohort`.

    A block is read once for all members. Each fold shuffles the rows of the block that it trains on, and takes steps on
    them; the rows left over, fewer than a batch, come first in the next block, or in the next epoch.

    Args:
        cohort: The same members on a sample of as many rows as a buffer has: it holds the members, and gives row losses
            and predictions for the sample.
        stored: All rows.
        folds: The sections of each fold.
    """

    def __init__(self, cohort: Cohort, stored: StoredRows, folds: Sequence[FoldSections]):
        self._cohort, self._stored, self._folds = cohort, stored, folds
        self._left: list[Data | None] = []

    @property
    def steps(self) -> int:
        """Steps in an epoch of the fold with most of them, as far as the first block has rows for them."""
        return self._cohort.steps

    def start(self, lam: np.ndarray) -> None:
        """Begin anew at strengths (f, s)."""
        self._cohort.start(lam)
        self._left = [None] * len(self._folds)

    def time_steps(self, steps: int) -> float:
        """Return the seconds that so many steps of all folds take; the members stay as they are."""
        return self._cohort.time_steps(steps)

    def values(self, f: int, s: int) -> list[np.ndarray]:
        """Return the values of a member, one array for each of the network's variables."""
        return self._cohort.values(f, s)

    def predictions(self, f: int, rows: np.ndarray) -> Any:
        """Return the predictions of a fold's members for a few rows of the sample, a tree of (s, b, ...)."""
        return self._cohort.predictions(f, rows)

    def train_epoch(self, epoch: int) -> np.ndarray:
        """Train one epoch, counted from 0; return which members' losses stopped being finite, (f, s)."""
        seed = self._cohort.training.seed
        order = np.random.default_rng((seed, 9, epoch)).permutation(self._stored.n_blocks)
        diverged = []
        for place, (_, data, sections) in enumerate(self._stored.blocks(order.tolist())):
            diverged.append(self._train_block(data, sections, epoch, place))
        return np.any(diverged, axis=0)

    def _train_block(self, data: Data, sections: np.ndarray, epoch: int, place: int) -> np.ndarray:
        batch_size = self._cohort.training.batch_size
        buffer, starts = self._fill(data)
        first = len(self._folds) * batch_size
        inputs = self._cohort.fold_tensors(buffer)
        batches = []
        for f, fold in enumerate(self._folds):
            carried, rows = starts[f], first + np.flatnonzero(np.isin(sections, fold.train))
            random = np.random.default_rng((self._cohort.training.seed, 10, self._cohort.numbers[f], epoch, place))
            rows = random.permutation(np.concatenate([carried, rows]))
            steps = len(rows) // batch_size
            left = rows[steps * batch_size :]
            self._left[f] = Data(take(buffer.x, left), take(buffer.y, left), buffer.weight[left])
            batches.append(rows[: steps * batch_size].reshape(steps, batch_size))

        def step(f: int) -> tuple[list[Any], Any]:
            count = len(self._cohort.engine.seeds)
            seeds = random_seeds(
                seed=self._cohort.training.seed, fold=self._cohort.numbers[f], epoch=epoch, count=count, block=place
            )
            return self._cohort.step_on(f, inputs[f], batches[f], seeds)

        return self._cohort.advance(step)

    def _fill(self, data: Data) -> tuple[Data, list[np.ndarray]]:
        """Return the buffer, (rows left over by each fold | block | unused), and where the rows left over are."""
        batch_size, n_folds = self._cohort.training.batch_size, len(self._folds)
        n_rows = self._cohort.training.data.n_rows

        def fill(block: np.ndarray, *left: np.ndarray | None) -> np.ndarray:
            whole = np.zeros((n_rows, *block.shape[1:]), block.dtype)
            whole[n_folds * batch_size : n_folds * batch_size + len(block)] = block
            for f, rows in enumerate(left):
                if rows is not None:
                    whole[f * batch_size : f * batch_size + len(rows)] = rows
            return whole

        left = self._left
        nothing = tree.map_structure(lambda array: array[:0], (data.x, data.y))
        trees = [nothing if each is None else (each.x, each.y) for each in left]
        x, y = tree.map_structure(fill, (data.x, data.y), *trees)
        weight = fill(data.weight, *(None if each is None else each.weight for each in left))
        starts = [f * batch_size + np.arange(0 if each is None else each.n_rows) for f, each in enumerate(left)]
        return Data(x, y, weight), starts

    def evaluate(self) -> Evaluation:
        """Score all members on all rows; row losses and predictions are of the sample."""
        shape = 2, len(self._folds), self._cohort.strengths
        totals, weights = np.zeros(shape), np.zeros(shape[:2])
        for _, data, sections in self._stored.blocks(range(self._stored.n_blocks)):
            for f, sums in enumerate(self._score_block(data, sections)):
                for side, (total, weight) in enumerate(sums):
                    totals[side, f] += total
                    weights[side, f] += weight
        cv_loss, train_loss = totals / weights[..., None]
        return replace(self._cohort.evaluate(), cv_loss=cv_loss, train_loss=train_loss)

    def _score_block(self, data: Data, sections: np.ndarray) -> list[list[tuple[np.ndarray, float]]]:
        """Return for each fold the sums of losses (s,) and of weights of its held-out and its scored training rows."""
        buffer, _ = self._fill(data)
        inputs, weight = self._cohort.fold_tensors(buffer), data.weight.astype(np.float64)
        first = len(self._folds) * self._cohort.training.batch_size

        def score(f: int) -> list[tuple[np.ndarray, float]]:
            fold = self._folds[f]
            held_out = np.flatnonzero(np.isin(sections, fold.held_out))
            train = np.flatnonzero(sections == fold.train_scored)[: len(held_out)]
            sums = []
            for rows in (held_out, train):
                rows = rows[weight[rows] > 0]
                losses = self._cohort.losses_on(f, inputs[f], first + rows)
                with np.errstate(invalid="ignore", over="ignore"):  # of a member that diverges
                    sums.append((losses @ weight[rows], float(weight[rows].sum())))
            return sums

        return self._cohort.each_fold(score, self._cohort.engine.evaluation.xla)


def stored_moments(network: keras.Model, stored: StoredRows, sections: Sequence[list[int]]) -> list[Moments]:
    """Return the statistics of the inputs of adapted layers on sets of sections.

    Means and variances are merged over the blocks (Chan et al., 1979). Quantiles cannot be merged: the statistics of a
    `TableNormalization` are those of the first block, which is a random sample of the rows.
    """
    if not adapted_layers(network):
        return [[] for _ in sections]
    totals: list[list[tuple[float, tuple[np.ndarray, ...]]]] = [[] for _ in sections]
    for _, data, section in stored.blocks(range(stored.n_blocks)):
        for place, numbers in enumerate(sections):
            rows = np.isin(section, numbers)
            weight = data.weight[rows]
            if weight.any():
                found = input_moments(network, take(data.x, rows), weight)
                share = float(weight.sum(dtype=np.float64))
                parts = [(share, statistics) for statistics in found]
                totals[place] = (
                    [_merge(*pair) for pair in zip(totals[place], parts, strict=True)] if totals[place] else parts
                )
    return [[statistics for _, statistics in layers] for layers in totals]


def _merge(
    one: tuple[float, tuple[np.ndarray, ...]], other: tuple[float, tuple[np.ndarray, ...]]
) -> tuple[float, tuple[np.ndarray, ...]]:
    """Return the weight, and mean and variance, of two sets of rows together; other statistics are those of `one`."""
    if len(one[1]) != 2:
        return one
    total, (mean, variance), (other_mean, other_variance) = one[0] + other[0], one[1], other[1]
    share, apart = other[0] / total, other_mean - mean
    variance = (1 - share) * variance + share * other_variance + share * (1 - share) * apart**2
    return total, (mean + share * apart, variance)
