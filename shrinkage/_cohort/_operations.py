"""Bare `keras.ops` in a model's graph, `x + y` or `ops.mean(x, axis=1)`, on all members at once.

What such an operation does to one member's tensor it does to (f, s, ...) if its axes are counted from behind the two of
the members, so nothing is asked of rows: an average over the batch is each member's own.
"""

import copy
from typing import Any

import keras
from keras import ops, tree

from shrinkage._cohort._unroll import Members
from shrinkage._host._graphs import operation_kind

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
_ALONG_AN_AXIS = frozenset("Argmax Argmin Concatenate Cumprod Cumsum ExpandDims Flip LogSoftmax Normalize".split()) | {
    "Softmax", "Sort", "Squeeze", "Stack"
}  # fmt: skip
_OTHERS = frozenset({"GetItem", "Matmul", "Reshape", "Transpose"})


def runs(operation: Any) -> bool:
    """Say whether a bare operation of Keras runs on all members at once."""
    kind = operation_kind(operation)
    if kind in _ALONG_AN_AXIS:
        return operation.axis is not None
    return kind in _ELEMENTWISE | _REDUCTIONS | _OTHERS


def run(operation: Any, args: Any, kwargs: Any) -> Members | None:
    """Return what an operation makes of `Members` and constants, or None if these arguments are not covered."""
    kind = operation_kind(operation)
    if kind == "GetItem":
        return _item(*args, **kwargs)
    if kind == "Add":
        return _add(*args, **kwargs)
    if kind in _ELEMENTWISE or kind == "Matmul":
        args, kwargs = _same_rank((args, kwargs))
    else:
        args, kwargs = _same_members((args, kwargs))
        x = next(leaf for leaf in tree.flatten((args, kwargs)) if ops.is_tensor(leaf))
        operation = _behind_members(operation, kind, x)
    return Members(operation(*args, **kwargs))


def _add(x1: Any, x2: Any) -> Members | None:
    """Return a sum, or None if Keras takes a constant `x2` for a bias and adds it along another axis than NumPy would.

    `ops.add` with TensorFlow goes by sizes alone, so that it cannot be called on members either, whose axes come first.
    """
    if isinstance(x1, Members) and not isinstance(x2, Members):
        rows, constant_shape = (None, *x1.value.shape[3:]), tuple(getattr(x2, "shape", ()))
        long_sizes = [size for size in constant_shape if size > 1]
        if len(long_sizes) == 1 and len(rows) > 1 and long_sizes[0] in (rows[1], rows[-1]):
            as_bias = -1 if rows[-1] == long_sizes[0] else 1 - len(rows)
            if as_bias != constant_shape.index(long_sizes[0]) - len(constant_shape):
                return None
    (x1, x2), _ = _same_rank(((x1, x2), {}))
    dtype = keras.backend.result_type(*(getattr(x, "dtype", type(x)) for x in (x1, x2)))
    return Members(ops.cast(x1, dtype) + ops.cast(x2, dtype))


def _behind_members(operation: Any, kind: str | None, x: Any) -> Any:
    """Return a copy of an operation whose axes are counted from behind the two of the members of `x`."""
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


def _same_rank(arguments: Any) -> Any:
    """Give all members' tensors the rank that NumPy's broadcasting gives them: axes of one behind the members'."""
    ranks = [len(leaf.value.shape) - 2 if isinstance(leaf, Members) else len(getattr(leaf, "shape", ()))
             for leaf in tree.flatten(arguments)]  # fmt: skip

    def align_leaf(leaf: Any) -> Any:
        if not isinstance(leaf, Members):
            return leaf
        f, s, *dims = leaf.value.shape
        return ops.reshape(leaf.value, (f, s, *[1] * (max(ranks) - len(dims)), *dims))

    return tree.map_structure(align_leaf, arguments)


def _same_members(arguments: Any) -> Any:
    """Give all members' tensors the same two axes in front."""
    shapes = [leaf.value.shape[:2] for leaf in tree.flatten(arguments) if isinstance(leaf, Members)]
    members = max(f for f, _ in shapes), max(s for _, s in shapes)

    def spread(leaf: Any) -> Any:
        return ops.broadcast_to(leaf.value, (*members, *leaf.value.shape[2:])) if isinstance(leaf, Members) else leaf

    return tree.map_structure(spread, arguments)


def _item(x: Any, key: Any) -> Members | None:
    parts = key if isinstance(key, tuple) else (key,)
    if not all(part is None or part is Ellipsis or isinstance(part, (int, slice)) for part in parts):
        return None
    return Members(x.value[(slice(None), slice(None), *parts)])
