"""Prediction of the memory of a run from shapes, to choose chunks of strengths that fit a limit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._cohort._cohort import count_parallel_folds
from shrinkage._cohort._forward import iterate_operations
from shrinkage._data._data import Data
from shrinkage._model._template import Template, make_fresh_optimizer

_ACTIVATIONS = {False: 1.4, True: 3.5}
"""Copies of all layer outputs at the memory peak of a step, without and with XLA; measured."""
_GATES = 3
"""Values that a loop over time stores per unit and time step, in as many copies as layer outputs; measured with GRU."""
_COMPILING_BYTES = {False: 50 * 2**20, True: 160 * 2**20}
"""Bytes in use after tracing and compiling a small network, without and with XLA; measured."""
_INDEX = 8
"""Bytes of a row number in a set of rows."""
_BATCHES = 32
"""Bytes per row for the batches of an epoch: a permutation, the rows in its order, and the part of them that is used, 8
each; the indices of 4 bytes as an array and as a tensor."""
_BLOCKS = 7
"""Copies of a block in memory where rows are on disk: the sample and its tensor, the block as it is read, its arrays,
the buffer and its tensor, and the next block, which is read in advance."""
_BLOCK_SCORES = 3
"""Losses and predictions of a block for a strength: of held-out and of training rows, and averaged over folds."""
_READING_BYTES = 64 * 2**20
"""Bytes in use while rows are read, checked and written to disk, and kept by their reader; measured with Parquet."""
_HEAP = 1.25
"""Memory of arrays for a moment, to their size: the allocator keeps freed arrays of up to 32 MiB; measured."""
_SPLITTING_BYTES = {True: 12, False: 70}
"""Bytes per row on disk, for a moment, while the folds are chosen at random, or by groups, places or a splitter;
measured. Weights of rows take 8 more."""


@dataclass(frozen=True)
class Memory:
    """The sizes that determine the memory of a run, in bytes unless stated otherwise."""

    member: int
    """Variables and optimizer state of a member."""
    weights: int
    """Trainable weights of a member; the gradients take as much."""
    activations: int
    """Outputs of all layers for a row."""
    output: int
    """Outputs of the model for a row."""
    widest_output: int
    """Number of values, not bytes, in the largest output of a layer for a row."""
    data: int
    """Inputs, targets and sample weights of all rows."""
    scored_rows: int
    """Number of held-out and training rows that a fold scores after an epoch, the largest over the folds."""
    held_out_rows: int
    """Number of rows that are held out by some fold."""
    held_out_sum: int
    """Rows that all folds hold out, added up: a row counts once for each fold that does."""
    folds: int
    """Number of folds F."""
    strengths: int
    """Number of strengths S, in all chunks."""
    batch_size: int
    """Number of rows in a batch."""
    limit: int
    """Bytes that a run may take."""
    inputs: int = 0
    """Number of values, not bytes, in the inputs of a row. A batch of inputs is copied from all rows."""
    rows: int = 0
    """Number of rows in memory."""
    listed_rows: int = 0
    """Rows in the sets that folds train on, hold out and score, added up: their numbers are kept."""
    stored_rows: int = 0
    """Number of rows on disk."""
    splitting_bytes: int = 0
    """Bytes in use while the folds of rows on disk are chosen, before compiling."""
    joins_all_rows: bool = False
    """Whether the members on all rows train together with the folds."""

    def predict(self, chunk: int, *, xla: bool, evaluated_rows: int) -> int:
        """Return the peak memory of a run with `chunk` strengths at a time, in bytes."""
        return int(self.compute_fixed_bytes(xla) + chunk * self._compute_strength_bytes(xla, evaluated_rows))

    def compute_max_chunk(self, xla: bool) -> int:
        """Return the number of strengths at a time that fits the limit, at least 1."""
        return max(
            1, int((self.limit - self.compute_fixed_bytes(xla)) / self._compute_strength_bytes(xla, self.batch_size))
        )

    def compute_fixed_bytes(self, xla: bool) -> float:
        """Return the bytes that do not depend on the number of strengths at a time."""
        kept_bytes = self.held_out_rows * (self.output + 8) + self.member  # per strength, until the path is assembled
        together = count_parallel_folds(self._trainings, xla)
        batch = together * (2 * 4 * self.inputs * self.batch_size + _BATCHES * self.rows)
        rows = _READING_BYTES + _BLOCKS * self.data if self.stored_rows else self.data
        training = rows + _HEAP * (batch + _INDEX * self.listed_rows) + self.strengths * kept_bytes
        return max(_COMPILING_BYTES[xla] + training, self.splitting_bytes)

    @property
    def _trainings(self) -> int:
        """Number of members of a strength that train at a time."""
        return self.folds + self.joins_all_rows

    def _compute_strength_bytes(self, xla: bool, evaluated_rows: int) -> float:
        training = self.member + self.weights + _ACTIVATIONS[xla] * self.activations * self.batch_size
        evaluation = 2 * 4 * self.widest_output * evaluated_rows
        # Losses and predictions of all folds, and the mean losses over folds in float32 and float64. The scores of the
        # kept epochs are in `fixed_bytes`.
        scores = self.folds * self.scored_rows * 4 + self.held_out_sum * self.output + self.held_out_rows * (4 + 8)
        scores += _BLOCK_SCORES * self.rows * (self.output + 4) if self.stored_rows else 0
        together = count_parallel_folds(self._trainings, xla)
        return self._trainings * self.member + together * max(training, evaluation) + _HEAP * scores


def measure(
    template: Template,
    data: Data,
    held_out: Sequence[np.ndarray],
    *,
    batch_size: int,
    strengths: int,
    limit: int,
    n_train: int = 0,
    stored_rows: int = 0,
    is_random: bool = True,
) -> Memory:
    """Return the sizes of a run.

    Args:
        template: The template of the model.
        data: All rows.
        held_out: Held-out rows of each fold.
        batch_size: Number of rows in a batch.
        strengths: Number of strengths S.
        limit: Bytes that the run may take.
        n_train: Rows that the folds train on, added up.
        stored_rows: Number of rows on disk, of which `data` is a sample, or 0.
        is_random: Whether the folds are chosen at random, without groups.
    """
    network = template.network
    optimizer = make_fresh_optimizer(template.optimizer)
    optimizer.build(network.trainable_variables)
    weights = _count_bytes(network.trainable_variables)
    outputs = [math.prod(shape) for shape in _list_output_shapes(network)] or [1]
    item = np.dtype(network.trainable_variables[0].dtype).itemsize
    return Memory(
        member=_count_bytes(network.variables) + _count_bytes(optimizer.variables),
        weights=weights,
        activations=item * (sum(outputs) + _count_states(network)),
        output=item * _compute_output_size(network, outputs),
        widest_output=max(outputs),
        data=sum(array.nbytes for array in tree.flatten((data.x, data.y, data.weight))),
        scored_rows=2 * max(map(len, held_out)),
        held_out_rows=len(np.unique(np.concatenate(held_out))),
        held_out_sum=sum(map(len, held_out)),
        folds=len(held_out),
        strengths=strengths,
        batch_size=batch_size,
        limit=limit,
        inputs=sum(math.prod(array.shape[1:]) for array in tree.flatten(data.x)),
        rows=data.n_rows,
        listed_rows=3 * len(held_out) * data.n_rows if stored_rows else n_train + 2 * sum(map(len, held_out)),
        stored_rows=stored_rows,
        splitting_bytes=stored_rows * (_SPLITTING_BYTES[is_random] + 8 * bool(np.ptp(data.weight))),
    )


def _count_bytes(variables: Sequence[Any]) -> int:
    return sum(math.prod(v.shape) * np.dtype(v.dtype).itemsize for v in variables)


def _list_output_shapes(network: Any) -> list[tuple[int, ...]]:
    """Return the output shape of each layer for a row, for the layers in the model's graph."""
    shapes = []
    for operation in iterate_operations(network):
        try:
            tensors = keras.tree.flatten(operation.output)
        except (AttributeError, ValueError):  # never called on symbolic tensors
            continue
        shapes += [tuple(size or 1 for size in tensor.shape[1:]) for tensor in tensors]
    return shapes


def _count_states(network: Any) -> int:
    """Return the number of values per row that loops over time store for gradients."""
    total = 0
    for operation in iterate_operations(network):
        directions = (getattr(operation, name, None) for name in ("forward_layer", "backward_layer"))
        loops: list[Any] = [layer for layer in (operation, *directions) if isinstance(layer, keras.layers.RNN)]
        for layer in loops:
            sequence = tree.flatten(operation.input)[0]  # initial states may follow
            total += _GATES * sum(tree.flatten(layer.state_size)) * (sequence.shape[1] or 1)
    return total


def _compute_output_size(network: Any, outputs: list[int]) -> int:
    """Return the number of values in the model's outputs for a row."""
    try:
        ends = network.outputs
    except (AttributeError, ValueError):  # a subclassed model has no symbolic tensors
        return outputs[-1]
    return sum(math.prod(size or 1 for size in tensor.shape[1:]) for tensor in ends)
