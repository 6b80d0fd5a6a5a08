"""Values of the user that any call may have: truth values, and functions that are called later."""

import inspect
from collections.abc import Callable
from typing import Any

import numpy as np

from shrinkage._messages._note import quote


def check_flag(name: str, value: Any, *more: Any) -> None:
    """Refuse a value other than True and False: text such as "no" would count as true.

    Args:
        name: The argument.
        value: The value of the argument.
        more: Other allowed values: None, numbers or text.

    Raises:
        TypeError: If the value is none of these.

    Example:
        >>> check_flag("nested", True), check_flag("progress", None, None)
        (None, None)
        >>> check_flag("nested", "no")
        Traceback (most recent call last):
        ...
        TypeError: `nested` must be True or False. Received: 'no'.
    """
    if isinstance(value, bool | np.bool_) or isinstance(value, int | str | None) and value in more:
        return
    *names, last = map(repr, (True, False, *more))
    raise TypeError(f"`{name}` must be {', '.join(names)} or {last}. Received: {quote(value)}.")


def describe_function(function: Callable[..., Any]) -> str:
    """Return the name of a function with its arguments; of a function without a signature, the name.

    >>> describe_function(lambda epoch: None)
    '<lambda>(epoch)'
    """
    name = getattr(function, "__name__", type(function).__name__)
    try:
        return f"{name}{inspect.signature(function)}"
    except ValueError:
        return name


def takes_arguments(function: Callable[..., Any], count: int) -> bool:
    """Return whether a function can be called with a number of arguments by position; True if that is not known.

    Example:
        >>> takes_arguments(lambda epoch: None, 1), takes_arguments(lambda: None, 1)
        (True, False)
    """
    try:
        inspect.signature(function).bind(*[None] * count)
    except TypeError:
        return False
    except ValueError:  # a function written in C without a signature
        return True
    return True
