"""The option for where a command trains."""

from collections.abc import Callable
from typing import Any

import click

from shrinkage._plan._cluster._connection import check_cluster

from ._errors import BadInput
from ._settings import Settings
from ._terms import SHELL_TERMS

_CLUSTER = "shrinkage.cluster"
"""Name in the meta of a click context: where the command trains."""


def cluster_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --cluster to a command that trains; `cluster_arguments` returns what it says."""
    return click.option(
        "--cluster",
        metavar="WHERE",
        expose_value=False,
        callback=_keep_cluster,
        show_default="none",
        help="Train in processes of Ray: local, for each core of this machine, or the HOST:PORT of a cluster.",
    )(command)


def _keep_cluster(context: click.Context, _option: click.Parameter, cluster: str | None) -> None:
    try:
        check_cluster(None if cluster == "none" else cluster)
    except (ValueError, ImportError) as error:
        raise click.UsageError(SHELL_TERMS.say(error.args[0])) from error
    if cluster is not None:  # the options of `shrinkage resume` come before those of the command that it repeats
        context.meta.setdefault(_CLUSTER, cluster)


def check_cluster_settings(settings: Settings) -> None:
    """Refuse a cluster for models that are computed, not trained, before its processes start."""
    if get_cluster_arguments()["cluster"] is not None and settings.solver == "exact":
        raise BadInput(
            "--cluster must be given with models that are trained. Received: --model linear with --penalty l2, whose "
            "models are computed. Leave --cluster out, or give --epochs."
        )


def get_cluster_arguments() -> dict[str, Any]:
    """Return the argument of `shrinkage.fit` for where it trains."""
    value = click.get_current_context().meta.get(_CLUSTER, "none")
    return {"cluster": None if value == "none" else value}
