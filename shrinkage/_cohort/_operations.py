"""`keras.ops` in a model's graph, such as `x + y` or `ops.mean(x, axis=1)`, for all members at once.

An operation runs on tensors (f, s, batch, ...) of all members if the axes are shifted past the two member axes. It may
mix rows: an average over the batch is taken separately for each member.
"""

import copy
from typing import Any

import keras
from keras import ops, tree

from shrinkage._cohort._unroll import MemberTensor
from shrinkage._host._graphs import get_operation_kind

_ELEMENTWISE = frozenset(
    """
    Absolute Add Arccos Arccosh Arcsin Arcsinh Arctan Arctan2 Arctanh Cast Ceil Celu Clip Cos Cosh Divide DivideNoNan
    Elu Equal Erf Exp Expm1 Floor FloorDivide Gelu Greater GreaterEqual HardShrink HardSigmoid HardSilu HardTanh
    Isfinite Isinf Isnan LeakyRelu Less LessEqual Log Log10 Log1p Log2 Logaddexp LogicalAnd LogicalNot LogicalOr
    LogicalXor LogSigmoid Maximum Minimum Mod Multiply Negative NotEqual OnesLike Power Reciprocal Relu Relu6 Round
    Rsqrt Selu Sigmoid Sign Silu Sin Sinh SoftShrink Softplus Softsign SparsePlus SparseSigmoid Sqrt Square Squareplus
    StopGradient Subtract Tan Tanh TanhShrink Threshold TrueDivide Where ZerosLike
    """.split()
)
_REDUCTIONS = frozenset("All Any Logsumexp Max Mean Min Prod Std Sum Var".split())
_AXIS_OPERATIONS = frozenset(
    "Argmax Argmin Concatenate Cumprod Cumsum ExpandDims Flip LogSoftmax Normalize".split()
) | {
    "Softmax", "Sort", "Squeeze", "Stack"
}  # fmt: skip
_OTHER_OPERATIONS = frozenset({"GetItem", "Matmul", "Reshape", "Transpose"})


def runs(operation: Any) -> bool:
    """Return whether a Keras operation can run on all members at once."""
    kind = get_operation_kind(operation)
    if kind in _AXIS_OPERATIONS:
        return operation.axis is not None
    return kind in _ELEMENTWISE | _REDUCTIONS | _OTHER_OPERATIONS


def run_operation(operation: Any, args: Any, kwargs: Any) -> MemberTensor | None:
    """Call an operation on `Members` and constants; return None if the arguments are not supported."""
    kind = get_operation_kind(operation)
    if kind == "GetItem":
        return _get_item(*args, **kwargs)
    if kind == "Add":
        return _add(*args, **kwargs)
    if kind in _ELEMENTWISE or kind == "Matmul":
        args, kwargs = _align_ranks((args, kwargs))
    else:
        args, kwargs = _broadcast_members((args, kwargs))
        x = next(leaf for leaf in tree.flatten((args, kwargs)) if ops.is_tensor(leaf))
        operation = _shift_axes(operation, kind, x)
    return MemberTensor(operation(*args, **kwargs))


def _add(x1: Any, x2: Any) -> MemberTensor | None:
    """Return the sum, or None if Keras would add a constant `x2` as a bias along another axis than NumPy does.

    With TensorFlow, `ops.add` detects a bias by the sizes alone. It is therefore not called on the tensors of members,
    which have two axes in front.
    """
    if isinstance(x1, MemberTensor) and not isinstance(x2, MemberTensor):
        rows, constant_shape = (None, *x1.value.shape[3:]), tuple(getattr(x2, "shape", ()))
        long_sizes = [size for size in constant_shape if size > 1]
        if len(long_sizes) == 1 and len(rows) > 1 and long_sizes[0] in (rows[1], rows[-1]):
            as_bias = -1 if rows[-1] == long_sizes[0] else 1 - len(rows)
            if as_bias != constant_shape.index(long_sizes[0]) - len(constant_shape):
                return None
    (x1, x2), _ = _align_ranks(((x1, x2), {}))
    dtype = keras.backend.result_type(*(getattr(x, "dtype", type(x)) for x in (x1, x2)))
    return MemberTensor(ops.cast(x1, dtype) + ops.cast(x2, dtype))


def _shift_axes(operation: Any, kind: str | None, x: Any) -> Any:
    """Return a copy of an operation with the axes shifted past the two member axes of `x`."""
    shifted = copy.copy(operation)
    if kind == "Reshape":
        shifted.newshape = (*x.shape[:2], *operation.newshape)
    elif kind == "Transpose":
        rank = len(x.shape) - 2
        axes = range(rank - 1, -1, -1) if operation.axes is None else [axis % rank for axis in operation.axes]
        shifted.axes = (0, 1, *(axis + 2 for axis in axes))
    elif operation.axis is None:
        shifted.axis = tuple(range(2, len(x.shape)))
    else:
        shifted.axis = tree.map_structure(lambda axis: axis + 2 if axis >= 0 else axis, operation.axis)
    return shifted


def _align_ranks(arguments: Any) -> Any:
    """Broadcast the ranks of all members' tensors as NumPy does: insert axes of size 1 after the member axes."""
    ranks = [len(leaf.value.shape) - 2 if isinstance(leaf, MemberTensor) else len(getattr(leaf, "shape", ()))
             for leaf in tree.flatten(arguments)]  # fmt: skip

    def align_leaf(leaf: Any) -> Any:
        if not isinstance(leaf, MemberTensor):
            return leaf
        f, s, *dims = leaf.value.shape
        return ops.reshape(leaf.value, (f, s, *[1] * (max(ranks) - len(dims)), *dims))

    return tree.map_structure(align_leaf, arguments)


def _broadcast_members(arguments: Any) -> Any:
    """Broadcast all members' tensors to the same member axes (f, s)."""
    shapes = [leaf.value.shape[:2] for leaf in tree.flatten(arguments) if isinstance(leaf, MemberTensor)]
    members = max(f for f, _ in shapes), max(s for _, s in shapes)

    def spread(leaf: Any) -> Any:
        return (
            ops.broadcast_to(leaf.value, (*members, *leaf.value.shape[2:])) if isinstance(leaf, MemberTensor) else leaf
        )

    return tree.map_structure(spread, arguments)


def _get_item(x: Any, key: Any) -> MemberTensor | None:
    parts = key if isinstance(key, tuple) else (key,)
    if not all(part is None or part is Ellipsis or isinstance(part, (int, slice)) for part in parts):
        return None
    return MemberTensor(x.value[(slice(None), slice(None), *parts)])
