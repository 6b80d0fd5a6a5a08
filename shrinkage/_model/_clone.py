"""New models of the caller's class and architecture, with weights drawn anew."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._host._graphs import Functional, layers_given
from shrinkage._host._layers import build_shapes, lambda_output_shape, sublayers
from shrinkage._weights._first_call import create_weights, reason_of
from shrinkage._weights._kinds import custom_objects, is_of_keras

_OF_COMPILE = ("optimizer", "loss", "compiled", "stop_training", "history")
_GRAPH_CONFIGS = tuple(getattr(kind, "get_config") for kind in (Functional, keras.Sequential))  # noqa: B009
Memo = dict[int, Any]  # the clone of each layer, by the layer's identity: one that is used twice stays one


def clone(model: keras.Model) -> keras.Model:
    """Return a model of the same class and architecture, with weights of its own; it is not compiled.

    A class of the user's own is made anew in the first of these ways that gives the class and its weights: from its
    configuration, if it has one of its own; on the same graph; with the default arguments. What it keeps as numbers,
    texts and arrays is copied.

    Raises:
        ValueError: If none does; its message is a reason, without the model's name.
    """
    with keras.saving.custom_object_scope(custom_objects(model)):
        return _clone_part(model, {})


def shapes_of(model: keras.Model) -> list[tuple[int, ...]]:
    """Return the shapes of all variables of a model."""
    return [tuple(variable.shape) for variable in model.variables]


def _clone_part(model: keras.Model, memo: Memo) -> keras.Model:
    reasons = []
    for way in _ways(model):
        made = dict(memo)
        try:
            found = way(model, made)
            if type(found) is not type(model):
                raise TypeError(f"the copy is of class {type(found).__name__}")
            _copy_attributes(model, found)
            _build(found, model)
        except Exception as error:  # of any class: it comes from the user's own code, or from Keras
            reasons.append(reason_of(error).rstrip("."))
            continue
        if shapes_of(found) != shapes_of(model):
            reasons.append("the copy has other weights")
        elif {id(variable) for variable in found.variables} & {id(variable) for variable in model.variables}:
            reasons.append("the copy shares weights with it")
        else:
            memo.update(made)
            _copy_trainable(model, found)
            return found
    raise ValueError(reasons[0])


def _ways(model: keras.Model) -> Iterator[Callable[[Any, Memo], Any]]:
    graph = isinstance(model, keras.Sequential | Functional)
    if not is_of_keras(model):
        configured = type(model).get_config not in _GRAPH_CONFIGS
        if configured or not graph:
            yield _from_configuration
        if graph:
            yield _from_graph
            yield _from_graph_in_its_class
        yield _from_arguments
        yield _from_configuration
    else:
        yield _from_graph if graph else _from_configuration


def _from_configuration(model: Any, memo: Memo) -> Any:
    del memo
    return keras.saving.deserialize_keras_object(
        _call_uncompiled(model, keras.saving.serialize_keras_object), safe_mode=False
    )


def _from_graph(model: Any, memo: Memo) -> Any:
    def part(layer: Any) -> Any:
        if id(layer) not in memo:
            memo[id(layer)] = _clone_part(layer, memo) if isinstance(layer, keras.Model) else _cloned_layer(layer)
        return memo[id(layer)]

    found = _call_uncompiled(model, lambda model: keras.models.clone_model(model, clone_function=part))
    if type(found) is keras.Sequential and type(model) is not keras.Sequential:
        found = type(model)(layers_given(found), name=model.name)
    return found


def _from_graph_in_its_class(model: Any, memo: Memo) -> Any:
    """Make a plain copy of the graph one of the model's class, whose `__init__` may take anything."""
    found = _from_graph(model, memo)
    if type(found) is not type(model):
        found.__class__ = type(model)
    for name, value in vars(model).items():
        if not (name.startswith("_") or name in vars(found) or name in _OF_COMPILE):
            vars(found)[name] = tree.map_structure(lambda leaf: _counterpart(leaf, memo), value)
    return found


def _counterpart(leaf: Any, memo: Memo) -> Any:
    if not isinstance(leaf, (keras.Layer, keras.Variable)):
        return leaf
    if isinstance(leaf, keras.Model) and id(leaf) not in memo:  # a part of the graph whose layers are in the whole
        memo[id(leaf)] = _clone_part(leaf, memo)
    if id(leaf) not in memo:
        raise ValueError("it has layers or weights outside its graph")
    return memo[id(leaf)]


def _from_arguments(model: Any, memo: Memo) -> Any:
    """Call the class with nothing: Keras does not keep the arguments of models."""
    del memo
    return type(model)()


def _call_uncompiled(model: Any, call: Callable[[Any], Any]) -> Any:
    """Return what `call` makes of a model without its compile arguments: own metrics cannot be cloned."""
    compiled, model.compiled = model.compiled, False
    try:
        return call(model)
    finally:
        model.compiled = compiled


def _cloned_layer(layer: Any) -> Any:
    if isinstance(layer, keras.layers.Lambda):  # from its configuration it would lose what its function refers to
        options = {"output_shape": lambda_output_shape(layer), "mask": layer.mask, "arguments": layer.arguments}
        return keras.layers.Lambda(layer.function, **options, name=layer.name, dtype=layer.dtype_policy)
    return type(layer).from_config(layer.get_config())


def _build(found: Any, model: Any) -> None:
    """Build a clone as the model was built, and make what weights its layers make at their first call."""
    if not found.built and (shapes := model.get_build_config()):
        found.build_from_config(shapes)
    if not found.built:
        found.build(build_shapes(model) or model.input_shape)
    create_weights(found, model)


def _copy_trainable(model: Any, found: Any) -> None:
    """Freeze in a clone what is frozen in the model: a class of one's own may not know of it."""
    for theirs, mine in zip(sublayers(model), sublayers(found), strict=False):
        if type(mine) is type(theirs) and mine.trainable != theirs.trainable:
            mine.trainable = theirs.trainable
    for theirs, mine in zip(model.variables, found.variables, strict=True):
        if mine.trainable != theirs.trainable:
            mine.trainable = theirs.trainable


def _copy_attributes(model: Any, found: Any) -> None:
    """Give a clone the numbers, texts and arrays that a model of the user's own class keeps as public attributes."""
    if is_of_keras(model):
        return
    of_keras = vars(keras.Sequential())
    for name, value in vars(model).items():
        if not name.startswith("_") and name not in of_keras and all(map(_is_plain, tree.flatten(value))):
            setattr(found, name, _copy_structure(value))


def _copy_structure(value: Any) -> Any:
    """Copy a structure without Keras' tracking of lists and dictionaries, which holds the whole model."""
    if isinstance(value, dict):
        return {key: _copy_structure(part) for key, part in value.items()}
    return [_copy_structure(part) for part in value] if isinstance(value, list) else copy.deepcopy(value)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, np.ndarray, np.generic))
