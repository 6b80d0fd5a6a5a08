"""Cloning of models: the same class and architecture, with new initial weights."""

import copy
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np
from keras import tree

from shrinkage._host._attributes import get_attributes, store
from shrinkage._host._errors import describe_keras_error
from shrinkage._host._graphs import Functional, list_layers
from shrinkage._host._layers import get_build_shapes, get_lambda_output_shape, list_sublayers
from shrinkage._host._private import UnsupportedVersion
from shrinkage._weights._first_call import create_weights
from shrinkage._weights._kinds import collect_custom_objects, is_of_keras

_COMPILE_ATTRIBUTES = ("optimizer", "loss", "compiled", "stop_training", "history")
_GRAPH_CONFIGS = tuple(getattr(kind, "get_config") for kind in (Functional, keras.Sequential))  # noqa: B009
_LOOKUPS = (keras.layers.StringLookup, keras.layers.IntegerLookup, keras.layers.TextVectorization)
Memo = dict[int, Any]  # the clone of each layer, by the id of the layer, so that shared layers stay shared


def clone(model: keras.Model) -> keras.Model:
    """Return a model of the same class and architecture with new weights, not compiled.

    For a custom class, the clone is made in the first way that gives the same class and weight shapes: from the
    configuration, if the class has a custom `get_config`; from the graph; from the class without arguments. Public
    attributes that are numbers, strings or arrays are copied.

    Raises:
        ValueError: If no way succeeds. The message is the reason, without the name of the model.
    """
    with keras.saving.custom_object_scope(collect_custom_objects(model)):
        return _clone_part(model, {})


def list_variable_shapes(model: keras.Model) -> list[tuple[int, ...]]:
    """Return the shapes of all variables of a model."""
    return [tuple(variable.shape) for variable in model.variables]


def _clone_part(model: keras.Model, memo: Memo) -> keras.Model:
    reasons = []
    for clone_with in _list_clone_functions(model):
        new_memo = dict(memo)
        try:
            new_model = clone_with(model, new_memo)
            if type(new_model) is not type(model):
                raise TypeError(f"the copy is of class {type(new_model).__name__}")
            _copy_attributes(model, new_model)
            _build(new_model, model)
        except UnsupportedVersion:
            raise
        except Exception as error:  # of any class: from custom code or from Keras
            reasons.append(describe_keras_error(error).rstrip("."))
            continue
        if list_variable_shapes(new_model) != list_variable_shapes(model):
            reasons.append("the copy has other weights")
        elif {id(variable) for variable in new_model.variables} & {id(variable) for variable in model.variables}:
            reasons.append("the copy shares weights with the model")
        else:
            memo.update(new_memo)
            _copy_trainable(model, new_model)
            return new_model
    raise ValueError(reasons[0])


def _list_clone_functions(model: keras.Model) -> Iterator[Callable[[Any, Memo], Any]]:
    """Yield the functions of (model, memo) that may clone the model, in the order to try them."""
    has_graph = isinstance(model, keras.Sequential | Functional)
    if not is_of_keras(model):
        has_config = type(model).get_config not in _GRAPH_CONFIGS
        if has_config or not has_graph:
            yield _from_configuration
        if has_graph:
            yield _from_graph
            yield _from_graph_in_same_class
        yield _from_class
        yield _from_configuration
    else:
        yield _from_graph if has_graph else _from_configuration


def _from_configuration(model: Any, memo: Memo) -> Any:
    del memo
    return keras.saving.deserialize_keras_object(
        _call_uncompiled(model, keras.saving.serialize_keras_object), safe_mode=False
    )


def _from_graph(model: Any, memo: Memo) -> Any:
    def clone_once(layer: Any) -> Any:
        if id(layer) not in memo:
            memo[id(layer)] = _clone_part(layer, memo) if isinstance(layer, keras.Model) else _clone_layer(layer)
        return memo[id(layer)]

    new_model = _call_uncompiled(model, lambda model: keras.models.clone_model(model, clone_function=clone_once))
    if type(new_model) is keras.Sequential and type(model) is not keras.Sequential:
        new_model = type(model)(list_layers(new_model), name=model.name)
    return new_model


def _from_graph_in_same_class(model: Any, memo: Memo) -> Any:
    """Clone the graph, and set the class and attributes of the clone without a call of `__init__`."""
    new_model = _from_graph(model, memo)
    if type(new_model) is not type(model):
        new_model.__class__ = type(model)
    present = {*get_attributes(new_model), *_COMPILE_ATTRIBUTES}
    for name, value in get_attributes(model).items():
        if not name.startswith("_") and name not in present:
            store(new_model, **{name: tree.map_structure(lambda leaf: _find_counterpart(leaf, memo), value)})
    return new_model


def _find_counterpart(leaf: Any, memo: Memo) -> Any:
    if not isinstance(leaf, (keras.Layer, keras.Variable)):
        return leaf
    if isinstance(leaf, keras.Model) and id(leaf) not in memo:  # a submodel on layers of the graph
        memo[id(leaf)] = _clone_part(leaf, memo)
    if id(leaf) not in memo:
        raise ValueError("the model has layers or weights outside the graph")
    return memo[id(leaf)]


def _from_class(model: Any, memo: Memo) -> Any:
    """Call the class without arguments, because Keras does not store the arguments of models."""
    del memo
    return type(model)()


def _call_uncompiled(model: Any, call: Callable[[Any], Any]) -> Any:
    """Return `call(model)` with the model marked as not compiled, because custom metrics cannot be cloned."""
    compiled, model.compiled = model.compiled, False
    try:
        return call(model)
    finally:
        model.compiled = compiled


def _clone_layer(layer: Any) -> Any:
    if isinstance(layer, keras.layers.Lambda):  # the configuration loses the closure of the function
        options = {"output_shape": get_lambda_output_shape(layer), "mask": layer.mask, "arguments": layer.arguments}
        return keras.layers.Lambda(layer.function, **options, name=layer.name, dtype=layer.dtype_policy)
    return type(layer).from_config(layer.get_config() | _get_vocabulary(layer))


def _get_vocabulary(layer: Any) -> dict[str, Any]:
    """Return the vocabulary of a lookup that learnt it from data, which Keras leaves out of its configuration."""
    if not isinstance(layer, _LOOKUPS) or layer.get_config().get("output_mode") == "tf_idf":
        return {}
    words = layer.get_vocabulary(include_special_tokens=False)
    return {"vocabulary": [word.item() if isinstance(word, np.generic) else word for word in words]} if words else {}


def _build(new_model: Any, model: Any) -> None:
    """Build a clone with the input shapes of the model, and create all weights."""
    if not new_model.built and (shapes := model.get_build_config()):
        new_model.build_from_config(shapes)
    if not new_model.built:
        new_model.build(get_build_shapes(model) or model.input_shape)
    create_weights(new_model, model)


def _copy_trainable(model: Any, new_model: Any) -> None:
    """Copy `trainable` from the layers and variables of a model to the clone; a custom class may not save it."""
    for source, target in zip(list_sublayers(model), list_sublayers(new_model), strict=False):
        if type(target) is type(source) and target.trainable != source.trainable:
            target.trainable = source.trainable
    for source, target in zip(model.variables, new_model.variables, strict=True):
        if target.trainable != source.trainable:
            target.trainable = source.trainable


def _copy_attributes(model: Any, new_model: Any) -> None:
    """Copy the public attributes of a model of a custom class that are numbers, strings or arrays."""
    if is_of_keras(model):
        return
    keras_attributes = get_attributes(keras.Sequential())
    for name, value in get_attributes(model).items():
        if not name.startswith("_") and name not in keras_attributes and all(map(_is_data, tree.flatten(value))):
            setattr(new_model, name, _copy_structure(value))


def _copy_structure(value: Any) -> Any:
    """Copy nested lists and dictionaries as plain Python containers; tracked Keras containers refer to the model."""
    if isinstance(value, dict):
        return {key: _copy_structure(part) for key, part in value.items()}
    return [_copy_structure(part) for part in value] if isinstance(value, list) else copy.deepcopy(value)


def _is_data(value: Any) -> bool:
    return value is None or isinstance(value, (str, int, float, np.ndarray, np.generic))
