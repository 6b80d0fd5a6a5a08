"""Kernels whose scale does not matter, because a normalization follows: there a penalty only changes the step size.

If f(c * w) = f(w) for every c > 0, the gradient g is orthogonal to w, <g, w> = 0, and of size ~ 1 / ||w||: shrinking w
lengthens the effective step instead of making the function smoother (van Laarhoven 2017, L2 regularization versus batch
and weight normalization). They are found in the model's graph, and each is tried on random rows: to double it must
change next to nothing. It does change something where the normalization's epsilon is not small.
"""

from collections.abc import Iterator
from typing import Any

import keras
from keras import layers, ops

from shrinkage._host._graphs import graph_of, nodes_of
from shrinkage._host._layers import sublayers
from shrinkage._weights._kinds import PENALISED, kind_of


def _of(names: str) -> frozenset[type]:
    return frozenset(getattr(layers, name) for name in names.split())


_NORMALIZATIONS = _of("BatchNormalization LayerNormalization GroupNormalization RMSNormalization UnitNormalization")
# A multiple of each of their kernels.
_LINEAR = _of("""
    Dense EinsumDense Embedding Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose
    DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D
""")
# Of a multiple of the input, the same multiple of the output, as long as it is positive.
_HOMOGENEOUS = _of("""
    Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D Identity LeakyReLU
    Flatten Reshape Permute RepeatVector Cropping1D Cropping2D Cropping3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D MaxPooling3D
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D UpSampling1D UpSampling2D UpSampling3D
""")
_ACTIVATIONS = (keras.activations.linear, keras.activations.relu, keras.activations.leaky_relu)
_SMALL = 0.25  # a change by less is the work of the normalization's epsilon
_UNKNOWN = 32  # for sizes of the inputs that the model leaves open

Path = list[Any]  # the layers between a kernel's and a normalization, and this


def scale_invariant(model: keras.Model) -> set[int]:
    """Return the ids of the kernels and embeddings of a built model that a normalization makes scale-invariant.

    Only graphs are looked into, nested ones too: the inside of a subclassed model or layer is not known.

    Example:
        >>> import keras
        >>> first, last = keras.layers.Dense(4, use_bias=False), keras.layers.Dense(1)
        >>> model = keras.Sequential([keras.Input((3,)), first, keras.layers.BatchNormalization(), last])
        >>> scale_invariant(model) == {id(first.kernel)}
        True
    """
    claims: dict[int, bool] = {}
    for graph in _graphs(model):
        nodes = nodes_of(graph)
        for node in nodes:
            if type(node.operation) in _LINEAR:
                paths = _paths(node, nodes, graph.outputs)
                for variable in _factors(node.operation):  # of a layer that is used twice, both uses count
                    claims[id(variable)] = claims.get(id(variable), True) and _holds(node, variable, paths)
    return {variable for variable, holds in claims.items() if holds}


def _graphs(model: keras.Model) -> Iterator[Any]:
    """Yield the graph of a model and those of the models in it."""
    for part in sublayers(model):
        if (graph := graph_of(part)) is not None:
            yield graph


def _factors(layer: Any) -> list[Any]:
    """Return the variables that a layer's output is a multiple of."""
    if getattr(layer, "lora_enabled", False):  # it is that of their product plus a constant
        return []
    return [variable for variable in layer.trainable_variables if kind_of(layer, variable) in PENALISED]


def _paths(node: Any, nodes: list[Any], outputs: list[Any]) -> list[Path]:
    """Return the ways from a node to a normalization; none if one of its ways leads elsewhere."""
    (tensor,) = node.outputs
    if any(tensor is output for output in outputs):
        return []
    found: list[Path] = []
    for follower in nodes:
        if any(tensor is given for given in follower.input_tensors):
            operation = follower.operation
            if type(operation) in _NORMALIZATIONS:
                rest: list[Path] = [[]]
            else:
                rest = _paths(follower, nodes, outputs) if _is_homogeneous(operation) else []
            if not rest:
                return []
            found += [[operation, *path] for path in rest]
    return found


def _is_homogeneous(operation: Any) -> bool:
    if isinstance(operation, layers.ReLU):
        return operation.max_value is None and not operation.threshold
    if isinstance(operation, layers.Activation):
        return operation.activation in _ACTIVATIONS
    return type(operation) in _HOMOGENEOUS


def _holds(node: Any, variable: Any, paths: list[Path]) -> bool:
    layer = node.operation
    right = getattr(layer, "activation", keras.activations.linear) in _ACTIVATIONS
    return bool(right and paths) and all(
        _normalizes(path[-1]) and _is_free_of_bias(node, path) and _change(node, variable, path) < _SMALL
        for path in paths
    )


def _normalizes(normalization: Any) -> bool:
    """A frozen BatchNormalization divides by a constant."""
    return normalization.trainable or not isinstance(normalization, layers.BatchNormalization)


def _is_free_of_bias(node: Any, path: Path) -> bool:
    """Whether there is no bias, or a BatchNormalization subtracts it at once."""
    layer = node.operation
    if getattr(layer, "bias", None) is None:
        return True
    rank, first = len(node.outputs[0].shape), path[0]
    channels = 1 if getattr(layer, "data_format", None) == "channels_first" else rank - 1
    at_once = isinstance(first, layers.BatchNormalization) and first.axis % rank == channels
    return at_once and layer.activation is keras.activations.linear and len(layer.bias.shape) == 1


def _change(node: Any, variable: Any, path: Path) -> float:
    """Return by how much what a path leads to changes, relative to it, when a variable is doubled; rows are random."""
    layer, shape = node.operation, node.input_tensors[0].shape
    rows = 8 if len(shape) == 2 else 2
    shape = (rows, *(size or _UNKNOWN for size in shape[1:]))
    if isinstance(layer, layers.Embedding):
        x = keras.random.randint(shape, 0, layer.input_dim, seed=0)
    else:
        x = keras.random.normal(shape, seed=0)

    def run(factor: float) -> Any:
        with keras.StatelessScope(state_mapping=[(variable, factor * ops.convert_to_tensor(variable))]):
            y = layer(x)
            for step in path:
                y = step(y, training=True) if isinstance(step, layers.BatchNormalization) else step(y)
            return ops.ravel(ops.cast(y, "float32"))

    once, twice = run(1.0), run(2.0)
    return float(ops.norm(twice - once) / (ops.norm(once) + keras.config.epsilon()))
