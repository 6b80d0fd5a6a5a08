"""The kind of each variable of a layer, and the axes of the weights into a unit or out of an input."""

import re
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import keras
from keras import layers

from shrinkage._host._attributes import get_attributes
from shrinkage._host._layers import list_sublayers
from shrinkage._host._origin import is_from_keras

PENALISED_KINDS = ("kernel", "recurrent", "embedding", "depthwise")
"""The kinds of weights that multiply the layer inputs. They are penalised by default."""

KINDS = (*PENALISED_KINDS, "bias", "gain", "offset")

# The variable names of Keras layers. Recurrent and attention layers have no variables except in cells and projections.
# With LoRA, two trainable factors replace the frozen kernel.
_KIND_BY_NAME = {
    "kernel": "kernel",
    "pointwise_kernel": "kernel",
    "lora_kernel_a": "kernel",
    "lora_kernel_b": "kernel",
    "recurrent_kernel": "recurrent",
    "depthwise_kernel": "depthwise",
    "embeddings": "embedding",
    "reverse_embeddings": "embedding",
    "lora_embeddings_a": "embedding",
    "lora_embeddings_b": "embedding",
    "bias": "bias",
    "gamma": "gain",
    "beta": "offset",
}
# Words in the variable names of custom layers. The last known word decides: "kernel_scale" is a gain, and
# "scale_kernel" is a kernel.
_KIND_BY_WORD = {
    "kernel": "kernel",
    "kernels": "kernel",
    "embedding": "embedding",
    "embeddings": "embedding",
    "embed": "embedding",
    "bias": "bias",
    "biases": "bias",
    "gain": "gain",
    "gains": "gain",
    "gamma": "gain",
    "gammas": "gain",
    "scale": "gain",
    "scales": "gain",
    "layerscale": "gain",
    "beta": "offset",
    "betas": "offset",
    "offset": "offset",
    "offsets": "offset",
}
_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_DEPTHWISE_LAYERS = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
# Wrappers of models of other libraries. The variable names are not from Keras: treated as custom layers.
_FOREIGN_LAYERS = (layers.TFSMLayer, layers.JaxLayer, layers.TorchModuleWrapper)
_TRANSPOSED_LAYERS = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)


def find_weight_kind(layer: keras.Layer, variable: Any) -> str | None:
    """Return the kind of a variable of a layer, an entry of `KINDS`, or None for other variables.

    For a custom layer, words in the name of the variable decide, then words in the name of the attribute that holds the
    variable. Without a known word the kind is "kernel". A variable with fewer than two axes longer than 1 is neither a
    kernel nor an embedding: the result is then None.

    Example:
        >>> import keras
        >>> layer = keras.layers.Dense(2)
        >>> layer.build((None, 3))
        >>> find_weight_kind(layer, layer.kernel), find_weight_kind(layer, layer.bias)
        ('kernel', 'bias')
    """
    kind = _KIND_BY_NAME.get(variable.name)
    if kind == "kernel" and isinstance(layer, _DEPTHWISE_LAYERS):
        return "depthwise"
    if kind is None and not is_of_keras(layer):
        kind = _find_kind_in_words(layer, variable) or "kernel"
        return kind if kind not in PENALISED_KINDS or _is_matrix(layer, variable) else None
    return kind


def _find_kind_in_words(layer: keras.Layer, variable: Any) -> str | None:
    """Return the kind for the last known word in the name of the variable, or else in the names of attributes."""
    for name in (variable.name, *_list_attribute_names(layer, variable)):
        words = [word.lower() for word in _WORDS.findall(name)]
        kinds = ["bias" if _ends_in_bias(word) else _KIND_BY_WORD.get(word) for word in words]
        known_kinds = [kind for kind in kinds if kind]
        if known_kinds:
            return known_kinds[-1]
    return None


def _ends_in_bias(word: str) -> bool:
    """Return whether a word is "bias" or ends in it, such as "qbias"; "unbias" and "debias" do not count."""
    return word.endswith(("bias", "biases")) and not word.startswith(("unbias", "debias"))


def _list_attribute_names(layer: keras.Layer, variable: Any) -> list[str]:
    """Return the names of the attributes that hold a variable, directly or in a list or dictionary."""
    return [name for name, value in get_attributes(layer).items() if _contains(value, variable)]


def _contains(value: Any, variable: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return value is variable or (isinstance(value, (list, tuple)) and any(part is variable for part in value))


def _is_matrix(layer: keras.Layer, variable: Any) -> bool:
    """Return whether a variable has at least two axes longer than 1, or in a wrapper two axes of any length."""
    min_size = 1 if isinstance(layer, _FOREIGN_LAYERS) else 2
    return sum(size >= min_size for size in variable.shape) >= 2


def is_of_keras(layer: keras.Layer) -> bool:
    """Return whether the class of a layer is from Keras, and not a wrapper of a model of another library."""
    return is_from_keras(type(layer)) and not isinstance(layer, _FOREIGN_LAYERS)


def collect_custom_objects(model: keras.Model) -> dict[str, Any]:
    """Return the custom classes and functions of a model and the layers in it, by name, for `custom_object_scope`.

    Ambiguous names are left out: a name of two classes or functions, and "<lambda>".
    """
    parts = [part for layer in list_sublayers(model) for part in (layer, *_iterate_parts(get_attributes(layer)))]
    named: dict[str, Any] = {}
    for part in parts:
        code = part if isinstance(part, FunctionType) else type(part)
        is_code = code is part or hasattr(part, "get_config")
        if is_code and not is_from_keras(code) and code.__name__ != "<lambda>":
            named[code.__name__] = code if named.get(code.__name__, code) is code else None
    return {name: code for name, code in named.items() if code is not None}


def _iterate_parts(value: Any) -> Iterator[Any]:
    """Yield the value of an attribute, and the values inside lists and dictionaries at any depth."""
    values = value.values() if isinstance(value, dict) else value
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        for part in values:
            yield from _iterate_parts(part)
    else:
        yield value


def describe_kind(layer: keras.Layer, variable: Any) -> str:
    """Return the description of a variable in the table of `describe`."""
    kind, name = find_weight_kind(layer, variable), type(layer).__name__
    if variable.name not in _KIND_BY_NAME and kind is not None and _find_kind_in_words(layer, variable):
        return f"{kind}, by its name in {name}"
    if kind in ("bias", "gain", "offset"):
        return kind if kind == "bias" else f"normalization {kind}"
    if variable.name in _KIND_BY_NAME:
        return f"{variable.name} of {name}"
    if is_of_keras(layer):
        return f"{variable.name} of {name}, not a kernel"
    return f"{name} is a custom layer: {'2 axes or more' if kind else 'fewer than 2 axes longer than 1'}"


def find_unit_axes(layer: keras.Layer, variable: Any) -> tuple[int, ...]:
    """Return the axes, as negative numbers, that span the weights into a unit, a filter or an embedding coordinate.

    Example:
        >>> import keras
        >>> layer = keras.layers.Conv2D(8, 3)
        >>> layer.build((None, 5, 5, 2))
        >>> find_unit_axes(layer, layer.kernel)  # height, width and channels of the input
        (-4, -3, -2)
    """
    rank = len(variable.shape)
    if variable.name == "kernel" and isinstance(layer, layers.EinsumDense):
        return _find_contracted_axes(layer, rank)
    if variable.name == "kernel" and isinstance(layer, _TRANSPOSED_LAYERS):
        return tuple(axis for axis in range(-rank, 0) if axis != -2)
    if find_weight_kind(layer, variable) == "depthwise":  # each channel is filtered separately
        return tuple(range(-rank, -2))
    return tuple(range(-rank, -1))


def find_input_axes(layer: keras.Layer, variable: Any) -> tuple[int, ...]:
    """Return the axes, as negative numbers, that span the weights out of an input feature, channel or token.

    Example:
        >>> import keras
        >>> layer = keras.layers.Conv2D(8, 3)
        >>> layer.build((None, 5, 5, 2))
        >>> find_input_axes(layer, layer.kernel)  # height, width and filters
        (-4, -3, -1)
    """
    rank = len(variable.shape)
    inputs: tuple[int, ...] = (-2,)
    if variable.name == "kernel" and isinstance(layer, layers.EinsumDense):
        inputs = _find_contracted_axes(layer, rank)
    elif variable.name == "kernel" and isinstance(layer, _TRANSPOSED_LAYERS):
        inputs = (-1,)
    return tuple(axis for axis in range(-rank, 0) if axis not in inputs)


def _find_contracted_axes(layer: Any, rank: int) -> tuple[int, ...]:
    """Return the axes of an EinsumDense kernel that the equation sums over, as negative numbers."""
    inputs, output = layer.equation.replace(" ", "").split("->")
    letters = inputs.split(",")[1]
    return tuple(i - rank for i, letter in enumerate(letters) if letter not in output)
