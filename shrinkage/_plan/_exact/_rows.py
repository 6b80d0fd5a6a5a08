"""The rows of a problem in blocks, with the inputs of the head in each fold."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import keras
import numpy as np
from keras import ops, tree

from shrinkage._cohort._initial import find_adapted_layers, make_initial_values
from shrinkage._cohort._stream import compute_stored_moments
from shrinkage._data._data import ALL_ROWS, Data, take
from shrinkage._data._stored import Block, Sides
from shrinkage._plan._exact._head import Head, make_body
from shrinkage._plan._exact._losses import compute_head_targets
from shrinkage._problem._problem import Problem

Item = TypeVar("Item")
Result = TypeVar("Result")

_BLOCK_ROWS = 8192  # the arrays of a block, with a column per strength, stay in the cache
_BODY_VALUES = 2**21  # of inputs or features in a call of the body


class ExactRows:
    """The rows of F folds and, as the set of number F, of the models of all rows.

    Args:
        problem: The checked call of `fit`.
        head: The head of the model.
        limit: Bytes that the inputs of the head may use in memory; beyond, they are computed again for each pass.
    """

    def __init__(self, problem: Problem, head: Head, limit: float):
        self._problem, self._head = problem, head
        self.bytes_left = limit
        """Bytes that more inputs of the head may use in memory."""
        self._designs: dict[tuple[int, int], np.ndarray] = {}
        self._bodies: dict[int, keras.Model | None] = {}
        self.n_sets = len(problem.folds.train) + 1
        self.adapts = bool(find_adapted_layers(problem.training.template.network))
        """Whether the inputs of the head differ between folds, because of normalization layers."""
        self.values = _compute_values(problem)
        """The values of all variables of the network in each set, with those of the head yet to be found."""
        self.n_train = np.append(problem.n_train, problem.n_rows)
        """Number of training rows of each set, (F + 1,)."""
        self._pool = ThreadPoolExecutor(os.cpu_count())  # ends with this object
        self._memory = None if problem.stored_rows is not None else list(_make_blocks(problem))
        self._targets = [self._compute_targets(block) for block in self._memory or ()]

    def map_in_parallel(self, call: Callable[[Item], Result], items: Sequence[Item]) -> Iterator[Result]:
        """Return the results of calls with some items, in this order."""
        return map(call, items) if len(items) == 1 else self._pool.map(call, items)

    @property
    def are_on_disk(self) -> bool:
        """Whether the rows are on disk."""
        return self._memory is None

    @property
    def are_shared(self) -> bool:
        """Whether all sets share the passes over rows on disk, as their columns are the same."""
        return self.are_on_disk and not self.adapts

    def read_blocks(self) -> Iterator[tuple[int, Block]]:
        """Yield the number of each block, and the block."""
        stored = self._problem.stored_rows
        yield from enumerate(self._memory or () if stored is None else stored.read_blocks())

    def read_small_blocks(self) -> Iterator[list[tuple[int, Block]]]:
        """Yield lists of numbered blocks, of rows on disk, that are as small as those in memory.

        The blocks of a list are in memory at a time.
        """
        first = 0
        for _, block in self.read_blocks():
            starts = range(0, len(block.rows), _BLOCK_ROWS)
            yield [(first + i, _take_part(block, slice(start, start + _BLOCK_ROWS))) for i, start in enumerate(starts)]
            first += len(starts)

    def get_targets(self, number: int, block: Block) -> np.ndarray:
        """Return the targets of a block, (n, k)."""
        return self._targets[number] if self._targets else self._compute_targets(block)

    def _compute_targets(self, block: Block) -> np.ndarray:
        return compute_head_targets(self._head, tree.flatten(block.data.targets)[0])

    def compute_weight(self, block: Block, f: int) -> np.ndarray:
        """Return the weights of the rows of a block in the log loss of a set, (n,), 0 for rows of other sets."""
        return self._head.share * block.data.weight * block.sides.train[f].astype(np.float64)

    def compute_left_out_weight(self, block: Block, f: int) -> np.ndarray:
        """Return the weights of the rows of a block that are trained on, but not in a set, (n,)."""
        return self.compute_weight(block, self.n_sets - 1) - self.compute_weight(block, f)

    def get_design(self, number: int, block: Block, f: int) -> np.ndarray:
        """Return the columns of the linear model of a set for a block, (n, P): inputs of the head, and a constant.

        They have the dtype of the head, in which they are exact.
        """
        key = number, f if self.adapts else 0
        if key in self._designs:
            return self._designs[key]
        design = self.make_design(block.data.x, f)
        if not self.are_on_disk and design.nbytes <= self.bytes_left:
            self.bytes_left -= design.nbytes
            self._designs[key] = design
        return design

    def get_stored_design(self, number: int, block: Block, f: int) -> np.ndarray:
        """Return `get_design` for rows that are read often: outputs of layers before the head are on disk."""
        stored = self._problem.stored_rows
        if stored is None or self._get_body(f) is None:
            return self.get_design(number, block, f)
        file = stored.spool.folder / f"features-{f if self.adapts else 0}-{number}.npy"
        if file.exists():
            return self._add_constant(np.load(file))
        features = self._compute_features(block.data.x, f)
        new = file.with_suffix(".new")
        try:
            with new.open("wb") as opened:
                np.save(opened, features)
            new.rename(file)
        except OSError:  # without room on disk, the layers run again
            new.unlink(missing_ok=True)
        return self._add_constant(features)

    def remove_stored_designs(self, sets: Iterable[int]) -> None:
        """Remove the files of some sets, unless other sets need them too."""
        if self._problem.stored_rows is not None and self.adapts:
            for f in sets:
                for file in self._problem.stored_rows.spool.folder.glob(f"features-{f}-*"):
                    file.unlink()

    def make_design(self, x: Any, f: int) -> np.ndarray:
        """Return the columns of the linear model of a set for inputs x, a tree of (n, ...)."""
        return self._add_constant(self._compute_features(x, f))

    def _add_constant(self, features: np.ndarray) -> np.ndarray:
        """Return features and the constant column, in float64 if another dtype would round the constant."""
        constant, (n, d) = self._head.constant, features.shape
        if not np.isfinite(features).all():
            raise ValueError(
                'The layers before the last must give finite values for solver="exact". Received: NaN or infinite '
                "values. Look for extreme numbers in `x`."
            )
        is_exact = float(features.dtype.type(constant)) == constant
        design = np.empty((n, d + bool(constant)), features.dtype if is_exact else np.float64)
        design[:, :d], design[:, d:] = features, constant
        return design

    def _compute_features(self, x: Any, f: int) -> np.ndarray:
        """Return the inputs of the head, (n, d), in its dtype."""
        body, n, dtype = self._get_body(f), len(tree.flatten(x)[0]), self._head.layer.compute_dtype
        if body is None:
            return np.asarray(take(tree.flatten(x)[0], np.arange(n))).astype(dtype, copy=False)
        widest = max(self._head.layer.kernel.shape[0], *(leaf[:1].size for leaf in tree.flatten(x)))
        size = min(n, max(32, _BODY_VALUES // widest))
        parts = []
        for start in range(0, n, size):
            rows = take(x, np.arange(start, min(n, start + size)))
            parts.append(ops.convert_to_numpy(ops.cast(body(rows, training=False), dtype)))
        return np.concatenate(parts)

    def _get_body(self, f: int) -> keras.Model | None:
        """Return the layers before the head, with the statistics of a set."""
        key = f if self.adapts else 0
        if key not in self._bodies:
            template = self._problem.training.template
            # A `Normalization` computes with values that it derives from its variables when a model is made.
            network = (
                template.get_trained_part(template.make_model(self.values[f])) if self.adapts else template.network
            )
            self._bodies[key] = make_body(network)
        return self._bodies[key]


def _take_part(block: Block, part: slice) -> Block:
    data, sides = block.data, block.sides
    return Block(
        Data(take(data.x, part), take(data.y, part), data.weight[part]), block.rows[part],
        Sides(sides.train[:, part], sides.held_out[:, part], sides.scored_rows[:, part]),
    )  # fmt: skip


def _compute_values(problem: Problem) -> list[list[np.ndarray]]:
    """Return the values of all variables in each set, with the statistics of normalization layers of its rows."""
    training, stored = problem.training, problem.stored_rows
    template, data = training.template, training.data
    moments = None if stored is None else compute_stored_moments(template.network, stored)
    sets = [*problem.train, problem.rows_of_x]
    numbers: Sequence[int] = [*range(len(sets) - 1), ALL_ROWS]
    found = make_initial_values(template, data, sets, numbers, seed=training.seed, init="keep", moments=moments)
    return [[value[0] for value in values] for values in found]


def _make_blocks(problem: Problem) -> Iterator[Block]:
    """Yield all rows in blocks, as rows on disk come."""
    data, folds = problem.training.data, problem.folds
    trained, scored = np.zeros(data.n_rows, bool), np.zeros((len(folds.train), data.n_rows), bool)
    trained[problem.rows_of_x] = True
    for f, rows in enumerate(problem.scored_training_rows):
        scored[f, rows] = True
    for start in range(0, data.n_rows, _BLOCK_ROWS):
        part = slice(start, start + _BLOCK_ROWS)
        rows = np.arange(start, min(start + _BLOCK_ROWS, data.n_rows))
        none = np.zeros((1, len(rows)), bool)
        sides = Sides(
            np.concatenate([folds.train.contain(rows), trained[None, part]]),
            np.concatenate([folds.held_out.contain(rows), none]),
            np.concatenate([scored[:, part], none]),
        )
        some = Data(take(data.x, part), take(data.y, part), data.weight[part])
        yield Block(some, rows, sides)
