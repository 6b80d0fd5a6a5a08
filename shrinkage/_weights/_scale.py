"""Detection of scale-invariant kernels: a normalization follows, and a penalty only changes the effective step size.

If f(c * w) = f(w) for every c > 0, the gradient g is orthogonal to w, <g, w> = 0, and of size ~ 1 / ||w||: shrinking w
lengthens the effective step instead of making the function smoother (van Laarhoven 2017, L2 regularization versus batch
and weight normalization). Candidates are found in the graph of the model. Each candidate is then doubled on random
rows, and the normalized output must hardly change. The output does change if the epsilon of the normalization is large.
"""

from collections.abc import Iterator
from typing import Any

import keras
from keras import layers, ops

from shrinkage._host._graphs import get_graph, list_nodes
from shrinkage._host._layers import list_sublayers
from shrinkage._weights._kinds import PENALISED_KINDS, find_weight_kind


def _get_layer_classes(names: str) -> frozenset[type]:
    return frozenset(getattr(layers, name) for name in names.split())


_NORMALIZATIONS = _get_layer_classes(
    "BatchNormalization LayerNormalization GroupNormalization RMSNormalization UnitNormalization"
)
# The output without the bias is linear in each kernel.
_LINEAR_LAYERS = _get_layer_classes("""
    Dense EinsumDense Embedding Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose
    DepthwiseConv1D DepthwiseConv2D SeparableConv1D SeparableConv2D
""")
# Positively homogeneous layers: f(c * x) = c * f(x) for c > 0.
_HOMOGENEOUS_LAYERS = _get_layer_classes("""
    Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D Identity LeakyReLU
    Flatten Reshape Permute RepeatVector Cropping1D Cropping2D Cropping3D ZeroPadding1D ZeroPadding2D ZeroPadding3D
    AveragePooling1D AveragePooling2D AveragePooling3D MaxPooling1D MaxPooling2D MaxPooling3D
    GlobalAveragePooling1D GlobalAveragePooling2D GlobalAveragePooling3D
    GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D UpSampling1D UpSampling2D UpSampling3D
""")
_ACTIVATIONS = (keras.activations.linear, keras.activations.relu, keras.activations.leaky_relu)
_MAX_CHANGE = 0.25  # smaller relative changes are due to the epsilon of the normalization
_UNKNOWN_SIZE = 32  # stands for an input dimension of size None

Path = list[Any]  # the layers after a kernel, up to and including the normalization


def find_scale_invariant_weights(model: keras.Model) -> set[int]:
    """Return the ids of the scale-invariant kernels and embeddings of a built model.

    Only Sequential and functional models are inspected, including nested models, not the code of subclassed models and
    layers.

    Example:
        >>> import keras
        >>> first, last = keras.layers.Dense(4, use_bias=False), keras.layers.Dense(1)
        >>> model = keras.Sequential([keras.Input((3,)), first, keras.layers.BatchNormalization(), last])
        >>> find_scale_invariant_weights(model) == {id(first.kernel)}
        True
    """
    invariant: dict[int, bool] = {}
    for graph in _iterate_graphs(model):
        nodes = list_nodes(graph)
        for node in nodes:
            if type(node.operation) in _LINEAR_LAYERS:
                paths = _find_paths(node, nodes, graph.outputs)
                for variable in _list_multipliers(node.operation):
                    is_invariant = invariant.get(id(variable), True) and _is_scale_invariant(node, variable, paths)
                    invariant[id(variable)] = is_invariant  # in all uses of a shared layer
    return {variable for variable, is_invariant in invariant.items() if is_invariant}


def _iterate_graphs(model: keras.Model) -> Iterator[Any]:
    """Yield the graphs of a model and of the nested models."""
    for part in list_sublayers(model):
        if (graph := get_graph(part)) is not None:
            yield graph


def _list_multipliers(layer: Any) -> list[Any]:
    """Return the variables that the output of a layer is proportional to."""
    if getattr(layer, "lora_enabled", False):  # the kernel is a constant plus the product of two variables
        return []
    return [variable for variable in layer.trainable_variables if find_weight_kind(layer, variable) in PENALISED_KINDS]


def _find_paths(node: Any, nodes: list[Any], outputs: list[Any]) -> list[Path]:
    """Return the paths from a node to a normalization; empty unless every path reaches a normalization."""
    (tensor,) = node.outputs
    if any(tensor is output for output in outputs):
        return []
    found: list[Path] = []
    for follower in nodes:
        if any(tensor is source for source in follower.input_tensors):
            operation = follower.operation
            if type(operation) in _NORMALIZATIONS:
                rest: list[Path] = [[]]
            else:
                rest = _find_paths(follower, nodes, outputs) if _is_homogeneous(operation) else []
            if not rest:
                return []
            found += [[operation, *path] for path in rest]
    return found


def _is_homogeneous(operation: Any) -> bool:
    if isinstance(operation, layers.ReLU):
        return operation.max_value is None and not operation.threshold
    if isinstance(operation, layers.Activation):
        return operation.activation in _ACTIVATIONS
    return type(operation) in _HOMOGENEOUS_LAYERS


def _is_scale_invariant(node: Any, variable: Any, paths: list[Path]) -> bool:
    is_homogeneous = getattr(node.operation, "activation", keras.activations.linear) in _ACTIVATIONS
    return bool(is_homogeneous and paths) and all(
        _normalizes(path[-1])
        and _has_no_effective_bias(node, path)
        and _compute_relative_change(node, variable, path) < _MAX_CHANGE
        for path in paths
    )


def _normalizes(normalization: Any) -> bool:
    """Return whether a layer divides by a statistic of the batch; a frozen BatchNormalization divides by a constant."""
    return normalization.trainable or not isinstance(normalization, layers.BatchNormalization)


def _has_no_effective_bias(node: Any, path: Path) -> bool:
    """Return whether a layer has no bias, or the next layer is a BatchNormalization that subtracts the bias."""
    layer = node.operation
    if getattr(layer, "bias", None) is None:
        return True
    rank, first = len(node.outputs[0].shape), path[0]
    channels = 1 if getattr(layer, "data_format", None) == "channels_first" else rank - 1
    is_subtracted = isinstance(first, layers.BatchNormalization) and first.axis % rank == channels
    return is_subtracted and layer.activation is keras.activations.linear and len(layer.bias.shape) == 1


def _compute_relative_change(node: Any, variable: Any, path: Path) -> float:
    """Return the relative change of the output of a path on random rows when a variable is doubled."""
    layer, shape = node.operation, node.input_tensors[0].shape
    rows = 8 if len(shape) == 2 else 2
    shape = (rows, *(size or _UNKNOWN_SIZE for size in shape[1:]))
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
