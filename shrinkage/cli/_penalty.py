"""The options of `shrinkage fit` that name a penalty and where it enters."""

from collections.abc import Callable
from typing import Any

import click

from ._errors import BadInput
from ._settings import PENALTIES, Settings
from ._types import Choice, Number
from ._user_model import is_user_model

_REQUIRED_PENALTIES = {"rho": "elastic-net", "groups": "group-lasso"}


def penalty_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options --penalty, --rho, --groups and --how."""
    penalty = click.option("--penalty", type=Choice(*PENALTIES, case_sensitive=False), default="l2")
    rho = click.option(
        "--rho",
        type=Number(0, 1),
        show_default="0.5",
        help="The share of L1 in an elastic net, from 0 to 1.",
    )
    groups = click.option(
        "--groups",
        type=Choice("units", "inputs"),
        show_default="units",
        help="The groups that a group lasso removes as a whole.",
    )
    how = click.option(
        "--how",
        type=Choice("coupled", "proximal", "decoupled"),
        show_default="coupled for l2, else proximal",
        help="Where the penalty enters: in the gradient, after the step, or beside it (weight decay).",
    )
    return penalty(rho(groups(how(command))))


def check_penalty_options(settings: Settings) -> None:
    """Refuse options that contradict each other, before the import of Keras, which takes seconds."""
    if settings.hidden is not None and settings.model == "linear":
        raise BadInput(
            "--hidden must be given with --model mlp only, as a linear model has no hidden layer. Received: --model "
            "linear. Leave --hidden out."
        )
    if is_user_model(settings.model):
        for option, models in (("hidden", "mlp"), ("learning_rate", "mlp or linear")):
            if getattr(settings, option) is not None:
                raise BadInput(
                    f"--{option.replace('_', '-')} must be given with --model {models} only. Received: "
                    f"--model {settings.model}. Set it in the model."
                )
    for option, penalty in _REQUIRED_PENALTIES.items():
        if getattr(settings, option) is not None and settings.penalty != penalty:
            raise BadInput(
                f"--{option} must be given with --penalty {penalty} only. Received: --penalty {settings.penalty}. "
                f"Leave --{option} out, or give another --penalty."
            )
    if settings.how == "decoupled" and settings.penalty != "l2":
        raise BadInput(
            "--how decoupled must be given with --penalty l2 only, as it is weight decay. Received: --penalty "
            f"{settings.penalty}. Give another --how or --penalty."
        )


def make_penalty_arguments(settings: Settings) -> dict[str, Any]:
    """Return the arguments of `shrinkage.fit` for penalty and strategy."""
    import shrinkage as sh

    kinds: list[Callable[..., Any]] = [sh.L2, sh.L1, sh.ElasticNet, sh.GroupLasso]
    values = {name: getattr(settings, name) for name in _REQUIRED_PENALTIES if getattr(settings, name) is not None}
    penalty = dict(zip(PENALTIES, kinds, strict=True))[settings.penalty](**values)
    return {"penalty": penalty, "how": settings.how}
