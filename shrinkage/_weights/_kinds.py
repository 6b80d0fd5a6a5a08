"""What kind of weight each variable of a layer is, and which of its axes lead into one unit or out of one input."""

import re
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import keras
from keras import layers

from shrinkage._host._layers import sublayers
from shrinkage._host._origin import is_from_keras

PENALISED = ("kernel", "recurrent", "embedding", "depthwise")
"""The kinds that multiply what the layer is given: penalised unless it is said otherwise."""

KINDS = (*PENALISED, "bias", "gain", "offset")

# What Keras' layers call their weights. Recurrent layers and attention own none themselves: their cells and projections
# do. With LoRA, two factors stand in for the frozen kernel.
_BY_NAME = {
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
# What words in the names of other weights say, in layers of the user's own; of several words the last one counts:
# "kernel_scale" is a gain, and "scale_kernel" a kernel.
_BY_WORD = {
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
_DEPTHWISE = (layers.DepthwiseConv1D, layers.DepthwiseConv2D)
# They hold what was made elsewhere, under names of its own: it is as a layer of the user's.
_FOREIGN = (layers.TFSMLayer, layers.JaxLayer, layers.TorchModuleWrapper)
_TRANSPOSED = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)


def kind_of(layer: keras.Layer, variable: Any) -> str | None:
    """Return the kind of a layer's variable, or None where it is none of `KINDS`.

    In a layer of the user's own the words in a variable's name tell, or those in the name of the attribute that holds
    it. It is a kernel or an embedding only if it has two axes that are longer than one, and a kernel if no word tells.

    Example:
        >>> import keras
        >>> layer = keras.layers.Dense(2)
        >>> layer.build((None, 3))
        >>> kind_of(layer, layer.kernel), kind_of(layer, layer.bias)
        ('kernel', 'bias')
    """
    kind = _BY_NAME.get(variable.name)
    if kind == "kernel" and isinstance(layer, _DEPTHWISE):
        return "depthwise"
    if kind is None and not is_of_keras(layer):
        kind = _by_words(layer, variable) or "kernel"
        return kind if kind not in PENALISED or _is_matrix(layer, variable) else None
    return kind


def _by_words(layer: keras.Layer, variable: Any) -> str | None:
    """Return what the last word that tells says, in the variable's name or else in that of its attribute."""
    for name in (variable.name, *_attributes(layer, variable)):
        words = [word.lower() for word in _WORDS.findall(name)]
        said = ["bias" if _ends_in_bias(word) else _BY_WORD.get(word) for word in words]
        told = [kind for kind in said if kind]
        if told:
            return told[-1]
    return None


def _ends_in_bias(word: str) -> bool:
    """Whether a word is "bias" with a prefix grown together, such as "qbias"."""
    return word.endswith(("bias", "biases")) and not word.startswith(("unbias", "debias"))


def _attributes(layer: keras.Layer, variable: Any) -> list[str]:
    """Return the names of a layer's attributes that are a variable, or a list or dictionary with it."""
    return [name for name, value in vars(layer).items() if _holds(value, variable)]


def _holds(value: Any, variable: Any) -> bool:
    if isinstance(value, dict):
        value = list(value.values())
    return value is variable or (isinstance(value, (list, tuple)) and any(one is variable for one in value))


def _is_matrix(layer: keras.Layer, variable: Any) -> bool:
    """Whether a variable has two axes or more; one of length one is none, but around other software any counts."""
    least = 0 if isinstance(layer, _FOREIGN) else 1
    return sum(size > least for size in variable.shape) >= 2


def is_of_keras(layer: keras.Layer) -> bool:
    """Whether a layer is one of Keras' own, whose variables have Keras' names."""
    return is_from_keras(type(layer)) and not isinstance(layer, _FOREIGN)


def own_code(model: keras.Model) -> dict[str, Any]:
    """Return the classes and functions that Keras does not know, of a model, its layers and their arguments, by names.

    Given these, Keras makes the layers from their configurations. A name that two of them have is left out, and that of
    a lambda: it does not tell which is meant.
    """
    parts = [part for layer in sublayers(model) for part in (layer, *_parts(vars(layer)))]
    named: dict[str, Any] = {}
    for part in parts:
        code = part if isinstance(part, FunctionType) else type(part)
        is_code = code is part or hasattr(part, "get_config")
        if is_code and not is_from_keras(code) and code.__name__ != "<lambda>":
            named[code.__name__] = code if named.get(code.__name__, code) is code else None
    return {name: code for name, code in named.items() if code is not None}


def _parts(value: Any) -> Iterator[Any]:
    """Yield what an attribute is or contains, in lists and dictionaries at any depth."""
    values = value.values() if isinstance(value, dict) else value
    if isinstance(value, (dict, list, tuple, set, frozenset)):
        for part in values:
            yield from _parts(part)
    else:
        yield value


def kind_words(layer: keras.Layer, variable: Any) -> str:
    """Say what a variable is, for the table of `describe`."""
    kind, name = kind_of(layer, variable), type(layer).__name__
    if variable.name not in _BY_NAME and kind is not None and _by_words(layer, variable):
        return f"{kind}, by its name in {name}"
    if kind in ("bias", "gain", "offset"):
        return kind if kind == "bias" else f"normalization {kind}"
    if variable.name in _BY_NAME:
        return f"{variable.name} of {name}"
    if is_of_keras(layer):
        return f"{variable.name} of {name}, not a kernel"
    return f"{name} is a custom layer: {'2 axes or more' if kind else 'fewer than 2 axes longer than 1'}"


def per_unit(layer: keras.Layer, variable: Any) -> tuple[int, ...]:
    """Return the axes, counted from the last, of the weights that lead into one unit, filter or coordinate.

    Example:
        >>> import keras
        >>> layer = keras.layers.Conv2D(8, 3)
        >>> layer.build((None, 5, 5, 2))
        >>> per_unit(layer, layer.kernel)  # height, width and channels of the input
        (-4, -3, -2)
    """
    rank = len(variable.shape)
    if variable.name == "kernel" and isinstance(layer, layers.EinsumDense):
        return _contracted_axes(layer, rank)
    if variable.name == "kernel" and isinstance(layer, _TRANSPOSED):
        return tuple(axis for axis in range(-rank, 0) if axis != -2)
    if kind_of(layer, variable) == "depthwise":  # a channel is filtered alone
        return tuple(range(-rank, -2))
    return tuple(range(-rank, -1))


def per_input(layer: keras.Layer, variable: Any) -> tuple[int, ...]:
    """Return the axes, counted from the last, of the weights that lead out of one input feature, channel or token.

    Example:
        >>> import keras
        >>> layer = keras.layers.Conv2D(8, 3)
        >>> layer.build((None, 5, 5, 2))
        >>> per_input(layer, layer.kernel)  # height, width and filters
        (-4, -3, -1)
    """
    rank = len(variable.shape)
    inputs: tuple[int, ...] = (-2,)
    if variable.name == "kernel" and isinstance(layer, layers.EinsumDense):
        inputs = _contracted_axes(layer, rank)
    elif variable.name == "kernel" and isinstance(layer, _TRANSPOSED):
        inputs = (-1,)
    return tuple(axis for axis in range(-rank, 0) if axis not in inputs)


def _contracted_axes(layer: Any, rank: int) -> tuple[int, ...]:
    """Return the axes of an EinsumDense kernel that are summed over."""
    inputs, output = layer.equation.replace(" ", "").split("->")
    letters = inputs.split(",")[1]
    return tuple(i - rank for i, letter in enumerate(letters) if letter not in output)
