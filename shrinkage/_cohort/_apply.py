"""How a rule is called in a layer's place: arguments by name, in the layer's precision, with the masks of Keras."""

import inspect
from itertools import zip_longest
from typing import Any

import keras
from keras import ops, tree

from shrinkage._cohort._rules._registry import Rule
from shrinkage._cohort._state import State
from shrinkage._cohort._unroll import Members
from shrinkage._host._layers import call_signature


def arguments_for(rule: Rule, layer: keras.Layer, args: Any, kwargs: Any) -> dict[str, Any] | None:
    """Return a call's arguments by name, the first one first, or None if the rule does not take one of them.

    A rule takes the layer's first argument and `training` by position, and others by the names it lists. As in
    `Layer.__call__`, a mask that comes with a tensor is the argument `mask` of a layer of one tensor, and `query_mask`
    and so on of a layer of several.
    """
    signature = call_signature(layer)
    bound = signature.bind(*args, **kwargs).arguments
    # A graph may have recorded a layer's default `training`; as in Keras, the model's own replaces it.
    arguments = {name: value for name, value in bound.items() if value is not None and name != "training"}
    tensors = [
        name for name, value in arguments.items() if any(isinstance(leaf, Members) for leaf in tree.flatten(value))
    ]
    for name in tensors:
        mask_name = "mask" if len(tensors) == 1 else f"{name}_mask"
        if mask_name in signature.parameters and mask_name not in arguments:
            masks = tree.map_structure(_mask, arguments[name])
            if any(mask is not None for mask in tree.flatten(masks)):
                arguments[mask_name] = masks
    accepted = list(inspect.signature(rule).parameters)[4:]
    first, *others = arguments
    return arguments if set(others) <= set(accepted) else None


def apply(rule: Rule, layer: keras.Layer, arguments: dict[str, Any], state: State, training: bool) -> Any:
    """Return what the rule makes of `arguments_for` it: `Members`, or a structure of them."""
    first, *others = arguments
    x = arguments[first]
    y = rule(
        layer,
        state.in_precision_of(layer) if layer.autocast else state,
        _tensors(layer, x),
        training,
        **{name: _tensors(layer, arguments[name]) for name in others},
    )
    masks = None
    if layer.supports_masking:
        input_masks = _tensors(layer, arguments["mask"]) if "mask" in arguments else tree.map_structure(_mask, x)
        masks = layer.compute_mask(_tensors(layer, x), input_masks)
    if not tree.is_nested(y):
        return Members(y, masks)
    leaves = tree.flatten(y)
    output_masks = [] if masks is None else tree.flatten(masks)  # of the first of them, maybe
    return tree.pack_sequence_as(y, [Members(leaf, mask) for leaf, mask in zip_longest(leaves, output_masks)])


def _tensors(layer: keras.Layer, value: Any) -> Any:
    """Return the tensors of an argument, floating-point ones cast to the layer's precision as calling it would."""

    def tensor(leaf: Any) -> Any:
        if not isinstance(leaf, Members):
            return leaf
        is_float = "float" in keras.backend.standardize_dtype(leaf.value.dtype)
        return ops.cast(leaf.value, layer.compute_dtype) if layer.autocast and is_float else leaf.value

    return tree.map_structure(tensor, value)


def _mask(leaf: Any) -> Any:
    return leaf.mask if isinstance(leaf, Members) else None
