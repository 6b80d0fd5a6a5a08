"""Keras regularizers of a model: their refusal next to a penalty, their conversion to a penalty, and their removal."""

from collections.abc import Iterable
from typing import Any

import keras

from shrinkage._host._attributes import get_attributes
from shrinkage._host._layers import list_sublayers
from shrinkage._penalties import Penalty, find_matching_penalty, get_keras_strengths
from shrinkage._weights._expressions import find_attribute_name, find_layer_expression, find_regularizer_argument
from shrinkage._weights._selection import find_owners

_MAX_LAYERS = 8  # layers in a message


def list_regularized_variables(model: keras.Model) -> list[Any]:
    """Return the trainable variables with a regularizer of nonzero strength."""
    found = [v for v in model.trainable_variables if v.regularizer is not None]
    return [v for v in found if get_keras_strengths(v.regularizer) != (0.0, 0.0)]


def check_no_regularizers(model: keras.Model, mask: Iterable[bool]) -> None:
    """Refuse a model with regularizers on penalised weights.

    Args:
        model: The user's model.
        mask: Whether each entry of `model.trainable_variables` is penalised.

    Raises:
        ValueError: If a penalised weight has a regularizer. The message shows the layers, and code to fix the model.
    """
    chosen = {id(v) for v, penalised in zip(model.trainable_variables, mask, strict=True) if penalised}
    if not any(id(variable) in chosen for variable in list_regularized_variables(model)):
        return
    conversion = ""
    if len(
        {get_keras_strengths(v.regularizer) for v in list_regularized_variables(model)} - {None}
    ) == 1 and _has_only_known_regularizers(model):
        conversion = (
            'To train the path of this regularizer, with the present strength marked on the path, say penalty="model". '
            "Otherwise "
        )
    remove = "remove" if conversion else "Remove"
    raise ValueError(
        f"`model` must have no regularizers on weights that `penalty` selects. Received:\n{_format_layers(model)}\n"
        f"{conversion}{remove} the regularizers:\n{_format_removal(model)}"
    )


def convert_regularizers(model: keras.Model) -> tuple[Penalty, float, list[Any]]:
    """Return the penalty that equals the regularizers of a model, the strength lambda, and the regularized weights.

    L2(l) of Keras is `L2()` at lambda = 2 l, L1(l) is `L1()` at lambda = l, and L1L2 is `ElasticNet`.

    Raises:
        ValueError: If the model has no regularizer, different regularizers, or a regularizer other than L1, L2 and
            L1L2 of Keras. The message shows the regularizers of each layer.
    """
    found = list_regularized_variables(model)
    if not found:
        raise ValueError(
            'penalty="model" needs a model with a regularizer on a trainable weight. Received: a model without one '
            "(Keras ignores a regularizer that is set after the layer was built: see shrinkage.doctor(model)). Say "
            "penalty=shrinkage.L2()."
        )
    strengths, *others = {get_keras_strengths(variable.regularizer) for variable in found}
    if strengths is None or others:
        raise ValueError(
            f'penalty="model" needs the same Keras regularizer, L1, L2 or L1L2, on all regularized weights. '
            f"Received:\n{_format_layers(model)}\nRemove the regularizers, and give a penalty. Different strengths are "
            f"factors, as in on={{keras.layers.Dense: 1, keras.layers.Conv2D: 0.1}}:\n{_format_removal(model)}"
        )
    return *find_matching_penalty(*strengths), found


def remove_regularizers(model: keras.Model, like: keras.Model | None = None) -> None:
    """Remove the regularizers from the variables of a model in place, and from the attributes of the layers.

    A layer saves the attributes in the configuration, which would otherwise restore the regularizers.

    Args:
        model: The model to change.
        like: A model with the same variables. The regularizers of variables that have a regularizer in `like` are
            kept. None removes all regularizers.
    """
    reference = [None] * len(model.variables) if like is None else [v.regularizer for v in like.variables]
    changed = [v for v, r in zip(model.variables, reference, strict=True) if r is None and v.regularizer is not None]
    removed = {id(variable.regularizer) for variable in changed}
    for variable in changed:
        variable.regularizer = None
    removed -= {id(variable.regularizer) for variable in model.variables}
    for layer in list_sublayers(model) if removed else ():
        for name, value in get_attributes(layer).items():
            if name.endswith("_regularizer") and name != "activity_regularizer" and id(value) in removed:
                setattr(layer, name, None)


def format_regularizer(regularizer: Any) -> str:
    """Return the code that creates a regularizer.

    >>> format_regularizer(keras.regularizers.L2(0.01))
    'keras.regularizers.L2(0.01)'
    """
    strengths = get_keras_strengths(regularizer)
    if strengths is None:
        return f"{getattr(regularizer, '__name__', type(regularizer).__name__)}(...)"
    l1, l2 = strengths
    if l1 and l2:
        return f"keras.regularizers.L1L2(l1={l1:g}, l2={l2:g})"
    return f"keras.regularizers.L1({l1:g})" if l1 else f"keras.regularizers.L2({l2:g})"


def _has_only_known_regularizers(model: keras.Model) -> bool:
    return all(get_keras_strengths(variable.regularizer) is not None for variable in list_regularized_variables(model))


def _group_by_layer(model: keras.Model) -> dict[int, tuple[Any, list[Any]]]:
    """Return each layer with the regularized variables of the layer, by the id of the layer."""
    owners, layers = find_owners(model), dict[int, tuple[Any, list[Any]]]()
    for variable in list_regularized_variables(model):
        layer = owners.get(id(variable), model)
        layers.setdefault(id(layer), (layer, []))[1].append(variable)
    return layers


def _format_layers(model: keras.Model) -> str:
    """Return the code of the layers with regularizers, at most `_MAX_LAYERS` lines."""
    lines = []
    for layer, variables in _group_by_layer(model).values():
        arguments = ", ".join(
            f"{find_regularizer_argument(layer, v)}={format_regularizer(v.regularizer)}" for v in variables
        )
        lines.append(f"    {type(layer).__name__}(..., {arguments}, name={layer.name!r})")
    more = [f"    and {len(lines) - _MAX_LAYERS} other layers"] if len(lines) > _MAX_LAYERS else []
    return "\n".join([*lines[:_MAX_LAYERS], *more])


def _format_removal(model: keras.Model) -> str:
    """Return the code that removes the regularizers."""
    lines = dict[str, list[str]]()
    for layer, variables in _group_by_layer(model).values():
        for variable in variables:
            argument, attribute = find_regularizer_argument(layer, variable), find_attribute_name(layer, variable)
            line = f"layer.{argument} = layer.{attribute}.regularizer = None"
            lines.setdefault(line, []).append(find_layer_expression(model, layer))
    return "\n".join(f"    for layer in [{', '.join(reached)}]:\n        {line}" for line, reached in lines.items())
