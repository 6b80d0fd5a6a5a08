"""How much memory a run takes, told from shapes before it starts, so that chunks of strengths keep to a limit."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._cohort._cohort import side_by_side
from shrinkage._cohort._forward import nodes
from shrinkage._data._data import Data
from shrinkage._model._template import Template, fresh_optimizer

_ACTIVATIONS = {False: 1.4, True: 3.5}
"""Copies of all layers' outputs that a step holds at its peak, without and with XLA; measured."""
_GATES = 3
"""Values that a loop over time keeps of each unit and step, of which there are as many copies; measured with GRU."""
_COMPILING = {False: 100 * 2**20, True: 250 * 2**20}
"""Bytes that tracing and compiling leave behind; measured."""


@dataclass(frozen=True)
class Memory:
    """What the memory of a run follows from; sizes are in bytes."""

    member: int
    """One member's variables and optimizer state."""
    weights: int
    """One member's trainable weights, which gradients are as large as."""
    activations: int
    """Outputs of all layers for one row."""
    output: int
    """The model's own output for one row."""
    widest: int
    """Values, not bytes, in the largest output of a layer for one row."""
    data: int
    """All rows."""
    scored: int
    """Rows that the fold with most of them scores after an epoch, held out and trained on."""
    held_out: int
    """Number of rows that are held out by some fold."""
    held_out_by_all: int
    """Rows that all folds hold out, added up: a row counts once for each fold that does."""
    folds: int
    """F."""
    strengths: int
    """S, of all chunks."""
    batch_size: int
    """Rows in a batch."""
    limit: int
    """What a run may take."""

    def predict(self, chunk: int, *, xla: bool, evaluated_rows: int) -> int:
        """Return the bytes that a run takes at its peak with so many strengths at a time."""
        return int(self._fixed_bytes(xla) + chunk * self._per_strength(xla, evaluated_rows))

    def affordable(self, xla: bool) -> int:
        """Return how many strengths at a time keep to the limit, at least one."""
        return max(1, int((self.limit - self._fixed_bytes(xla)) / self._per_strength(xla, self.batch_size)))

    def _fixed_bytes(self, xla: bool) -> float:
        kept = self.held_out * (self.output + 8) + self.member  # of one strength, on the way to the path
        return _COMPILING[xla] + self.data + self.strengths * kept

    def _per_strength(self, xla: bool, evaluated_rows: int) -> float:
        training = self.member + self.weights + _ACTIVATIONS[xla] * self.activations * self.batch_size
        evaluation = 2 * 4 * self.widest * evaluated_rows
        scores = self.folds * self.scored * 4 + (self.held_out + self.held_out_by_all) * (self.output + 8)
        return self.folds * self.member + side_by_side(self.folds, xla) * max(training, evaluation) + scores


def measure(
    template: Template,
    data: Data,
    held_out: Sequence[np.ndarray],
    *,
    batch_size: int,
    strengths: int,
    limit: int,
) -> Memory:
    """Return the sizes of a run.

    Args:
        template: The model.
        data: All rows.
        held_out: Each fold's held-out rows.
        batch_size: Rows in a batch.
        strengths: S.
        limit: Bytes that the run may take.
    """
    network = template.network
    optimizer = fresh_optimizer(template.optimizer)
    optimizer.build(network.trainable_variables)
    weights = _bytes(network.trainable_variables)
    outputs = [math.prod(shape) for shape in _outputs(network)] or [1]
    item = np.dtype(network.trainable_variables[0].dtype).itemsize
    return Memory(
        member=_bytes(network.variables) + _bytes(optimizer.variables),
        weights=weights,
        activations=item * (sum(outputs) + _states(network)),
        output=item * _output_size(network, outputs),
        widest=max(outputs),
        data=sum(array.nbytes for array in tree.flatten((data.x, data.y, data.weight))),
        scored=2 * max(map(len, held_out)),
        held_out=len(np.unique(np.concatenate(held_out))),
        held_out_by_all=sum(map(len, held_out)),
        folds=len(held_out),
        strengths=strengths,
        batch_size=batch_size,
        limit=limit,
    )


def _bytes(variables: Sequence[Any]) -> int:
    return sum(math.prod(v.shape) * np.dtype(v.dtype).itemsize for v in variables)


def _outputs(network: Any) -> list[tuple[int, ...]]:
    """Return the shapes of a row's value after each layer, as far as the model's graph tells."""
    shapes = []
    for operation in nodes(network):
        try:
            tensors = keras.tree.flatten(operation.output)
        except (AttributeError, ValueError):  # never called on symbolic tensors
            continue
        shapes += [tuple(size or 1 for size in tensor.shape[1:]) for tensor in tensors]
    return shapes


def _states(network: Any) -> int:
    """Return the values that loops over time keep of a row for their gradients: three for each unit and step."""
    total = 0
    for operation in nodes(network):
        directions = (getattr(operation, name, None) for name in ("forward_layer", "backward_layer"))
        loops: list[Any] = [layer for layer in (operation, *directions) if isinstance(layer, keras.layers.RNN)]
        for layer in loops:
            sequence = tree.flatten(operation.input)[0]  # a mask and first states may follow
            total += _GATES * sum(tree.flatten(layer.state_size)) * (sequence.shape[1] or 1)
    return total


def _output_size(network: Any, outputs: list[int]) -> int:
    """Return the values of the model's own outputs for one row."""
    try:
        ends = network.outputs
    except (AttributeError, ValueError):  # a subclassed model has no symbolic tensors
        return outputs[-1]
    return sum(math.prod(size or 1 for size in tensor.shape[1:]) for tensor in ends)
