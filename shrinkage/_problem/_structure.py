"""Comparison of the structure of inputs, targets and weights with the structure of the model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import tree


def find_leaf_places(
    name: str, values: Any, structure: Any, names: Sequence[Any], loss_mask: Sequence[bool] = ()
) -> list[int | None]:
    """Return the index of the leaf of `values` for each leaf of `structure`, None for a missing target or weight.

    As in Keras, a dictionary may name the inputs or outputs of a model with a list of inputs or outputs. Targets are
    optional for outputs without a loss, and weights for every output. `loss_mask` states for each output whether there
    is a loss.
    """
    paths, expected = ([path for path, _ in tree.flatten_with_path(part)] for part in (values, structure))
    if paths == expected:
        return list(range(len(paths)))
    if len(paths) == len(expected) == 1 and all(path in ((), (0,), (names[0],)) for path in paths):
        return [0]
    keys = get_structure_keys(structure, names)
    flat = isinstance(values, dict) and all(len(path) == 1 for path in [*paths, *expected] if path)
    if flat and set(values) <= set(keys) and (name != "x" or len(values) == len(keys)):
        numbers = {path[0]: i for i, path in enumerate(paths)}
        return [numbers.get(key) for key in keys]
    if (
        len(paths) == sum(loss_mask)
        and not isinstance(values, dict)
        and all(len(path) < 2 for path in [*paths, *expected])
    ):
        numbers = iter(range(len(paths)))
        return [next(numbers) if has_loss else None for has_loss in loss_mask]
    hint = ""
    if len(keys) == 1 < len(paths):
        side = {"x": "inputs", "y": "outputs"}.get(name)
        hint = f" Give one of them{f', or a model of {len(paths)} {side}' if side else ''}."
    raise ValueError(
        f"`{name}` must be {_describe_expected(structure, keys)}. Received: {_describe_received(values)}.{hint}"
    )


def get_structure_keys(structure: Any, names: Sequence[Any]) -> list[Any]:
    """Return the keys of a dictionary, or the names of the leaves of a list."""
    return [path[0] for path, _ in tree.flatten_with_path(structure)] if isinstance(structure, dict) else list(names)


def _describe_expected(structure: Any, keys: Sequence[Any]) -> str:
    names = ", ".join(map(repr, keys))
    if len(keys) == 1:
        return f"one array (for {names})" if isinstance(keys[0], str) else "one array"
    if any(map(tree.is_nested, structure.values() if isinstance(structure, dict) else structure)):
        return f"of the model's structure, {tree.map_structure(lambda _: 'array', structure)}"
    if isinstance(structure, dict):
        return f"a dictionary of {len(keys)} arrays with the model's keys {names}"
    return f"a list of {len(keys)} arrays in the model's order {names}, or a dictionary with these names"


def _describe_received(values: Any) -> str:
    if isinstance(values, dict):
        return f"a dictionary with keys {', '.join(map(repr, values))}" if values else "an empty dictionary"
    return f"a list of {len(values)}" if isinstance(values, tuple) else f"one array of shape {np.shape(values)}"
