"""A penalty has no strength of its own: what its class answers to one that it is given, as Keras' regularizers are."""

from collections.abc import Callable
from numbers import Real
from typing import Any, TypeVar

from shrinkage._hints._arguments import hinted

C = TypeVar("C", bound=type)

_STRENGTHS = ("lam", "lams", "lambda_", "alpha", "strength", "l", "l1", "l2", "C", "weight_decay")


def strength_words(code: str, value: Any) -> str:
    """Say where a strength goes.

    Args:
        code: The penalty, as code.
        value: The strength, as code.
    """
    return (
        f"A penalty has no strength of its own: shrinkage.fit(..., penalty={code}, lams=[{value}]) trains with it, and "
        f"shrinkage.attach(model, {code}, lam={value}) penalises a model in place."
    )


def no_strength(code: str, value: Any) -> str:
    """Say the same behind the refusal of a number, and nothing behind that of something else."""
    return f" {strength_words(code, value)}" if isinstance(value, Real) else ""


def without_strength(code: str, **more: str) -> Callable[[C], C]:
    """Return a decorator of a penalty's class that answers a strength, and other arguments that it does not have.

    Args:
        code: An instance, as code.
        **more: What to say to other names.
    """
    words = dict.fromkeys((*_STRENGTHS, ""), strength_words(code, "{value}")) | more

    def decorate(cls: C) -> C:
        cls.__init__ = hinted(words)(cls.__init__)
        return cls

    return decorate
