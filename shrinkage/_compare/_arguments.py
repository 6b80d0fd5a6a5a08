"""The arguments of `compare`: which models and which penalties, checked before any training."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shrinkage._fit._fit import fit
from shrinkage._messages._hints_of_fit import HINTS as HINTS_OF_FIT
from shrinkage._messages._note import add_sentence
from shrinkage._penalties import L2, Coupled, Decoupled, How, Penalty, as_penalty, check_how
from shrinkage._problem._arguments import apply_solver, check_plain_arguments, read_model_and_penalty
from shrinkage._problem._learning_curve import check_learning_curve
from shrinkage._problem._request import Request
from shrinkage._problem._split import check_split_arguments

DEFAULT = ("l2", "l1", "elastic-net", "group-lasso", "decoupled")
_OTHER_ARGUMENTS = ("model", "x", "y", "penalty", "how", "budget")

_PENALTIES_HINT = "Say penalties=['l2', shrinkage.ElasticNet(0.5)], for example, or leave `penalties` out for five."
_BUDGET_HINT = (
    "A search within a budget chooses the largest strength within a standard error of the least loss: its losses do "
    "not rank penalties, and no model without a penalty is trained on all rows. For a shorter comparison say cv=0.2, "
    "models='chosen'."
)
HINTS: Mapping[str, str] = {
    **HINTS_OF_FIT,
    **{name: _PENALTIES_HINT for name, hint in HINTS_OF_FIT.items() if "penalty=" in hint},
    **{name: _BUDGET_HINT for name, hint in HINTS_OF_FIT.items() if "budget=" in hint},
    "": "Name the rest: shrinkage.compare(model, x, y, epochs=20).",
    "penalty": _PENALTIES_HINT,
    "how": "It belongs to a penalty: a pair in `penalties`, such as ('l2', 'decoupled'), says where it enters.",
    "budget": _BUDGET_HINT,
}


@dataclass(frozen=True)
class Contestant:
    """A penalty that is compared, and where it enters."""

    penalty: Penalty
    how: How

    @property
    def name(self) -> str:
        """The name in tables, such as "decoupled L2"."""
        entry = "" if self.how == self.penalty.default_how else f"{type(self.how).__name__.lower()} "
        return entry + self.penalty.name


def add_arguments_of_fit(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a function with `**arguments` the signature that lists the arguments of `fit`, for `help` and for hints."""
    own = [p for p in inspect.signature(function).parameters.values() if p.kind is not p.VAR_KEYWORD]
    of_fit = [p for name, p in inspect.signature(fit).parameters.items() if name not in _OTHER_ARGUMENTS]
    function.__signature__ = inspect.Signature([*own, *of_fit])  # pyright: ignore[reportFunctionMemberAccess]
    return function


def read_penalties(penalties: Any) -> list[Contestant]:
    """Return the penalties to compare.

    Raises:
        TypeError, ValueError: If `penalties` is not a list of different penalties.
    """
    if isinstance(penalties, (str, Mapping)) or not isinstance(penalties, Sequence) or not len(penalties):
        raise ValueError(
            f"`penalties` must be a list of penalties or their names: {', '.join(map(repr, DEFAULT))}. Received: "
            f"{penalties!r}."
        )
    found = [_read_penalty(penalty, f"penalties[{place}]") for place, penalty in enumerate(penalties)]
    names = [each.name for each in found]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"`penalties` must be different from each other. Received: {name} more than once.")
    return found


def _read_penalty(penalty: Any, argument: str) -> Contestant:
    if isinstance(penalty, str) and penalty.lower() == "decoupled":
        return Contestant(L2(), Decoupled())
    if isinstance(penalty, str) and penalty.lower() in ("none", "early-stopping", "early stopping", "model"):
        reason, fix = "is always compared", "Leave it out"
        if penalty.lower() == "model":
            reason, fix = "has one strength", "Give the penalty of the regularizers, such as 'l2'"
        raise ValueError(f"`penalties` must be penalties. Received: {penalty!r}, which {reason}. {fix}.")
    if isinstance(penalty, tuple) and len(penalty) == 2:
        one = as_penalty(penalty[0], f"{argument}[0]")
        return Contestant(one, check_how(one, penalty[1], f"{argument}[1]"))
    try:
        one = as_penalty(penalty, argument)
    except ValueError as error:  # an unknown name
        raise ValueError(f"{error} Here it may be 'decoupled', too, for weight decay.") from error
    return Contestant(one, one.default_how)


def read_models(model: Any) -> dict[str, Any]:
    """Return the models by name; the name of a single model is "".

    Raises:
        ValueError: If a list or mapping is empty, or if two models of a list have the same name.
    """
    if isinstance(model, Mapping):
        models = {str(name): one for name, one in model.items()}
    elif isinstance(model, (list, tuple)):
        names = [getattr(one, "name", None) or getattr(one, "__name__", "model") for one in model]
        if len(set(names)) < len(names):
            raise ValueError(
                f"`model` must have models of different names, which the table shows. Received: {', '.join(names)}. "
                f"Give a dictionary from names to models."
            )
        models = dict(zip(names, model, strict=True))
    else:
        return {"": model}
    if not models:
        raise ValueError("`model` must have at least one model. Received: none.")
    return models


def check_contestants(models: Mapping[str, Any], contestants: Sequence[Contestant], request: Mapping[str, Any]) -> None:
    """Make the checks of `fit` that do not need the rows, for each model and penalty.

    Raises:
        TypeError, ValueError: If a combination is not valid. The others are then not trained.
    """
    if request.get("solver") == "exact" and any(each != Contestant(L2(), Coupled()) for each in contestants):
        raise ValueError(
            "`penalties` must be ['l2'] with solver=\"exact\", which solves L2() alone. Received: "
            f'{", ".join(each.name for each in contestants)}. Say solver="gradient" to compare penalties.'
        )
    losses = {}
    for name, model in models.items():
        for place, contestant in enumerate(contestants):
            one = Request(**{**request, "model": model, "penalty": contestant.penalty, "how": contestant.how})
            try:
                losses[name] = _check_request(one)
            except (TypeError, ValueError) as error:
                if not place:  # it may be of any argument
                    raise
                message = error.args[0] if error.args else ""
                more = f"Or leave {contestant.name} out of $penalties."
                raise type(error)(add_sentence(message, more)) from error
    if len(set(losses.values())) > 1:
        losses_text = ", ".join(f"{name} {loss}" for name, loss in losses.items())
        raise ValueError(f"`model` must have models with the same loss, which is compared. Received: {losses_text}.")


def _check_request(request: Request) -> str:
    """Check the arguments of a path that do not need the rows, and return the name of the loss."""
    request = apply_solver(request)
    check_plain_arguments(request)
    check_learning_curve(request)
    check_split_arguments(request)
    return read_model_and_penalty(request).template.loss_name
