"""A forward pass of all members through the model's graph, node by node.

`run_mode` selects how a node runs:

- "rule": a rule computes all members at once.
- "merge": the layer is called once, with the member axes folded into the batch, for layers without variables that never
  mix rows. Elementwise layers keep the member axes.
- "operation": a Keras operation runs with the axes shifted past the two member axes.
- "graph": the nodes of a nested model run one by one.
- "unroll": anything else, such as a subclassed model or an unknown layer, is called once per member.
"""

from collections.abc import Iterator
from typing import Any

import keras
from keras import layers, ops, tree

from shrinkage._cohort import _operations
from shrinkage._cohort._apply import apply, bind_arguments
from shrinkage._cohort._rules._registry import find_rule, fold_members, is_built_in_activation, unfold_members
from shrinkage._cohort._state import State
from shrinkage._cohort._unroll import MemberTensor, unroll
from shrinkage._host._graphs import Functional, get_graph, run_through_graph
from shrinkage._host._tensors import get_mask, set_mask
from shrinkage._model._losses import carry_logits

# Layers without weights, seeds and losses, where each output row depends only on the same input row. This is a list
# because it cannot be detected: a Lambda layer has no weights either, and may average over rows.
_ROW_WISE: frozenset[type] = frozenset(
    {
        layers.Masking, layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU, layers.Softmax, layers.Identity,
        layers.Flatten, layers.Reshape, layers.Permute, layers.RepeatVector, layers.Rescaling,
        layers.UnitNormalization, layers.Attention, layers.AdditiveAttention,
        layers.CenterCrop, layers.Discretization, layers.CategoryEncoding,
        layers.Add, layers.Subtract, layers.Multiply, layers.Average, layers.Maximum, layers.Minimum,
        layers.Concatenate, layers.Dot,
        layers.MaxPooling1D, layers.MaxPooling2D, layers.MaxPooling3D,
        layers.AveragePooling1D, layers.AveragePooling2D, layers.AveragePooling3D,
        layers.GlobalMaxPooling1D, layers.GlobalMaxPooling2D, layers.GlobalMaxPooling3D,
        layers.GlobalAveragePooling1D, layers.GlobalAveragePooling2D, layers.GlobalAveragePooling3D,
        layers.ZeroPadding1D, layers.ZeroPadding2D, layers.ZeroPadding3D,
        layers.Cropping1D, layers.Cropping2D, layers.Cropping3D,
        layers.UpSampling1D, layers.UpSampling2D, layers.UpSampling3D,
    }
)  # fmt: skip
# Layers of `_ROW_WISE` that take any number of leading axes. Their inputs keep the member axes: reshapes would keep XLA
# from a fast sum of the gradients of a bias.
_ELEMENTWISE: frozenset[type] = frozenset({layers.Activation, layers.ReLU, layers.LeakyReLU, layers.ELU})
_GRAPH_CALLS = (keras.Sequential.call, Functional.call)


def forward(model: keras.Model, state: State, x: Any, training: bool) -> Any:
    """Return the predictions (f, s, batch, ...) of all members for inputs `x` (f, 1, batch, ...); both may be trees."""
    outputs = _run(model, state, training)(tree.map_structure(MemberTensor, x))
    return tree.map_structure(lambda leaf: leaf.value, outputs)


def run_mode(operation: Any, xla: bool = True) -> str:
    """Return how a node runs with or without XLA: "rule", "merge", "operation", "graph" or "unroll"."""
    if isinstance(operation, keras.Model) and type(operation).call in _GRAPH_CALLS and get_graph(operation) is not None:
        return "graph"
    if not isinstance(operation, keras.Layer):
        return "operation" if _operations.runs(operation) else "unroll"
    if find_rule(operation, xla) is not None:
        return "rule"
    return "merge" if _is_row_wise(operation) else "unroll"


def _is_row_wise(layer: Any) -> bool:
    if type(layer) is layers.TimeDistributed and layer.activity_regularizer is None:
        return _is_row_wise(layer.layer)
    xla_has_it = getattr(layer, "interpolation", "nearest") in ("nearest", "bilinear")  # for UpSampling2D
    holds_nothing = not layer.variables and layer.activity_regularizer is None
    is_known = type(layer) in _ROW_WISE and is_built_in_activation(getattr(layer, "activation", None))
    return is_known and holds_nothing and xla_has_it


def _is_elementwise(layer: Any) -> bool:
    # The kernel of softmax supports five axes.
    return type(layer) in _ELEMENTWISE and getattr(layer, "activation", None) is not keras.activations.softmax


def iterate_operations(model: Any) -> Iterator[Any]:
    """Yield the operations of a model's graph, including the operations of nested models instead of the models."""
    if run_mode(model) != "graph":
        yield model
        return
    for operation in get_graph(model).operations:
        if not isinstance(operation, layers.InputLayer):
            yield from iterate_operations(operation)


def _run(operation: Any, state: State, training: bool) -> Any:
    """Return a function that calls `operation` on `Members`."""

    def call(*args: Any, **kwargs: Any) -> Any:
        mode, rule = run_mode(operation, state.xla), find_rule(operation, state.xla)
        if mode == "graph":
            graph = get_graph(operation)
            inputs = _order_inputs(graph, *args, **kwargs)
            return run_through_graph(graph, inputs, lambda node: _run(node, state, training))
        if mode == "rule" and rule is not None:
            arguments = bind_arguments(rule, operation, args, kwargs)
            if arguments is not None:
                return apply(rule, operation, arguments, state, training)
        if mode == "operation" and (output := _operations.run_operation(operation, args, kwargs)) is not None:
            return output
        if mode == "merge":
            return (_call_elementwise if _is_elementwise(operation) else _merge)(operation, args, kwargs)
        return unroll(operation, state, args, kwargs, training)

    return call


def _spread(parts: list[Any]) -> Iterator[Any]:
    """Broadcast the inputs of a merging layer to the same shape, so that `ops.add` does not take a column for a bias.

    TensorFlow does so if a column has as many rows as the other tensor has columns, which may happen with member axes
    folded into the batch.
    """
    rank = max(len(part.shape) for part in parts)
    shapes = [(part.shape[0], *[1] * (rank - len(part.shape)), *part.shape[1:]) for part in parts]
    shape = tuple(max(sizes) for sizes in zip(*shapes, strict=True))
    for part, own_shape in zip(parts, shapes, strict=True):
        spread = ops.broadcast_to(ops.reshape(part, own_shape), shape)
        set_mask(spread, get_mask(part))
        yield spread


def _order_inputs(graph: Any, inputs: Any, **ignored_arguments: Any) -> list[Any]:
    """Return the inputs of a graph in the order of the graph; as in Keras, a dictionary may stand for a list."""
    del ignored_arguments  # `training` and so on: `_run` passes them to the nodes
    if isinstance(inputs, dict) and not isinstance(graph.input, dict):
        return [inputs[tensor.name] for tensor in graph.inputs]
    return tree.flatten(inputs)


def _call_elementwise(operation: Any, args: Any, kwargs: Any) -> MemberTensor:
    """Call a layer of one tensor on (f, s, batch, ...); the mask stays the same."""
    (leaf,) = (leaf for leaf in tree.flatten((args, kwargs)) if isinstance(leaf, MemberTensor))
    args, kwargs = tree.map_structure(lambda each: each.value if each is leaf else each, (args, kwargs))
    with keras.StatelessScope():
        return MemberTensor(operation(*args, **kwargs), leaf.mask)


def _merge(operation: Any, args: Any, kwargs: Any) -> Any:
    """Call a row-wise layer once, with the member axes folded into the batch."""
    leaves = [leaf for leaf in tree.flatten((args, kwargs)) if isinstance(leaf, MemberTensor)]
    members = max(leaf.value.shape[0] for leaf in leaves), max(leaf.value.shape[1] for leaf in leaves)

    def fold_leaf(leaf: Any) -> Any:
        if not isinstance(leaf, MemberTensor):
            return leaf
        tensor = fold_members(leaf.value, members)
        if leaf.mask is not None:
            set_mask(tensor, fold_members(leaf.mask, members))
        return tensor

    def unfold(value: Any) -> Any:
        return unfold_members(value, members)

    def unfold_output(output: Any) -> MemberTensor:
        mask = get_mask(output)
        return MemberTensor(carry_logits(output, unfold(output), unfold), None if mask is None else unfold(mask))

    args, kwargs = tree.map_structure(fold_leaf, (args, kwargs))
    if isinstance(operation, (layers.Add, layers.Average)) and len({tuple(part.shape) for part in args[0]}) > 1:
        args = ([*_spread(args[0])], *args[1:])
    with keras.StatelessScope():
        return tree.map_structure(unfold_output, operation(*args, **kwargs))
