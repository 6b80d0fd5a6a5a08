"""Resolution of a selector (`on=`) to the weights that it selects and the factors of the weights."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from numbers import Real
from typing import Any

import keras

from shrinkage._host._layers import list_sublayers
from shrinkage._messages._user_values import describe_function, takes_arguments
from shrinkage._weights._kinds import KINDS, PENALISED_KINDS, describe_kind, find_weight_kind

SingleSelector = str | type[keras.Layer] | keras.Layer | keras.Variable | Callable[[keras.Layer, keras.Variable], bool]
Selector = SingleSelector | Sequence[SingleSelector] | Mapping[Any, float]

_WORDS = ("kernels", "all", *KINDS)
_FORMS = (
    '"kernels", "all", a kind such as "recurrent", a pattern of paths such as "*dense_1/*", a class of layers, a '
    "layer, a variable, a function of (layer, variable), a list of these, or a dictionary from these to factors"
)


def resolve_selector(
    model: keras.Model, on: Any, pairs: Sequence[tuple[keras.Layer, Any]], *, strict: bool = True
) -> list[tuple[float, str]]:
    """Return (factor, reason) for each variable; the factor is 0 for a variable that is not penalised.

    Args:
        model: A built model.
        on: The selector; see `shrinkage.describe`.
        pairs: The (layer, variable) pairs to select from.
        strict: Whether to raise an error for a selector that matches nothing, and for overlapping keys of a dictionary.
            Use False after the first resolution, because Keras may have replaced variables since.

    Raises:
        TypeError, ValueError: If a selector has an unknown form, matches nothing, or overlaps with another key.
    """
    found: list[tuple[float, str] | None] = [None] * len(pairs)
    for selector, factor in _list_factors(on):
        matched = _match(model, selector, pairs, strict)
        if strict and not any(matched):
            raise ValueError(_describe_no_match(model, selector, pairs))
        twice = [v.path for (_, v), new, old in zip(pairs, matched, found, strict=True) if new and old is not None]
        if strict and twice:
            raise ValueError(
                f"on= must be a dictionary whose keys do not overlap. Received: keys that select weights twice "
                f"({', '.join(twice)}). Leave each weight to one key."
            )
        for i, (layer, variable) in enumerate(pairs):
            if matched[i] and found[i] is None:
                suffix = f", factor {factor:g}" if factor != 1 else ""
                found[i] = (factor, _describe_match(selector, layer, variable) + suffix)
    is_default = isinstance(on, str) and on == "kernels"
    return [
        verdict or (0.0, describe_kind(layer, variable) if is_default else "not chosen by on")
        for verdict, (layer, variable) in zip(found, pairs, strict=True)
    ]


def format_selector(selector: Any) -> str:
    """Return the code of a selector, for messages."""
    if isinstance(selector, str):
        return f'"{selector}"'
    if isinstance(selector, (keras.Layer, keras.Variable)):
        return f"{type(selector).__name__} {selector.name!r}"
    return getattr(selector, "__name__", repr(selector))


def _list_factors(on: Any) -> list[tuple[Any, float]]:
    """Return the (selector, factor) pairs of `on`; a list is a single selector with factor 1."""
    if not isinstance(on, Mapping):
        return [(on, 1.0)]
    for selector, factor in on.items():
        is_valid = isinstance(factor, Real) and not isinstance(factor, bool) and 0 <= float(factor) < math.inf
        if not is_valid:
            raise ValueError(f"on= must give {format_selector(selector)} a factor of 0 or more. Received: {factor!r}.")
    if not any(on.values()):
        raise ValueError(f"on= must give some weights a factor above 0. Received: {on!r}.")
    return [(selector, float(factor)) for selector, factor in on.items()]


def _match(model: keras.Model, selector: Any, pairs: Sequence[tuple[keras.Layer, Any]], strict: bool) -> list[bool]:
    if isinstance(selector, str):
        return _match_word(model, selector, pairs)
    if isinstance(selector, keras.Variable):
        return [variable is selector for _, variable in pairs]
    if isinstance(selector, keras.Layer) or (isinstance(selector, type) and issubclass(selector, keras.Layer)):
        within = _collect_ids(model, selector)
        return [
            id(variable) in within and find_weight_kind(layer, variable) in PENALISED_KINDS for layer, variable in pairs
        ]
    if hasattr(selector, "dtype") and hasattr(selector, "shape"):
        raise TypeError(
            f"on= must be a variable of the model, such as on=layer.kernel, not an array or a tensor. Received: "
            f"{type(selector).__name__} of shape {tuple(selector.shape)}."
        )
    if isinstance(selector, Iterable) and not isinstance(selector, (bytes, type)):
        matches = [_match(model, part, pairs, strict) for part in selector]
        for part, matched in zip(selector, matches, strict=True):
            if strict and not any(matched):
                raise ValueError(_describe_no_match(model, part, pairs))
        return [any(column) for column in zip(*matches, strict=True)] if matches else []
    if callable(selector) and not isinstance(selector, type):
        _check_signature(selector)
        return [bool(selector(layer, variable)) for layer, variable in pairs]
    raise TypeError(f"on= must be {_FORMS}. Received: {selector!r}.")


def _check_signature(selector: Callable[..., Any]) -> None:
    """Refuse a function that cannot be called with a layer and a variable."""
    if not takes_arguments(selector, 2):
        raise TypeError(
            f"on= must be a function of two arguments, (layer, variable), such as lambda layer, variable: layer.name "
            f"== 'base'. Received: {describe_function(selector)}."
        )


def _match_word(model: keras.Model, word: str, pairs: Sequence[tuple[keras.Layer, Any]]) -> list[bool]:
    if word == "all":
        return [True] * len(pairs)
    if word in _WORDS:
        kinds = PENALISED_KINDS if word == "kernels" else (word,)
        return [find_weight_kind(layer, variable) in kinds for layer, variable in pairs]
    if any(sign in word for sign in "*?[/"):
        return [fnmatchcase(variable.path, word) for _, variable in pairs]
    hint = _suggest_name(model, word)
    raise ValueError(f'on= must be {_FORMS}. Received: "{word}".{hint} The kinds are {", ".join(KINDS)}.')


def _suggest_name(model: keras.Model, word: str) -> str:
    """Return a hint with the selector of the layer of this name, or with the most similar kind; else an empty text."""
    ways = [f'model.get_layer("{word}")'] if word in {layer.name for layer in model.layers} else []
    if any(word in variable.path.split("/")[:-1] for variable in model.weights):
        ways.append(f'"*{word}/*"')
    if ways:
        return f" For the layer {word!r} give {' or '.join(ways)}."
    near = get_close_matches(word, _WORDS, n=1)
    return f' Did you mean "{near[0]}"?' if near else ""


def _collect_ids(model: keras.Model, selector: Any) -> set[int]:
    """Return the ids of the variables of a layer, or of all layers of a class, including nested layers."""
    inside = [layer for layer in list_sublayers(model) if layer is selector]
    if isinstance(selector, type):
        inside = [layer for layer in list_sublayers(model, include_self=False) if isinstance(layer, selector)]
    return {id(variable) for layer in inside for variable in layer.weights}


def _describe_match(selector: Any, layer: keras.Layer, variable: Any) -> str:
    if not isinstance(selector, str) or selector not in _WORDS:
        return "chosen by on"
    return 'on="all"' if selector == "all" else describe_kind(layer, variable)


def _describe_no_match(model: keras.Model, selector: Any, pairs: Sequence[tuple[keras.Layer, Any]]) -> str:
    paths = [variable.path for _, variable in pairs]
    trainable = "trainable " if all(variable.trainable for _, variable in pairs) else ""
    return (
        f"on= must match weights of model {model.name!r}. Received: {format_selector(selector)}, which matches none of "
        f"the {len(paths)} {trainable}weights: {', '.join(paths)}.{_suggest_pattern(selector, paths)} "
        'Give on="all", or a function of (layer, variable) that returns True for the weights to penalise.'
    )


def _suggest_pattern(selector: Any, paths: Sequence[str]) -> str:
    """Return a hint with a pattern that contains the string and matches a path; empty if no such pattern matches."""
    core = selector.strip("*") if isinstance(selector, str) else ""
    found = [like for like in (f"*{core}", f"*{core}/*", f"*{core}*") if any(fnmatchcase(path, like) for path in paths)]
    return f' Did you mean "{found[0]}"?' if core and found else ""
