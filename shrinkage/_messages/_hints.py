"""Hints for calls that do not match the signature of a function, such as arguments of other libraries."""

import difflib
import inspect
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def give_hints(
    hints: Mapping[str, str], describe_missing: Callable[[str], str] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that raises a TypeError with a hint if a call does not match the signature of the function.

    The error is raised before the function runs. The function keeps the signature for type checkers and for `help`.

    Args:
        hints: The hint for each unknown argument name. The key "" is for too many positional arguments. `{value}` in
            a hint is replaced by the value that was passed.
        describe_missing: A function of the name of a missing argument that returns the hint.

    Example:
        >>> give_hints({"lambda_": "Say lam={value}."})(lambda lam: lam)(lambda_=0.1)
        Traceback (most recent call last):
        TypeError: Keywords of <lambda>() must be names of its arguments. Received: `lambda_`. Say lam=0.1.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                signature.bind(*args, **kwargs)
            except TypeError as error:
                raise TypeError(
                    _describe_misfit(function, signature, args, kwargs, hints, describe_missing, error)
                ) from None
            return function(*args, **kwargs)

        return call

    return decorate


def _describe_misfit(
    function: Callable[..., Any],
    signature: inspect.Signature,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    hints: Mapping[str, str],
    describe_missing: Callable[[str], str] | None,
    error: TypeError,
) -> str:
    name = function.__qualname__.removesuffix(".__init__")
    unknown = [key for key in kwargs if key not in signature.parameters]
    if unknown:
        words = [_describe_unknown(key, kwargs[key], signature, hints) for key in unknown]
        return f"Keywords of {name}() must be names of its arguments. Received: " + " Received: ".join(words)
    by_place = [key for key, p in signature.parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    if len(args) > len(by_place):
        names = [key for key in by_place if key != "self"]
        most = f"at most {len(names)} argument{'s' * (len(names) != 1)}" if names else "no arguments"
        names_text = f" ({', '.join(names)})" if names else ""
        given = len(args) - len(by_place) + len(names)
        hint = hints.get("", "Give the rest by name.").format(value=_format_value(args[len(by_place)]))
        return f"{name}() must be called with {most} by position{names_text}. Received: {given}. {hint}"
    arguments = {**dict(zip(by_place, args, strict=False)), **kwargs}
    absent = [k for k, p in signature.parameters.items() if k not in arguments and p.default is p.empty]
    if absent:
        *others, last = [f"`{key}`" for key in absent]
        needed, them = (f"{', '.join(others)} and {last}", "them") if others else (last, "it")
        hint = describe_missing(absent[0]) if describe_missing else ""
        return f"{needed} must be given. Received: a call of {name}() without {them}. {hint}".rstrip()
    return f"{name}(): {error}"


def _describe_unknown(key: str, value: Any, signature: inspect.Signature, hints: Mapping[str, str]) -> str:
    hint = hints.get(key)
    if hint is not None:
        if isinstance(value, (list, tuple)):
            hint = hint.replace("[{value}]", "{value}")
        return f"`{key}`. {hint.format(value=_format_value(value))}"
    names = [name for name in signature.parameters if name != "self"]
    folded = {name.replace("_", "").lower(): name for name in names}
    near = difflib.get_close_matches(key.replace("_", "").lower(), folded, n=1, cutoff=0.7)
    if near:
        return f"`{key}`. Do you mean `{folded[near[0]]}`?"
    return f"`{key}`. The arguments are {', '.join(names)}." if names else f"`{key}`. It has no arguments."


def _format_value(value: Any) -> str:
    """Return the repr of a short value, and dots for a long value."""
    text = repr(value)
    return text if len(text) <= 40 and "\n" not in text else "..."
