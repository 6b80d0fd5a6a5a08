"""SimpleRNN, LSTM, GRU, RNN with cells of these classes, and Bidirectional: a loop over time for all members."""

from collections.abc import Callable
from typing import Any

import keras
from keras import layers, ops, tree

from shrinkage._cohort._rules._dense import activate
from shrinkage._cohort._rules._registry import align, find_rule, is_built_in_activation, rule
from shrinkage._cohort._state import State
from shrinkage._cohort._unroll import get_member
from shrinkage._host._layers import rnn

_MAX_UNROLLED_STEPS = 8  # longer series run in a loop: XLA compiled 32 unrolled steps in 48 s, and the loop in 2 s

Masks = tuple[list[Any], list[Any]]
"""Dropout masks for the input and for the state of a cell. Each list has 0 masks, 1, or 1 per gate, (f, 1, batch, ...).
"""


def _covers(layer: Any) -> bool:
    cells = _list_cells(layer.cell)
    return (
        not layer.stateful
        and not (layer.return_state and len(cells) > 1)  # then the states are a list of lists
        and layer.cell.activity_regularizer is None
        and all(
            type(cell) in _STEPS
            and cell.activity_regularizer is None
            and cell.compute_dtype == layer.compute_dtype
            and is_built_in_activation(cell.activation)
            and is_built_in_activation(getattr(cell, "recurrent_activation", None))
            and max(cell.dropout, cell.recurrent_dropout) < 1
            for cell in cells
        )
    )


@rule(layers.SimpleRNN, _covers)
@rule(layers.LSTM, _covers)
@rule(layers.GRU, _covers)
@rule(layers.RNN, _covers)
def recurrent(
    layer: Any, state: State, x: Any, training: bool, *, mask: Any = None, initial_state: Any = None
) -> tuple[Any, ...] | Any:
    """Run Keras' loop over the time steps of `x` (f, s, batch, time, i), with a step function for all members."""
    cells, batch = _list_cells(layer.cell), x.shape[2]
    mask = tree.flatten(mask)[0] if mask is not None else None
    states = tree.flatten(initial_state) if initial_state is not None else []
    values = [x, *states, *(state[cell.kernel] for cell in cells), *([] if mask is None else [mask])]
    f, s = (max(value.shape[axis] for value in values) for axis in (0, 1))
    sizes = tree.flatten([cell.state_size for cell in cells])
    states = states or [ops.zeros((1, 1, batch, size), dtype=layer.compute_dtype) for size in sizes]
    widths = [x.shape[-1], *(cell.units for cell in cells)]
    masks = [
        _make_dropout_masks(cell, state, ops.ones((batch, width), dtype=x.dtype)) if training else ([], [])
        for cell, width in zip(cells, widths, strict=False)
    ]
    # Keras' unrolled loop does not reverse the mask by which it zeroes outputs. With `layer.unroll` this does the same.
    is_zeroed = layer.return_sequences and layer.zero_output_for_mask and mask is not None
    keeps_mask_order = layer.unroll and layer.go_backwards and is_zeroed
    last, outputs, states = rnn(
        lambda x, states: _step(cells, state, x, states, masks),
        ops.moveaxis(x, 3, 0),
        [ops.broadcast_to(value, (f, s, *value.shape[2:])) for value in states],  # a loop cannot change shapes
        go_backwards=layer.go_backwards,
        mask=None if mask is None else ops.moveaxis(mask, 3, 0)[..., None],
        unroll=mask is None and x.shape[3] <= _MAX_UNROLLED_STEPS,
        input_length=x.shape[3],
        time_major=True,
        zero_output_for_mask=layer.zero_output_for_mask and not keeps_mask_order,
        return_all_outputs=layer.return_sequences,
    )
    if keeps_mask_order:
        outputs = ops.where(ops.moveaxis(mask, 3, 0)[..., None], outputs, 0)
    y = ops.moveaxis(outputs, 0, 3) if layer.return_sequences else last
    return (y, *states) if layer.return_state else y


@rule(layers.Bidirectional, lambda layer: all(map(find_rule, (layer.forward_layer, layer.backward_layer))))
def bidirectional(
    layer: Any, state: State, x: Any, training: bool, *, mask: Any = None, initial_state: Any = None
) -> tuple[Any, ...] | Any:
    """Run both layers, reverse the outputs of the backward layer in time, and merge the outputs."""
    starts = [None, None]
    if initial_state is not None:
        half = len(initial_state) // 2
        starts = [initial_state[:half], initial_state[half:]]
    directions = zip((layer.forward_layer, layer.backward_layer), starts, strict=True)
    forward, backward = (
        recurrent(direction, state, x, training, mask=mask, initial_state=start) for direction, start in directions
    )
    states = ()
    if layer.return_state:
        (forward, *first), (backward, *second) = forward, backward
        states = (*first, *second)
    if layer.return_sequences:
        backward = ops.flip(backward, axis=3)
    y = _MERGES[layer.merge_mode](forward, backward)
    if layer.merge_mode is None:
        return *y, *states
    return (y, *states) if layer.return_state else y


_MERGES: dict[str | None, Callable[[Any, Any], Any]] = {
    "concat": lambda y, z: ops.concatenate([y, z], axis=-1),
    "sum": lambda y, z: y + z,
    "ave": lambda y, z: (y + z) / 2,
    "mul": lambda y, z: y * z,
    None: lambda y, z: (y, z),
}


def _list_cells(cell: Any) -> list[Any]:
    return list(cell.cells) if type(cell) is layers.StackedRNNCells else [cell]


def _step(cells: list[Any], state: State, x: Any, states: list[Any], masks: list[Masks]) -> tuple[Any, list[Any]]:
    """Run one time step through the stacked cells; each cell uses one or two of the states."""
    all_states: list[Any] = []
    for cell, drawn in zip(cells, masks, strict=True):
        count = len(tree.flatten(cell.state_size))
        x, new_states = _STEPS[type(cell)](cell, state, x, states[len(all_states) : len(all_states) + count], drawn)
        all_states += new_states
    return x, all_states


def _make_dropout_masks(cell: Any, state: State, x: Any) -> Masks:
    """Draw the dropout masks of a cell, one set per fold for all time steps.

    Args:
        cell: The cell.
        state: The values of all members. The seeds in it are advanced.
        x: A tensor with the shape and dtype of the cell's input for one member, (batch, i).
    """
    if not cell.dropout and not cell.recurrent_dropout:
        return [], []
    generator, count = cell.seed_generator, getattr(cell, "dropout_mask_count", 1)
    h = ops.ones((x.shape[0], cell.units), dtype=x.dtype)
    folds, seeds = [], []
    for f in range(state[generator.state].shape[0]):
        mapping = [(generator.state, get_member(state[generator.state], f, 0))]
        with keras.StatelessScope(state_mapping=mapping) as scope:
            folds.append(
                [
                    [keras.random.dropout(ones, rate, seed=generator) for _ in range(count)] if rate else []
                    for ones, rate in ((x, cell.dropout), (h, cell.recurrent_dropout))
                ]
            )
        seeds.append(scope.get_current_value(generator.state))
    state[generator.state] = ops.stack(seeds)[:, None]
    inputs, states = tree.map_structure(lambda *drawn: ops.stack(drawn)[:, None], *folds)
    return inputs, states


def _compute_gates(x: Any, kernel: Any, bias: Any, masks: list[Any], count: int) -> list[Any]:
    """Return x·W + b for each gate, (f, s, batch, units): one product, or one per gate if each gate has a mask."""
    if len(masks) > 1:
        kernels = ops.split(kernel, count, axis=-1)
        y = ops.concatenate([ops.matmul(x * mask, k) for mask, k in zip(masks, kernels, strict=True)], axis=-1)
    else:
        y = ops.matmul(x * masks[0] if masks else x, kernel)
    if bias is not None:
        y = y + align(bias, y, (3,))
    return ops.split(y, count, axis=-1)


def _simple_rnn(cell: Any, state: State, x: Any, states: list[Any], masks: Masks) -> tuple[Any, list[Any]]:
    """h' = activation(x·W + h·U + b)."""
    (h,) = states
    bias = state[cell.bias] if cell.use_bias else None
    (y,) = _compute_gates(x, state[cell.kernel], bias, masks[0], 1)
    (inner,) = _compute_gates(h, state[cell.recurrent_kernel], None, masks[1], 1)
    h = activate(cell.activation, y + inner)
    return h, [h]


def _lstm(cell: Any, state: State, x: Any, states: list[Any], masks: Masks) -> tuple[Any, list[Any]]:
    """c' = f∘c + i∘g and h' = o∘activation(c'), with the gates i, f, o and the candidate g of x·W + h·U + b."""
    h, c = states
    bias = state[cell.bias] if cell.use_bias else None
    y = _compute_gates(x, state[cell.kernel], bias, masks[0], 4)
    inner = _compute_gates(h, state[cell.recurrent_kernel], None, masks[1], 4)
    i, f, g, o = (gate_x + gate_h for gate_x, gate_h in zip(y, inner, strict=True))
    gate, activation = cell.recurrent_activation, cell.activation
    c = activate(gate, f) * c + activate(gate, i) * activate(activation, g)
    h = activate(gate, o) * activate(activation, c)
    return h, [h, c]


def _gru(cell: Any, state: State, x: Any, states: list[Any], masks: Masks) -> tuple[Any, list[Any]]:
    """h' = z∘h + (1 - z)∘g, where the gate r multiplies h·U in the candidate g, or h before the product with U."""
    (h,) = states
    kernel, bias, inner_bias = state[cell.recurrent_kernel], None, None
    if cell.use_bias:
        bias = state[cell.bias]
        if cell.reset_after:
            bias, inner_bias = bias[:, :, 0], bias[:, :, 1]
    z, r, g = _compute_gates(x, state[cell.kernel], bias, masks[0], 3)
    gate, units = cell.recurrent_activation, cell.units
    if cell.reset_after:
        inner_z, inner_r, inner_g = _compute_gates(h, kernel, inner_bias, masks[1], 3)
        z, r = activate(gate, z + inner_z), activate(gate, r + inner_r)
        inner_g = r * inner_g
    else:
        inner_z, inner_r = _compute_gates(h, kernel[..., : 2 * units], None, masks[1][:2], 2)
        z, r = activate(gate, z + inner_z), activate(gate, r + inner_r)
        (inner_g,) = _compute_gates(r * h, kernel[..., 2 * units :], None, masks[1][2:], 1)
    h = z * h + (1 - z) * activate(cell.activation, g + inner_g)
    return h, [h]


_STEPS = {layers.SimpleRNNCell: _simple_rnn, layers.LSTMCell: _lstm, layers.GRUCell: _gru}
