"""Which weights a rule names: by kind, layer, name, function or identity; and a factor for each rule."""

import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from numbers import Real
from typing import Any

import keras

from shrinkage._host._layers import sublayers
from shrinkage._weights._kinds import KINDS, PENALISED, kind_of, kind_words

One = str | type[keras.Layer] | keras.Layer | keras.Variable | Callable[[keras.Layer, keras.Variable], bool]
Selector = One | Sequence[One] | Mapping[Any, float]

_WORDS = ("kernels", "all", *KINDS)
_FORMS = (
    '"kernels", "all", a kind such as "recurrent", a pattern of paths such as "*dense_1/*", a class of layers, a '
    "layer, a variable, a function of (layer, variable), a list of these, or a dictionary from these to factors"
)


def resolve(
    model: keras.Model, on: Any, pairs: Sequence[tuple[keras.Layer, Any]], *, strict: bool = True
) -> list[tuple[float, str]]:
    """Return for each of some variables of a model its factor, 0 where it is not penalised, and why.

    Args:
        model: A built model.
        on: The rule; see `shrinkage.describe`.
        pairs: The variables that it may name, each with its layer.
        strict: Whether a rule must match something, and no two of a dictionary the same. It is so when a rule is given;
            later Keras may have replaced the variables.

    Raises:
        TypeError, ValueError: If a rule is of no known form, matches nothing, or two rules of a dictionary overlap.
    """
    found: list[tuple[float, str] | None] = [None] * len(pairs)
    for rule, factor in _factors(on):
        matched = _match(model, rule, pairs, strict)
        if strict and not any(matched):
            raise ValueError(_match_nothing(model, rule, pairs))
        twice = [v.path for (_, v), mine, old in zip(pairs, matched, found, strict=True) if mine and old is not None]
        if strict and twice:
            raise ValueError(
                f"on= names these weights twice: {', '.join(twice)}. Let each rule name weights of its own."
            )
        for i, (layer, variable) in enumerate(pairs):
            if matched[i] and found[i] is None:
                found[i] = (
                    factor,
                    _why_no_match(rule, layer, variable) + (f", factor {factor:g}" if factor != 1 else ""),
                )
    by_kind = isinstance(on, str) and on == "kernels"
    return [
        one if one is not None else (0.0, kind_words(layer, variable) if by_kind else "not chosen by on")
        for one, (layer, variable) in zip(found, pairs, strict=True)
    ]


def spell(rule: Any) -> str:
    """Write a rule as code, for messages."""
    if isinstance(rule, str):
        return f'"{rule}"'
    if isinstance(rule, (keras.Layer, keras.Variable)):
        return f"{type(rule).__name__} {rule.name!r}"
    return getattr(rule, "__name__", repr(rule))


def _factors(on: Any) -> list[tuple[Any, float]]:
    """Return the rules of `on`, each with its factor; the rules of a list are one."""
    if not isinstance(on, Mapping):
        return [(on, 1.0)]
    for rule, factor in on.items():
        right = isinstance(factor, Real) and not isinstance(factor, bool) and 0 <= float(factor) < math.inf
        if not right:
            raise ValueError(f"on= must give {spell(rule)} a factor of 0 or more. Received: {factor!r}.")
    if not any(on.values()):
        raise ValueError(f"on= must give some weights a factor above 0. Received: {on!r}.")
    return [(rule, float(factor)) for rule, factor in on.items()]


def _match(model: keras.Model, rule: Any, pairs: Sequence[tuple[keras.Layer, Any]], strict: bool) -> list[bool]:
    if isinstance(rule, str):
        return _by_word(model, rule, pairs)
    if isinstance(rule, keras.Variable):
        return [variable is rule for _, variable in pairs]
    if isinstance(rule, keras.Layer) or (isinstance(rule, type) and issubclass(rule, keras.Layer)):
        within = _ids_within(model, rule)
        return [id(variable) in within and kind_of(layer, variable) in PENALISED for layer, variable in pairs]
    if hasattr(rule, "dtype") and hasattr(rule, "shape"):
        raise TypeError(
            f"on= takes a variable of the model itself, such as on=layer.kernel, and no value of one. Received: a "
            f"{type(rule).__name__} of shape {tuple(rule.shape)}."
        )
    if isinstance(rule, Iterable) and not isinstance(rule, (bytes, type)):
        each = [_match(model, one, pairs, strict) for one in rule]
        for one, matched in zip(rule, each, strict=True):
            if strict and not any(matched):
                raise ValueError(_match_nothing(model, one, pairs))
        return [any(column) for column in zip(*each, strict=True)] if each else []
    if callable(rule) and not isinstance(rule, type):
        _check_takes_two(rule)
        return [bool(rule(layer, variable)) for layer, variable in pairs]
    raise TypeError(f"on= must be {_FORMS}. Received: {rule!r}.")


def _check_takes_two(rule: Callable[..., Any]) -> None:
    """Refuse a function that cannot be called with a layer and a variable."""
    try:
        inspect.signature(rule).bind(None, None)
    except TypeError as error:
        raise TypeError(
            f"on= takes a function of two arguments, (layer, variable), such as lambda layer, variable: layer.name == "
            f"'base'. Received: {spell(rule)}{inspect.signature(rule)}."
        ) from error
    except ValueError:
        pass  # a built-in one that does not tell


def _by_word(model: keras.Model, word: str, pairs: Sequence[tuple[keras.Layer, Any]]) -> list[bool]:
    if word == "all":
        return [True] * len(pairs)
    if word in _WORDS:
        kinds = PENALISED if word == "kernels" else (word,)
        return [kind_of(layer, variable) in kinds for layer, variable in pairs]
    if any(sign in word for sign in "*?[/"):
        return [fnmatchcase(variable.path, word) for _, variable in pairs]
    meant = _suggest_name(model, word)
    raise ValueError(f'on="{word}" is no kind of weight.{meant} It must be {_FORMS}; the kinds are {", ".join(KINDS)}.')


def _suggest_name(model: keras.Model, word: str) -> str:
    """Say how to name the layer of this name, or the kind of a name like it, if there is one."""
    ways = [f'model.get_layer("{word}")'] if word in {layer.name for layer in model.layers} else []
    if any(word in variable.path.split("/")[:-1] for variable in model.weights):
        ways.append(f'"*{word}/*"')
    if ways:
        return f" For the layer {word!r} give {' or '.join(ways)}."
    near = get_close_matches(word, _WORDS, n=1)
    return f' Did you mean "{near[0]}"?' if near else ""


def _ids_within(model: keras.Model, rule: Any) -> set[int]:
    """Return the ids of the variables of a layer, or of all layers of a class, and of the layers inside them."""
    inside = [layer for layer in sublayers(model) if layer is rule]
    if isinstance(rule, type):
        inside = [layer for layer in sublayers(model, itself=False) if isinstance(layer, rule)]
    return {id(variable) for layer in inside for variable in layer.weights}


def _why_no_match(rule: Any, layer: keras.Layer, variable: Any) -> str:
    if not isinstance(rule, str) or rule not in _WORDS:
        return "chosen by on"
    return 'on="all"' if rule == "all" else kind_words(layer, variable)


def _match_nothing(model: keras.Model, rule: Any, pairs: Sequence[tuple[keras.Layer, Any]]) -> str:
    paths = [variable.path for _, variable in pairs]
    trainable = "trainable " if all(variable.trainable for _, variable in pairs) else ""
    return (
        f"on={spell(rule)} matches none of the {len(paths)} {trainable}weights of model {model.name!r}: "
        f'{", ".join(paths)}.{_suggest_pattern(rule, paths)} Give on="all", or a function of (layer, variable) that is '
        "true for the weights to penalise."
    )


def _suggest_pattern(rule: Any, paths: Sequence[str]) -> str:
    """Suggest a pattern that finds what a string is the end, the layer or a part of, if there is one."""
    core = rule.strip("*") if isinstance(rule, str) else ""
    found = [like for like in (f"*{core}", f"*{core}/*", f"*{core}*") if any(fnmatchcase(path, like) for path in paths)]
    return f' Did you mean "{found[0]}"?' if core and found else ""
