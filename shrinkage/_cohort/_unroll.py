"""Unrolling, which works for every layer: one call per member, with the values of that member."""

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops, tree

from shrinkage._cohort._state import State
from shrinkage._host._layers import list_sublayers
from shrinkage._host._tensors import get_logits, get_mask, set_logits, set_mask

_STATISTICS_LOCK = threading.Lock()  # training and evaluation may be traced at the same time


@dataclass(frozen=True)
class MemberTensor:
    """A tensor of all members in the graph, (f, s, batch, ...), and a Keras mask (f, s, batch, ...) or None."""

    value: Any
    mask: Any = None


def unroll(layer: Any, state: State, args: Any, kwargs: Any, training: bool | None) -> Any:
    """Call `layer` once per member, and stack the outputs.

    Members with the same inputs and the same values share a call. New values of variables, such as moving averages and
    seeds, are written to `state`.

    Args:
        layer: A Keras layer or operation.
        state: The values of all members.
        args, kwargs: The arguments of the call. Tensors of all members are `Members`, or plain tensors (f, s, ...) if a
            rule calls this function.
        training: The argument `training` of the layer, or None to omit it.

    Returns:
        The outputs, as `Members` or as plain tensors (f, s, ...), like the arguments.
    """
    variables = list(layer.variables) if isinstance(layer, keras.Layer) else []
    leaves = [_as_member_tensor(leaf) for leaf in tree.flatten((args, kwargs)) if _is_member_tensor(leaf)]
    shapes = [tuple(leaf.value.shape[:2]) for leaf in leaves] + [tuple(state[v].shape[:2]) for v in variables]
    folds, strengths = max(f for f, _ in shapes), max(s for _, s in shapes)
    cells = [(v, _Cells(MemberTensor(state[v]))) for v in variables]
    unstacked = tree.map_structure(
        lambda leaf: _Cells(_as_member_tensor(leaf)) if _is_member_tensor(leaf) else leaf, (args, kwargs)
    )
    outputs, updates, losses = [], [], []
    for i, j in itertools.product(range(folds), range(strengths)):
        mapping = [(v, cell.take(i, j)) for v, cell in cells]
        arguments = tree.map_structure(lambda leaf: leaf.take(i, j) if isinstance(leaf, _Cells) else leaf, unstacked)  # noqa: B023
        output, update, loss = _call_member(layer, mapping, arguments, training)
        outputs.append(output)
        updates.append(update)
        losses.append(loss)

    def stack(values: list[Any]) -> Any:
        return ops.reshape(ops.stack(values), (folds, strengths, *values[0].shape))

    for variable in variables:
        if id(variable) in updates[0]:
            state[variable] = stack([update[id(variable)] for update in updates])
    if losses[0] is not None:
        state.losses.append(stack(losses))
    is_plain = not any(isinstance(leaf, MemberTensor) for leaf in tree.flatten((args, kwargs)))
    return tree.map_structure(lambda *values: _stack_values(values, stack, is_plain), *outputs)


class _Cells:
    """A tensor (f, s, ...), unstacked at once: the gradients of S slices would be S tensors of full size."""

    def __init__(self, tensor: MemberTensor):
        self._values = _split_members(tensor.value)
        self._masks = None if tensor.mask is None else _split_members(tensor.mask)

    def take(self, i: int, j: int) -> Any:
        """Return the tensor of member (i, j) with the mask; members may share it."""
        value = _get_cell(self._values, i, j)
        if self._masks is not None:
            set_mask(value, _get_cell(self._masks, i, j))
        return value


def _split_members(value: Any) -> list[list[Any]]:
    return [ops.unstack(row, axis=0) for row in ops.unstack(value, axis=0)]


def _get_cell(values: list[list[Any]], i: int, j: int) -> Any:
    row = values[min(i, len(values) - 1)]
    return row[min(j, len(row) - 1)]


def _call_member(
    layer: Any, mapping: list[tuple[Any, Any]], arguments: tuple[Any, Any], training: bool | None
) -> tuple[Any, dict[int, Any], Any]:
    """Call `layer` for one member; return the outputs, the new values of variables, and the sum of extra losses."""
    args, kwargs = arguments
    if training is not None and isinstance(layer, keras.Layer):
        kwargs = {**kwargs, "training": training}
    with _Scope(state_mapping=mapping, collect_losses=True) as scope, _use_statistics(layer):
        output = layer(*args, **kwargs)
    # Values that the layer did not write stay as they are stored: once, if all members share them.
    new_values = {id(v): value_now for v, value in mapping if (value_now := scope.get_current_value(v)) is not value}
    losses = scope.losses
    return output, new_values, sum(losses) if losses else None


class _Scope(keras.StatelessScope):
    """A scope in which no gradient flows through the assignment of a variable, as in Keras.

    A trainable weight still gets a gradient after an assignment: the gradient at the assigned value.
    """

    def add_update(self, update: tuple[Any, Any]) -> None:
        variable, value = update
        before = self.get_current_value(variable)
        if "float" in variable.dtype:
            value = ops.stop_gradient(value)
            if variable.trainable and before is not None:
                value = value + (before - ops.stop_gradient(before))  # adds 0, with gradient 1
        super().add_update((variable, value))


@contextmanager
def _use_statistics(layer: Any) -> Iterator[None]:
    """Make Normalization layers use the statistics of the member: they compute with constants, not with variables."""
    inner = list_sublayers(layer) if isinstance(layer, keras.Layer) else ()
    normalizations = [sub for sub in inner if isinstance(sub, keras.layers.Normalization) and sub.input_mean is None]
    if not normalizations:
        yield
        return
    with _STATISTICS_LOCK:
        saved = [(sub.mean, sub.variance) for sub in normalizations]
        for sub in normalizations:
            sub.finalize_state()
        try:
            yield
        finally:
            for sub, (mean, variance) in zip(normalizations, saved, strict=True):
                sub.mean, sub.variance = mean, variance


def get_member(value: Any, i: int, j: int) -> Any:
    """Return member (i, j) of a value (f, s, ...) that members may share."""
    return value[min(i, value.shape[0] - 1), min(j, value.shape[1] - 1)]


def _is_member_tensor(leaf: Any) -> bool:
    return isinstance(leaf, MemberTensor) or ops.is_tensor(leaf)


def _as_member_tensor(leaf: Any) -> MemberTensor:
    return leaf if isinstance(leaf, MemberTensor) else MemberTensor(leaf)


def _stack_values(values: Any, stack: Any, is_plain: bool) -> Any:
    stacked = stack(list(values))
    for get, put in ((get_mask, set_mask), (get_logits, set_logits)):
        marks = [get(value) for value in values]
        if marks[0] is not None:
            put(stacked, stack(marks))
    return stacked if is_plain else MemberTensor(stacked, get_mask(stacked))
