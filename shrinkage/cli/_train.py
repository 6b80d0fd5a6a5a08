"""Training on an encoded table: the arguments of `shrinkage.fit`, and its path in the units of the target."""

from typing import TYPE_CHECKING, Any

from ._penalty import make_penalty_arguments
from ._settings import Settings, make_training_arguments

if TYPE_CHECKING:
    from shrinkage._path._path import Path

    from ._network import TargetScale
    from ._prepare import TableData


def train_path(table_data: "TableData", settings: Settings, max_memory: int | None, **display_arguments: Any) -> "Path":
    """Train the path on the encoded inputs; `display_arguments` are arguments of `shrinkage.fit` for the display."""
    import shrinkage as sh

    from ._network import TargetScale
    from ._terms import make_shell_terms, translate_refusals

    scale = TargetScale.from_values(table_data.columns.task, table_data.target.values)
    with translate_refusals(make_shell_terms(table_data.columns.labels, settings.model)):
        path = sh.fit(**make_fit_arguments(table_data, settings, scale, max_memory), **display_arguments)
    return scale.in_target_units(path)


def make_fit_arguments(
    table_data: "TableData", settings: Settings, scale: "TargetScale", max_memory: int | None
) -> dict[str, Any]:
    from ._network import make_network

    inputs = table_data.encode()
    if table_data.stream is None:
        rows = {"x": inputs if len(inputs) > 1 else inputs[0], "y": scale.encode(table_data.target.values)}
    else:
        rows = {"x": table_data.stream.make_dataset(scale.encode)}
    return {
        "model": make_network(table_data.columns, inputs, settings),
        **rows,
        **make_penalty_arguments(settings),
        **make_training_arguments(settings, table_data.n_rows),
        "cv": table_data.split.cv,
        "groups": table_data.split.groups,
        "repeats": settings.repeats,
        "budget": settings.budget,
        "learning_curve": settings.learning_curve,
        "seed": settings.seed,
        "standardize_target": table_data.columns.task == "regression",
        "max_memory": max_memory,
    }
