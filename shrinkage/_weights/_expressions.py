"""Code expressions that access a layer of a model, or a variable of a layer, for messages."""

from collections.abc import Iterator
from typing import Any

import keras

from shrinkage._host._attributes import get_attributes
from shrinkage._weights._kinds import find_weight_kind, is_of_keras


def find_layer_expression(model: Any, layer: keras.Layer) -> str:
    """Return an expression that accesses a layer of a model, with `get_layer` where possible, else with attributes.

    >>> model = keras.Sequential([keras.Input((4, 3)), keras.layers.LSTM(2, name="memory")])
    >>> find_layer_expression(model, model.layers[0].cell)
    "model.get_layer('memory').cell"
    """
    waiting, seen = [(model, "model")], {id(model)}
    while waiting:
        parent, path = waiting.pop(0)
        if parent is layer:
            return path
        for child, way in _iterate_children(parent, path):
            if id(child) not in seen:
                seen.add(id(child))
                waiting.append((child, way))
    return f"next(layer for layer in model.layers if layer.path == {layer.path!r})"


def _iterate_children(parent: Any, path: str) -> Iterator[tuple[Any, str]]:
    """Yield (layer, expression) for the direct sublayers of a layer, without the internal lists of Keras."""
    if isinstance(parent, (keras.Sequential, keras.Function)):
        yield from ((child, f"{path}.get_layer({child.name!r})") for child in parent.layers)
        return
    for name, value in get_attributes(parent).items():
        public = name.lstrip("_")
        if name == public or not is_of_keras(parent):
            yield from _iterate_layers(value, f"{path}.{name}")
        elif isinstance(value, keras.Layer):  # in a private attribute of Keras, which may have a public name
            has_public = getattr(parent, public, None) is value
            yield value, f"{path}.{public}" if has_public else _format_search(f"vars({path}).values()", value)
    if isinstance(parent, keras.Model):  # layers in other containers, such as a set
        yield from ((child, f"{path}.layers[{i}]") for i, child in enumerate(parent.layers))


def _iterate_layers(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    """Yield (layer, expression) for the layers in the value of an attribute, including nested containers."""
    if isinstance(value, keras.Layer):
        yield value, path
    elif isinstance(value, (list, tuple, dict)):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _iterate_layers(part, f"{path}[{key!r}]")
    elif isinstance(value, (set, frozenset)):
        yield from ((part, _format_search(path, part)) for part in value if isinstance(part, keras.Layer))


def _format_search(values: str, layer: keras.Layer) -> str:
    """Return an expression for a layer among values that have no names; one that is not built has no path."""
    name = "path" if layer.path else "name"
    return f"next(each for each in {values} if getattr(each, {name!r}, '') == {getattr(layer, name)!r})"


def find_attribute_name(layer: keras.Layer, variable: keras.Variable) -> str:
    """Return the name of the attribute of a layer that holds a variable.

    >>> layer = keras.layers.Dense(2)
    >>> layer.build((None, 3))
    >>> find_attribute_name(layer, layer.kernel)
    'kernel'
    """
    names = [variable.name, *get_attributes(layer)]
    return next((name for name in names if getattr(layer, name, None) is variable), variable.name)


def find_regularizer_argument(layer: keras.Layer, variable: keras.Variable) -> str:
    """Return the name of the regularizer argument of a Keras layer for a variable.

    >>> layer = keras.layers.DepthwiseConv2D(3)
    >>> layer.build((None, 8, 8, 2))
    >>> find_regularizer_argument(layer, layer.kernel)
    'depthwise_regularizer'
    """
    if find_weight_kind(layer, variable) == "depthwise":
        return "depthwise_regularizer"
    return variable.name.removesuffix("_kernel") + "_regularizer"
