"""How a program reaches a layer of a model and a weight of a layer, as code."""

from collections.abc import Iterator
from typing import Any

import keras

from shrinkage._weights._kinds import kind_of


def reach(model: Any, layer: keras.Layer) -> str:
    """Return an expression for a layer of a model: by name where the model has names, by attribute elsewhere.

    >>> model = keras.Sequential([keras.Input((4, 3)), keras.layers.LSTM(2, name="memory")])
    >>> reach(model, model.layers[0].cell)
    "model.get_layer('memory').cell"
    """
    waiting, seen = [(model, "model")], {id(model)}
    while waiting:
        parent, path = waiting.pop(0)
        if parent is layer:
            return path
        for child, step in _children(parent):
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append((child, path + step))
    return f"next(layer for layer in model._flatten_layers() if layer.path == {layer.path!r})"


def _children(parent: Any) -> Iterator[tuple[Any, str]]:
    """The layers that a layer holds, each with what gets there; Keras' own records of them are left out."""
    if isinstance(parent, keras.Sequential) or hasattr(parent, "_nodes_by_depth"):
        yield from ((child, f".get_layer({child.name!r})") for child in parent.layers)
        return
    for name, value in vars(parent).items():
        if name == "_layers" or name.startswith("_self_"):
            continue
        if isinstance(value, keras.Layer):
            yield value, f".{name}"
        elif isinstance(value, list):
            yield from ((child, f".{name}[{i}]") for i, child in enumerate(value) if isinstance(child, keras.Layer))
        elif isinstance(value, dict):
            yield from ((c, f".{name}[{key!r}]") for key, c in value.items() if isinstance(c, keras.Layer))


def attribute(layer: keras.Layer, variable: keras.Variable) -> str:
    """Return the name by which a layer holds a variable.

    >>> layer = keras.layers.Dense(2)
    >>> layer.build((None, 3))
    >>> attribute(layer, layer.kernel)
    'kernel'
    """
    names = [variable.name, *vars(layer)]
    return next((name for name in names if getattr(layer, name, None) is variable), variable.name)


def argument(layer: keras.Layer, variable: keras.Variable) -> str:
    """Return the name of the argument by which a layer of Keras penalises a variable.

    >>> layer = keras.layers.DepthwiseConv2D(3)
    >>> layer.build((None, 8, 8, 2))
    >>> argument(layer, layer.kernel)
    'depthwise_regularizer'
    """
    if kind_of(layer, variable) == "depthwise":
        return "depthwise_regularizer"
    return variable.name.removesuffix("_kernel") + "_regularizer"
