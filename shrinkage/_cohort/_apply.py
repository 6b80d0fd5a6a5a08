"""Calls of rules in place of layers: arguments by name, in the layer's precision, with Keras masks."""

import inspect
from itertools import zip_longest
from typing import Any

import keras
from keras import ops, tree

from shrinkage._cohort._rules._registry import Rule
from shrinkage._cohort._state import State
from shrinkage._cohort._unroll import MemberTensor
from shrinkage._host._layers import get_call_signature


def bind_arguments(rule: Rule, layer: keras.Layer, args: Any, kwargs: Any) -> dict[str, Any] | None:
    """Return the arguments of a call by name, in order, or None if the rule does not support one of them.

    A rule takes the layer's first argument and `training` by position, and further arguments by name. As in
    `Layer.__call__`, the mask of a tensor becomes the argument `mask` if the layer takes one tensor, and `query_mask`
    and so on if it takes several.
    """
    signature = get_call_signature(layer)
    bound = signature.bind(*args, **kwargs).arguments
    # A graph may have recorded a default value of `training`. As in Keras, the value of the model's call replaces it.
    arguments = {name: value for name, value in bound.items() if value is not None and name != "training"}
    tensors = [
        name for name, value in arguments.items() if any(isinstance(leaf, MemberTensor) for leaf in tree.flatten(value))
    ]
    for name in tensors:
        mask_name = "mask" if len(tensors) == 1 else f"{name}_mask"
        if mask_name in signature.parameters and mask_name not in arguments:
            masks = tree.map_structure(_get_mask, arguments[name])
            if any(mask is not None for mask in tree.flatten(masks)):
                arguments[mask_name] = masks
    accepted = list(inspect.signature(rule).parameters)[4:]
    first, *others = arguments
    return arguments if set(others) <= set(accepted) else None


def apply(rule: Rule, layer: keras.Layer, arguments: dict[str, Any], state: State, training: bool) -> Any:
    """Call a rule with the arguments that `arguments_for` returned; return `Members`, or a structure of them."""
    first, *others = arguments
    x = arguments[first]
    y = rule(
        layer,
        state.in_precision_of(layer) if layer.autocast else state,
        _cast_tensors(layer, x),
        training,
        **{name: _cast_tensors(layer, arguments[name]) for name in others},
    )
    masks = None
    if layer.supports_masking:
        input_masks = (
            _cast_tensors(layer, arguments["mask"]) if "mask" in arguments else tree.map_structure(_get_mask, x)
        )
        masks = layer.compute_mask(_cast_tensors(layer, x), input_masks)
    if not tree.is_nested(y):
        return MemberTensor(y, masks)
    leaves = tree.flatten(y)
    output_masks = [] if masks is None else tree.flatten(masks)  # may be shorter than `leaves`
    return tree.pack_sequence_as(y, [MemberTensor(leaf, mask) for leaf, mask in zip_longest(leaves, output_masks)])


def _cast_tensors(layer: keras.Layer, value: Any) -> Any:
    """Return the tensors of an argument, cast to the layer's compute dtype as `Layer.__call__` would cast them."""

    def tensor(leaf: Any) -> Any:
        if not isinstance(leaf, MemberTensor):
            return leaf
        is_float = "float" in keras.backend.standardize_dtype(leaf.value.dtype)
        return ops.cast(leaf.value, layer.compute_dtype) if layer.autocast and is_float else leaf.value

    return tree.map_structure(tensor, value)


def _get_mask(leaf: Any) -> Any:
    return leaf.mask if isinstance(leaf, MemberTensor) else None
