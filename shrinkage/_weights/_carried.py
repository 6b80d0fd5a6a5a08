"""Regularizers that a model carries: refused beside a penalty, taken over by `penalty="model"`, and taken off."""

from collections.abc import Iterable
from typing import Any

import keras

from shrinkage._host._layers import sublayers
from shrinkage._penalties import Penalty, keras_strengths, matching
from shrinkage._weights._reach import argument, attribute, reach
from shrinkage._weights._selection import owners_of

_SHOWN = 8  # layers in a message


def regularized_variables(model: keras.Model) -> list[Any]:
    """Return the trainable variables with a regularizer that acts; one of strength 0 does not."""
    found = [v for v in model.trainable_variables if v.regularizer is not None]
    return [v for v in found if keras_strengths(v.regularizer) != (0.0, 0.0)]


def check_free(model: keras.Model, mask: Iterable[bool]) -> None:
    """Refuse regularizers on weights that are to be penalised.

    Args:
        model: The caller's.
        mask: Whether each entry of `model.trainable_variables` is penalised.

    Raises:
        ValueError: With the layers' code, and the two ways out.
    """
    chosen = {id(v) for v, penalised in zip(model.trainable_variables, mask, strict=True) if penalised}
    if not any(id(variable) in chosen for variable in regularized_variables(model)):
        return
    take = ""
    if len({keras_strengths(v.regularizer) for v in regularized_variables(model)} - {None}) == 1 and _all_known(model):
        take = (
            'To train the path of this regularizer, with the strength that it has marked in it, say penalty="model". '
        )
    raise ValueError(
        f"`model` already carries a penalty on weights that shrinkage's would be added to:\n{_show_layers(model)}\n"
        f"{take}To take it off:\n{_removal_code(model)}"
    )


def take_over(model: keras.Model) -> tuple[Penalty, float, list[Any]]:
    """Return the penalty that a model's regularizers are, its strength lambda, and the weights that it is on.

    Keras' L2(l) is `L2()` at lambda = 2 l, L1(l) is `L1()` at l, and L1L2 an elastic net.

    Raises:
        ValueError: If there is none, or they are not all the same, or not Keras' own; with what each layer carries.
    """
    found = regularized_variables(model)
    if not found:
        raise ValueError(
            '`penalty`: "model" takes over the regularizers of a model, and no trainable weight of it has one (set on '
            "a layer that is built, one does nothing: see shrinkage.doctor(model)). Say penalty=shrinkage.L2()."
        )
    only, *others = {keras_strengths(variable.regularizer) for variable in found}
    if only is None or others:
        raise ValueError(
            f'`penalty`: "model" takes over one regularizer of Keras, L1, L2 or L1L2, that is the same on all weights '
            f"that have one. Received:\n{_show_layers(model)}\nTake them off, and give a penalty; strengths that "
            f"differ are factors, as in on={{keras.layers.Dense: 1, keras.layers.Conv2D: 0.1}}:\n{_removal_code(model)}"
        )
    return *matching(*only), found


def take_off(model: keras.Model, like: keras.Model | None = None) -> None:
    """Take the regularizers off a model's weights, and out of its layers' configuration, so that none is added again.

    Args:
        model: Is changed.
        like: A model of the same weights: only those are taken off that it does not have either; None for all.
    """
    kept = [None] * len(model.variables) if like is None else [v.regularizer for v in like.variables]
    off = [v for v, own in zip(model.variables, kept, strict=True) if own is None and v.regularizer is not None]
    gone = {id(variable.regularizer) for variable in off}
    for variable in off:
        variable.regularizer = None
    gone -= {id(variable.regularizer) for variable in model.variables}
    for layer in sublayers(model) if gone else ():
        for name, value in list(vars(layer).items()):
            if name.endswith("_regularizer") and name != "activity_regularizer" and id(value) in gone:
                setattr(layer, name, None)


def code_of(regularizer: Any) -> str:
    """Return a regularizer as code.

    >>> code_of(keras.regularizers.L2(0.01))
    'keras.regularizers.L2(0.01)'
    """
    strengths = keras_strengths(regularizer)
    if strengths is None:
        return f"{getattr(regularizer, '__name__', type(regularizer).__name__)}(...)"
    l1, l2 = strengths
    if l1 and l2:
        return f"keras.regularizers.L1L2(l1={l1:g}, l2={l2:g})"
    return f"keras.regularizers.L1({l1:g})" if l1 else f"keras.regularizers.L2({l2:g})"


def _all_known(model: keras.Model) -> bool:
    return all(keras_strengths(variable.regularizer) is not None for variable in regularized_variables(model))


def _by_layer(model: keras.Model) -> dict[int, tuple[Any, list[Any]]]:
    owners, layers = owners_of(model), dict[int, tuple[Any, list[Any]]]()
    for variable in regularized_variables(model):
        layer = owners.get(id(variable), model)
        layers.setdefault(id(layer), (layer, []))[1].append(variable)
    return layers


def _show_layers(model: keras.Model) -> str:
    """Show the code of the layers that carry regularizers."""
    lines = []
    for layer, variables in _by_layer(model).values():
        given = ", ".join(f"{argument(layer, v)}={code_of(v.regularizer)}" for v in variables)
        lines.append(f"    {type(layer).__name__}(..., {given}, name={layer.name!r})")
    more = [f"    and {len(lines) - _SHOWN} other layers"] if len(lines) > _SHOWN else []
    return "\n".join([*lines[:_SHOWN], *more])


def _removal_code(model: keras.Model) -> str:
    """Return the code that takes the regularizers off."""
    lines = dict[str, list[str]]()
    for layer, variables in _by_layer(model).values():
        for variable in variables:
            line = f"layer.{argument(layer, variable)} = layer.{attribute(layer, variable)}.regularizer = None"
            lines.setdefault(line, []).append(reach(model, layer))
    return "\n".join(f"    for layer in [{', '.join(reached)}]:\n        {line}" for line, reached in lines.items())
