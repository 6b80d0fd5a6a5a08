"""Errors for a strength in the arguments of a penalty, as in the regularizers of Keras: `L2(0.01)`."""

from collections.abc import Callable
from numbers import Real
from typing import Any, TypeVar

from shrinkage._messages._hints import give_hints

C = TypeVar("C", bound=type)

_STRENGTHS = ("lam", "lams", "lambda_", "alpha", "strength", "l", "l1", "l2", "C", "weight_decay")


def describe_strength_use(code: str, value: Any) -> str:
    """Return a hint that shows the calls with a penalty and a strength.

    Args:
        code: The penalty, as code.
        value: The strength, as code.
    """
    return (
        f"A penalty contains no strength: shrinkage.fit(..., penalty={code}, lams=[{value}]) trains with it, and "
        f"shrinkage.attach(model, {code}, lam={value}) penalises a model in place."
    )


def describe_misplaced_strength(code: str, value: Any) -> str:
    """Return the hint with a leading space if `value` is a number, otherwise an empty string."""
    return f" {describe_strength_use(code, value)}" if isinstance(value, Real) else ""


def refuse_strength(code: str, **further_hints: str) -> Callable[[C], C]:
    """Return a class decorator of penalties that raises a TypeError with a hint for unknown arguments.

    Args:
        code: An instance of the class, as code.
        **further_hints: Hints for further argument names. Names of strengths have a hint by default.
    """
    words = dict.fromkeys((*_STRENGTHS, ""), describe_strength_use(code, "{value}")) | further_hints

    def decorate(cls: C) -> C:
        cls.__init__ = give_hints(words)(cls.__init__)
        return cls

    return decorate
